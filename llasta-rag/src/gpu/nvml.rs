//! GPUs through the driver's management library.

use std::sync::{Mutex, PoisonError};

use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};

use super::visible::{Named, named};
use super::{Gpu, GpuError, Load};

/// The library, from when it was found. Where it is missing it is looked for again: a driver may come.
static LIBRARY: Mutex<Option<&'static Nvml>> = Mutex::new(None);

fn library() -> Result<&'static Nvml, GpuError> {
    let mut library = LIBRARY.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(library) = *library {
        return Ok(library);
    }
    let found = Nvml::init().map_err(|error| {
        let asleep = matches!(error, NvmlError::LibloadingError(_) | NvmlError::DriverNotLoaded);
        GpuError(if asleep {
            format!(
                "there is no NVIDIA driver that answers ({error}): install one, and give containers the GPU"
            )
        } else {
            format!("the NVIDIA driver does not answer: {error}")
        })
    })?;
    // One for the process: what it hands out borrows it.
    let found: &'static Nvml = Box::leak(Box::new(found));
    *library = Some(found);
    Ok(found)
}

fn told(error: &NvmlError) -> GpuError {
    GpuError(format!("the NVIDIA driver does not say: {error}"))
}

fn shown() -> Option<Vec<Named>> {
    named(std::env::var("CUDA_VISIBLE_DEVICES").ok().as_deref())
}

pub(super) fn count() -> Result<usize, GpuError> {
    let library = library()?;
    match shown() {
        Some(shown) => Ok(shown.len()),
        None => {
            let count = library.device_count().map_err(|error| told(&error))?;
            Ok(count as usize)
        }
    }
}

fn device(number: usize) -> Result<Device<'static>, GpuError> {
    let library = library()?;
    let missing = || {
        let count = count().unwrap_or(0);
        GpuError(format!(
            "there is no GPU {number}: CUDA is shown {count}, counted from 0"
        ))
    };
    let named = match shown() {
        Some(shown) => shown.get(number).cloned().ok_or_else(missing)?,
        None => Named::Number(u32::try_from(number).map_err(|_| missing())?),
    };
    let found = match &named {
        Named::Number(number) => library.device_by_index(*number),
        Named::Identifier(identifier) => return by_identifier(library, identifier, missing),
    };
    found.map_err(|error| match error {
        NvmlError::InvalidArg => missing(),
        error => told(&error),
    })
}

/// Identifiers may be shortened, which the management library does not take.
fn by_identifier(
    library: &'static Nvml,
    identifier: &str,
    missing: impl Fn() -> GpuError,
) -> Result<Device<'static>, GpuError> {
    if let Ok(device) = library.device_by_uuid(identifier) {
        return Ok(device);
    }
    let count = library.device_count().map_err(|error| told(&error))?;
    let mut devices = (0..count).filter_map(|index| library.device_by_index(index).ok());
    devices
        .find(|device| device.uuid().is_ok_and(|uuid| uuid.starts_with(identifier)))
        .ok_or_else(missing)
}

pub(super) fn gpu(number: usize) -> Result<Gpu, GpuError> {
    let device = device(number)?;
    let library = library()?;
    let cuda = library
        .sys_cuda_driver_version()
        .map_err(|error| told(&error))?;
    let capability = device
        .cuda_compute_capability()
        .map_err(|error| told(&error))?;
    let part = |part: i32| u32::try_from(part).unwrap_or(0);
    Ok(Gpu {
        name: device.name().map_err(|error| told(&error))?,
        capability: (part(capability.major), part(capability.minor)),
        cuda: (
            part(nvml_wrapper::cuda_driver_version_major(cuda)),
            part(nvml_wrapper::cuda_driver_version_minor(cuda)),
        ),
        memory_bytes: device.memory_info().map_err(|error| told(&error))?.total,
    })
}

pub(super) fn load(number: usize) -> Result<Load, GpuError> {
    let device = device(number)?;
    let memory = device.memory_info().map_err(|error| told(&error))?;
    let busy = device.utilization_rates().ok().map(|rates| rates.gpu);
    Ok(Load::of(memory.free, memory.total, busy))
}
