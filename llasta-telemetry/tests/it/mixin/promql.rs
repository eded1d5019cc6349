//! What a query for Prometheus says of metrics, checked against what is known of them.

use std::collections::BTreeSet;
use std::time::Duration;

use promql_parser::label::{MatchOp, Matcher};
use promql_parser::parser::{self, Expr, LabelModifier, VectorSelector};

use super::known::{Known, Series};

pub(super) fn breaches(text: &str, known: &Known) -> Vec<String> {
    match parser::parse(text) {
        Err(error) => vec![format!("does not parse: {error}")],
        Ok(expression) => {
            let mut check = Check {
                known,
                found: Vec::new(),
            };
            check.visit(&expression);
            check.found
        }
    }
}

struct Check<'a> {
    known: &'a Known,
    found: Vec<String>,
}

/// What is below an expression.
fn children(expression: &Expr) -> Vec<&Expr> {
    match expression {
        Expr::Aggregate(inner) => {
            let param = inner.param.iter().map(Box::as_ref);
            param.chain([inner.expr.as_ref()]).collect()
        }
        Expr::Unary(inner) => vec![&inner.expr],
        Expr::Binary(inner) => vec![&inner.lhs, &inner.rhs],
        Expr::Paren(inner) => vec![&inner.expr],
        Expr::Subquery(inner) => vec![&inner.expr],
        Expr::Call(inner) => inner.args.args.iter().map(Box::as_ref).collect(),
        _ => Vec::new(),
    }
}

impl Check<'_> {
    /// Checks an expression and returns the labels that its series may have.
    fn visit(&mut self, expression: &Expr) -> BTreeSet<String> {
        let mut labels = BTreeSet::new();
        match expression {
            Expr::VectorSelector(selector) => labels.extend(self.selector(selector)),
            Expr::MatrixSelector(matrix) => {
                labels.extend(self.selector(&matrix.vs));
                if matrix.range < Duration::from_secs(120) {
                    self.found
                        .push("its window is empty when scraped every 60 s".to_owned());
                }
            }
            _ => {}
        }
        for child in children(expression) {
            labels.extend(self.visit(child));
        }
        match expression {
            Expr::Aggregate(aggregate) => self.modifier(aggregate.modifier.as_ref(), &labels),
            Expr::Binary(binary) => {
                if let Some(modifier) = &binary.modifier {
                    self.modifier(modifier.matching.as_ref(), &labels);
                }
            }
            Expr::Call(call) => self.call(call.func.name, &call.args.args),
            _ => {}
        }
        labels
    }

    fn modifier(&mut self, modifier: Option<&LabelModifier>, labels: &BTreeSet<String>) {
        for label in modifier.into_iter().flat_map(|it| &it.labels().labels) {
            if !labels.contains(label) {
                self.found
                    .push(format!("there is no label `{label}` to group or match by"));
            }
        }
    }

    fn call(&mut self, function: &str, arguments: &[Box<Expr>]) {
        let wants_counter = match function {
            "rate" | "irate" | "increase" => true,
            "delta" | "deriv" | "predict_linear" => false,
            _ => return,
        };
        for argument in arguments {
            if let Expr::MatrixSelector(matrix) = argument.as_ref()
                && let Some(name) = &matrix.vs.name
                && let Some(series) = self.known.series(name)
                && series.counter != wants_counter
            {
                let what = if wants_counter { "counter" } else { "gauge" };
                self.found
                    .push(format!("{function}() of `{name}`, which is no {what}"));
            }
        }
    }

    fn selector(&mut self, selector: &VectorSelector) -> Vec<String> {
        let Some(name) = &selector.name else {
            self.found.push("a selector without a metric".to_owned());
            return Vec::new();
        };
        let Some(series) = self.known.series(name) else {
            self.found.push(format!("there is no metric `{name}`"));
            return Vec::new();
        };
        for matcher in &selector.matchers.matchers {
            if !series.has(&matcher.name) {
                self.found
                    .push(format!("`{name}` has no label `{}`", matcher.name));
            } else if matcher.name == "le" {
                self.found.extend(bucket(name, series, matcher));
            } else if let Some(values) = series.values(&matcher.name) {
                for value in alternatives(matcher) {
                    if !values.contains(&value) {
                        let label = &matcher.name;
                        self.found
                            .push(format!("`{label}` of `{name}` is never \"{value}\""));
                    }
                }
            }
        }
        series.labels().map(str::to_owned).collect()
    }
}

/// The values that a matcher names. One that takes everything names none.
fn alternatives(matcher: &Matcher) -> Vec<String> {
    match matcher.op {
        MatchOp::Equal | MatchOp::NotEqual => vec![matcher.value.clone()],
        MatchOp::Re(_) | MatchOp::NotRe(_) => matcher
            .value
            .split('|')
            .filter(|value| *value != ".*")
            .map(str::to_owned)
            .collect(),
    }
}

/// A bucket is asked for so that every Prometheus finds it: version 3 stores `le="5"` as `5.0`.
fn bucket(name: &str, series: &Series, matcher: &Matcher) -> Option<String> {
    let whole = matcher.value.strip_suffix("([.]0)?");
    let bound: Option<f64> = whole.unwrap_or(&matcher.value).parse().ok();
    let Some(bound) = bound else {
        return Some(format!("le=\"{}\" is no bound", matcher.value));
    };
    let known = series.buckets?;
    if !known.contains(&bound) {
        return Some(format!("`{name}` has no bucket up to {bound}"));
    }
    let right = match matcher.op {
        MatchOp::Equal => bound.fract() != 0.0,
        MatchOp::Re(_) => whole.is_some(),
        _ => false,
    };
    (!right).then(|| format!("Prometheus 3 writes {bound} otherwise: le=~\"{bound}([.]0)?\""))
}
