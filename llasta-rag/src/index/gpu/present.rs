//! The GPUs that an index is searched on, and its copies there.

use super::super::ffi::Native;
use super::super::ffi_gpu::{GpuNative, Options, cuda_of_this_build, device_count};
use super::super::{Factory, IndexConfig, IndexDevice, IndexError};
use super::copy::GpuCopy;
use super::fit::{Fit, MARGIN};
use super::queue::Searcher;
use crate::gpu;

/// Architectures that the kernels were compiled for, as `CUDAARCHS` named them at that time: `90`, or
/// `80;90-real`.
const ARCHITECTURES: Option<&str> = option_env!("CUDAARCHS");

/// The GPUs that an index is searched on.
#[derive(Clone, Debug)]
pub(in crate::index) struct Gpus {
    numbers: Vec<usize>,
    name: String,
    /// Whether each GPU holds a part of the vectors, and not all of them.
    shard: bool,
    /// Whether the CPU may take over, because nobody asked for a GPU.
    falls_back: bool,
    fit: Fit,
}

impl Gpus {
    /// The GPUs that a configuration asks for, if it does and they can be used; with no factory, for an
    /// index that is none of FAISS's. Where the CPU takes over it is said aloud.
    pub(in crate::index) fn find(
        dimension: usize,
        factory: Option<&Factory>,
        config: &IndexConfig,
    ) -> Result<Option<Self>, IndexError> {
        let falls_back = config.device == IndexDevice::Auto;
        if config.device == IndexDevice::Cpu {
            return Ok(None);
        }
        match Self::checked(dimension, factory, config, falls_back) {
            Ok(gpus) => {
                tracing::info!(device = gpus.name, "the index is searched on a GPU");
                Ok(Some(gpus))
            }
            Err(error) if falls_back => {
                tracing::info!(reason = %error, "the index is searched on the CPU");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn checked(
        dimension: usize,
        factory: Option<&Factory>,
        config: &IndexConfig,
        falls_back: bool,
    ) -> Result<Self, IndexError> {
        let wrong = |reason: String| IndexError::Gpu {
            device: config.device.to_string(),
            reason: format!("{reason}; or pass --index-device cpu"),
        };
        let factory = factory.ok_or_else(|| IndexError::NotOnGpu {
            index: config.kind.to_string(),
            reason: "it is not one of FAISS's: pass --index faiss".to_owned(),
        })?;
        let fit = Fit::of(factory, dimension, config)?;
        // The driver's own library first: without a driver CUDA's may end the process.
        let shown = gpu::count().map_err(|error| wrong(error.to_string()))?;
        if shown == 0 {
            return Err(wrong(
                "CUDA is shown no GPU: look at CUDA_VISIBLE_DEVICES".to_owned(),
            ));
        }
        let numbers: Vec<usize> = match &config.device {
            IndexDevice::Cuda(numbers) => numbers.clone(),
            IndexDevice::AllCuda => (0..shown).collect(),
            IndexDevice::Auto | IndexDevice::Cpu => vec![0],
        };
        for &number in &numbers {
            let card = gpu::gpu(number).map_err(|error| wrong(error.to_string()))?;
            check_card(number, &card, cuda_of_this_build(), ARCHITECTURES).map_err(wrong)?;
        }
        let counted = device_count()?;
        if let Some(number) = numbers.iter().find(|&&number| number >= counted) {
            return Err(wrong(format!(
                "there is no GPU {number}: CUDA counts {counted}"
            )));
        }
        Ok(Self {
            name: IndexDevice::Cuda(numbers.clone()).to_string(),
            shard: config.gpu_shard && numbers.len() > 1,
            numbers,
            falls_back,
            fit,
        })
    }

    /// What [`Index::device`](crate::index::Index::device) says of an index that is searched there.
    pub(in crate::index) fn name(&self) -> &str {
        &self.name
    }

    /// Whether the CPU may take over.
    pub(in crate::index) fn falls_back(&self) -> bool {
        self.falls_back
    }

    /// Copies an index. Where memory is short and would not be without `old`, which takes so many bytes of
    /// each GPU, `leave` frees that first.
    ///
    /// # Errors
    ///
    /// [`IndexError::GpuMemory`], or what FAISS says.
    pub(in crate::index) fn upload(
        &self,
        native: &Native,
        old: u64,
        leave: impl FnOnce(),
    ) -> Result<GpuCopy, IndexError> {
        let needed = match self.room_for(native, 0) {
            Err(short @ IndexError::GpuMemory { .. }) => {
                if old == 0 || self.room_for(native, old).is_err() {
                    return Err(short);
                }
                leave();
                self.room_for(native, 0)?
            }
            checked => checked?,
        };
        let options = Options {
            half: self.fit.half,
            // Labels are positions, which 32 bits hold for every index of less than 2³¹ vectors.
            short_labels: native.len() < 1 << 31,
            temporary: usize::try_from(self.fit.temporary).unwrap_or(usize::MAX),
        };
        let groups: Vec<&[usize]> = if self.shard {
            vec![&self.numbers]
        } else {
            self.numbers.chunks(1).collect()
        };
        let copies: Result<Vec<_>, IndexError> = groups
            .iter()
            .map(|devices| {
                let copy = GpuNative::copy_of(native, devices, options)?;
                Ok(Box::new(copy) as Box<dyn Searcher>)
            })
            .collect();
        let half = self.fit.flat && self.fit.half;
        let bytes = needed.saturating_sub(MARGIN);
        Ok(GpuCopy::new(native.dimension(), copies?, half, self.falls_back).of_bytes(bytes))
    }

    /// How many bytes each GPU needs for its copy or part, if it has them with so many more than are free.
    fn room_for(&self, native: &Native, more: u64) -> Result<u64, IndexError> {
        let parts = if self.shard { self.numbers.len() } else { 1 };
        let rows = native.len().div_ceil(parts);
        let lists = native.lists().unwrap_or(0);
        let needed = self
            .fit
            .bytes(rows, native.code_bytes()?, lists, native.dimension());
        for &number in &self.numbers {
            let device = format!("cuda:{number}");
            let load = gpu::load(number).map_err(|error| IndexError::Gpu {
                device: device.clone(),
                reason: error.to_string(),
            })?;
            if load.free_bytes().saturating_add(more) < needed {
                return Err(IndexError::GpuMemory {
                    device,
                    needed: needed >> 20,
                    free: load.free_bytes() >> 20,
                    total: load.total_bytes >> 20,
                    several: self.numbers.len() > 1 && self.shard,
                });
            }
        }
        Ok(needed)
    }
}

/// Whether a card can run what was compiled.
fn check_card(
    number: usize,
    card: &gpu::Gpu,
    built: (u32, u32),
    architectures: Option<&str>,
) -> Result<(), String> {
    if card.cuda.0 < built.0 {
        return Err(format!(
            "the driver serves CUDA {}.{} and this build needs {}.{}: install a newer driver",
            card.cuda.0, card.cuda.1, built.0, built.1
        ));
    }
    let (major, minor) = card.capability;
    let own = major * 10 + minor;
    let architectures = architectures.unwrap_or_default();
    let compiled = architectures
        .split([';', ',', ' '])
        .filter(|name| !name.is_empty());
    let runs = |name: &str| {
        let (digits, rest) = name.split_at(
            name.find(|c: char| !c.is_ascii_digit())
                .unwrap_or(name.len()),
        );
        let Ok(compiled) = digits.parse::<u32>() else {
            // `native`, `all`, …: nothing is known of it.
            return true;
        };
        // Machine code runs on later cards of its generation; what is kept beside it is translated for
        // every later card. Code for one card alone (`90a`) runs on no other.
        match rest {
            "" | "-virtual" => own >= compiled,
            "-real" => own >= compiled && own / 10 == compiled / 10,
            _ => own == compiled,
        }
    };
    if architectures.is_empty() || compiled.clone().any(runs) {
        return Ok(());
    }
    Err(format!(
        "GPU {number} ({}) has compute capability {major}.{minor} and this build is for {architectures}: build with CUDAARCHS={own}",
        card.name
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(capability: (u32, u32), cuda: (u32, u32)) -> gpu::Gpu {
        gpu::Gpu {
            name: "A card".to_owned(),
            capability,
            cuda,
            memory_bytes: 80 << 30,
        }
    }

    #[test]
    fn an_older_driver_or_another_architecture_is_refused_by_name() {
        let built = (13, 0);
        let old = check_card(0, &card((9, 0), (12, 8)), built, Some("90")).unwrap_err();
        assert!(old.contains("12.8") && old.contains("13.0"), "{old}");
        for (compiled, capability, runs) in [
            ("90", (9, 0), true),
            ("90", (10, 0), true),
            ("90", (8, 6), false),
            ("80;90", (8, 6), true),
            ("80-real", (8, 9), true),
            ("80-real", (9, 0), false),
            ("90a", (9, 0), true),
            ("90a", (10, 0), false),
            ("native", (7, 5), true),
            ("", (7, 5), true),
        ] {
            let checked = check_card(2, &card(capability, built), built, Some(compiled));
            assert_eq!(checked.is_ok(), runs, "{compiled} on {capability:?}");
            if let Err(refusal) = checked {
                assert!(refusal.contains("CUDAARCHS="), "{refusal}");
            }
        }
    }

    #[test]
    fn a_gpu_that_is_not_there_is_refused_in_words_and_auto_takes_the_cpu() {
        let flat = Factory::flat();
        let with = |device: &str| IndexConfig {
            device: device.parse().unwrap(),
            ..IndexConfig::default()
        };
        let error = Gpus::find(4, Some(&flat), &with("cuda:4096")).unwrap_err();
        let said = error.to_string();
        assert!(said.contains("cannot search on cuda:4096"), "{said}");
        assert!(
            said.contains("driver") || said.contains("no GPU 4096"),
            "{said}"
        );
        assert!(said.contains("--index-device cpu"), "{said}");
        let auto = Gpus::find(4, Some(&flat), &with("auto")).unwrap();
        if gpu::count().is_err() {
            assert!(auto.is_none());
        }
        assert!(Gpus::find(4, Some(&flat), &with("cpu")).unwrap().is_none());
        // What no GPU could search is refused as that, whether there is one or not.
        let graph = Factory::parse("HNSW32").unwrap();
        let error = Gpus::find(4, Some(&graph), &with("cuda:0")).unwrap_err();
        assert!(matches!(error, IndexError::NotOnGpu { .. }), "{error}");
        assert!(
            Gpus::find(4, Some(&graph), &with("auto"))
                .unwrap()
                .is_none()
        );
    }
}
