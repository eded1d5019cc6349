//! Another team's, which uses a key of the shop's and takes the name of a metric.

use super::shop;

llasta_telemetry::schema! {
    /// A till.
    namespace till of "till-api";

    keys {
        /// Which till it is.
        NUMBER: "till.number" => i64,
    }

    spans {
        /// The basket is counted.
        Count: "till.count" internal under "shop.checkout" {
            start: NUMBER, shop::ITEMS;
        }
    }

    metrics TillMetrics {
        /// Orders, as the till sees them.
        counter orders: "shop_orders_total",
    }
}
