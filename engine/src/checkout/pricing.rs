//! What a checkout comes to.

use super::{CheckoutLine, CheckoutProblem, CheckoutTerms, Totals};
use crate::money::{Money, MoneyError};

/// The lines' prices, flat shipping, and taxes on the lines.
pub(super) fn totals(lines: &[CheckoutLine], terms: &CheckoutTerms) -> Result<Totals, CheckoutProblem> {
    let currency = lines.first().ok_or(CheckoutProblem::CartEmpty)?.unit_price.currency;
    if terms.shipping_flat != 0 && terms.currency.is_some_and(|shipping| shipping != currency) {
        return Err(CheckoutProblem::MixedCurrencies);
    }
    let sum = || -> Result<Totals, MoneyError> {
        let mut subtotal = Money::zero(currency);
        for line in lines {
            subtotal = subtotal.plus(line.unit_price.times(line.quantity.units())?)?;
        }
        let shipping = Money::new(terms.shipping_flat, currency)?;
        let tax = subtotal.share(terms.tax_basis_points)?;
        Ok(Totals { subtotal, shipping, tax, total: subtotal.plus(shipping)?.plus(tax)? })
    };
    sum().map_err(|error| match error {
        MoneyError::MixedCurrencies => CheckoutProblem::MixedCurrencies,
        MoneyError::TooLarge | MoneyError::UnknownCurrency => CheckoutProblem::TotalTooLarge,
    })
}
