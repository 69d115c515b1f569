//! Money in requests and responses.

use engine::money::{AMOUNT_MAX, CURRENCIES_AS_OF, Currency, Money};
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
    /// Returns the amount if it is in range and its currency is known. The currency may be one that is no longer in
    /// use.
    pub(crate) fn read(&self, pointer: &str, faults: &mut Faults) -> Option<Money> {
        let currency = faults.range(format!("{pointer}/currency"), Currency::known(&self.currency));
        let fits = self.amount.unsigned_abs() <= AMOUNT_MAX.unsigned_abs();
        faults.check(format!("{pointer}/amount"), fits, "must be between -9007199254740991 and 9007199254740991");
        currency.filter(|_| fits).map(|currency| Money { amount: self.amount, currency })
    }
}

/// Reads a price: an amount that is not negative, in a currency in use that all prices share.
pub(crate) fn price_in(
    price: &MoneyWire,
    pointer: &str,
    currency: &mut Option<Currency>,
    faults: &mut Faults,
) -> Option<i64> {
    let money = price.read(pointer, faults)?;
    faults.range(format!("{pointer}/currency"), money.currency.in_use())?;
    faults.check(format!("{pointer}/amount"), money.amount >= 0, "must not be negative");
    let expected = *currency.get_or_insert(money.currency);
    faults.check(
        format!("{pointer}/currency"),
        expected == money.currency,
        "must be the same currency as the other prices",
    );
    (money.amount >= 0 && expected == money.currency).then_some(money.amount)
}

/// Returns the schema of an amount of at least `least` minor units.
fn money_from(least: i64, currency: &str, description: &str) -> RefOr<Schema> {
    schema_of(serde_json::json!({
        "type": "object",
        "description": description,
        "required": ["amount", "currency"],
        "additionalProperties": false,
        "properties": {
            "amount": {"type": "integer", "format": "int64", "minimum": least, "maximum": AMOUNT_MAX,
                       "description": "The amount in minor units.", "examples": [1999]},
            "currency": {"$ref": format!("#/components/schemas/{currency}")}
        }
    }))
}

/// The schema of amounts that are not negative.
pub(crate) struct PriceSchema;

impl PartialSchema for PriceSchema {
    fn schema() -> RefOr<Schema> {
        money_from(0, "Currency", "An amount of money that is not negative.")
    }
}

impl ToSchema for PriceSchema {
    fn name() -> std::borrow::Cow<'static, str> {
        "Price".into()
    }
}

/// The schema of positive amounts.
pub(crate) struct AmountSchema;

impl PartialSchema for AmountSchema {
    fn schema() -> RefOr<Schema> {
        money_from(1, "Currency", "An amount of money greater than zero.")
    }
}

impl ToSchema for AmountSchema {
    fn name() -> std::borrow::Cow<'static, str> {
        "Amount".into()
    }
}

impl PartialSchema for MoneyWire {
    fn schema() -> RefOr<Schema> {
        money_from(-AMOUNT_MAX, "RecordedCurrency", "An amount of money in minor units (cents), as an integer.")
    }
}

impl ToSchema for MoneyWire {
    fn name() -> std::borrow::Cow<'static, str> {
        "Money".into()
    }
}

/// Returns the schema of these currencies. Clients format and parse amounts by the table in `x-decimals`.
fn currencies(which: impl Iterator<Item = Currency> + Clone, description: &str) -> RefOr<Schema> {
    let codes: Vec<_> = which.clone().map(|currency| currency.to_string()).collect();
    let decimals: serde_json::Map<_, _> = which.map(|one| (one.to_string(), one.decimals().into())).collect();
    schema_of(serde_json::json!({
        "type": "string", "enum": codes, "description": description, "examples": ["USD"], "x-decimals": decimals
    }))
}

/// The schema of currencies that prices can have.
pub(crate) struct CurrencySchema;

impl PartialSchema for CurrencySchema {
    fn schema() -> RefOr<Schema> {
        let which = Currency::all_in_use().collect::<Vec<_>>();
        let description = format!("A currency in use: ISO 4217, list one as of {CURRENCIES_AS_OF}, legal tender only.");
        currencies(which.into_iter(), &description)
    }
}

impl ToSchema for CurrencySchema {
    fn name() -> std::borrow::Cow<'static, str> {
        "Currency".into()
    }
}

/// The schema of currencies that past sales can have.
pub(crate) struct RecordedCurrencySchema;

impl PartialSchema for RecordedCurrencySchema {
    fn schema() -> RefOr<Schema> {
        currencies(
            Currency::all_known().iter().copied(),
            "A currency that is or was in use; it may have been withdrawn since.",
        )
    }
}

impl ToSchema for RecordedCurrencySchema {
    fn name() -> std::borrow::Cow<'static, str> {
        "RecordedCurrency".into()
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
    }

    #[test]
    fn prices_are_in_currencies_in_use_and_amounts_of_old_ones_are_read() {
        for code in ["XXX", "XTS", "XAU", "CLF", "HRK", "BGN"] {
            let (mut faults, mut currency) = (Faults::default(), None);
            let price = MoneyWire { amount: 1, currency: code.into() };
            let read_price = price_in(&price, "/price", &mut currency, &mut faults);
            assert_eq!((read_price, currency), (None, None), "{code}");
            assert_eq!(faults.give(Some(())).map_err(|problem| problem.code()), Err(Code::OutOfRange), "{code}");
            assert!(read(1, code).is_ok(), "an order in {code} can be refunded");
        }
        assert_eq!(read(1, "ZZZ"), Err(Code::OutOfRange));
    }

    #[test]
    fn the_document_has_the_decimals_of_every_currency() {
        let document = crate::Gateway::openapi();
        for (name, which) in [
            ("Currency", Currency::all_in_use().collect::<Vec<_>>()),
            ("RecordedCurrency", Currency::all_known().to_vec()),
        ] {
            let schema = &document["components"]["schemas"][name];
            assert_eq!(schema["enum"].as_array().unwrap().len(), which.len());
            assert_eq!(schema["x-decimals"].as_object().unwrap().len(), which.len());
            for currency in which {
                assert_eq!(schema["x-decimals"][currency.code()], currency.decimals(), "{currency}");
            }
        }
    }
}
