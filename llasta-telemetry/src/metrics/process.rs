//! Metrics about the process itself.

use super::Registry;

/// `process_*`, as the Prometheus client libraries name them.
pub(crate) fn register(registry: &Registry) {
    #[cfg(target_os = "linux")]
    {
        let foreign = prometheus::Registry::new();
        let process = prometheus::process_collector::ProcessCollector::for_self();
        if foreign.register(Box::new(process)).is_ok() {
            registry.join(foreign);
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = registry;
}
