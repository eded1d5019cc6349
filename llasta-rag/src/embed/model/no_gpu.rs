//! The GPUs' place in a build without CUDA.

use std::convert::Infallible;

use candle_core::Device;

/// A GPU, which this build cannot use. No value of this type exists.
#[derive(Debug)]
pub(super) struct Gpu {
    pub(super) device: Device,
    pub(super) name: String,
    /// Bytes that nobody uses.
    pub(super) free: u64,
    /// Whether it is of that generation or a newer one.
    pub(super) ampere: bool,
    _none: Infallible,
}

impl Gpu {
    /// Says which feature is missing.
    pub(super) fn open(_number: usize) -> Result<Self, String> {
        Err("this build has no CUDA: cargo build -p llasta-rag --features cuda".to_owned())
    }
}
