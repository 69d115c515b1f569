//! Money as requests and answers spell it.

use std::sync::LazyLock;

use engine::money::{AMOUNT_MAX, Currency, Money};
use serde::{Deserialize, Serialize};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, schema::Schema},
};

use crate::problem::{Faults, schema_of};

/// An amount of money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MoneyWire {
    pub(crate) amount: i64,
    pub(crate) currency: String,
}

impl From<Money> for MoneyWire {
    fn from(money: Money) -> Self {
        Self { amount: money.amount, currency: money.currency.code().to_owned() }
    }
}

impl MoneyWire {
    /// The amount, if it and its currency are within bounds.
    pub(crate) fn read(&self, pointer: &str, faults: &mut Faults) -> Option<Money> {
        let currency = faults.range(format!("{pointer}/currency"), Currency::new(&self.currency));
        let fits = self.amount.unsigned_abs() <= AMOUNT_MAX.unsigned_abs();
        faults.check(format!("{pointer}/amount"), fits, "lies from -(2^53 - 1) to 2^53 - 1");
        currency.filter(|_| fits).map(|currency| Money { amount: self.amount, currency })
    }
}

/// A price: an amount that is not negative, in the currency that the others have too.
pub(crate) fn price_in(
    price: &MoneyWire,
    pointer: &str,
    currency: &mut Option<Currency>,
    faults: &mut Faults,
) -> Option<i64> {
    let money = price.read(pointer, faults)?;
    faults.check(format!("{pointer}/amount"), money.amount >= 0, "must not be negative");
    let expected = *currency.get_or_insert(money.currency);
    faults.check(format!("{pointer}/currency"), expected == money.currency, "differs from the other prices' currency");
    (money.amount >= 0 && expected == money.currency).then_some(money.amount)
}

/// Every code that [`Currency::new`] takes. Found once: there are 17,576 to be tried.
static CURRENCY_CODES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let letters = || b'A'..=b'Z';
    letters()
        .flat_map(|a| letters().flat_map(move |b| letters().map(move |c| [a, b, c])))
        .filter_map(|code| String::from_utf8(code.to_vec()).ok())
        .filter(|code| Currency::new(code).is_ok())
        .collect()
});

/// The schema of an amount of money from `least` minor units on.
fn money_from(least: i64, description: &str) -> RefOr<Schema> {
    schema_of(serde_json::json!({
        "type": "object",
        "description": description,
        "required": ["amount", "currency"],
        "additionalProperties": false,
        "properties": {
            "amount": {"type": "integer", "format": "int64", "minimum": least, "maximum": AMOUNT_MAX,
                       "description": "Minor units.", "examples": [1999]},
            "currency": {"$ref": "#/components/schemas/Currency"}
        }
    }))
}

/// The schema of amounts that are not negative.
pub(crate) struct PriceSchema;

impl PartialSchema for PriceSchema {
    fn schema() -> RefOr<Schema> {
        money_from(0, "An amount of money that is not negative.")
    }
}

impl ToSchema for PriceSchema {
    fn name() -> std::borrow::Cow<'static, str> {
        "Price".into()
    }
}

/// The schema of amounts that are more than nothing.
pub(crate) struct AmountSchema;

impl PartialSchema for AmountSchema {
    fn schema() -> RefOr<Schema> {
        money_from(1, "An amount of money that is more than nothing.")
    }
}

impl ToSchema for AmountSchema {
    fn name() -> std::borrow::Cow<'static, str> {
        "Amount".into()
    }
}

impl PartialSchema for MoneyWire {
    fn schema() -> RefOr<Schema> {
        money_from(-AMOUNT_MAX, "An amount of money in minor units (cents): no floats, ever.")
    }
}

impl ToSchema for MoneyWire {
    fn name() -> std::borrow::Cow<'static, str> {
        "Money".into()
    }
}

/// The schema of currencies.
pub(crate) struct CurrencySchema;

impl PartialSchema for CurrencySchema {
    fn schema() -> RefOr<Schema> {
        schema_of(serde_json::json!({
            "type": "string", "enum": *CURRENCY_CODES, "description": "A currency: an ISO 4217 code.", "examples": ["USD"]
        }))
    }
}

impl ToSchema for CurrencySchema {
    fn name() -> std::borrow::Cow<'static, str> {
        "Currency".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Code;

    fn read(amount: i64, currency: &str) -> Result<Money, Code> {
        let mut faults = Faults::default();
        let money = MoneyWire { amount, currency: currency.into() }.read("/price", &mut faults);
        faults.give(money).map_err(|problem| problem.code())
    }

    #[test]
    fn money_has_edges() {
        assert_eq!(read(AMOUNT_MAX, "USD"), Ok(Money { amount: AMOUNT_MAX, currency: Currency::USD }));
        assert_eq!(read(AMOUNT_MAX + 1, "USD"), Err(Code::OutOfRange));
        assert_eq!(read(i64::MIN, "USD"), Err(Code::OutOfRange));
        assert_eq!(read(1, "usd"), Err(Code::OutOfRange));
        assert!(CURRENCY_CODES.contains(&"JPY".to_owned()) && CURRENCY_CODES.len() > 100);
    }
}
