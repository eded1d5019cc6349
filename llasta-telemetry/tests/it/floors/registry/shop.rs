//! A team's own schema.

use llasta_telemetry::schema::labels::Outcome;

llasta_telemetry::schema! {
    /// A shop.
    namespace shop of "shop-api";

    keys {
        /// What is in the basket.
        ITEMS: "shop.items" => i64 { was: "shop.basket" since "0.2.0" },
        /// Nobody reads it.
        MOOD: "shop.mood" => str { deprecated: "leave it out" },
    }

    spans {
        /// The basket is paid.
        Checkout: "shop.checkout" internal {
            start: ITEMS;
            was: "shop.pay" since "0.1.5";
        }
    }

    metrics ShopMetrics {
        /// Orders.
        counter orders: "shop_orders_total" { paid: Outcome was "status" since "0.2.0" } was("shop_sales_total" since "0.2.0"),
        /// Guests.
        gauge guests: "shop_guests" deprecated("count orders"),
    }
}
