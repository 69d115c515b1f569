//! The refund of units of an order.

use super::{PricedLine, PricingError, Totals, goods};
use crate::money::Money;

/// The refund of units of an order: `amount = goods + tax`, without the shipping fee.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnitRefund {
    /// The prices of the units.
    pub goods: Money,
    /// The share of the order's tax that was paid on the units.
    pub tax: Money,
    /// The sum of both.
    pub amount: Money,
}

/// Computes the refund of units of an order.
///
/// `before` and `now` are the units of each line, in the order of `lines`, that were refunded earlier and that are to
/// be refunded now; a missing entry is zero. The tax is computed by value for all units refunded so far, so that the
/// refunds of all units add up to the order's tax exactly, in any portions and order.
pub fn refund_of_units(
    lines: &[PricedLine],
    totals: &Totals,
    before: &[u64],
    now: &[u64],
) -> Result<UnitRefund, PricingError> {
    let units = |counts: &[u64], line: usize| counts.get(line).copied().unwrap_or(0);
    let currency = totals.total.currency;
    let (mut goods_before, mut goods_now) = (Money::zero(currency), Money::zero(currency));
    for (index, line) in lines.iter().enumerate() {
        let left = line.quantity.units().saturating_sub(units(before, index));
        if units(now, index) > left {
            return Err(PricingError::TooManyUnits { line: index, left });
        }
        goods_before = goods_before.plus(line.unit_price.times(units(before, index))?)?;
        goods_now = goods_now.plus(line.unit_price.times(units(now, index))?)?;
    }
    debug_assert!(goods(currency, lines).is_ok_and(|sum| sum == totals.subtotal), "the totals are those of the lines");
    let tax_before = tax_on(goods_before, totals)?;
    let tax_after = tax_on(goods_before.plus(goods_now)?, totals)?;
    let tax = Money::new(tax_after.amount - tax_before.amount, currency)?;
    Ok(UnitRefund { goods: goods_now, tax, amount: goods_now.plus(tax)? })
}

/// Returns the part of an order's tax that falls on goods of this value, halves rounded up.
fn tax_on(value: Money, totals: &Totals) -> Result<Money, PricingError> {
    let (tax, subtotal) = (i128::from(totals.tax.amount), i128::from(totals.subtotal.amount));
    if subtotal == 0 {
        return Ok(Money::zero(value.currency));
    }
    let share = (2 * tax * i128::from(value.amount) + subtotal) / (2 * subtotal);
    Ok(Money::new(i64::try_from(share).map_err(|_| PricingError::TooLarge)?, value.currency)?)
}
