//! Computes prices: the only code that computes totals, for quotes, checkouts, orders and refunds.
//!
//! A price is computed in stages, each from the results of the stages before it:
//!
//! ```text
//! lines ──▶ goods ──▶ shipping ──▶ tax ──▶ total          price
//! lines + totals ──▶ share of goods and tax ──▶ amount    refund_of_units
//! ```
//!
//! A promotion would be a stage between goods and shipping, and a tax rule would replace the tax stage: both have the
//! lines as their input, and neither changes the callers. The totals of an order are stored with it; a refund is a
//! share of the stored totals, so an order is never priced again under newer terms.

mod refund;
#[cfg(test)]
mod tests;

use minicbor::{Decode, Encode};

pub use self::refund::{UnitRefund, refund_of_units};
use crate::{
    money::{Currency, Money, MoneyError},
    quantity::Quantity,
};

/// Units of one item at one price: a line of a cart, a checkout or an order, as far as pricing is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PricedLine {
    /// The number of units.
    pub quantity: Quantity,
    /// The price of each unit.
    pub unit_price: Money,
}

/// The amounts that a shop adds to the prices of its goods.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
pub struct PriceTerms {
    /// The shipping fee of an order, in minor units.
    #[n(0)]
    pub shipping_flat: i64,
    /// The tax rate on the goods, in hundredths of a percent.
    #[n(1)]
    pub tax_basis_points: u32,
    /// The currency of `shipping_flat`. `None` means the currency of the goods.
    #[n(2)]
    pub currency: Option<Currency>,
}

/// The totals of goods, in one currency: `total = subtotal + shipping + tax`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Totals {
    /// The sum of the lines.
    #[n(0)]
    pub subtotal: Money,
    /// The shipping fee.
    #[n(1)]
    pub shipping: Money,
    /// The tax on the lines.
    #[n(2)]
    pub tax: Money,
    /// The sum of the parts.
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

/// The reason why goods cannot be priced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PricingError {
    /// There are no lines.
    #[error("there are no lines")]
    NoLines,
    /// The goods, or the goods and the shipping fee, have different currencies.
    #[error("prices in different currencies")]
    MixedCurrencies,
    /// A sum exceeds [`AMOUNT_MAX`](crate::money::AMOUNT_MAX).
    #[error("the total is too large")]
    TooLarge,
    /// A line has fewer units left than are to be refunded.
    #[error("line {line} has {left} units left")]
    TooManyUnits {
        /// The index of the line.
        line: usize,
        /// The number of units that can still be refunded.
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

/// Computes the totals of lines under the terms of a shop.
pub fn price(lines: &[PricedLine], terms: &PriceTerms) -> Result<Totals, PricingError> {
    let currency = lines.first().ok_or(PricingError::NoLines)?.unit_price.currency;
    let subtotal = goods(currency, lines)?;
    let shipping = shipping(currency, terms)?;
    let tax = subtotal.share(terms.tax_basis_points)?;
    let total = subtotal.plus(shipping)?.plus(tax)?;
    Ok(Totals { subtotal, shipping, tax, total })
}

/// Sums the prices of lines; zero in `currency` if there are none.
pub fn goods(currency: Currency, lines: &[PricedLine]) -> Result<Money, MoneyError> {
    lines.iter().try_fold(Money::zero(currency), |sum, line| sum.plus(line.unit_price.times(line.quantity.units())?))
}

fn shipping(currency: Currency, terms: &PriceTerms) -> Result<Money, PricingError> {
    // A shop without a shipping fee sells in any currency.
    if terms.shipping_flat != 0 && terms.currency.is_some_and(|shipping| shipping != currency) {
        return Err(PricingError::MixedCurrencies);
    }
    Ok(Money::new(terms.shipping_flat, currency)?)
}
