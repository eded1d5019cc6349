//! Which indexes FAISS can copy to a GPU, and how much memory that takes.
//!
//! FAISS 1.12 throws for some of what it cannot do, and ends the process for the rest. So everything
//! that its `GpuCloner.cpp`, `GpuIndexIVFPQ.cu` and `GpuIndexIVFScalarQuantizer.cu` require is looked at
//! before it is called.

use super::super::factory::{codes, number, parts};
use super::super::{Factory, IndexConfig, IndexError};
use super::MOST;

/// Shared memory per block on every card that CUDA 13 runs on, in bytes.
const SHARED_BYTES: usize = 48 * 1024;
/// Bytes per code that FAISS's scan of product codes was compiled for.
const CODE_BYTES: [usize; 16] = [1, 2, 3, 4, 8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 96];
/// Codes per part of a product quantiser on a GPU.
const CODES: usize = 256;
/// FAISS pads each list of uncompressed or scalar codes to whole groups of so many vectors.
const GROUP: usize = 32;
/// What CUDA, its BLAS and the allocator's rounding take, in bytes.
pub(super) const MARGIN: u64 = 768 << 20;
/// Bytes of temporary memory when nothing is set.
const TEMPORARY: u64 = 512 << 20;
/// The most temporary memory that FAISS takes, in MiB.
pub(in crate::index) const MOST_TEMPORARY_MIB: usize = 1536;

/// How an index is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fit {
    /// Whether the vectors lie in lists.
    pub(super) lists: bool,
    /// Whether the vectors themselves are stored, so that half precision halves them.
    pub(super) flat: bool,
    /// Whether vectors (of a flat index) or look-up tables (of product codes) are in half precision.
    pub(super) half: bool,
    /// Bytes of temporary memory.
    pub(super) temporary: u64,
}

impl Fit {
    /// How this index is copied.
    ///
    /// # Errors
    ///
    /// [`IndexError::NotOnGpu`], with what to take instead.
    pub(super) fn of(
        factory: &Factory,
        dimension: usize,
        config: &IndexConfig,
    ) -> Result<Self, IndexError> {
        let refuse = |reason: String| IndexError::NotOnGpu {
            index: factory.to_string(),
            reason,
        };
        if config.mmap {
            return Err(refuse(
                "it stays in its file: leave out --index-mmap".to_owned(),
            ));
        }
        if factory.is_graph() {
            return Err(refuse(
                "FAISS has no graphs on GPUs: take IVF4096,Flat".to_owned(),
            ));
        }
        if let Some(nprobe) = config.nprobe.filter(|&nprobe| nprobe > MOST) {
            return Err(refuse(format!(
                "a GPU looks into at most {MOST} lists, not {nprobe}: pass a smaller --nprobe"
            )));
        }
        if let Some(mib) = config
            .gpu_memory_mib
            .filter(|&mib| mib > MOST_TEMPORARY_MIB)
        {
            return Err(refuse(format!(
                "FAISS sets at most {MOST_TEMPORARY_MIB} MiB of a GPU aside, not {mib}: pass a smaller --index-gpu-memory"
            )));
        }
        let parts = parts(factory.as_str()).unwrap_or_default();
        let transforms = |part: &&str| {
            ["PCA", "RR", "Pad", "ITQ", "L2"]
                .iter()
                .any(|name| part.starts_with(name))
        };
        let first = parts.iter().take_while(|part| transforms(part)).count();
        let (before, after) = parts.split_at(first);
        let inner = before
            .iter()
            .rev()
            .find_map(|part| components(part))
            .unwrap_or(dimension);
        let temporary = config
            .gpu_memory_mib
            .map_or(TEMPORARY, |mib| (mib as u64) << 20);
        let mut fit = Self {
            lists: false,
            flat: false,
            half: config.gpu_half,
            temporary,
        };
        match after {
            ["Flat"] => fit.flat = true,
            // FAISS keeps these as flat vectors in half precision.
            ["SQfp16"] => fit.half = true,
            [lists, code] if lists.starts_with("IVF") => {
                if !lists[3..]
                    .chars()
                    .all(|c| c.is_ascii_digit() || "kM".contains(c))
                {
                    return Err(refuse(format!(
                        "on a GPU centroids are compared one by one: write {lists} without what follows the number"
                    )));
                }
                fit.lists = true;
                if config.gpu_half && *code == "Flat" {
                    return Err(refuse(format!(
                        "FAISS has lists of half precision as {lists},SQfp16: take that, or leave out --index-gpu-half"
                    )));
                }
                fit.half |= check_code(code, inner).map_err(refuse)?;
            }
            [.., last] if last.starts_with("R") && parts.len() > 2 => {
                return Err(refuse(
                    "results are scored again by the stored vectors anyway: leave out the refinement"
                        .to_owned(),
                ));
            }
            _ => {
                return Err(refuse(
                    "FAISS has Flat, IVF…,Flat, IVF…,PQ… and IVF…,SQ8 on GPUs: take one of those"
                        .to_owned(),
                ));
            }
        }
        Ok(fit)
    }

    /// Bytes that one copy takes on its GPU, or all of its GPUs together.
    ///
    /// - `rows`: vectors;
    /// - `code_bytes`: what FAISS says one is stored in;
    /// - `lists`: lists of an IVF index;
    /// - `dimension`: components of a centroid.
    pub(super) fn bytes(
        &self,
        rows: usize,
        code_bytes: usize,
        lists: usize,
        dimension: usize,
    ) -> u64 {
        let (rows, lists) = (rows as u64, lists as u64);
        let code = if self.flat && self.half {
            code_bytes.div_ceil(2)
        } else {
            code_bytes
        } as u64;
        let vectors = rows.saturating_mul(code);
        if !self.lists {
            return vectors
                .saturating_add(self.temporary)
                .saturating_add(MARGIN);
        }
        // Each list has a number for each vector, and room to its next whole group; each centroid is kept
        // twice, as it is and in the order that a search reads.
        let numbers = rows.saturating_mul(8);
        let padding = lists.saturating_mul(GROUP as u64 / 2).saturating_mul(code);
        let centroids = lists.saturating_mul(dimension as u64 * 4).saturating_mul(2);
        [numbers, padding, centroids, self.temporary, MARGIN]
            .iter()
            .fold(vectors, |sum, part| sum.saturating_add(*part))
    }
}

/// Whether codes can be scanned, and whether that needs half precision.
fn check_code(code: &str, dimension: usize) -> Result<bool, String> {
    match code {
        "Flat" | "SQfp16" => return Ok(false),
        "SQ8" | "SQ4" => {
            let most = SHARED_BYTES / 8;
            return if dimension < most {
                Ok(false)
            } else {
                Err(format!(
                    "{code} takes vectors of fewer than {most} components on a GPU: take SQfp16"
                ))
            };
        }
        _ => {}
    }
    let Some(sizes) = code.strip_prefix("PQ") else {
        return Err(
            "FAISS has Flat, PQ…, SQ8, SQ4 and SQfp16 in the lists of a GPU: take one of those"
                .to_owned(),
        );
    };
    let sizes = sizes.strip_suffix("np").unwrap_or(sizes);
    if codes(sizes, 8) != Some(CODES) || sizes.contains("fs") {
        return Err(
            "a GPU takes product codes of 8 bits: write PQ and the number of parts alone"
                .to_owned(),
        );
    }
    let bytes = number(sizes).unwrap_or(0);
    if !CODE_BYTES.contains(&bytes) {
        let known = CODE_BYTES.map(|bytes| bytes.to_string()).join(", ");
        return Err(format!(
            "a GPU takes product codes of {known} bytes, not of {bytes}"
        ));
    }
    if !dimension.is_multiple_of(bytes) {
        return Err(format!(
            "{dimension} components cannot be cut into {bytes} equal parts"
        ));
    }
    // A block of threads holds the look-up table of one query, which fits in half precision always.
    Ok(bytes * CODES * 4 > SHARED_BYTES)
}

/// How many components a transform leaves, where it says so.
fn components(transform: &str) -> Option<usize> {
    let digits = transform.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    (!transform.starts_with("L2"))
        .then(|| number(digits))
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(text: &str, change: impl FnOnce(&mut IndexConfig)) -> Result<Fit, IndexError> {
        let mut config = IndexConfig::default();
        change(&mut config);
        Fit::of(&Factory::parse(text).unwrap(), 1024, &config)
    }

    #[test]
    fn flat_and_ivf_of_flat_product_and_scalar_codes_fit_on_a_gpu() {
        for (text, lists, half) in [
            ("Flat", false, false),
            ("SQfp16", false, true),
            ("IVF4096,Flat", true, false),
            ("IVF4k,Flat", true, false),
            ("IVF256,SQ8", true, false),
            ("IVF256,SQ4", true, false),
            ("IVF256,SQfp16", true, false),
            ("IVF256,PQ32", true, false),
            ("IVF256,PQ32x8", true, false),
            ("IVF256,PQ64", true, true),
            ("IVF256,PQ64np", true, true),
            ("PCA96,IVF256,PQ48", true, false),
            ("PCA256,Flat", false, false),
            ("L2norm,IVF16,Flat", true, false),
        ] {
            let found = fit(text, |_| {}).expect(text);
            assert_eq!((found.lists, found.half), (lists, half), "{text}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_with_what_to_take_instead() {
        for (text, advice) in [
            ("HNSW32", "IVF4096,Flat"),
            ("IVF256_HNSW32,Flat", "without what follows"),
            ("IVF256(RCQ4x6),Flat", "without what follows"),
            ("IVF256,PQ64x4fs", "8 bits"),
            ("IVF256,PQ64x4", "8 bits"),
            ("IVF256,PQ128", "not of 128"),
            ("PCA100,IVF256,PQ48", "100 components"),
            ("IVF256,SQ6", "SQ8"),
            ("IVF256,RaBitQ", "PQ…"),
            ("IVF256,PQ32,RFlat", "leave out the refinement"),
            ("SQ8", "IVF…,SQ8"),
            ("PQ32", "IVF…,PQ…"),
        ] {
            let refusal = fit(text, |_| {}).expect_err(text).to_string();
            assert!(refusal.contains(advice), "{refusal}");
            assert!(refusal.contains("--index-device cpu"), "{refusal}");
        }
        for (change, advice) in [
            (
                (|config| config.nprobe = Some(2049)) as fn(&mut IndexConfig),
                "--nprobe",
            ),
            (
                |config| config.gpu_memory_mib = Some(1537),
                "--index-gpu-memory",
            ),
            (|config| config.mmap = true, "--index-mmap"),
            (|config| config.gpu_half = true, "IVF8192,SQfp16"),
        ] {
            let refusal = fit("IVF8192,Flat", change).unwrap_err().to_string();
            assert!(refusal.contains(advice), "{refusal}");
        }
        assert!(fit("IVF8192,Flat", |config| config.nprobe = Some(2048)).is_ok());
    }

    #[test]
    fn the_estimate_is_what_the_vectors_and_lists_take_and_a_margin() {
        let fixed = TEMPORARY + MARGIN;
        let flat = fit("Flat", |_| {}).unwrap();
        assert_eq!(flat.bytes(1_000_000, 4096, 0, 1024), 4_096_000_000 + fixed);
        let half = fit("Flat", |config| config.gpu_half = true).unwrap();
        assert_eq!(half.bytes(1_000_000, 4096, 0, 1024), 2_048_000_000 + fixed);
        let ivf = fit("IVF4096,Flat", |config| config.gpu_memory_mib = Some(0)).unwrap();
        let lists = 8_000_000 + 4096 * 16 * 4096 + 2 * 4096 * 4096;
        assert_eq!(
            ivf.bytes(1_000_000, 4096, 4096, 1024),
            4_096_000_000 + lists + MARGIN
        );
        assert_eq!(flat.bytes(usize::MAX, usize::MAX, 0, 1024), u64::MAX);
    }
}
