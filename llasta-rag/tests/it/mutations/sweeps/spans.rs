//! Section 1: the tree.

use llasta_telemetry::testing::conform::FindingId::*;
use llasta_telemetry::testing::{AttributeValue, CapturedSpan};

use crate::mutations::capture::{Captured, captured};
use crate::mutations::caught;
use crate::mutations::contract::TREE;

/// The place of each line of the tree among the spans, for the plain chat and the streamed one.
fn trees(captured: &Captured) -> Vec<Vec<usize>> {
    let spans = &captured.evidence.spans;
    let chats = spans
        .iter()
        .filter(|span| span.name == TREE[0].0 && span.kind == TREE[0].1);
    let trees: Vec<Vec<usize>> = chats
        .map(|chat| {
            let line = |(name, kind, service, _): &(&str, &str, &str, Option<usize>)| {
                let is = |span: &CapturedSpan| {
                    span.trace_id == chat.trace_id
                        && (&*span.name, span.kind, &*span.service) == (name, kind, service)
                };
                spans
                    .iter()
                    .position(is)
                    .unwrap_or_else(|| panic!("no {kind} {name}"))
            };
            TREE.iter().map(line).collect()
        })
        .collect();
    assert_eq!(trees.len(), 2);
    trees
}

#[test]
fn every_span_of_the_tree_is_missed_under_its_name_its_kind_its_service_and_its_parent() {
    let whole = captured();
    for tree in trees(&whole) {
        for (line, (name, kind, _, parent)) in TREE.iter().enumerate() {
            let at = tree[line];
            let broken = |how: &str, id, about: &str, change: &dyn Fn(&mut Vec<CapturedSpan>)| {
                caught(&format!("{kind} {name}: {how}"), id, |captured| {
                    change(&mut captured.evidence.spans);
                    about.to_owned()
                });
            };
            // Without its first span, no one can tell that it is a chat: those below it stand nowhere.
            let root = parent.is_none();
            let gone = if root {
                (WrongParent, "rag.retrieve_context")
            } else {
                (MissingSpan, *name)
            };
            broken("dropped", gone.0, gone.1, &|spans| drop(spans.remove(at)));
            let renamed = if root {
                (WrongName, "POST /api/talk")
            } else {
                gone
            };
            broken("renamed", renamed.0, renamed.1, &|spans| {
                spans[at].name = if root {
                    "POST /api/talk".to_owned()
                } else {
                    format!("{name}_")
                };
            });
            for other in ["INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"] {
                if other != *kind {
                    broken(other, WrongKind, name, &|spans| spans[at].kind = other);
                }
            }
            let strange = if root { "rag.retrieve_context" } else { name };
            let id = if root { WrongParent } else { WrongService };
            broken("of another service", id, strange, &|spans| {
                spans[at].service = "another".to_owned();
            });
            // Under each other span of the request, under one that is not there, and under none.
            for (other, _) in TREE.iter().enumerate() {
                if other != line && Some(other) != *parent {
                    broken(TREE[other].0, WrongParent, name, &|spans| {
                        spans[at].parent_span_id = Some(spans[tree[other]].span_id.clone());
                    });
                }
            }
            if !root {
                broken("under nothing", WrongParent, name, &|spans| {
                    spans[at].parent_span_id = None;
                });
                broken("under a stranger", WrongParent, name, &|spans| {
                    spans[at].parent_span_id = Some("00000000000000aa".to_owned());
                });
                broken("in another trace", MissingSpan, name, &|spans| {
                    spans[at].trace_id = "000000000000000000000000000000aa".to_owned();
                });
            }
            broken("twice", UnexpectedSpan, name, &|spans| {
                let mut again = spans[at].clone();
                again.span_id = "00000000000000aa".to_owned();
                if root {
                    again.parent_span_id = Some(spans[at].span_id.clone());
                }
                spans.push(again);
            });
            let method = AttributeValue::String("POST".to_owned());
            if *kind == "INTERNAL" {
                broken("with a method", ForbiddenAttribute, name, &|spans| {
                    let attributes = &mut spans[at].attributes;
                    attributes.insert("http.request.method".to_owned(), method.clone());
                });
                let second = 1_000_000_000;
                broken("too early", WrongTime, name, &|spans| {
                    spans[at].start_unix_nano -= 60 * second;
                });
                broken("too late", WrongTime, name, &|spans| {
                    spans[at].end_unix_nano += 60 * second;
                });
            }
            broken("failed for no reason", MissingAttribute, name, &|spans| {
                spans[at].status = "error";
            });
        }
    }
}
