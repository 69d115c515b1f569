//! The receipt of a paid order, as a buyer reads it.

use engine::order::OrderView;

use crate::mail::{Letter, Whose};

/// What a receipt is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Receipt {
    /// Where it goes.
    pub email: String,
    /// What people call the order.
    pub number: String,
    /// The order.
    pub order: OrderView,
    /// Where the buyer can look at it, if there is such a page.
    pub access_url: Option<String>,
}

impl Receipt {
    /// The letter. The same receipt is always the same letter.
    pub fn letter(&self, whose: Whose) -> Letter {
        Letter {
            name: format!("receipt-{}", self.order.id),
            whose,
            to: self.email.clone(),
            subject: format!("Your order {}", self.number),
            text: self.text(),
        }
    }

    fn text(&self) -> String {
        use std::fmt::Write;
        let mut text = format!("Thank you for your order.\n\nOrder {}\n\n", self.number);
        // Writing to a string does not fail.
        for line in &self.order.lines {
            let title = if line.title.is_empty() { line.sku.as_str() } else { &line.title };
            let _ = writeln!(text, "  {} × {title}   {}", line.quantity.units(), line.unit_price);
        }
        let totals = &self.order.totals;
        let _ = writeln!(text, "\n  Subtotal  {}", totals.subtotal);
        if totals.shipping.amount != 0 {
            let _ = writeln!(text, "  Shipping  {}", totals.shipping);
        }
        if totals.tax.amount != 0 {
            let _ = writeln!(text, "  Tax       {}", totals.tax);
        }
        let _ = writeln!(text, "  Total     {}", totals.total);
        if let Some(url) = &self.access_url {
            let _ = writeln!(text, "\nSee how it stands: {url}");
        }
        text
    }
}
