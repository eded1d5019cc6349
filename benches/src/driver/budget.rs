//! The budgets: what a variant may add to the base of its group, or cost where the group has none.

use llasta_benches::measure::Group;

pub(crate) struct Budget {
    pub(crate) group: Group,
    pub(crate) title: &'static str,
    pub(crate) instructions: f64,
    pub(crate) allocations: Option<f64>,
    /// What is reached where that is more than the budget: the check keeps to it, and
    /// docs/benchmarks.md says where it goes.
    pub(crate) reached: Option<Reached>,
    /// The variant of another crate that does the same, or the cheapest that does.
    pub(crate) peer: Option<&'static str>,
}

pub(crate) struct Reached {
    pub(crate) instructions: f64,
    pub(crate) allocations: f64,
}

impl Budget {
    /// What the check allows.
    pub(crate) fn allowed(&self) -> (f64, Option<f64>) {
        match &self.reached {
            Some(reached) => (reached.instructions, Some(reached.allocations)),
            None => (self.instructions, self.allocations),
        }
    }
}

/// Instructions with which prometheus-client 0.25.2 renders the same 200 series: the last table of
/// docs/benchmarks.md.
const PROMETHEUS_CLIENT_PAGE: f64 = 1_470_102.0;

pub(crate) const BUDGETS: &[Budget] = &[
    Budget {
        group: Group::Server,
        title: "SDK: traces + metrics + access line",
        instructions: 8_000.0,
        allocations: Some(6.0),
        reached: None,
        peer: Some("assembled stack"),
    },
    Budget {
        group: Group::Server,
        title: "SDK: traces + metrics",
        instructions: 6_000.0,
        allocations: Some(6.0),
        reached: None,
        peer: Some("opentelemetry-instrumentation-tower"),
    },
    Budget {
        group: Group::Server,
        title: "SDK: traces + metrics, incoming traceparent",
        instructions: 7_000.0,
        allocations: None,
        reached: None,
        peer: Some("opentelemetry-instrumentation-tower, incoming traceparent"),
    },
    Budget {
        group: Group::Server,
        title: "SDK: traces + metrics, unsampled",
        instructions: 2_800.0,
        allocations: Some(3.0),
        reached: Some(Reached {
            instructions: 3_450.0,
            allocations: 4.0,
        }),
        peer: Some("opentelemetry-instrumentation-tower, unsampled"),
    },
    Budget {
        group: Group::Client,
        title: "SDK: client span",
        instructions: 9_000.0,
        allocations: Some(10.0),
        reached: None,
        peer: Some("reqwest-tracing"),
    },
    Budget {
        group: Group::Client,
        title: "SDK: client span, unsampled",
        instructions: 3_000.0,
        allocations: None,
        reached: None,
        peer: Some("reqwest-tracing, unsampled"),
    },
    Budget {
        group: Group::Chunk,
        title: "SDK: instrument_llm",
        instructions: 300.0,
        allocations: Some(0.0),
        reached: Some(Reached {
            instructions: 360.0,
            allocations: 0.0,
        }),
        peer: None,
    },
    Budget {
        group: Group::Page,
        title: "SDK: OpenMetrics",
        instructions: PROMETHEUS_CLIENT_PAGE / 2.0,
        allocations: None,
        reached: None,
        peer: Some("prometheus-client: OpenMetrics"),
    },
];

#[cfg(test)]
mod tests {
    use llasta_benches::sdk;

    use super::BUDGETS;

    #[test]
    fn every_budget_names_a_variant() {
        let variants = sdk::variants();
        for budget in BUDGETS {
            let named = variants
                .iter()
                .any(|variant| variant.group == budget.group && variant.title == budget.title);
            assert!(named, "no variant is named `{}`", budget.title);
        }
    }
}
