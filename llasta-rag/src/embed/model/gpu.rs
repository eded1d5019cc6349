//! Whether a GPU can run a model, asked before anything is loaded.

use candle_core::Device;
use candle_core::cuda_backend::cudarc::driver::{CudaContext, DriverError, sys};
use nvml_wrapper::Nvml;

/// The compute capability that the kernels are compiled for, without its point.
const COMPILED_FOR: Option<&str> = option_env!("CUDA_COMPUTE_CAP");

/// A GPU that can be used, and a stream of its own on it.
#[derive(Debug)]
pub(super) struct Gpu {
    pub(super) device: Device,
    pub(super) name: String,
    /// Bytes that nobody uses.
    pub(super) free: u64,
    /// Whether it is of that generation or a newer one.
    pub(super) ampere: bool,
}

impl Gpu {
    /// Opens the GPU of that number. What is wrong with it is said so that it can be put right.
    pub(super) fn open(number: usize) -> Result<Self, String> {
        check_driver()?;
        let count = CudaContext::device_count()
            .map_err(|error| format!("the driver does not start: {}", said(error)))?;
        if number >= usize::try_from(count).unwrap_or(0) {
            return Err(format!(
                "CUDA shows {count} GPUs, numbered from 0 (CUDA_VISIBLE_DEVICES says which)"
            ));
        }
        let context = CudaContext::new(number)
            .map_err(|error| format!("it does not start: {}", said(error)))?;
        let name = context.name().map_err(said)?;
        let capability = context.compute_capability().map_err(said)?;
        check_architecture(&name, capability)?;
        let device = Device::new_cuda_with_stream(number)
            .map_err(|error| format!("{name} does not start: {error}"))?;
        // What the context and the libraries take is gone by now.
        let (free, _) = context.mem_get_info().map_err(said)?;
        Ok(Self {
            device,
            name,
            free: free as u64,
            ampere: capability.0 >= 8,
        })
    }
}

/// A driver runs what was built for its CUDA or an older one. Most kernels are PTX, and that of a newer
/// CUDA an older driver cannot read, even within one major version.
fn check_driver() -> Result<(), String> {
    // Only a good message depends on it: a container may have the driver without its management library,
    // and what is wrong is then found out by the driver itself.
    let Ok(nvml) = Nvml::init() else {
        return Ok(());
    };
    let (Ok(found), Ok(driver)) = (nvml.sys_cuda_driver_version(), nvml.sys_driver_version())
    else {
        return Ok(());
    };
    let wanted = i32::try_from(sys::CUDA_VERSION).unwrap_or(i32::MAX);
    if found < wanted {
        let version = |number: i32| format!("{}.{}", number / 1000, number % 1000 / 10);
        return Err(format!(
            "the driver {driver} is of CUDA {} and this build is of CUDA {}: install a newer driver, or build with the older toolkit",
            version(found),
            version(wanted)
        ));
    }
    Ok(())
}

fn check_architecture(name: &str, (major, minor): (i32, i32)) -> Result<(), String> {
    let wanted = COMPILED_FOR.and_then(|text| text.parse::<i32>().ok());
    match wanted {
        Some(wanted) if major * 10 + minor < wanted => Err(format!(
            "{name} has compute capability {major}.{minor} and this build needs {}.{}: build with LLASTA_CUDA_ARCH={major}{minor} (.ci/cuda-toolkit)",
            wanted / 10,
            wanted % 10
        )),
        _ => Ok(()),
    }
}

fn said(error: DriverError) -> String {
    error.error_string().map_or_else(
        |_| error.to_string(),
        |text| text.to_string_lossy().into_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_older_than_the_build_is_refused_with_what_to_build_for() {
        let Some(wanted) = COMPILED_FOR.and_then(|text| text.parse::<i32>().ok()) else {
            return;
        };
        let message = check_architecture("Tesla K80", (3, 7)).unwrap_err();
        assert!(message.contains("LLASTA_CUDA_ARCH=37"), "{message}");
        assert!(message.contains("3.7"), "{message}");
        check_architecture("this build's", (wanted / 10, wanted % 10)).unwrap();
    }
}
