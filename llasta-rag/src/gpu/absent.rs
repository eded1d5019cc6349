//! GPUs in a build without them.

use super::{Gpu, GpuError, Load};

fn absent<T>() -> Result<T, GpuError> {
    Err(GpuError(
        "this build knows of no GPUs: build with `--features cuda` or `--features faiss-gpu`"
            .to_owned(),
    ))
}

pub(super) fn count() -> Result<usize, GpuError> {
    absent()
}

pub(super) fn gpu(_number: usize) -> Result<Gpu, GpuError> {
    absent()
}

pub(super) fn load(_number: usize) -> Result<Load, GpuError> {
    absent()
}
