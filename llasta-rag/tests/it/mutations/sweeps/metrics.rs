//! Section 3: metrics.

use llasta_telemetry::testing::conform::FindingId::*;

use crate::mutations::caught;
use crate::mutations::contract::{SERVICES, metrics};
use crate::mutations::text::{add_label, of_metric, remove_label, rename};

#[test]
fn every_metric_is_missed_under_its_name_its_type_and_its_labels() {
    let all = metrics();
    assert_eq!(all.len(), 25 + 3 * 4);
    for metric in all {
        let (service, name) = (metric.service, metric.name);
        let broken = |how: &str, id, change: &dyn Fn(&str) -> Option<String>| {
            caught(&format!("{name} of {service}: {how}"), id, |captured| {
                captured.page(service, |line| {
                    if of_metric(line, name) {
                        change(line)
                    } else {
                        Some(line.to_owned())
                    }
                });
                name.to_owned()
            });
        };
        broken("dropped", MissingMetric, &|_| None);
        broken("renamed", MissingMetric, &|line| Some(rename(line, name)));
        for kind in ["counter", "gauge", "histogram", "summary", "unknown"] {
            if kind != metric.kind {
                broken(kind, WrongInstrument, &|line| {
                    let typed = line.starts_with("# TYPE ");
                    Some(if typed {
                        line.replace(&format!(" {}", metric.kind), &format!(" {kind}"))
                    } else {
                        line.to_owned()
                    })
                });
            }
        }
        broken("without its type", WrongInstrument, &|line| {
            (!line.starts_with("# TYPE ")).then(|| line.to_owned())
        });
        broken("a label more", UndeclaredLabel, &|line| {
            Some(add_label(line, "pod", "a"))
        });
        for label in &metric.labels {
            broken(label, MissingLabel, &|line| {
                Some(remove_label(line, label, None))
            });
            broken("a label renamed", UndeclaredLabel, &|line| {
                Some(line.replace(&format!("{label}=\""), &format!("{label}_=\"")))
            });
            let strange = "0af7651916cd43dd8448eb211c80319c";
            let id = if ["endpoint", "status", "type", "result"].contains(label) {
                UndeclaredLabelValue
            } else {
                HighCardinality
            };
            // Only the labels of a build may be of any form.
            if name != "llasta_build_info" {
                broken("an unbounded label", id, &|line| {
                    Some(remove_label(line, label, Some(strange)))
                });
                broken("an unbounded label", HighCardinality, &|line| {
                    Some(remove_label(line, label, Some(strange)))
                });
            }
        }
        let samples = |line: &str| !line.starts_with('#');
        if metric
            .labels
            .iter()
            .all(|label| !["model", "model_name", "service", "version"].contains(label))
        {
            broken("without series", MissingSeries, &|line| {
                (!samples(line)).then(|| line.to_owned())
            });
        }
        if metric.kind == "histogram" {
            for suffix in ["_sum", "_count"] {
                broken(suffix, MissingSeries, &|line| {
                    let gone = samples(line) && line.contains(&format!("{name}{suffix}"));
                    (!gone).then(|| line.to_owned())
                });
            }
            broken("a bucket less", WrongBuckets, &|line| {
                (!line.contains("le=\"+Inf\"")).then(|| line.to_owned())
            });
            broken("another bucket", WrongBuckets, &|line| {
                Some(
                    line.replace("le=\"1.0\"", "le=\"0.99\"")
                        .replace("le=\"0.001\"", "le=\"0.002\"")
                        .replace("le=\"0.01\"", "le=\"0.011\""),
                )
            });
            broken("miscounted", WrongSum, &|line| {
                let count = line.starts_with(&format!("{name}_count"));
                let (series, _) = line.split_at(line.rfind(' ').unwrap());
                Some(if count {
                    format!("{series} 1000000")
                } else {
                    line.to_owned()
                })
            });
        }
    }
}

#[test]
fn a_page_without_the_metrics_of_the_process_is_noticed() {
    if !cfg!(target_os = "linux") {
        return;
    }
    for service in SERVICES {
        caught(
            &format!("{service} without process_*"),
            MissingMetric,
            |captured| {
                captured.page(service, |line| {
                    (!line.contains("process_")).then(|| line.to_owned())
                });
                "process_*".to_owned()
            },
        );
        caught(
            &format!("{service} without process_open_fds"),
            MissingMetric,
            |captured| {
                captured.page(service, |line| {
                    (!line.contains("process_open_fds")).then(|| line.to_owned())
                });
                "process_open_fds".to_owned()
            },
        );
    }
}
