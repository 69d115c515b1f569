//! Orders as a table: a row for each line, with decimal amounts and the shipping address.

use engine::{
    catalogue::{format_price, guarded},
    money::Money,
    order::{LineSource, OrderLine, OrderView},
};
use persistence::sql::Contact;
use serde_json::{Map, Value, json};

/// The columns. The amounts of an order are only in its first row, so that a column can be summed up.
const COLUMNS: [&str; 29] = [
    "Number",
    "Id",
    "Placed at",
    "Payment state",
    "Fulfillment state",
    "Email",
    "Name",
    "Address line 1",
    "Address line 2",
    "City",
    "Region",
    "Postal code",
    "Country",
    "Phone",
    "Address, other",
    "Currency",
    "Subtotal",
    "Shipping",
    "Tax",
    "Total",
    "Refunded",
    "Tracking",
    "Line sku",
    "Line title",
    "Line quantity",
    "Line unit price",
    "Line source",
    "Buyer",
    "Line options",
];

/// The address fields that have a column, with the names that shops use for them.
const ADDRESS: [&[&str]; 7] = [
    &["line1", "address1", "street_address", "street"],
    &["line2", "address2"],
    &["city"],
    &["region", "state", "province", "country_area"],
    &["postal_code", "zip"],
    &["country", "country_code"],
    &["phone"],
];

/// The header.
pub(super) fn header() -> impl Iterator<Item = &'static str> {
    COLUMNS.into_iter()
}

/// Returns the rows of an order. Cells are guarded against formula injection.
pub(super) fn rows(order: &OrderView, number: &str, contact: Option<&Contact>) -> Vec<Vec<String>> {
    let lines = order.lines.iter().enumerate();
    let rows = lines.map(|(index, line)| row(order, line, index == 0, number, contact));
    rows.map(|row| row.iter().map(|cell| guarded(cell).into_owned()).collect()).collect()
}

fn row(order: &OrderView, line: &OrderLine, is_first: bool, number: &str, contact: Option<&Contact>) -> Vec<String> {
    let word = |state: Value| state.as_str().unwrap_or_default().to_owned();
    let once = |money: Money| if is_first { decimal(money) } else { String::new() };
    let source = match line.source {
        LineSource::Claim(claim) => format!("claim {claim}"),
        LineSource::Hold(_) => "inventory".to_owned(),
    };
    let totals = &order.totals;
    let of_order = [
        number.to_owned(),
        order.id.to_string(),
        order.placed_at.to_string(),
        word(json!(order.payment_state())),
        word(json!(order.fulfillment_state())),
    ];
    let of_money = [
        totals.total.currency.to_string(),
        once(totals.subtotal),
        once(totals.shipping),
        once(totals.tax),
        once(totals.total),
        once(order.refunded),
    ];
    let of_line = [
        order.status.tracking.clone().unwrap_or_default(),
        line.sku.to_string(),
        line.title.clone(),
        line.quantity.units().to_string(),
        decimal(line.unit_price),
        source,
        order.buyer.to_string(),
        options(line),
    ];
    of_order.into_iter().chain(of_contact(contact)).chain(of_money).chain(of_line).collect()
}

/// Returns the options that the buyer chose: `Size: M; Colour: Blue`.
fn options(line: &OrderLine) -> String {
    let options = line.options.iter().flatten();
    options.map(|option| format!("{}: {}", option.name, option.value)).collect::<Vec<_>>().join("; ")
}

fn decimal(money: Money) -> String {
    format_price(money.amount, money.currency)
}

/// Returns e-mail, name and address, blank once erased.
fn of_contact(contact: Option<&Contact>) -> Vec<String> {
    let none = Map::new();
    let address = contact.and_then(|contact| contact.address.as_ref()).unwrap_or(&none);
    let text = |name: &str| address.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let name = contact.and_then(|contact| contact.name.clone()).unwrap_or_else(|| text("name"));
    let email = contact.and_then(|contact| contact.email.clone()).unwrap_or_default();
    let mut cells = vec![email, name];
    // The first name with a value fills the column. Further names for the same field are listed among the others.
    let chosen = ADDRESS.map(|names| names.iter().copied().find(|name| !text(name).is_empty()));
    cells.extend(chosen.map(|name| name.map(text).unwrap_or_default()));
    let others = address.iter().filter(|(name, _)| *name != "name" && !chosen.contains(&Some(name.as_str())));
    let others = others.filter_map(|(name, value)| Some((name, value.as_str().filter(|text| !text.is_empty())?)));
    cells.push(others.map(|(name, text)| format!("{name}: {text}")).collect::<Vec<_>>().join("; "));
    cells
}

/// Returns an order as a JSON object, with amounts in minor units as in the API.
pub(super) fn object(order: &OrderView, number: &str, contact: Option<&Contact>) -> Value {
    let line = |line: &OrderLine| {
        json!({
            "sku": line.sku, "product_id": line.product, "title": line.title, "quantity": line.quantity.units(),
            "unit_price": line.unit_price, "options": line.options,
        })
    };
    let totals = &order.totals;
    json!({
        "id": order.id, "number": number, "placed_at": order.placed_at, "buyer": order.buyer,
        "email": contact.and_then(|contact| contact.email.as_ref()),
        "name": contact.and_then(|contact| contact.name.as_ref()),
        "shipping_address": contact.and_then(|contact| contact.address.as_ref()),
        "payment_state": order.payment_state(), "fulfillment_state": order.fulfillment_state(),
        "lines": order.lines.iter().map(line).collect::<Vec<_>>(),
        "totals": {"subtotal": totals.subtotal, "shipping": totals.shipping, "tax": totals.tax, "total": totals.total},
        "refunded": order.refunded, "tracking": order.status.tracking,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use engine::{
        id::{CheckoutId, ContactId, HoldId, OrderId, PaymentId, Sku, SubjectId},
        money::Currency,
        order::{FulfillmentState, OrderPaymentState, OrderTotals, Status},
        product::OptionValue,
        quantity::Quantity,
        time::Timestamp,
    };

    use super::*;

    fn order(code: &str) -> OrderView {
        let money = |amount| Money { amount, currency: Currency::new(code).unwrap() };
        let line = |sku: &str, title: &str, units, price| OrderLine {
            sku: Sku::new(sku).unwrap(),
            product: None,
            title: title.into(),
            quantity: Quantity::new(units).unwrap(),
            unit_price: money(price),
            source: LineSource::Hold(HoldId(9)),
            options: Some(vec![OptionValue { name: "Size".into(), value: "M".into() }]),
        };
        OrderView {
            id: OrderId(1),
            number: 7,
            buyer: SubjectId(2),
            contact: ContactId(3),
            checkout: CheckoutId(4),
            payment: PaymentId(5),
            lines: vec![line("-A", "=HYPERLINK(\"http://evil\")", 2, 1_200), line("B", "Łóżko", 1, 5)],
            totals: OrderTotals { subtotal: money(2_405), shipping: money(0), tax: money(100), total: money(2_505) },
            refunded: money(0),
            placed_at: Timestamp(0),
            status: Status {
                payment_state: OrderPaymentState::Paid,
                fulfillment_state: FulfillmentState::Unfulfilled,
                refunded: 0,
                paid_at: None,
                fulfilled_at: None,
                cancelled_at: None,
                tracking: Some("@track".into()),
                restocked: false,
            },
            changes: Vec::new(),
        }
    }

    fn contact() -> Contact {
        let address = [
            ("name", "+Ann"),
            ("line1", "=1 Long Lane"),
            ("city", "Łódź"),
            ("state", "ŁD"),
            ("zip", "90-001"),
            ("country", "PL"),
            ("phone", "+48 123"),
            ("door", "7"),
        ];
        Contact {
            contact: ContactId(3),
            subject: SubjectId(2),
            email: Some("ann@example.com".into()),
            name: Some("+Ann".into()),
            address: Some(address.into_iter().map(|(name, text)| (name.to_owned(), json!(text))).collect()),
            created_at: Timestamp(0),
            erased_at: None,
            until_order: None,
        }
    }

    fn cell(row: &[String], column: &str) -> String {
        row[COLUMNS.iter().position(|name| *name == column).unwrap()].clone()
    }

    #[test]
    fn amounts_are_decimals_of_their_currency_and_are_there_once() {
        for (code, total, each) in [("USD", "25.05", "12.00"), ("JPY", "2505", "1200"), ("KWD", "2.505", "1.200")] {
            let rows = rows(&order(code), "NUM", Some(&contact()));
            assert_eq!((cell(&rows[0], "Total"), cell(&rows[0], "Line unit price")), (total.into(), each.into()));
            assert_eq!((cell(&rows[0], "Currency"), cell(&rows[1], "Total")), (code.into(), String::new()));
            assert_eq!((cell(&rows[1], "Currency"), cell(&rows[1], "Line quantity")), (code.into(), "1".into()));
            assert_eq!(cell(&rows[1], "Line options"), "Size: M");
        }
    }

    #[test]
    fn the_parcel_s_address_is_there_and_nothing_of_it_is_lost() {
        let rows = rows(&order("PLN"), "NUM", Some(&contact()));
        for row in &rows {
            assert_eq!(row.len(), COLUMNS.len());
            for (column, text) in [
                ("Email", "ann@example.com"),
                ("City", "Łódź"),
                ("Region", "ŁD"),
                ("Postal code", "90-001"),
                ("Country", "PL"),
                ("Address, other", "door: 7"),
            ] {
                assert_eq!(cell(row, column), text);
            }
        }
        let erased = Contact { email: None, name: None, address: None, ..contact() };
        let row = &super::rows(&order("PLN"), "NUM", Some(&erased))[0];
        assert!((5..15).all(|index| row[index].is_empty()), "{row:?}");
        assert_eq!(object(&order("PLN"), "NUM", Some(&contact()))["shipping_address"]["door"], "7");
    }

    #[test]
    fn no_cell_is_a_formula() {
        let rows = rows(&order("PLN"), "NUM", Some(&contact()));
        assert!(rows.iter().flatten().all(|cell| !cell.starts_with(['=', '+', '-', '@', '\t', '\r'])), "{rows:?}");
        for (column, text) in [("Name", "'+Ann"), ("Phone", "'+48 123"), ("Line sku", "'-A"), ("Tracking", "'@track")] {
            assert_eq!(cell(&rows[0], column), text);
        }
        assert_eq!(cell(&rows[1], "Line title"), "Łóżko");
    }
}
