//! The amount of a refund of an order's lines.

use super::{LineProgress, OrderLine, OrderTotals};
use crate::pricing::{PricedLine, PricingError, refund_of_units};

/// Returns the amount to refund for `now` units of each line, in minor units: their price and their share of the tax.
///
/// The shipping fee is refunded with the last unit: a buyer who returns everything gets it back (directive 2011/83/EU,
/// article 13).
pub(super) fn amount(
    lines: &[OrderLine],
    totals: &OrderTotals,
    before: &[LineProgress],
    now: &[u64],
) -> Result<i64, PricingError> {
    let before: Vec<u64> = before.iter().map(LineProgress::refunded).collect();
    let priced: Vec<PricedLine> = lines.iter().map(PricedLine::from).collect();
    let units = refund_of_units(&priced, totals, &before, now)?.amount.amount;
    let is_last = lines.iter().enumerate().all(|(index, line)| before[index] + now[index] >= line.quantity.units());
    Ok(units + if is_last { totals.shipping.amount } else { 0 })
}
