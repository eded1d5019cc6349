//! The same thin layer over FAISS's indexes on NVIDIA GPUs.
//!
//! FAISS throws where memory runs out, which comes back as an [`IndexError`]; it ends the process where
//! CUDA reports anything else, such as a card that was lost. Whatever can be known beforehand is checked
//! before it is called (see `gpu`). A GPU index works with the streams and the temporary memory of its
//! resources, and is used by one thread at a time: what searches takes `&mut self`.

#![allow(unsafe_code)]

use std::ffi::c_int;
use std::ptr::{self, NonNull};

use faiss_sys as sys;

use super::IndexError;
use super::ffi::{Hits, Native, checked, failed};
use super::gpu::{MOST, Searcher};

unsafe extern "C" {
    /// The CUDA run-time library's own version; it needs no driver.
    fn cudaRuntimeGetVersion(version: *mut c_int) -> c_int;
}

/// How an index is copied.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    /// Flat vectors, or the look-up tables of product codes, in half precision.
    pub(super) half: bool,
    /// Labels in 32 bits.
    pub(super) short_labels: bool,
    /// Bytes of temporary memory on each GPU.
    pub(super) temporary: usize,
}

/// Streams, handles and temporary memory.
struct Resources(NonNull<sys::FaissStandardGpuResources>);

impl Resources {
    fn new(temporary: usize) -> Result<Self, IndexError> {
        let mut made = ptr::null_mut();
        // SAFETY: `made` outlives the call. Nothing is allocated on a GPU before the first use.
        checked(unsafe { sys::faiss_StandardGpuResources_new(&mut made) })?;
        let made = Self(NonNull::new(made).ok_or_else(|| failed("no GPU resources".to_owned()))?);
        // SAFETY: the resources are valid and not in use yet.
        checked(unsafe {
            sys::faiss_StandardGpuResources_setTempMemory(made.0.as_ptr(), temporary)
        })?;
        Ok(made)
    }
}

impl Drop for Resources {
    fn drop(&mut self) {
        // SAFETY: ours alone; indexes hold on to what is inside by a count of their own.
        unsafe { sys::faiss_StandardGpuResources_free(self.0.as_ptr()) };
    }
}

/// A copy of an index on one GPU, or its parts on several.
pub(super) struct GpuNative {
    // Freed in this order.
    index: NonNull<sys::FaissIndex>,
    _resources: Vec<Resources>,
}

// SAFETY: FAISS selects its device in every call, so an index may move between threads. It is not `Sync`:
// every call takes `&mut self`.
unsafe impl Send for GpuNative {}

impl GpuNative {
    /// Copies a CPU index to a GPU, or a part of it to each of several.
    pub(super) fn copy_of(
        native: &Native,
        devices: &[usize],
        options: Options,
    ) -> Result<Self, IndexError> {
        let numbers: Result<Vec<c_int>, _> = devices.iter().map(|&n| c_int::try_from(n)).collect();
        let numbers = numbers.map_err(|_| failed("no such GPU".to_owned()))?;
        let resources: Result<Vec<_>, _> = devices
            .iter()
            .map(|_| Resources::new(options.temporary))
            .collect();
        let resources = resources?;
        let providers: Vec<_> = resources.iter().map(|one| one.0.as_ptr()).collect();
        let cloner = Cloner::new(options, devices.len() > 1)?;
        let mut made = ptr::null_mut();
        // SAFETY: there are as many providers as devices, all lists and the options outlive the call, and
        // FAISS reads the index through a const reference.
        checked(unsafe {
            sys::faiss_index_cpu_to_gpu_multiple_with_options(
                providers.as_ptr(),
                providers.len(),
                numbers.as_ptr(),
                numbers.len(),
                native.as_ptr(),
                cloner.0.as_ptr(),
                &mut made,
            )
        })?;
        let index = NonNull::new(made).ok_or_else(|| failed("it made no GPU index".to_owned()))?;
        Ok(Self {
            index,
            _resources: resources,
        })
    }
}

impl Searcher for GpuNative {
    fn search(&mut self, queries: &[f32], k: usize) -> Result<Hits, IndexError> {
        // SAFETY: the index is valid as long as `self`.
        let dimension = usize::try_from(unsafe { sys::faiss_Index_d(self.index.as_ptr()) });
        let dimension = dimension.unwrap_or(0);
        if dimension == 0 || !queries.len().is_multiple_of(dimension) {
            return Err(IndexError::Dimension {
                expected: dimension,
                given: queries.len(),
            });
        }
        if k > MOST {
            return Err(failed(format!(
                "a GPU finds at most {MOST} results, not {k}"
            )));
        }
        let count = queries.len() / dimension;
        let mut hits = Hits::empty(count, k);
        if count == 0 || k == 0 {
            return Ok(hits);
        }
        let (scores, labels) = hits.places();
        // SAFETY: there are `count` queries of the index's dimension, and as many times `k` places for
        // scores and labels; nobody else uses the index meanwhile.
        checked(unsafe {
            let index = self.index.as_ptr();
            let queries = queries.as_ptr();
            sys::faiss_Index_search(
                index,
                count as sys::idx_t,
                queries,
                k as sys::idx_t,
                scores,
                labels,
            )
        })?;
        Ok(hits)
    }
}

impl Drop for GpuNative {
    fn drop(&mut self) {
        // SAFETY: the index is ours alone, its destructor is virtual, and this is the end of it.
        unsafe { sys::faiss_Index_free(self.index.as_ptr()) };
    }
}

/// FAISS's options of a copy, freed after it.
struct Cloner(NonNull<sys::FaissGpuMultipleClonerOptions>);

impl Cloner {
    fn new(options: Options, shard: bool) -> Result<Self, IndexError> {
        let mut made = ptr::null_mut();
        // SAFETY: `made` outlives the call.
        checked(unsafe { sys::faiss_GpuMultipleClonerOptions_new(&mut made) })?;
        let cloner = Self(NonNull::new(made).ok_or_else(|| failed("no GPU options".to_owned()))?);
        let labels = if options.short_labels {
            sys::FaissIndicesOptions_INDICES_32_BIT
        } else {
            sys::FaissIndicesOptions_INDICES_64_BIT
        };
        // SAFETY: the options are valid; those of one GPU are the first part of those of several. Look-up
        // tables are not made beforehand: for inner products FAISS has none.
        unsafe {
            let all = cloner.0.as_ptr();
            sys::faiss_GpuClonerOptions_set_useFloat16(all, c_int::from(options.half));
            sys::faiss_GpuClonerOptions_set_usePrecomputed(all, 0);
            sys::faiss_GpuClonerOptions_set_indicesOptions(all, labels);
            sys::faiss_GpuMultipleClonerOptions_set_shard(all, c_int::from(shard));
        }
        Ok(cloner)
    }
}

impl Drop for Cloner {
    fn drop(&mut self) {
        // SAFETY: ours alone, made as what it is freed as.
        unsafe { sys::faiss_GpuMultipleClonerOptions_free(self.0.as_ptr()) };
    }
}

/// How many GPUs CUDA counts. The caller knows that there is a driver.
pub(super) fn device_count() -> Result<usize, IndexError> {
    let mut count = 0;
    // SAFETY: the place for the number outlives the call.
    checked(unsafe { sys::faiss_get_num_gpus(&mut count) })?;
    Ok(usize::try_from(count).unwrap_or(0))
}

/// Major and minor version of the CUDA run-time library that is linked.
pub(super) fn cuda_of_this_build() -> (u32, u32) {
    let mut version = 0;
    // SAFETY: the place for the number outlives the call; a failure leaves 0.
    unsafe { cudaRuntimeGetVersion(&mut version) };
    let version = u32::try_from(version).unwrap_or(0);
    (version / 1000, version % 1000 / 10)
}
