//! A team declares its own telemetry with the macro that declares the contract: typed spans,
//! metrics, and a registry that joins the contract's.
//!
//! Run it with `cargo run -p llasta-examples --example 05_own_schema`. It prints:
//!
//! ```text
//! billing.charge  INTERNAL  billing-api
//! billing.amount = 1990
//! billing.currency = "EUR"
//! billing.paid = true
//! billing.unit = "EUR"
//! # HELP billing_payments_total Payments by method.
//! # TYPE billing_payments_total counter
//! billing_payments_total{method="card"} 2
//! billing_payments_total{method="invoice"} 1
//! 3 keys more than the contract has
//! ```

use std::error::Error;

use llasta_telemetry::metrics::Format;
use llasta_telemetry::schema::Schema;
use llasta_telemetry::testing::{Recorder, Waterfall};

mod billing {
    use llasta_telemetry::schema::LabelSet;

    /// What a payment is made with.
    #[derive(Debug, Clone, Copy, LabelSet)]
    pub(crate) enum Method {
        Card,
        Invoice,
    }

    llasta_telemetry::schema! {
        /// Payments.
        namespace billing of "billing-api";

        keys {
            /// What is paid, in cents.
            AMOUNT: "billing.amount" => i64 { unit: "{cent}", example: "1990" },
            /// The currency; it had another name before.
            CURRENCY: "billing.currency" => str { example: "EUR", was: "billing.unit" since "0.2.0" },
            /// Whether the payment went through.
            PAID: "billing.paid" => bool,
        }

        spans {
            /// One payment, from the order to the receipt.
            Charge: "billing.charge" internal {
                start: AMOUNT, CURRENCY;
                end: PAID;
            }
        }

        metrics BillingMetrics {
            /// Payments by method.
            counter payments: "billing_payments_total" { method: Method },
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let seen = Recorder::builder("billing-api")
        .schema(&billing::NAMESPACE)
        .build();
    let metrics = billing::BillingMetrics::register(seen.telemetry().registry());

    let span = billing::Charge::start_in(seen.telemetry(), 1990, "EUR");
    for method in [
        billing::Method::Card,
        billing::Method::Card,
        billing::Method::Invoice,
    ] {
        metrics.payments(method).inc();
    }
    span.finish(true);

    let spans = seen.spans();
    print!("{}", Waterfall::new(&spans).without_times());
    for (name, value) in &spans[0].attributes {
        println!("{name} = {value}");
    }
    print!("{}", seen.page_text(Format::Text));

    let mut schema = Schema::contract();
    let before = schema.keys().count();
    schema.add(&billing::NAMESPACE)?;
    println!(
        "{} keys more than the contract has",
        schema.keys().count() - before
    );
    Ok(())
}
