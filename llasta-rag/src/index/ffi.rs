//! Our own thin, safe layer over FAISS's C interface. The only file with `unsafe`, but for `ffi_gpu.rs`.
//!
//! A C++ exception comes back as an [`IndexError`]. What FAISS would answer with an abort, or with
//! silence, is checked before the call: lengths that are not whole vectors, a `k` of zero, labels
//! that do not match their vectors. Selectors and search parameters live as long as the call that
//! needs them and are freed after it.
//!
//! FAISS searches any CPU index through a const reference and keeps no state in it, so a search takes
//! `&self`. Threads are OpenMP's, whose number is a setting of the calling thread, and BLAS's, whose
//! number is one for the process: see [`one_thread`] and [`with_threads`].

#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::Path;
use std::ptr::{self, NonNull};
use std::sync::{Mutex, PoisonError};

use faiss_sys as sys;

use super::IndexError;

/// `IO_FLAG_MMAP` of FAISS's `index_io.h`: the lists of an IVF index stay in the file.
const MAP_LISTS: c_int = 0x646f_0000 | 8;
/// `IO_FLAG_MMAP_IFC` of the same header: the vectors of flat and HNSW indexes stay in the file.
const MAP_VECTORS: c_int = 1 << 9;

/// One FAISS index, owned.
#[derive(Debug)]
pub(super) struct Native(NonNull<sys::FaissIndex>);

// SAFETY: a CPU index has no tie to the thread that made it.
unsafe impl Send for Native {}
// SAFETY: what takes `&self` below calls const methods of CPU indexes, which FAISS documents as safe
// to call from several threads at once; every change takes `&mut self`.
unsafe impl Sync for Native {}

/// Which rows a search may find, and how wide it looks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Narrowed<'a> {
    /// One bit per label, the lowest of the first byte first; a label beyond the end is not allowed.
    pub(super) allowed: Option<&'a [u8]>,
    /// For an IVF index: how many lists to look into.
    pub(super) nprobe: Option<usize>,
}

/// What a search found: `k` places per query, best first. A place that stayed empty has no label.
#[derive(Clone, Debug)]
pub(super) struct Hits {
    k: usize,
    scores: Vec<f32>,
    labels: Vec<i64>,
}

impl Hits {
    /// Places for the results of `count` queries.
    pub(super) fn empty(count: usize, k: usize) -> Self {
        let places = count.saturating_mul(k);
        Self {
            k,
            scores: vec![0.0; places],
            labels: vec![-1; places],
        }
    }

    /// Where FAISS writes its results.
    #[cfg(feature = "faiss-gpu")]
    pub(super) fn places(&mut self) -> (*mut f32, *mut i64) {
        (self.scores.as_mut_ptr(), self.labels.as_mut_ptr())
    }

    /// The results of some of the queries.
    #[cfg(any(test, feature = "faiss-gpu"))]
    pub(super) fn part(&self, queries: std::ops::Range<usize>) -> Self {
        let places = queries.start * self.k..queries.end * self.k;
        Self {
            k: self.k,
            scores: self.scores[places.clone()].to_vec(),
            labels: self.labels[places].to_vec(),
        }
    }

    /// The results of one query as (label, score), best first.
    pub(super) fn of(&self, query: usize) -> impl Iterator<Item = (usize, f32)> {
        let places = query * self.k..(query + 1) * self.k;
        let scores = self.scores[places.clone()].iter().copied();
        let labels = self.labels[places].iter();
        labels
            .zip(scores)
            .filter_map(|(&label, score)| usize::try_from(label).ok().map(|label| (label, score)))
    }
}

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// Read into memory.
    Read,
    /// The lists of an IVF index stay in the file.
    MapLists,
    /// The vectors of a flat or HNSW index stay in the file.
    MapVectors,
}

impl Native {
    /// An empty index, made from FAISS's factory string for inner products.
    pub(super) fn factory(dimension: usize, description: &str) -> Result<Self, IndexError> {
        let components = components(dimension)?;
        let description = text(description)?;
        let metric = sys::FaissMetricType_METRIC_INNER_PRODUCT;
        let mut made = ptr::null_mut();
        // SAFETY: `made` and the string outlive the call; FAISS checks the string itself.
        let code = unsafe {
            sys::faiss_index_factory(&mut made, components, description.as_ptr(), metric)
        };
        Self::owned(code, made)
    }

    /// FAISS's plain list of vectors.
    pub(super) fn flat(dimension: usize, values: &[f32]) -> Result<Self, IndexError> {
        let components = components(dimension)?;
        let mut made = ptr::null_mut();
        // SAFETY: `made` outlives the call.
        let code = unsafe { sys::faiss_IndexFlatIP_new_with(&mut made, components.into()) };
        let mut flat = Self::owned(code, made)?;
        flat.add(values)?;
        Ok(flat)
    }

    /// The vectors of a [`flat`](Self::flat) index, one after the other; of another kind, none.
    pub(super) fn flat_values(&self) -> &[f32] {
        // SAFETY: the cast is C++'s dynamic_cast, which answers null for another kind.
        let flat = unsafe { sys::faiss_IndexFlat_cast(self.0.as_ptr()) };
        if flat.is_null() {
            return &[];
        }
        let (mut values, mut size) = (ptr::null_mut(), 0);
        // SAFETY: `flat` is not null, and both places to write to outlive the call.
        unsafe { sys::faiss_IndexFlat_xb(flat, &mut values, &mut size) };
        if values.is_null() || size == 0 {
            return &[];
        }
        // SAFETY: FAISS holds `size` numbers there until the index changes, which takes `&mut self`.
        unsafe { std::slice::from_raw_parts(values, size) }
    }

    /// For FAISS's own functions that read an index.
    #[cfg(feature = "faiss-gpu")]
    pub(super) fn as_ptr(&self) -> *const sys::FaissIndex {
        self.0.as_ptr()
    }

    /// Bytes that one vector is stored in; for an IVF index the number of its list included.
    #[cfg(feature = "faiss-gpu")]
    pub(super) fn code_bytes(&self) -> Result<usize, IndexError> {
        let mut bytes = 0;
        // SAFETY: the index is valid as long as `self`, and the place for the number outlives the call.
        checked(unsafe { sys::faiss_Index_sa_code_size(self.0.as_ptr(), &mut bytes) })?;
        Ok(bytes)
    }

    pub(super) fn dimension(&self) -> usize {
        // SAFETY: the index is valid as long as `self`.
        usize::try_from(unsafe { sys::faiss_Index_d(self.0.as_ptr()) }).unwrap_or(0)
    }

    /// How many vectors were added and not removed.
    pub(super) fn len(&self) -> usize {
        // SAFETY: as above.
        usize::try_from(unsafe { sys::faiss_Index_ntotal(self.0.as_ptr()) }).unwrap_or(0)
    }

    pub(super) fn is_trained(&self) -> bool {
        // SAFETY: as above.
        unsafe { sys::faiss_Index_is_trained(self.0.as_ptr()) != 0 }
    }

    /// Whether scores are inner products, the larger the better.
    pub(super) fn is_inner_product(&self) -> bool {
        // SAFETY: as above.
        let metric = unsafe { sys::faiss_Index_metric_type(self.0.as_ptr()) };
        metric == sys::FaissMetricType_METRIC_INNER_PRODUCT
    }

    /// How many lists an IVF index has; `None` for another kind.
    pub(super) fn lists(&self) -> Option<usize> {
        // SAFETY: both casts are dynamic_casts of a valid index, and null is looked for before use.
        unsafe {
            let mut inner = self.0.as_ptr();
            let transform = sys::faiss_IndexPreTransform_cast(inner);
            if !transform.is_null() {
                inner = sys::faiss_IndexPreTransform_index(transform);
            }
            let ivf = sys::faiss_IndexIVF_cast(inner);
            (!ivf.is_null()).then(|| sys::faiss_IndexIVF_nlist(ivf))
        }
    }

    /// Sets one of FAISS's named parameters (`nprobe`, `efSearch`, …) for all later searches.
    pub(super) fn set(&mut self, name: &str, value: usize) -> Result<(), IndexError> {
        let name = text(name)?;
        let mut space = ptr::null_mut();
        // SAFETY: the space is freed below, whatever the call in between says; the name and the index
        // outlive it.
        unsafe {
            checked(sys::faiss_ParameterSpace_new(&mut space))?;
            let code = sys::faiss_ParameterSpace_set_index_parameter(
                space,
                self.0.as_ptr(),
                name.as_ptr(),
                value as f64,
            );
            sys::faiss_ParameterSpace_free(space);
            checked(code)
        }
    }

    /// Learns the distribution of the vectors. Too few of them abort the process for some kinds: the
    /// caller knows how many are needed.
    pub(super) fn train(&mut self, values: &[f32]) -> Result<(), IndexError> {
        let rows = self.rows(values)?;
        // SAFETY: `values` holds `rows` vectors of the index's dimension.
        checked(unsafe { sys::faiss_Index_train(self.0.as_ptr(), rows, values.as_ptr()) })
    }

    /// Adds vectors under the labels that follow the last one.
    pub(super) fn add(&mut self, values: &[f32]) -> Result<(), IndexError> {
        let rows = self.rows(values)?;
        self.must_be_trained()?;
        // SAFETY: `values` holds `rows` vectors of the index's dimension.
        checked(unsafe { sys::faiss_Index_add(self.0.as_ptr(), rows, values.as_ptr()) })
    }

    /// Adds vectors to an IVF index under labels of the caller's choice.
    pub(super) fn add_under(&mut self, values: &[f32], labels: &[i64]) -> Result<(), IndexError> {
        let rows = self.rows(values)?;
        self.must_be_trained()?;
        if usize::try_from(rows).ok() != Some(labels.len()) {
            let (expected, given) = (labels.len(), rows);
            return Err(failed(format!("{given} vectors for {expected} labels")));
        }
        // SAFETY: there are `rows` vectors and as many labels.
        checked(unsafe {
            sys::faiss_Index_add_with_ids(self.0.as_ptr(), rows, values.as_ptr(), labels.as_ptr())
        })
    }

    /// Removes every vector whose label's bit is not set. Flat kinds close the gaps, IVF kinds keep
    /// the labels of the rest; graphs cannot, and say so.
    pub(super) fn keep(&mut self, kept: &[u8]) -> Result<usize, IndexError> {
        let mut removed = 0;
        // SAFETY: the selectors borrow `kept` and each other; both are freed before this returns.
        unsafe {
            let mut members = ptr::null_mut();
            checked(sys::faiss_IDSelectorBitmap_new(
                &mut members,
                kept.len(),
                kept.as_ptr(),
            ))?;
            let mut others = ptr::null_mut();
            let mut code = sys::faiss_IDSelectorNot_new(&mut others, members.cast());
            if code == 0 {
                code = sys::faiss_Index_remove_ids(self.0.as_ptr(), others.cast(), &mut removed);
                sys::faiss_IDSelector_free(others.cast());
            }
            sys::faiss_IDSelectorBitmap_free(members);
            checked(code)?;
        }
        Ok(removed)
    }

    /// Forgets every vector, and nothing that was learnt.
    pub(super) fn reset(&mut self) -> Result<(), IndexError> {
        // SAFETY: the index is valid as long as `self`.
        checked(unsafe { sys::faiss_Index_reset(self.0.as_ptr()) })
    }

    /// The vector under a label, as the index keeps it.
    pub(super) fn reconstruct(&self, label: usize, vector: &mut [f32]) -> Result<(), IndexError> {
        if vector.len() != self.dimension() || label >= self.len() {
            return Err(failed(format!("there is no vector {label}")));
        }
        let label = label as sys::idx_t;
        // SAFETY: the label exists and the place to write to has the index's dimension.
        checked(unsafe {
            sys::faiss_Index_reconstruct(self.0.as_ptr(), label, vector.as_mut_ptr())
        })
    }

    /// The `k` nearest vectors of each query; `queries` holds them one after the other.
    pub(super) fn search(
        &self,
        queries: &[f32],
        k: usize,
        narrowed: Narrowed<'_>,
    ) -> Result<Hits, IndexError> {
        let rows = self.rows(queries)?;
        let count = usize::try_from(rows).unwrap_or(0);
        let mut hits = Hits::empty(count, k);
        if hits.labels.is_empty() || self.len() == 0 {
            return Ok(hits);
        }
        let wanted = k as sys::idx_t;
        let (scores, labels) = (hits.scores.as_mut_ptr(), hits.labels.as_mut_ptr());
        let index = self.0.as_ptr();
        let queries = queries.as_ptr();
        if narrowed.allowed.is_none() && narrowed.nprobe.is_none() {
            // SAFETY: there are `rows` queries and `rows` times `k` places for scores and labels.
            checked(unsafe {
                sys::faiss_Index_search(index, rows, queries, wanted, scores, labels)
            })?;
            return Ok(hits);
        }
        let parameters = Parameters::new(narrowed)?;
        // SAFETY: as above, and the parameters outlive the call.
        checked(unsafe {
            let parameters = parameters.as_ptr();
            sys::faiss_Index_search_with_params(
                index, rows, queries, wanted, parameters, scores, labels,
            )
        })?;
        Ok(hits)
    }

    /// Like [`search`](Self::search) of all rows of an IVF index with the `nprobe` that is set, but the
    /// centroids first and then the lists, as two calls: for lists in a file FAISS's one call would
    /// start threads to read them ahead, and make searches wait for each other's. `None` where the
    /// index is another kind, or an IVF index inside one.
    pub(super) fn search_lists(
        &self,
        queries: &[f32],
        k: usize,
    ) -> Result<Option<Hits>, IndexError> {
        // SAFETY: a dynamic_cast of a valid index, and null is looked for before use.
        let (ivf, centroids, nprobe) = unsafe {
            let ivf = sys::faiss_IndexIVF_cast(self.0.as_ptr());
            if ivf.is_null() {
                return Ok(None);
            }
            let lists = sys::faiss_IndexIVF_nlist(ivf);
            let nprobe = sys::faiss_IndexIVF_nprobe(ivf).min(lists);
            (ivf, sys::faiss_IndexIVF_quantizer(ivf), nprobe)
        };
        let rows = self.rows(queries)?;
        let count = usize::try_from(rows).unwrap_or(0);
        let mut hits = Hits::empty(count, k);
        if hits.labels.is_empty() || nprobe == 0 || centroids.is_null() {
            return Ok(Some(hits));
        }
        let mut near = vec![0.0; count * nprobe];
        let mut lists = vec![-1; count * nprobe];
        let (scores, labels) = (hits.scores.as_mut_ptr(), hits.labels.as_mut_ptr());
        let queries = queries.as_ptr();
        // SAFETY: the centroids belong to this index and have its dimension; there are `rows` queries,
        // as many times `nprobe` places for lists and as many times `k` for scores and labels. FAISS
        // takes the same `nprobe` from the index.
        checked(unsafe {
            let (near, lists, wanted) =
                (near.as_mut_ptr(), lists.as_mut_ptr(), nprobe as sys::idx_t);
            sys::faiss_Index_search(centroids, rows, queries, wanted, near, lists)
        })?;
        // SAFETY: as above.
        checked(unsafe {
            let (near, lists, wanted) = (near.as_ptr(), lists.as_ptr(), k as sys::idx_t);
            sys::faiss_IndexIVF_search_preassigned(
                ivf, rows, queries, wanted, lists, near, scores, labels, 0,
            )
        })?;
        Ok(Some(hits))
    }

    /// A second index with the same content.
    pub(super) fn try_clone(&self) -> Result<Self, IndexError> {
        let mut made = ptr::null_mut();
        // SAFETY: FAISS copies from a const reference into a new index.
        let code = unsafe { sys::faiss_clone_index(self.0.as_ptr(), &mut made) };
        Self::owned(code, made)
    }

    /// Writes the index in FAISS's own format.
    pub(super) fn write(&self, path: &Path) -> Result<(), IndexError> {
        let path = path_text(path)?;
        // SAFETY: the path outlives the call.
        checked(unsafe { sys::faiss_write_index_fname(self.0.as_ptr(), path.as_ptr()) })
    }

    /// Opens what [`write`](Self::write) wrote. FAISS trusts what it reads: the caller has checked
    /// that the file is whole and ours.
    pub(super) fn open(path: &Path, opening: Opening) -> Result<Self, IndexError> {
        let path = path_text(path)?;
        let flags = match opening {
            Opening::Read => 0,
            Opening::MapLists => MAP_LISTS,
            Opening::MapVectors => MAP_VECTORS,
        };
        let mut made = ptr::null_mut();
        // SAFETY: the path and the place for the index outlive the call.
        let code = unsafe { sys::faiss_read_index_fname(path.as_ptr(), flags, &mut made) };
        Self::owned(code, made)
    }

    fn owned(code: c_int, made: *mut sys::FaissIndex) -> Result<Self, IndexError> {
        checked(code)?;
        NonNull::new(made)
            .map(Self)
            .ok_or_else(|| failed("it made no index".to_owned()))
    }

    /// How many whole vectors there are.
    fn rows(&self, values: &[f32]) -> Result<sys::idx_t, IndexError> {
        let dimension = self.dimension();
        if dimension == 0 || !values.len().is_multiple_of(dimension) {
            return Err(IndexError::Dimension {
                expected: dimension,
                given: values.len(),
            });
        }
        Ok((values.len() / dimension) as sys::idx_t)
    }

    fn must_be_trained(&self) -> Result<(), IndexError> {
        if self.is_trained() {
            return Ok(());
        }
        Err(failed(
            "it takes no vectors before it is trained".to_owned(),
        ))
    }
}

impl Drop for Native {
    fn drop(&mut self) {
        // SAFETY: the index is ours alone, and this is the end of it.
        unsafe { sys::faiss_Index_free(self.0.as_ptr()) };
    }
}

/// Search parameters with their selector, freed together. It borrows the bits.
struct Parameters<'a> {
    selector: *mut sys::FaissIDSelectorBitmap,
    parameters: *mut sys::FaissSearchParameters,
    bits: std::marker::PhantomData<&'a [u8]>,
}

impl<'a> Parameters<'a> {
    fn new(narrowed: Narrowed<'a>) -> Result<Self, IndexError> {
        let mut made = Self {
            selector: ptr::null_mut(),
            parameters: ptr::null_mut(),
            bits: std::marker::PhantomData,
        };
        if let Some(bits) = narrowed.allowed {
            // SAFETY: the selector keeps a pointer to the bits, which `'a` keeps alive.
            checked(unsafe {
                sys::faiss_IDSelectorBitmap_new(&mut made.selector, bits.len(), bits.as_ptr())
            })?;
        }
        let selector = made.selector.cast();
        match narrowed.nprobe {
            // SAFETY: the selector is null or valid, and the parameters do not own it.
            None => {
                checked(unsafe {
                    sys::faiss_SearchParameters_new(&mut made.parameters, selector)
                })?;
            }
            Some(nprobe) => {
                let mut ivf = ptr::null_mut();
                // SAFETY: as above; 0 codes means that no list is cut short.
                checked(unsafe {
                    sys::faiss_SearchParametersIVF_new_with(&mut ivf, selector, nprobe, 0)
                })?;
                made.parameters = ivf.cast();
            }
        }
        Ok(made)
    }

    fn as_ptr(&self) -> *const sys::FaissSearchParameters {
        self.parameters
    }
}

impl Drop for Parameters<'_> {
    fn drop(&mut self) {
        // SAFETY: both are null or ours, their destructors are virtual, and the parameters go first
        // because they point at the selector.
        unsafe {
            if !self.parameters.is_null() {
                sys::faiss_SearchParameters_free(self.parameters);
            }
            if !self.selector.is_null() {
                sys::faiss_IDSelectorBitmap_free(self.selector);
            }
        }
    }
}

unsafe extern "C" {
    /// OpenMP's; libgomp is linked with FAISS.
    fn omp_set_num_threads(threads: c_int);
    /// The C library's: looks for a function by its name in what is loaded.
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
}

/// From here on FAISS starts no threads for what this thread calls: searches run side by side, one
/// thread each.
pub(super) fn one_thread() {
    static BLAS: std::sync::Once = std::sync::Once::new();
    BLAS.call_once(|| blas_threads(1));
    // SAFETY: sets a number that libgomp keeps per thread.
    unsafe { omp_set_num_threads(1) };
}

/// Runs `work` with this many threads for what this thread calls, and as many for BLAS, which does
/// the work of training. BLAS has one number for the process, so one such piece of work runs at a time.
pub(super) fn with_threads<T>(threads: usize, work: impl FnOnce() -> T) -> T {
    static TURN: Mutex<()> = Mutex::new(());
    struct Back;
    impl Drop for Back {
        fn drop(&mut self) {
            blas_threads(1);
            // SAFETY: as in `one_thread`.
            unsafe { omp_set_num_threads(1) };
        }
    }
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    one_thread();
    let _back = Back;
    let threads = c_int::try_from(threads.max(1)).unwrap_or(1);
    blas_threads(threads);
    // SAFETY: as in `one_thread`.
    unsafe { omp_set_num_threads(threads) };
    work()
}

/// The usual BLAS, `OpenBLAS`, starts a thread per core unless told otherwise. Another has no such function, and
/// is left as it is.
fn blas_threads(threads: c_int) {
    // SAFETY: a null handle means everything that is loaded (RTLD_DEFAULT); if the name is there it is
    // OpenBLAS's `void openblas_set_num_threads(int)`.
    unsafe {
        let found = dlsym(ptr::null_mut(), c"openblas_set_num_threads".as_ptr());
        if !found.is_null() {
            let set: extern "C" fn(c_int) = std::mem::transmute(found);
            set(threads);
        }
    }
}

/// FAISS's word for what went wrong, where the code is not zero.
pub(super) fn checked(code: c_int) -> Result<(), IndexError> {
    if code == 0 {
        return Ok(());
    }
    // SAFETY: after a call that failed, FAISS keeps the message for this thread until its next failure.
    let message = unsafe {
        let message = sys::faiss_get_last_error();
        if message.is_null() {
            format!("code {code}")
        } else {
            CStr::from_ptr(message).to_string_lossy().into_owned()
        }
    };
    // FAISS begins with the function and the line of its source, which says nothing to a user.
    let told = message
        .rsplit_once("failed: ")
        .map_or(&*message, |(_, told)| told);
    Err(failed(told.trim().to_owned()))
}

fn components(dimension: usize) -> Result<c_int, IndexError> {
    match c_int::try_from(dimension) {
        Ok(0) => Err(IndexError::NoDimension),
        Ok(components) => Ok(components),
        Err(_) => Err(failed(format!(
            "it cannot hold vectors of {dimension} components"
        ))),
    }
}

fn text(text: &str) -> Result<CString, IndexError> {
    CString::new(text).map_err(|_| failed("a text with a zero byte".to_owned()))
}

#[cfg(unix)]
fn path_text(path: &Path) -> Result<CString, IndexError> {
    use std::os::unix::ffi::OsStrExt;
    CString::new(path.as_os_str().as_bytes())
        .map_err(|_| failed("a path with a zero byte".to_owned()))
}

#[cfg(not(unix))]
fn path_text(path: &Path) -> Result<CString, IndexError> {
    text(&path.to_string_lossy())
}

pub(super) fn failed(message: String) -> IndexError {
    IndexError::Backend {
        backend: "FAISS",
        message,
    }
}
