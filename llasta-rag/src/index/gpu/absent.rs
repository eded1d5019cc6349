//! GPUs' place in a build without FAISS's indexes for them.

use std::convert::Infallible;

use super::super::{Factory, IndexConfig, IndexDevice, IndexError};

/// The GPUs that an index is searched on, which this build lacks. No value of this type exists.
#[derive(Clone, Debug)]
pub(in crate::index) struct Gpus(Infallible);

impl Gpus {
    /// None where the CPU will do; else says which feature is missing.
    pub(in crate::index) fn find(
        _dimension: usize,
        _factory: Option<&Factory>,
        config: &IndexConfig,
    ) -> Result<Option<Self>, IndexError> {
        match config.device {
            IndexDevice::Auto | IndexDevice::Cpu => Ok(None),
            IndexDevice::Cuda(_) | IndexDevice::AllCuda => Err(IndexError::Gpu {
                device: config.device.to_string(),
                reason:
                    "this build has no GPU indexes: build with `--features faiss-gpu`, or pass \
                         --index-device cpu"
                        .to_owned(),
            }),
        }
    }
}

#[cfg(feature = "faiss")]
impl Gpus {
    pub(in crate::index) fn name(&self) -> &str {
        match self.0 {}
    }

    pub(in crate::index) fn falls_back(&self) -> bool {
        match self.0 {}
    }

    pub(in crate::index) fn upload(
        &self,
        _native: &super::super::ffi::Native,
        _old: u64,
        _leave: impl FnOnce(),
    ) -> Result<super::GpuCopy, IndexError> {
        match self.0 {}
    }
}

/// A copy of an index on GPUs, which this build lacks. No value of this type exists.
#[cfg(all(feature = "faiss", not(test)))]
#[derive(Debug)]
pub(in crate::index) struct GpuCopy(Infallible);

#[cfg(all(feature = "faiss", not(test)))]
impl GpuCopy {
    pub(in crate::index) fn is_half(&self) -> bool {
        match self.0 {}
    }

    pub(in crate::index) fn falls_back(&self) -> bool {
        match self.0 {}
    }

    pub(in crate::index) fn search(
        &self,
        _queries: Vec<f32>,
        _take: usize,
    ) -> Result<Option<super::super::ffi::Hits>, IndexError> {
        match self.0 {}
    }

    pub(in crate::index) fn bytes(&self) -> u64 {
        match self.0 {}
    }

    pub(in crate::index) fn close(&self) {
        match self.0 {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_that_was_asked_for_names_the_missing_feature_and_auto_takes_the_cpu() {
        let with = |device: &str| IndexConfig {
            device: device.parse().unwrap(),
            ..IndexConfig::default()
        };
        for device in ["cuda:0", "cuda:0,1", "cuda:all"] {
            let error = Gpus::find(4, None, &with(device)).unwrap_err().to_string();
            assert!(error.contains(device), "{error}");
            assert!(error.contains("--features faiss-gpu"), "{error}");
        }
        for device in ["auto", "cpu"] {
            assert!(Gpus::find(4, None, &with(device)).unwrap().is_none());
        }
    }
}
