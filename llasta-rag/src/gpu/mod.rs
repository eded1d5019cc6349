//! The machine's NVIDIA GPUs, as the driver's management library (NVML) sees them.
//!
//! The library is looked for when it is first asked, so a build with GPU support starts on a machine
//! without a driver, and says what is missing. A build without GPU support says which feature brings it.
//!
//! - `visible.rs`: which card a number means, where `CUDA_VISIBLE_DEVICES` says that;
//! - `nvml.rs`: what a card is and how it is doing (features `cuda` and `faiss-gpu`);
//! - `absent.rs`: the same face without them.

#[cfg(not(any(feature = "cuda", feature = "faiss-gpu")))]
mod absent;
#[cfg(any(feature = "cuda", feature = "faiss-gpu"))]
mod nvml;
#[cfg(any(test, feature = "cuda", feature = "faiss-gpu"))]
mod visible;

#[cfg(not(any(feature = "cuda", feature = "faiss-gpu")))]
use self::absent as nvml;

use llasta_telemetry::metrics::Registry;

use crate::schema::gpu::GpuMetrics;

/// Why nothing can be said of a GPU. The text says what is missing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct GpuError(String);

/// What a GPU is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gpu {
    /// Its product name, such as `NVIDIA H100 80GB HBM3`.
    pub name: String,
    /// Its compute capability, such as (9, 0).
    pub capability: (u32, u32),
    /// The newest CUDA that the driver serves, such as (13, 0).
    pub cuda: (u32, u32),
    /// Bytes of its memory.
    pub memory_bytes: u64,
}

/// How a GPU is doing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Load {
    /// Bytes of its memory in use, by whomever, with what the driver keeps for itself.
    pub used_bytes: u64,
    /// Bytes of its memory.
    pub total_bytes: u64,
    /// The share of the last moments (a sixth of a second to a second) in which it computed, from 0 to 1;
    /// `None` where the card does not say, as one cut into parts (MIG) does not.
    pub busy: Option<f64>,
}

impl Load {
    /// From what the management library reports: bytes, and percent.
    #[cfg(any(test, feature = "cuda", feature = "faiss-gpu"))]
    fn of(free: u64, total: u64, percent: Option<u32>) -> Self {
        Self {
            used_bytes: total.saturating_sub(free),
            total_bytes: total,
            busy: percent.map(|percent| f64::from(percent.min(100)) / 100.0),
        }
    }

    /// Bytes that nobody uses.
    pub fn free_bytes(&self) -> u64 {
        self.total_bytes.saturating_sub(self.used_bytes)
    }
}

/// How many GPUs CUDA is shown.
///
/// # Errors
///
/// No driver, or a build without GPU support.
pub fn count() -> Result<usize, GpuError> {
    nvml::count()
}

/// What the GPU of this number is.
///
/// # Errors
///
/// As [`count`], or no such GPU.
pub fn gpu(number: usize) -> Result<Gpu, GpuError> {
    nvml::gpu(number)
}

/// How the GPU of this number is doing now.
///
/// # Errors
///
/// As [`gpu`].
pub fn load(number: usize) -> Result<Load, GpuError> {
    nvml::load(number)
}

/// Puts memory and utilisation of the GPUs in use on the metrics page, read whenever the page is. What
/// cannot be read is said once in the log, and left as it was on the page. On a machine without a GPU the
/// page stays without these metrics.
///
/// `in_use` names devices as [`Index::device`](crate::index::Index::device) does: `cpu`, `cuda:0`,
/// `cuda:0,1`.
pub fn watch(registry: &Registry, in_use: impl Fn() -> Vec<String> + Send + Sync + 'static) {
    if !count().is_ok_and(|count| count > 0) {
        return;
    }
    let metrics = GpuMetrics::register(registry);
    let told = std::sync::Once::new();
    registry.before_page(move || {
        for device in in_use() {
            refresh(&metrics, &device, &told);
        }
    });
}

fn refresh(metrics: &GpuMetrics, device: &str, told: &std::sync::Once) {
    for number in numbers_in(device) {
        match load(number) {
            Ok(load) => show(metrics, number, &load),
            Err(error) => {
                told.call_once(|| tracing::warn!(gpu = number, %error, "the GPU cannot be read"));
            }
        }
    }
}

fn show(metrics: &GpuMetrics, number: usize, load: &Load) {
    let bytes = |bytes| i64::try_from(bytes).unwrap_or(i64::MAX);
    let gpu = number.to_string();
    metrics.memory_used(&gpu).set(bytes(load.used_bytes));
    metrics.memory_total(&gpu).set(bytes(load.total_bytes));
    if let Some(busy) = load.busy {
        metrics.utilization(&gpu).set(busy);
    }
}

/// The numbers of the GPUs in a device's name.
fn numbers_in(device: &str) -> Vec<usize> {
    let numbers = device.strip_prefix("cuda:").unwrap_or_default().split(',');
    numbers.filter_map(|number| number.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use llasta_telemetry::metrics::Format;

    use super::*;

    #[test]
    fn bytes_and_percents_become_what_is_used_and_a_share() {
        let load = Load::of(30 << 30, 80 << 30, Some(37));
        assert_eq!((load.used_bytes, load.free_bytes()), (50 << 30, 30 << 30));
        assert_eq!(load.busy, Some(0.37));
        assert_eq!(Load::of(9, 8, Some(250)).used_bytes, 0);
        assert_eq!(Load::of(9, 8, Some(250)).busy, Some(1.0));
        assert_eq!(Load::of(0, 8, None).busy, None);
    }

    #[test]
    fn a_devices_name_says_which_gpus_it_is() {
        assert_eq!(numbers_in("cuda:0"), [0]);
        assert_eq!(numbers_in("cuda:2,0"), [2, 0]);
        assert!(numbers_in("cpu").is_empty());
    }

    #[test]
    fn the_page_has_the_numbers_of_a_gpu_that_is_watched() {
        let registry = Registry::new();
        let metrics = GpuMetrics::register(&registry);
        show(&metrics, 1, &Load::of(1000, 4000, Some(50)));
        let page = registry.render(Format::Text);
        for line in [
            "llasta_gpu_memory_used_bytes{gpu=\"1\"} 3000",
            "llasta_gpu_memory_total_bytes{gpu=\"1\"} 4000",
            "llasta_gpu_utilization_ratio{gpu=\"1\"} 0.5",
        ] {
            assert!(page.contains(line), "{page}");
        }
    }

    #[test]
    fn a_gpu_that_is_not_there_is_said_in_words_and_no_page_fails() {
        let registry = Registry::new();
        watch(&registry, || vec!["cpu".to_owned(), "cuda:4096".to_owned()]);
        refresh(
            &GpuMetrics::register(&registry),
            "cuda:4096",
            &std::sync::Once::new(),
        );
        assert!(!registry.render(Format::Text).contains("gpu=\"4096\""));
        let error = gpu(4096).unwrap_err().to_string();
        let told = ["driver", "there is no GPU 4096", "--features"];
        assert!(told.iter().any(|words| error.contains(words)), "{error}");
        assert_eq!(load(4096).unwrap_err().to_string(), error);
    }
}
