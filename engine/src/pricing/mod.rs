//! Prices goods: the only place that computes totals, for quotes, checkouts, orders and refunds.
//!
//! A price is computed in stages, each from the results of the stages before it:
//!
//! ```text
//! lines ──▶ goods ──▶ shipping ──▶ tax ──▶ total          price
//! lines + totals ──▶ share of goods and tax ──▶ amount    refund_of_units
//! ```
//!
//! A promotion is a stage between goods and shipping, a tax rule a replacement of the tax stage: both see the lines, and
//! neither changes a caller. What is priced once is kept with the order; a refund shares those kept totals out, and never
//! prices an order again under newer terms.

mod refund;
#[cfg(test)]
mod tests;

use minicbor::{Decode, Encode};

pub use self::refund::{UnitRefund, refund_of_units};
use crate::{
    money::{Currency, Money, MoneyError},
    quantity::Quantity,
};

/// Units of one thing at one price: what a line of a cart, a checkout or an order is to pricing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PricedLine {
    /// How many units.
    pub quantity: Quantity,
    /// The price of each unit.
    pub unit_price: Money,
}

/// What a shop adds to the prices of its goods.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
pub struct PriceTerms {
    /// Shipping of an order, in minor units.
    #[n(0)]
    pub shipping_flat: i64,
    /// Tax on the goods, in hundredths of a percent.
    #[n(1)]
    pub tax_basis_points: u32,
    /// The currency of `shipping_flat`. `None`: the currency of the goods, whichever that is.
    #[n(2)]
    pub currency: Option<Currency>,
}

/// What goods come to. `total = subtotal + shipping + tax`, in one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Totals {
    /// The lines.
    #[n(0)]
    pub subtotal: Money,
    /// Shipping.
    #[n(1)]
    pub shipping: Money,
    /// Taxes on the lines.
    #[n(2)]
    pub tax: Money,
    /// All of it.
    #[n(3)]
    pub total: Money,
}

impl Totals {
    /// Whether the total is the sum of its parts, and no part is negative.
    pub fn adds_up(&self) -> bool {
        let parts = [self.subtotal, self.shipping, self.tax];
        let sum = parts[1..].iter().try_fold(self.subtotal, |sum, part| sum.plus(*part));
        parts.iter().all(|part| part.amount >= 0) && sum.is_ok_and(|sum| sum == self.total)
    }
}

/// Why goods have no price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PricingError {
    /// There is nothing to price.
    #[error("there are no lines")]
    NoLines,
    /// The goods, or the goods and shipping, are in different currencies.
    #[error("prices in different currencies")]
    MixedCurrencies,
    /// A sum is beyond [`AMOUNT_MAX`](crate::money::AMOUNT_MAX).
    #[error("the total is too large")]
    TooLarge,
    /// A line has fewer units left than are to be given back.
    #[error("line {line} has {left} units left")]
    TooManyUnits {
        /// The index of the line.
        line: usize,
        /// The units that can still be given back.
        left: u64,
    },
}

impl From<MoneyError> for PricingError {
    fn from(error: MoneyError) -> Self {
        match error {
            MoneyError::MixedCurrencies => Self::MixedCurrencies,
            MoneyError::TooLarge | MoneyError::UnknownCurrency | MoneyError::NotInUse => Self::TooLarge,
        }
    }
}

/// Prices lines under the terms of a shop.
pub fn price(lines: &[PricedLine], terms: &PriceTerms) -> Result<Totals, PricingError> {
    let currency = lines.first().ok_or(PricingError::NoLines)?.unit_price.currency;
    let subtotal = goods(currency, lines)?;
    let shipping = shipping(currency, terms)?;
    let tax = subtotal.share(terms.tax_basis_points)?;
    let total = subtotal.plus(shipping)?.plus(tax)?;
    Ok(Totals { subtotal, shipping, tax, total })
}

/// Sums the prices of lines; zero in `currency` without any.
pub fn goods(currency: Currency, lines: &[PricedLine]) -> Result<Money, MoneyError> {
    lines.iter().try_fold(Money::zero(currency), |sum, line| sum.plus(line.unit_price.times(line.quantity.units())?))
}

fn shipping(currency: Currency, terms: &PriceTerms) -> Result<Money, PricingError> {
    // A shop without shipping sells in any currency.
    if terms.shipping_flat != 0 && terms.currency.is_some_and(|shipping| shipping != currency) {
        return Err(PricingError::MixedCurrencies);
    }
    Ok(Money::new(terms.shipping_flat, currency)?)
}
