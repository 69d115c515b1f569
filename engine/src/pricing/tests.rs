//! Tests of pricing.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::money::AMOUNT_MAX;

fn dollars(amount: i64) -> Money {
    Money::new(amount, Currency::USD).unwrap()
}

fn line(quantity: i64, unit_price: Money) -> PricedLine {
    PricedLine { quantity: Quantity::new(quantity).unwrap(), unit_price }
}

#[test]
fn shipping_and_tax_are_added_to_the_goods() {
    let terms = PriceTerms { shipping_flat: 499, tax_basis_points: 2_300, currency: Some(Currency::USD) };
    let totals = price(&[line(2, dollars(400)), line(1, dollars(1_000))], &terms).unwrap();
    assert_eq!(
        totals,
        Totals { subtotal: dollars(1_800), shipping: dollars(499), tax: dollars(414), total: dollars(2_713) }
    );
    assert!(totals.adds_up());
}

#[test]
fn totals_that_do_not_add_up_are_noticed() {
    let totals = price(&[line(1, dollars(400))], &PriceTerms::default()).unwrap();
    assert!(!Totals { total: dollars(401), ..totals }.adds_up());
    let negative = Totals { shipping: dollars(-1), total: dollars(399), ..totals };
    assert!(!negative.adds_up(), "no part is negative");
}

#[test]
fn nothing_mixed_or_too_large_has_a_price() {
    let yen = Money::new(500, Currency::new("JPY").unwrap()).unwrap();
    let free = PriceTerms::default();
    let in_dollars = PriceTerms { shipping_flat: 499, currency: Some(Currency::USD), ..free };
    assert_eq!(price(&[], &free), Err(PricingError::NoLines));
    assert_eq!(price(&[line(1, yen), line(1, dollars(5))], &free), Err(PricingError::MixedCurrencies));
    assert_eq!(price(&[line(1, yen)], &in_dollars), Err(PricingError::MixedCurrencies));
    assert!(price(&[line(1, yen)], &PriceTerms { currency: Some(Currency::USD), ..free }).is_ok());
    assert!(price(&[line(1, dollars(AMOUNT_MAX))], &free).is_ok());
    assert_eq!(price(&[line(1, dollars(AMOUNT_MAX)), line(1, dollars(1))], &free), Err(PricingError::TooLarge));
    let taxed = PriceTerms { tax_basis_points: 1, ..free };
    assert_eq!(price(&[line(1, dollars(AMOUNT_MAX))], &taxed), Err(PricingError::TooLarge));
}

#[test]
fn units_given_back_take_their_tax_with_them_and_no_shipping() {
    let lines = [line(2, dollars(999)), line(1, dollars(500))];
    let terms = PriceTerms { shipping_flat: 700, tax_basis_points: 1_900, currency: None };
    let totals = price(&lines, &terms).unwrap();
    let refund = refund_of_units(&lines, &totals, &[], &[1]).unwrap();
    assert_eq!(refund, UnitRefund { goods: dollars(999), tax: dollars(190), amount: dollars(1_189) });
}

#[test]
fn no_more_units_come_back_than_are_left() {
    let lines = [line(1, dollars(5)), line(3, dollars(7))];
    let totals = price(&lines, &PriceTerms::default()).unwrap();
    assert!(refund_of_units(&lines, &totals, &[0, 1], &[0, 2]).is_ok());
    let too_many = refund_of_units(&lines, &totals, &[0, 1], &[0, 3]);
    assert_eq!(too_many, Err(PricingError::TooManyUnits { line: 1, left: 2 }));
}

proptest! {
    #[test]
    fn refunds_of_all_units_add_up_to_the_goods_and_the_tax(
        lines in prop::collection::vec((1i64..=6, 0i64..=1_000_000), 1..=5),
        tax_basis_points in 0u32..=10_000,
        order in any::<prop::sample::Index>(),
    ) {
        let lines: Vec<_> = lines.into_iter().map(|(units, price)| line(units, dollars(price))).collect();
        let totals = price(&lines, &PriceTerms { tax_basis_points, ..PriceTerms::default() }).unwrap();
        prop_assert!(totals.adds_up());
        let mut before = vec![0; lines.len()];
        let mut given_back = Money::zero(Currency::USD);
        // Refund unit by unit, beginning with any line.
        let first = order.index(lines.len());
        for index in (0..lines.len()).map(|step| (first + step) % lines.len()) {
            for _ in 0..lines[index].quantity.units() {
                let mut now = vec![0; lines.len()];
                now[index] = 1;
                let refund = refund_of_units(&lines, &totals, &before, &now).unwrap();
                prop_assert!(refund.tax.amount >= 0 && refund.goods.amount >= 0);
                given_back = given_back.plus(refund.amount).unwrap();
                before[index] += 1;
            }
        }
        prop_assert_eq!(given_back, totals.subtotal.plus(totals.tax).unwrap());
    }
}
