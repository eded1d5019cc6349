//! Metrics about the process itself, as the Prometheus client libraries name them. They are read
//! from Linux' `/proc`; on other systems there are none.

crate::schema! {
    /// Metrics about the process, as the Prometheus client libraries name them.
    foreign namespace process of everyone;

    metrics ProcessMetrics {
        /// Total user and system CPU time spent in seconds.
        counter cpu_seconds: "process_cpu_seconds_total",
        /// Resident memory size in bytes.
        gauge resident_memory: "process_resident_memory_bytes",
        /// Virtual memory size in bytes.
        gauge virtual_memory: "process_virtual_memory_bytes",
        /// Start time of the process since the Unix epoch in seconds.
        gauge start_time: "process_start_time_seconds",
        /// Open file descriptors.
        gauge open_fds: "process_open_fds",
        /// The most file descriptors that may be open.
        gauge max_fds: "process_max_fds",
        /// Threads in the process.
        gauge threads: "process_threads",
    }
}
