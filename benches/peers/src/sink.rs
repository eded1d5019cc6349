//! Where the peers' spans and metrics go: counted, and the last span looked at. Once for each of the
//! two versions of OpenTelemetry that they need.

use std::collections::BTreeMap;
use std::time::Duration;

/// What the spans said.
#[derive(Debug, Clone, Default)]
pub(crate) struct SpansSeen {
    pub(crate) count: u64,
    pub(crate) last: Option<SpanSeen>,
}

/// What one span said.
#[derive(Debug, Clone)]
pub(crate) struct SpanSeen {
    /// Its trace id in hex digits.
    pub(crate) trace: String,
    pub(crate) lasted: Duration,
    pub(crate) status: String,
    pub(crate) attributes: BTreeMap<String, String>,
}

/// What a metric said in all its series together.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct MetricSeen {
    /// Values in a histogram.
    pub(crate) count: u64,
    /// Their sum, or that of a counter or gauge.
    pub(crate) sum: f64,
    pub(crate) exemplars: usize,
}

pub(crate) type MetricsSeen = BTreeMap<String, MetricSeen>;

macro_rules! sink {
    ($version:ident, $api:ident, $sdk:ident) => {
        pub(crate) mod $version {
            use std::sync::{Arc, Mutex, PoisonError};
            use std::time::Duration;

            use $api::trace::SpanContext;
            use $sdk::Resource;
            use $sdk::error::OTelSdkResult;
            use $sdk::metrics::data::{AggregatedMetrics, MetricData, ResourceMetrics};
            use $sdk::metrics::exporter::PushMetricExporter;
            use $sdk::metrics::{PeriodicReader, SdkMeterProvider, Temporality};
            use $sdk::propagation::TraceContextPropagator;
            use $sdk::trace::{
                BatchSpanProcessor, Sampler, SdkTracerProvider, SpanData, SpanExporter,
            };

            use super::{MetricSeen, MetricsSeen, SpanSeen, SpansSeen};

            /// A tracer provider as services have it: batches on a thread of its own, default
            /// limits, the caller decides. Installed as the global one, with the W3C propagator.
            #[derive(Debug, Clone)]
            pub(crate) struct Traces {
                pub(crate) provider: SdkTracerProvider,
                seen: Arc<Mutex<SpansSeen>>,
            }

            impl Traces {
                pub(crate) fn install(sampled: bool) -> Self {
                    let (exporter, seen) = exporter();
                    let share = if sampled { 1.0 } else { 0.0 };
                    let root = Sampler::TraceIdRatioBased(share);
                    let provider = SdkTracerProvider::builder()
                        .with_span_processor(BatchSpanProcessor::builder(exporter).build())
                        .with_sampler(Sampler::ParentBased(Box::new(root)))
                        .with_resource(Resource::builder().build())
                        .build();
                    $api::global::set_tracer_provider(provider.clone());
                    $api::global::set_text_map_propagator(TraceContextPropagator::new());
                    Self { provider, seen }
                }

                /// Exports what waits and says what was exported until now.
                pub(crate) fn seen(&self) -> SpansSeen {
                    self.flush();
                    self.seen
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .clone()
                }

                pub(crate) fn flush(&self) {
                    self.provider
                        .force_flush()
                        .expect("the exporter never fails");
                }
            }

            /// An exporter that looks at what it gets.
            pub(crate) fn exporter() -> (Exporter, Arc<Mutex<SpansSeen>>) {
                let seen = Arc::<Mutex<SpansSeen>>::default();
                (Exporter(seen.clone()), seen)
            }

            #[derive(Debug)]
            pub(crate) struct Exporter(Arc<Mutex<SpansSeen>>);

            impl SpanExporter for Exporter {
                async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
                    let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                    seen.count += batch.len() as u64;
                    if let Some(span) = batch.last() {
                        assert!(SpanContext::is_sampled(&span.span_context));
                        seen.last = Some(SpanSeen {
                            trace: span.span_context.trace_id().to_string(),
                            lasted: span
                                .end_time
                                .duration_since(span.start_time)
                                .unwrap_or_default(),
                            status: format!("{:?}", span.status),
                            attributes: span
                                .attributes
                                .iter()
                                .map(|one| (one.key.to_string(), one.value.to_string()))
                                .collect(),
                        });
                    }
                    Ok(())
                }
            }

            /// A meter provider whose reader only reads when it is asked. Installed as the global
            /// one.
            #[derive(Debug, Clone)]
            pub(crate) struct Metrics {
                pub(crate) provider: SdkMeterProvider,
                seen: Arc<Mutex<MetricsSeen>>,
            }

            impl Metrics {
                pub(crate) fn install() -> Self {
                    let seen = Arc::<Mutex<MetricsSeen>>::default();
                    let reader = PeriodicReader::builder(Reader(seen.clone()))
                        .with_interval(Duration::from_secs(86_400))
                        .build();
                    let provider = SdkMeterProvider::builder().with_reader(reader).build();
                    $api::global::set_meter_provider(provider.clone());
                    Self { provider, seen }
                }

                pub(crate) fn seen(&self) -> MetricsSeen {
                    self.provider
                        .force_flush()
                        .expect("the exporter never fails");
                    self.seen
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .clone()
                }
            }

            struct Reader(Arc<Mutex<MetricsSeen>>);

            impl PushMetricExporter for Reader {
                async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
                    let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                    seen.clear();
                    for metric in metrics.scope_metrics().flat_map(|scope| scope.metrics()) {
                        let one = match metric.data() {
                            AggregatedMetrics::F64(data) => summary(data, |value| value),
                            AggregatedMetrics::U64(data) => summary(data, |value| value as f64),
                            AggregatedMetrics::I64(data) => summary(data, |value| value as f64),
                        };
                        seen.insert(metric.name().to_owned(), one);
                    }
                    Ok(())
                }

                fn force_flush(&self) -> OTelSdkResult {
                    Ok(())
                }

                fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
                    Ok(())
                }

                fn temporality(&self) -> Temporality {
                    Temporality::Cumulative
                }
            }

            fn summary<T: Copy>(data: &MetricData<T>, number: fn(T) -> f64) -> MetricSeen {
                let mut seen = MetricSeen::default();
                match data {
                    MetricData::Histogram(histogram) => {
                        for point in histogram.data_points() {
                            seen.count += point.count();
                            seen.sum += number(point.sum());
                            seen.exemplars += point.exemplars().count();
                        }
                    }
                    MetricData::Sum(sum) => {
                        for point in sum.data_points() {
                            seen.sum += number(point.value());
                            seen.exemplars += point.exemplars().count();
                        }
                    }
                    _ => {}
                }
                seen
            }
        }
    };
}

sink!(v033, opentelemetry, opentelemetry_sdk);
sink!(v032, opentelemetry_032, opentelemetry_sdk_032);
