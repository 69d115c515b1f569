//! Amounts of money as text for e-mails.

use engine::money::Money;

/// Currencies with a sign that is unambiguous to a reader of English.
const SIGNS: [(&str, &str); 4] = [("USD", "$"), ("EUR", "€"), ("GBP", "£"), ("JPY", "¥")];

/// Formats an amount in the currency's major unit, with thousands separators: `$1,234.50`, `HUF 2,499`, `KWD 1.250`.
pub fn format_money(money: Money) -> String {
    let decimals = money.currency.decimals() as usize;
    let digits = format!("{:0>width$}", money.amount.unsigned_abs(), width = decimals + 1);
    let (units, fraction) = digits.split_at(digits.len() - decimals);
    let code = money.currency.code();
    let mut text = String::new();
    if money.amount < 0 {
        text.push('-');
    }
    match SIGNS.iter().find(|(known, _)| *known == code) {
        Some((_, sign)) => text += sign,
        None => {
            text += code;
            // A no-break space, so that the amount stays on one line.
            text.push('\u{a0}');
        }
    }
    for (index, digit) in units.chars().enumerate() {
        if index > 0 && (units.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if decimals > 0 {
        text.push('.');
        text += fraction;
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use engine::money::Currency;

    use super::*;

    #[test]
    fn amounts_are_written_for_people() {
        let written = |amount, code| format_money(Money { amount, currency: Currency::new(code).unwrap() });
        for (amount, code, expected) in [
            (3_900, "USD", "$39.00"),
            (5, "USD", "$0.05"),
            (-123_456_789, "EUR", "-€1,234,567.89"),
            (2_499, "JPY", "¥2,499"),
            (1_250, "KWD", "KWD\u{a0}1.250"),
            (100, "CHF", "CHF\u{a0}1.00"),
            (0, "GBP", "£0.00"),
        ] {
            assert_eq!(written(amount, code), expected);
        }
    }
}
