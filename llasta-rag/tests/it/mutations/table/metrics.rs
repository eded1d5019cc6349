//! Section 3: metrics.

use llasta_telemetry::testing::conform::FindingId::*;

use super::{Break, also, broken, counted, metric, without_exemplars};
use crate::mutations::text::{add_label, remove_label, rename};

pub(super) const BREAKS: &[Break] = &[
    broken(
        "chatbot_requests_total",
        "without its suffix",
        (MissingMetric, "chatbot_requests_total"),
        |c| {
            metric(c, "chatbot-rag", "chatbot_requests_total", |line| {
                Some(
                    line.replacen("_total{", "{", 1)
                        .replace(" counter", " gauge"),
                )
            });
        },
    ),
    broken(
        "chatbot_requests_total",
        "renamed",
        (UndeclaredMetric, "chatbot_requests_x_total"),
        |c| {
            metric(c, "chatbot-rag", "chatbot_requests_total", |line| {
                Some(rename(line, "chatbot_requests_total"))
            });
        },
    ),
    broken(
        "chatbot_requests_total endpoint",
        "the path with an id",
        (HighCardinality, "chatbot_requests_total"),
        |c| {
            metric(c, "chatbot-rag", "chatbot_requests_total", |line| {
                Some(line.replace(
                    "\"/api/chat\"",
                    "\"/api/chat/0af7651916cd43dd8448eb211c80319c\"",
                ))
            });
        },
    ),
    broken(
        "no label value comes from the outside",
        "the path of a request",
        (UndeclaredLabelValue, "chatbot_requests_total"),
        |c| {
            metric(c, "chatbot-rag", "chatbot_requests_total", |line| {
                Some(line.replace("\"unmatched\"", "\"/nothing\""))
            });
        },
    ),
    broken(
        "chatbot_request_duration_seconds",
        "in milliseconds",
        (WrongBuckets, "chatbot_request_duration_seconds"),
        |c| {
            metric(
                c,
                "chatbot-rag",
                "chatbot_request_duration_seconds",
                |line| Some(line.replace("le=\"300.0\"", "le=\"300000.0\"")),
            );
        },
    ),
    broken(
        "chatbot_request_duration_seconds",
        "with the unit of milliseconds",
        (UnitMismatch, "chatbot_request_duration_seconds"),
        |c| {
            metric(
                c,
                "chatbot-rag",
                "chatbot_request_duration_seconds",
                |line| Some(line.replace(" seconds", " milliseconds")),
            );
        },
    ),
    broken(
        "chatbot_time_to_first_byte_seconds",
        "without its unit",
        (UnitMismatch, "chatbot_time_to_first_byte_seconds"),
        |c| {
            metric(
                c,
                "chatbot-rag",
                "chatbot_time_to_first_byte_seconds",
                |line| (!line.starts_with("# UNIT")).then(|| line.to_owned()),
            );
        },
    ),
    broken(
        "chatbot_rag_chunks_sent buckets 0 1 2 3 5 10 20",
        "those of seconds",
        (WrongBuckets, "chatbot_rag_chunks_sent"),
        |c| {
            metric(c, "chatbot-rag", "chatbot_rag_chunks_sent", |line| {
                Some(line.replace("le=\"20.0\"", "le=\"15.0\""))
            });
        },
    ),
    broken(
        "chatbot_llm_tokens_total type",
        "a third type",
        (UndeclaredLabelValue, "chatbot_llm_tokens_total"),
        |c| {
            also(
                c,
                "chatbot-rag",
                "chatbot_llm_tokens_total{model=\"stand-in\",type=\"cached\"} 1.0",
            );
        },
    ),
    broken(
        "chatbot_llm_tokens_total model",
        "missing",
        (MissingLabel, "chatbot_llm_tokens_total"),
        |c| {
            metric(c, "chatbot-rag", "chatbot_llm_tokens_total", |line| {
                Some(if line.starts_with('#') {
                    line.to_owned()
                } else {
                    remove_label(line, "model", None)
                })
            });
        },
    ),
    broken(
        "chatbot_llm_tokens_total model",
        "the user's e-mail address",
        (HighCardinality, "chatbot_llm_tokens_total"),
        |c| {
            metric(c, "chatbot-rag", "chatbot_llm_tokens_total", |line| {
                Some(if line.starts_with('#') {
                    line.to_owned()
                } else {
                    remove_label(line, "model", Some("me@example.org"))
                })
            });
        },
    ),
    broken(
        "chatbot_llm_tokens_total model",
        "a hundred models",
        (HighCardinality, "chatbot_llm_tokens_total"),
        |c| {
            for model in 0..100 {
                for of in ["prompt", "completion"] {
                    also(
                        c,
                        "chatbot-rag",
                        &format!(
                            "chatbot_llm_tokens_total{{model=\"m{model}\",type=\"{of}\"}} 1.0"
                        ),
                    );
                }
            }
        },
    ),
    broken(
        "chatbot_vllm_requests_total",
        "a label more",
        (UndeclaredLabel, "chatbot_vllm_requests_total"),
        |c| {
            metric(c, "chatbot-rag", "chatbot_vllm_requests_total", |line| {
                Some(if line.starts_with('#') {
                    line.to_owned()
                } else {
                    add_label(line, "user", "42")
                })
            });
        },
    ),
    broken(
        "every series from the start with 0",
        "only those that happened",
        (MissingSeries, "chatbot_faiss_requests_total"),
        |c| {
            metric(c, "chatbot-rag", "chatbot_faiss_requests_total", |line| {
                (!line.ends_with(" 0.0") && !line.ends_with(" 0")).then(|| line.to_owned())
            });
        },
    ),
    broken(
        "counted once, at its end",
        "counted twice",
        (WrongSum, "chatbot_requests_total"),
        |c| {
            counted(
                c,
                "chatbot-rag",
                "chatbot_requests_total{endpoint=\"/api/chat\",status=\"success\"}",
                "4",
            );
        },
    ),
    broken(
        "counted once, at its end",
        "in another bucket than the count says",
        (WrongSum, "faiss_wrap_request_latency_seconds"),
        |c| {
            counted(
                c,
                "faiss-wrap",
                "faiss_wrap_request_latency_seconds_count{endpoint=\"search\"}",
                "40",
            );
        },
    ),
    broken(
        "faiss_wrap_requests_total endpoint is the operation",
        "the route",
        (UndeclaredLabelValue, "faiss_wrap_requests_total"),
        |c| {
            metric(c, "faiss-wrap", "faiss_wrap_requests_total", |line| {
                Some(line.replace("\"search\"", "\"/search\""))
            });
        },
    ),
    broken(
        "faiss_wrap_search_results_total counter",
        "a gauge",
        (WrongInstrument, "faiss_wrap_search_results_total"),
        |c| {
            metric(c, "faiss-wrap", "faiss_wrap_search_results_total", |line| {
                Some(line.replace(" counter", " gauge"))
            });
        },
    ),
    broken(
        "faiss_wrap_index_size gauge",
        "missing",
        (MissingMetric, "faiss_wrap_index_size"),
        |c| metric(c, "faiss-wrap", "faiss_wrap_index_size", |_| None),
    ),
    broken(
        "faiss_wrap_search_results_count histogram",
        "a summary",
        (WrongInstrument, "faiss_wrap_search_results_count"),
        |c| {
            metric(c, "faiss-wrap", "faiss_wrap_search_results_count", |line| {
                Some(line.replace(" histogram", " summary"))
            });
        },
    ),
    broken(
        "vllm_* of the stand-in",
        "a real vLLM's names",
        (MissingMetric, "vllm_request_duration_seconds"),
        |c| {
            metric(c, "vllm", "vllm_request_duration_seconds", |line| {
                Some(line.replace("vllm_request_duration", "vllm:e2e_request_latency"))
            });
        },
    ),
    broken(
        "vllm_queue_size model_name",
        "model",
        (MissingLabel, "vllm_queue_size"),
        |c| {
            metric(c, "vllm", "vllm_queue_size", |line| {
                Some(line.replace("model_name=", "model="))
            });
        },
    ),
    broken(
        "chatbot_* on chatbot-rag",
        "on another's page",
        (WrongService, "chatbot_rag_chunks_total"),
        |c| {
            also(
                c,
                "faiss-wrap",
                "# TYPE chatbot_rag_chunks counter\nchatbot_rag_chunks_total 1.0",
            );
        },
    ),
    broken(
        "llasta_telemetry_spans_total",
        "missing",
        (MissingMetric, "llasta_telemetry_spans_total"),
        |c| metric(c, "vllm", "llasta_telemetry_spans_total", |_| None),
    ),
    broken(
        "llasta_telemetry_spans_total result",
        "a fourth result",
        (UndeclaredLabelValue, "llasta_telemetry_spans_total"),
        |c| {
            also(
                c,
                "chatbot-rag",
                "llasta_telemetry_spans_total{result=\"lost\"} 1.0",
            );
        },
    ),
    broken(
        "llasta_build_info 1",
        "0",
        (WrongValue, "llasta_build_info"),
        |c| counted(c, "chatbot-rag", "llasta_build_info{", "0"),
    ),
    broken(
        "llasta_build_info service",
        "another's name",
        (WrongService, "llasta_build_info"),
        |c| {
            metric(c, "chatbot-rag", "llasta_build_info", |line| {
                Some(line.replace("\"chatbot-rag\"", "\"chatbot\""))
            });
        },
    ),
    broken(
        "llasta_build_info version",
        "another than the spans say",
        (WrongValue, "llasta_build_info"),
        |c| {
            metric(c, "faiss-wrap", "llasta_build_info", |line| {
                Some(if line.starts_with('#') {
                    line.to_owned()
                } else {
                    remove_label(line, "version", Some("9.9.9"))
                })
            });
        },
    ),
    broken("process_*", "missing", (MissingMetric, "process_*"), |c| {
        c.page("vllm", |line| {
            (!line.contains("process_")).then(|| line.to_owned())
        });
    }),
    broken(
        "request counters carry exemplars",
        "they do not",
        (MissingExemplar, "chatbot_requests_total"),
        |c| {
            without_exemplars(c, "chatbot-rag", "chatbot_requests_total");
        },
    ),
    broken(
        "histograms carry exemplars",
        "that of latencies does not",
        (MissingExemplar, "faiss_wrap_request_latency_seconds"),
        |c| {
            without_exemplars(c, "faiss-wrap", "faiss_wrap_request_latency_seconds");
        },
    ),
    broken(
        "histograms carry exemplars",
        "that of chunks does not",
        (MissingExemplar, "chatbot_rag_chunks_sent"),
        |c| {
            without_exemplars(c, "chatbot-rag", "chatbot_rag_chunks_sent");
        },
    ),
    broken(
        "exemplars (trace_id, span_id)",
        "without a span",
        (MissingExemplar, "chatbot_requests_total"),
        |c| {
            metric(c, "chatbot-rag", "chatbot_requests_total", |line| {
                Some(line.replace("span_id=", "spanID="))
            });
        },
    ),
    broken(
        "exemplars (trace_id, span_id)",
        "a decimal id",
        (MissingExemplar, "chatbot_requests_total"),
        |c| {
            metric(c, "chatbot-rag", "chatbot_requests_total", |line| {
                Some(line.replace("trace_id=\"", "trace_id=\"17"))
            });
        },
    ),
    broken(
        "GET /metrics",
        "a page of HTML",
        (Unreadable, "page"),
        |c| c.page("chatbot-rag", |_| Some("<html>".to_owned())),
    ),
];
