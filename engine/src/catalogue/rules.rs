//! Parses single cells.

use std::collections::HashMap;

use url::{Position, Url};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use super::{Refusal, Warning, WarningKind};
use crate::{
    id::Sku,
    money::{AMOUNT_MAX, Currency},
    product::{Handle, IMAGE_SRC_CHARS_MAX, Status, TAGS_MAX, TEXT_CHARS_MAX, image_src_fits, single_line},
    quantity::QUANTITY_MAX,
};

/// Parses a price such as `9.99`, `10` or `10.5` into minor units. Zeros beyond the currency's decimals are accepted:
/// `500.00` is 500 yen.
pub fn parse_price(text: &str, currency: Currency) -> Result<i64, Refusal> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() + part.len() == 0 || !all_digits(whole) || !all_digits(part) {
        return Err(Refusal::NotAPrice);
    }
    let decimals = currency.decimals() as usize;
    let (kept, beyond) = part.split_at(part.len().min(decimals));
    if beyond.bytes().any(|digit| digit != b'0') {
        return Err(Refusal::TooManyDecimals { currency });
    }
    let mut amount: i64 = 0;
    let padding = std::iter::repeat_n(b'0', decimals - kept.len());
    for digit in whole.bytes().chain(kept.bytes()).chain(padding) {
        amount = amount
            .checked_mul(10)
            .and_then(|tens| tens.checked_add(i64::from(digit - b'0')))
            .ok_or(Refusal::PriceTooLarge)?;
    }
    match amount * sign {
        amount if amount < 0 => Err(Refusal::NegativePrice),
        amount if amount > AMOUNT_MAX => Err(Refusal::PriceTooLarge),
        amount => Ok(amount),
    }
}

/// Formats a price for [`parse_price`], with all of the currency's decimals. `amount` is in minor units.
pub fn format_price(amount: i64, currency: Currency) -> String {
    let decimals = currency.decimals() as usize;
    let digits = format!("{:0>width$}", amount.unsigned_abs(), width = decimals + 1);
    let (whole, part) = digits.split_at(digits.len() - decimals);
    let sign = if amount < 0 { "-" } else { "" };
    if decimals == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part}") }
}

/// Parses a whole number of units, which may have zeros as decimals: `10.0`. `None` if it is negative.
pub(super) fn parse_quantity(text: &str) -> Result<Option<u64>, Refusal> {
    let (is_negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !part.bytes().all(|digit| digit == b'0') {
        return Err(Refusal::NotAQuantity);
    }
    if is_negative && whole.bytes().any(|digit| digit != b'0') {
        return Ok(None);
    }
    match whole.parse::<u64>() {
        Ok(units) if units <= u64::from(QUANTITY_MAX) => Ok(Some(units)),
        _ => Err(Refusal::QuantityTooLarge),
    }
}

/// The words for true and false that spreadsheets write in their languages and that people write by hand, in lower
/// case.
const TRUE: &[&str] = &[
    "true",
    "yes",
    "y",
    "t",
    "1",
    "wahr",
    "ja",
    "vrai",
    "oui",
    "verdadero",
    "sí",
    "si",
    "verdadeiro",
    "sim",
    "vero",
    "sì",
    "waar",
    "prawda",
    "tak",
    "sant",
    "sand",
    "sann",
    "tosi",
    "kyllä",
    "igaz",
    "igen",
    "pravda",
    "ano",
    "áno",
    "adevărat",
    "da",
    "doğru",
    "evet",
    "истина",
    "да",
    "так",
    "真",
    "はい",
];
const FALSE: &[&str] = &[
    "false",
    "no",
    "n",
    "f",
    "0",
    "falsch",
    "nein",
    "faux",
    "non",
    "falso",
    "não",
    "onwaar",
    "nee",
    "fałsz",
    "nie",
    "falskt",
    "falsk",
    "usann",
    "nej",
    "nei",
    "epätosi",
    "ei",
    "hamis",
    "nem",
    "nepravda",
    "ne",
    "fals",
    "nu",
    "yanlış",
    "yanliş",
    "hayır",
    "hayir",
    "ложь",
    "нет",
    "ні",
    "偽",
    "いいえ",
];

/// Parses true or false. `None` for a blank cell.
pub(super) fn parse_flag(text: &str) -> Result<Option<bool>, Refusal> {
    match text.to_lowercase().as_str() {
        "" => Ok(None),
        word if TRUE.contains(&word) => Ok(Some(true)),
        word if FALSE.contains(&word) => Ok(Some(false)),
        _ => Err(Refusal::NotAFlag),
    }
}

/// Parses a currency in upper or lower case. `None` for a blank cell.
pub(super) fn parse_currency(text: &str) -> Result<Option<Currency>, Refusal> {
    if text.is_empty() { Ok(None) } else { Ok(Some(Currency::new(&text.to_ascii_uppercase())?)) }
}

/// Parses the URL of an image. A valid URL stays unchanged; an invalid one is corrected as browsers do (WHATWG URL:
/// white space and the like are escaped).
pub(super) fn parse_image_src(text: &str) -> Result<String, Refusal> {
    let src = text.trim();
    if image_src_fits(src) {
        return Ok(src.to_owned());
    }
    let begins = |start: &str| src.get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start));
    if begins("data:") {
        return Err(Refusal::ImageWithin);
    }
    if src.split([' ', ',', ';', '\n']).skip(1).any(|word| word.starts_with("http://") || word.starts_with("https://"))
    {
        return Err(Refusal::SeveralImages);
    }
    let is_ours = src.starts_with('/') && !src.starts_with("//");
    let url = match (is_ours, src.starts_with("//")) {
        (true, _) => Url::parse("https://own.invalid/").and_then(|own| own.join(src)),
        // Two slashes start a URL on another server; assume https.
        (false, true) => Url::parse(&format!("https:{src}")),
        (false, false) if begins("http:") || begins("https:") => Url::parse(src),
        (false, false) => return Err(Refusal::InvalidImage),
    };
    let url = url.map_err(|_| Refusal::InvalidImage)?;
    let fixed = if is_ours { url[Position::BeforePath..].to_owned() } else { url.to_string() };
    match fixed.len() {
        bytes if bytes > IMAGE_SRC_CHARS_MAX => Err(Refusal::ImageTooLong),
        _ if image_src_fits(&fixed) && (is_ours || url.has_host()) => Ok(fixed),
        _ => Err(Refusal::InvalidImage),
    }
}

/// Whether the variant is sold without stock. In the newer header, the column is a question with the answer true or
/// false.
pub(super) fn parse_policy(text: &str) -> Result<bool, Refusal> {
    match text.to_lowercase().as_str() {
        "continue" => Ok(true),
        "deny" => Ok(false),
        other => parse_flag(other).map(|flag| flag.unwrap_or(false)).map_err(|_| Refusal::UnknownPolicy),
    }
}

/// Parses a status; the flag says whether it was replaced by a supported one. A blank status is active, as in Shopify.
pub(super) fn parse_status(text: &str) -> Result<(Status, bool), Refusal> {
    match text.to_lowercase().as_str() {
        "" | "active" => Ok((Status::Active, false)),
        "draft" => Ok((Status::Draft, false)),
        "archived" => Ok((Status::Archived, false)),
        "unlisted" => Ok((Status::Draft, true)),
        _ => Err(Refusal::UnknownStatus),
    }
}

/// Combines the two columns for a product's status. `None` if the file has neither.
///
/// There is one sales channel here: a product that is active but not published is a draft.
pub(super) fn status_of(status: Option<Status>, published: Option<bool>) -> Option<Status> {
    match (status, published) {
        (None | Some(Status::Active), Some(false)) => Some(Status::Draft),
        (None, Some(true)) => Some(Status::Active),
        (status, _) => status,
    }
}

pub(super) fn parse_line(text: &str, max: usize) -> Result<String, Refusal> {
    let line = single_line(text);
    if line.chars().count() > max { Err(Refusal::TextTooLong { max }) } else { Ok(line) }
}

pub(super) fn parse_tags(text: &str) -> Result<Vec<String>, Refusal> {
    let mut tags = Vec::new();
    for tag in text.split(',') {
        let tag = parse_line(tag, TEXT_CHARS_MAX)?;
        if tag.is_empty() || tags.contains(&tag) {
            continue;
        }
        if tags.len() == TAGS_MAX {
            return Err(Refusal::TooManyTags);
        }
        tags.push(tag);
    }
    Ok(tags)
}

/// Returns the handle of a row, from its handle or else from its title, and a warning if it is not as in the file.
pub(super) fn parse_handle(handle: &str, title: &str, line: u64) -> Result<(Handle, Option<Warning>), Refusal> {
    if handle.is_empty() {
        let handle = Handle::from_title(title)?;
        return Ok((handle.clone(), Some(Warning { line, kind: WarningKind::HandleFromTitle { handle } })));
    }
    if let Ok(handle) = Handle::new(handle) {
        return Ok((handle, None));
    }
    let handle = Handle::from_title(handle)?;
    Ok((handle.clone(), Some(Warning { line, kind: WarningKind::HandleSpelled { handle } })))
}

/// The line on which each SKU of the file was first seen. It keeps 32 bytes for each SKU, not the SKU itself.
#[derive(Debug, Default)]
pub(super) struct SeenSkus {
    by_hash: HashMap<u128, Seen>,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    variant: u64,
    line: u32,
}

impl SeenSkus {
    /// Returns the line on which another variant has this SKU.
    pub(super) fn elsewhere(&self, sku: &Sku, handle: &Handle, options: &[String]) -> Option<u64> {
        let seen = self.by_hash.get(&xxh3_128(sku.as_str().as_bytes()))?;
        (seen.variant != hash_of(handle, options)).then_some(u64::from(seen.line))
    }

    /// Records that this variant has this SKU. A variant that appears again keeps its first line.
    pub(super) fn note(&mut self, sku: &Sku, handle: &Handle, options: &[String], line: u64) {
        let seen = Seen { variant: hash_of(handle, options), line: u32::try_from(line).unwrap_or(u32::MAX) };
        self.by_hash.entry(xxh3_128(sku.as_str().as_bytes())).or_insert(seen);
    }
}

fn hash_of(handle: &Handle, options: &[String]) -> u64 {
    let mut name = handle.as_str().to_owned();
    for value in options {
        // A separator that single-line texts cannot contain.
        name.push('\n');
        name.push_str(value);
    }
    xxh3_64(name.as_bytes())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn currency(code: &str) -> Currency {
        Currency::new(code).unwrap()
    }

    #[test]
    fn a_price_is_read_by_the_currency_s_decimals() {
        let price = |text, code| parse_price(text, currency(code));
        assert_eq!(price("9.99", "USD"), Ok(999));
        assert_eq!(price("10", "USD"), Ok(1_000));
        assert_eq!(price("10.5", "USD"), Ok(1_050));
        assert_eq!(price("10.", "USD"), Ok(1_000));
        assert_eq!(price(".5", "USD"), Ok(50));
        assert_eq!(price("9.9900", "USD"), Ok(999));
        assert_eq!(price("500", "JPY"), Ok(500));
        assert_eq!(price("500.00", "JPY"), Ok(500));
        assert_eq!(price("1.234", "KWD"), Ok(1_234));
        assert_eq!(price("0", "USD"), Ok(0));
    }

    #[test]
    fn a_price_that_the_currency_cannot_say_is_refused() {
        let usd = currency("USD");
        assert_eq!(parse_price("9.999", usd), Err(Refusal::TooManyDecimals { currency: usd }));
        let yen = currency("JPY");
        assert_eq!(parse_price("500.5", yen), Err(Refusal::TooManyDecimals { currency: yen }));
        assert_eq!(parse_price("-1", usd), Err(Refusal::NegativePrice));
        assert_eq!(parse_price("-0", usd), Ok(0));
        assert_eq!(parse_price("90071992547409.91", usd), Ok(AMOUNT_MAX));
        assert_eq!(parse_price("90071992547409.92", usd), Err(Refusal::PriceTooLarge));
        assert_eq!(parse_price("99999999999999999999", usd), Err(Refusal::PriceTooLarge));
        for wrong in ["", ".", "-", "$5", "1,299.00", "9,99", "1e3", "5 USD", "--5", "1.2.3", "٣"] {
            assert_eq!(parse_price(wrong, usd), Err(Refusal::NotAPrice), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn a_price_reads_as_it_was_written(amount in 0..=AMOUNT_MAX, code in prop::sample::select(vec!["USD", "JPY", "KWD"])) {
            let currency = currency(code);
            prop_assert_eq!(parse_price(&format_price(amount, currency), currency), Ok(amount));
        }
    }

    #[test]
    fn a_quantity_is_a_whole_number_within_bounds() {
        for (text, units) in [("0", 0), ("007", 7), ("-0", 0), ("-0.0", 0), ("10.0", 10), ("10.00", 10), ("3.", 3)] {
            assert_eq!(parse_quantity(text), Ok(Some(units)), "{text}");
        }
        assert_eq!(parse_quantity("100000000"), Ok(Some(u64::from(QUANTITY_MAX))));
        assert_eq!(parse_quantity("100000001"), Err(Refusal::QuantityTooLarge));
        assert_eq!(parse_quantity("99999999999999999999"), Err(Refusal::QuantityTooLarge));
        for below in ["-1", "-3.0", "-99999999999999999999"] {
            assert_eq!(parse_quantity(below), Ok(None), "{below}");
        }
        for wrong in ["1.5", "-1.5", "many", "1 000", "1,000", "+1", "-", ".0", "1.0.0"] {
            assert_eq!(parse_quantity(wrong), Err(Refusal::NotAQuantity), "{wrong:?}");
        }
    }

    #[test]
    fn a_flag_is_read_in_the_languages_of_spreadsheets() {
        for (text, flag) in [
            ("TRUE", true),
            ("WAHR", true),
            ("VRAI", true),
            ("PRAWDA", true),
            ("ИСТИНА", true),
            ("FALSCH", false),
            ("FAUX", false),
            ("FAŁSZ", false),
            ("YANLIŞ", false),
            ("No", false),
            ("NEIN", false),
            ("Sí", true),
        ] {
            assert_eq!(parse_flag(text), Ok(Some(flag)), "{text}");
        }
        assert_eq!((parse_flag(""), parse_flag("perhaps")), (Ok(None), Err(Refusal::NotAFlag)));
        assert!(TRUE.iter().all(|word| !FALSE.contains(word)));
    }

    #[test]
    fn an_image_s_address_is_mended_as_browsers_do() {
        let long = format!("https://x.example/{}", "a".repeat(IMAGE_SRC_CHARS_MAX - 18));
        for right in ["https://x.example/a.jpg", "/media/1", "HTTPS://X.example/A.jpg", "http://x.example/a,b'c", &long]
        {
            assert_eq!(parse_image_src(right), Ok(right.to_owned()), "stays as it is");
        }
        for (text, fixed) in [
            (" https://x.example/a b.jpg ", "https://x.example/a%20b.jpg"),
            ("//cdn.example/a.jpg", "https://cdn.example/a.jpg"),
            ("https://x.example/a\"b<c>.jpg", "https://x.example/a%22b%3Cc%3E.jpg"),
            ("/my media/1.jpg", "/my%20media/1.jpg"),
            ("https:\\\\x.example\\a.jpg", "https://x.example/a.jpg"),
            ("https:/x.example/a.jpg", "https://x.example/a.jpg"),
            ("http:/x.example/a.jpg", "http://x.example/a.jpg"),
        ] {
            assert_eq!(parse_image_src(text).as_deref(), Ok(fixed), "{text}");
            assert_eq!(parse_image_src(fixed).as_deref(), Ok(fixed), "{text}: once more changes nothing");
        }
        assert_eq!(parse_image_src(&format!("{long}a")), Err(Refusal::ImageTooLong));
        assert_eq!(parse_image_src("data:image/png;base64,AAAA"), Err(Refusal::ImageWithin));
        assert_eq!(parse_image_src("https://x.example/a, https://x.example/b"), Err(Refusal::SeveralImages));
        for wrong in ["javascript:x", "www.x.example/a.jpg", "ftp://x.example/a", "https://", "a.jpg", "file:///etc"] {
            assert_eq!(parse_image_src(wrong), Err(Refusal::InvalidImage), "{wrong}");
        }
    }

    #[test]
    fn status_and_published_are_one() {
        use Status::{Active, Archived, Draft};
        assert_eq!(status_of(None, None), None);
        assert_eq!(status_of(None, Some(true)), Some(Active));
        assert_eq!(status_of(None, Some(false)), Some(Draft));
        assert_eq!(status_of(Some(Active), Some(false)), Some(Draft));
        assert_eq!(status_of(Some(Draft), Some(true)), Some(Draft));
        assert_eq!(status_of(Some(Archived), Some(false)), Some(Archived));
        assert_eq!(parse_status("ARCHIVED"), Ok((Archived, false)));
        assert_eq!(parse_status("Unlisted"), Ok((Draft, true)));
        assert_eq!(parse_status("gone"), Err(Refusal::UnknownStatus));
    }

    #[test]
    fn both_formats_treat_backorders_alike() {
        for (text, backorders) in [("deny", false), ("CONTINUE", true), ("TRUE", true), ("false", false), ("", false)] {
            assert_eq!(parse_policy(text), Ok(backorders), "{text}");
        }
        assert_eq!(parse_policy("maybe"), Err(Refusal::UnknownPolicy));
    }

    #[test]
    fn tags_are_split_trimmed_and_counted_once() {
        assert_eq!(parse_tags(" Pot, Plants ,,Pot"), Ok(vec!["Pot".to_owned(), "Plants".to_owned()]));
        assert_eq!(parse_tags(""), Ok(Vec::new()));
        let many: Vec<_> = (0..=TAGS_MAX).map(|n| n.to_string()).collect();
        assert_eq!(parse_tags(&many.join(",")), Err(Refusal::TooManyTags));
        assert_eq!(parse_tags(&"x".repeat(256)), Err(Refusal::TextTooLong { max: TEXT_CHARS_MAX }));
    }
}
