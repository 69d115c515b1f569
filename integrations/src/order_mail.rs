//! E-mails about an order: the receipt, and notices of shipments, refunds and cancellation.

use engine::{
    mail::MailKind,
    money::Money,
    order::{Fulfillment, LineUnits, OrderLine, OrderView},
};

use crate::{
    amount::format_money,
    mail::{Email, Recipient},
};

/// The data of an e-mail about an order.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderMail {
    /// The recipient's address.
    pub email: String,
    /// The name of the shop.
    pub shop: String,
    /// The order number that the buyer sees.
    pub number: String,
    /// The order.
    pub order: OrderView,
    /// The delivery address, line by line.
    pub address: Vec<String>,
    /// The page on which the buyer can view the order, if there is one.
    pub access_url: Option<String>,
}

impl OrderMail {
    /// Composes the e-mail of this kind. Its name depends only on the order and the kind, so that a
    /// repetition is recognised.
    pub fn email(&self, kind: MailKind, recipient: Recipient) -> Email {
        let (order, number, shop) = (self.order.id, &self.number, &self.shop);
        let (name, subject, text) = match kind {
            MailKind::Receipt { .. } => {
                (format!("receipt-{order}"), format!("Your order {number} from {shop}"), self.receipt())
            }
            MailKind::Shipped { fulfillment, .. } => {
                let parcel = self.order.fulfillments().into_iter().find(|parcel| parcel.id == fulfillment);
                let subject = format!("Your order {number} from {shop} has been shipped");
                let head = format!("A parcel with items of your order {number} is on its way.\n");
                (format!("shipped-{fulfillment}"), subject, self.parcel(head, parcel))
            }
            MailKind::TrackingChanged { fulfillment, change, .. } => {
                let parcel = self.order.fulfillments().into_iter().find(|parcel| parcel.id == fulfillment);
                let subject = format!("New tracking information for your order {number} from {shop}");
                let head = format!("The tracking information of a parcel of your order {number} has changed.\n");
                (format!("tracking-{fulfillment}-{change}"), subject, self.parcel(head, parcel))
            }
            MailKind::Refunded { notice, amount, .. } => {
                let subject = format!("Refund for your order {number} from {shop}");
                (format!("refunded-{order}-{notice}"), subject, self.refund(amount))
            }
            MailKind::Cancelled { .. } => {
                let subject = format!("Your order {number} from {shop} has been cancelled");
                (format!("cancelled-{order}"), subject, self.cancellation())
            }
        };
        Email { name, recipient, to: self.email.clone(), subject, text: format!("{text}{}\n{shop}\n", self.link()) }
    }

    fn link(&self) -> String {
        match &self.access_url {
            Some(url) => format!("\nView your order: {url}\n"),
            None => String::new(),
        }
    }

    fn receipt(&self) -> String {
        let mut text = format!("Thank you for your order.\n\nOrder {}\n\n", self.number);
        for line in &self.order.lines {
            text += &item(line, line.quantity.units());
            let total = line.unit_price.times(line.quantity.units()).map_or_else(|_| String::new(), format_money);
            let each = if line.quantity.units() > 1 {
                format!(" ({} each)", format_money(line.unit_price))
            } else {
                String::new()
            };
            text += &format!("      {total}{each}\n");
        }
        let totals = &self.order.totals;
        text += &format!("\n  Subtotal  {}\n", format_money(totals.subtotal));
        if totals.shipping.amount != 0 {
            text += &format!("  Shipping  {}\n", format_money(totals.shipping));
        }
        if totals.tax.amount != 0 {
            text += &format!("  Tax       {}\n", format_money(totals.tax));
        }
        text += &format!("  Total     {}\n", format_money(totals.total));
        text + &self.delivery_address()
    }

    fn delivery_address(&self) -> String {
        if self.address.is_empty() {
            return String::new();
        }
        let lines: String = self.address.iter().map(|line| format!("  {line}\n")).collect();
        format!("\nDelivery address\n\n{lines}")
    }

    fn parcel(&self, head: String, parcel: Option<Fulfillment>) -> String {
        let mut text = head;
        let Some(parcel) = parcel else { return text };
        if let Some(tracking) = &parcel.tracking {
            text += &format!("\nTracking: {tracking}\n");
        }
        text += "\nItems in this parcel\n\n";
        let line = |units: &LineUnits| {
            self.order.lines.get(usize::from(units.line)).map_or_else(String::new, |line| item(line, units.units))
        };
        text += &parcel.lines.iter().map(line).collect::<String>();
        text + &self.delivery_address()
    }

    fn refund(&self, amount: Money) -> String {
        let mut text = format!("We have refunded {} for your order {}.\n", format_money(amount), self.number);
        if self.order.refunded != amount {
            text += &format!("In total, {} has been refunded.\n", format_money(self.order.refunded));
        }
        text + "The refund goes to the payment method that you used. This can take a few days.\n"
    }

    fn cancellation(&self) -> String {
        let mut text = format!("Your order {} has been cancelled.\n", self.number);
        if self.order.refunded.amount > 0 {
            text += &format!("We have refunded {}.\n", format_money(self.order.refunded));
            text += "The refund goes to the payment method that you used. This can take a few days.\n";
        }
        text
    }
}

/// One line of an order, with the options that the buyer chose.
fn item(line: &OrderLine, units: u64) -> String {
    let title = if line.title.is_empty() { line.sku.as_str() } else { &line.title };
    let mut text = format!("  {units} × {title}\n");
    for option in line.options.iter().flatten() {
        text += &format!("      {}: {}\n", option.name, option.value);
    }
    text
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]

    use engine::{
        id::{CheckoutId, ContactId, HoldId, OrderId, PaymentId, Sku, SubjectId, TenantId},
        money::Currency,
        order::{Change, FulfillmentState, LineSource, OrderTotals, Status},
        product::OptionValue,
        quantity::Quantity,
        time::Timestamp,
    };

    use super::*;

    fn dollars(amount: i64) -> Money {
        Money::new(amount, Currency::USD).unwrap()
    }

    /// The data of an order of two shirts in size S for 46.41 US dollars.
    pub(crate) fn order_mail() -> OrderMail {
        let order = OrderView {
            id: OrderId(42),
            number: 1,
            buyer: SubjectId(1),
            contact: ContactId(9),
            checkout: CheckoutId(2),
            payment: PaymentId(3),
            lines: vec![OrderLine {
                sku: Sku::new("SHIRT-S").unwrap(),
                product: None,
                title: "Shirt".into(),
                quantity: Quantity::new(2).unwrap(),
                unit_price: dollars(1_950),
                source: LineSource::Hold(HoldId(5)),
                options: Some(vec![OptionValue { name: "Size".into(), value: "S".into() }]),
            }],
            totals: OrderTotals {
                subtotal: dollars(3_900),
                shipping: dollars(0),
                tax: dollars(741),
                total: dollars(4_641),
            },
            refunded: dollars(0),
            placed_at: Timestamp(0),
            status: Status::default(),
            changes: Vec::new(),
        };
        OrderMail {
            email: "ada@example.com".into(),
            shop: "Ocean".into(),
            number: "7ZX3K9QD".into(),
            order,
            address: vec!["Ada Lovelace".into(), "1 Main St".into(), "London".into(), "GB".into()],
            access_url: Some("https://shop.example/o".into()),
        }
    }

    fn email(mail: &OrderMail, kind: MailKind) -> Email {
        mail.email(kind, Recipient::Contact(TenantId::new("demo").unwrap(), ContactId(9)))
    }

    #[test]
    fn a_receipt_has_the_items_the_shop_and_the_address() {
        let mail = order_mail();
        let receipt = email(&mail, MailKind::Receipt { order: OrderId(42) });
        assert_eq!(receipt.subject, "Your order 7ZX3K9QD from Ocean");
        assert_eq!(
            receipt.text,
            "Thank you for your order.\n\nOrder 7ZX3K9QD\n\n  2 × Shirt\n      Size: S\n      $39.00 ($19.50 each)\n\n  \
             Subtotal  $39.00\n  Tax       $7.41\n  Total     $46.41\n\nDelivery address\n\n  Ada Lovelace\n  1 Main St\n  \
             London\n  GB\n\nView your order: https://shop.example/o\n\nOcean\n"
        );
    }

    #[test]
    fn a_parcel_mail_has_its_items_and_tracking() {
        let mut mail = order_mail();
        let fulfillment = engine::id::FulfillmentId(7);
        let lines = vec![LineUnits { line: 0, units: 1 }];
        let tracking = Some("https://parcels.example/1".to_owned());
        mail.order.changes.push(Change::Shipped { fulfillment, lines, tracking, at: Timestamp(1) });
        mail.order.status.fulfillment_state = FulfillmentState::PartiallyFulfilled;
        let order = OrderId(42);
        let shipped = email(&mail, MailKind::Shipped { order, fulfillment });
        assert!(shipped.subject.ends_with("has been shipped"));
        for part in ["1 × Shirt", "Size: S", "Tracking: https://parcels.example/1", "1 Main St", "Ocean"] {
            assert!(shipped.text.contains(part), "{part} is missing: {}", shipped.text);
        }
        let change = |change| email(&mail, MailKind::TrackingChanged { order, fulfillment, change }).name;
        assert_ne!(change(1), change(2), "each correction is a mail of its own");
    }

    #[test]
    fn refunds_and_cancellations_name_the_money() {
        let mut mail = order_mail();
        mail.order.refunded = dollars(3_000);
        let order = OrderId(42);
        let refunded = email(&mail, MailKind::Refunded { order, notice: 3, amount: dollars(1_000) });
        assert!(refunded.text.contains("refunded $10.00") && refunded.text.contains("In total, $30.00"));
        let cancelled = email(&mail, MailKind::Cancelled { order });
        assert!(cancelled.subject.contains("cancelled") && cancelled.text.contains("refunded $30.00"));
        mail.order.refunded = dollars(0);
        assert!(!email(&mail, MailKind::Cancelled { order }).text.contains("refunded"), "nothing was paid");
    }
}
