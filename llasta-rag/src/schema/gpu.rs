//! `llasta_gpu_*`: the GPUs that a service computes on.

use llasta_telemetry::schema::Text;

llasta_telemetry::schema! {
    /// GPUs in use. OpenTelemetry's words for the same are `hw.gpu.memory.usage`, `hw.gpu.memory.limit` and
    /// `hw.gpu.utilization`.
    namespace gpu;

    metrics GpuMetrics {
        /// Bytes of a GPU's memory in use, by whomever.
        gauge memory_used: "llasta_gpu_memory_used_bytes" { gpu: Text },
        /// Bytes of memory that a GPU has.
        gauge memory_total: "llasta_gpu_memory_total_bytes" { gpu: Text },
        /// The share of the last second in which a GPU computed, from 0 to 1.
        float_gauge utilization: "llasta_gpu_utilization_ratio" { gpu: Text },
    }
}
