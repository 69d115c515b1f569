//! Money: integer minor units with a currency. Never floating point.

use std::{fmt, str::FromStr, sync::LazyLock};

use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use wincode::{SchemaRead, SchemaWrite};

/// The largest absolute amount, 2⁵³ − 1 minor units. A JSON number represents it exactly.
pub const AMOUNT_MAX: i64 = (1 << 53) - 1;

/// The date of the list of currencies in use: ISO 4217, list one, with amendment 180 (Bulgaria uses EUR).
///
/// A newer list comes with a newer version of `iso_currency`; a test compares the codes with this date.
pub const CURRENCIES_AS_OF: &str = "2026-01-01";

/// Currencies that `iso_currency` marks as superseded although ISO 4217 lists them as current. ISO 4217 lists VED in
/// addition to VES, the bolívar in everyday use (amendment 170).
const STILL_IN_USE: [&str; 1] = ["VES"];

/// The reason for which an amount of money is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// The code is not in ISO 4217.
    #[error("not an ISO 4217 currency code, such as USD")]
    UnknownCurrency,
    /// The code is in ISO 4217, but nobody can pay in it: it is withdrawn, or stands for a fund, a metal or a test.
    #[error("not legal tender: no currency in use on {CURRENCIES_AS_OF} (ISO 4217)")]
    NotInUse,
    /// The absolute amount exceeds [`AMOUNT_MAX`] minor units.
    #[error("amount is beyond {AMOUNT_MAX} minor units")]
    TooLarge,
    /// The amounts of a sum have different currencies.
    #[error("amounts of different currencies")]
    MixedCurrencies,
}

/// An ISO 4217 currency.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, SchemaRead, SchemaWrite)]
pub struct Currency([u8; 3]);

impl Currency {
    /// The US dollar.
    pub const USD: Currency = Currency(*b"USD");

    /// The currency with this upper-case code, if it is legal tender on [`CURRENCIES_AS_OF`]. For new prices.
    pub fn new(code: &str) -> Result<Self, MoneyError> {
        Self::known(code)?.in_use()
    }

    /// The currency with this upper-case code, whether or not it is still in use. For existing amounts: an order in a
    /// withdrawn currency can still be refunded.
    pub fn known(code: &str) -> Result<Self, MoneyError> {
        let known = iso_currency::Currency::from_code(code).ok_or(MoneyError::UnknownCurrency)?;
        known.code().parse()
    }

    /// Returns the currency if new prices may use it.
    pub fn in_use(self) -> Result<Self, MoneyError> {
        let known = iso_currency::Currency::from_code(self.code()).ok_or(MoneyError::UnknownCurrency)?;
        let superseded = known.is_superseded().is_some() && !STILL_IN_USE.contains(&known.code());
        let is_tender = !known.is_fund() && !known.is_special() && !superseded;
        if is_tender { Ok(self) } else { Err(MoneyError::NotInUse) }
    }

    /// All currencies that [`Currency::known`] accepts, sorted by code.
    pub fn all_known() -> &'static [Currency] {
        // Computed once, because it tries 17,576 codes.
        static KNOWN: LazyLock<Vec<Currency>> = LazyLock::new(|| {
            let letters = || b'A'..=b'Z';
            let codes = letters().flat_map(|a| letters().flat_map(move |b| letters().map(move |c| [a, b, c])));
            codes.map(Currency).filter(|currency| Currency::known(currency.code()).is_ok()).collect()
        });
        &KNOWN
    }

    /// All currencies that new prices may use, sorted by code.
    pub fn all_in_use() -> impl Iterator<Item = Currency> {
        Self::all_known().iter().copied().filter(|currency| currency.in_use().is_ok())
    }

    /// The three-letter code.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("XXX")
    }

    /// The number of decimals of the major unit: 2 for USD, 0 for JPY, 3 for KWD. The only such table in the program;
    /// clients get theirs from it.
    pub fn decimals(self) -> u32 {
        iso_currency::Currency::from_code(self.code()).and_then(|known| known.exponent()).map_or(0, u32::from)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for Currency {
    type Err = MoneyError;

    /// Parses a currency in a stored record. A currency that was once accepted stays readable after ISO 4217 has
    /// withdrawn its code. External input must use [`Currency::new`] or [`Currency::known`] instead.
    fn from_str(code: &str) -> Result<Self, MoneyError> {
        match <[u8; 3]>::try_from(code.as_bytes()) {
            Ok(letters) if letters.iter().all(u8::is_ascii_uppercase) => Ok(Self(letters)),
            _ => Err(MoneyError::UnknownCurrency),
        }
    }
}

impl<C> Encode<C> for Currency {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        e.str(self.code())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Currency {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        // A currency that was once accepted stays readable after ISO 4217 has withdrawn its code.
        <[u8; 3]>::try_from(d.str()?.as_bytes())
            .map(Self)
            .map_err(|_| decode::Error::message("currency is not 3 letters"))
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    /// Parses the currency like [`Currency::from_str`].
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <std::borrow::Cow<'de, str>>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// An amount in minor units (such as cents) of a currency. |amount| ≤ [`AMOUNT_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode, Serialize, SchemaRead, SchemaWrite)]
pub struct Money {
    /// The amount in minor units.
    #[n(0)]
    pub amount: i64,
    /// The currency.
    #[n(1)]
    pub currency: Currency,
}

impl Money {
    /// Returns `amount` minor units of `currency`, or an error if the amount is too large.
    pub fn new(amount: i64, currency: Currency) -> Result<Self, MoneyError> {
        if amount.abs() > AMOUNT_MAX { Err(MoneyError::TooLarge) } else { Ok(Self { amount, currency }) }
    }

    /// Zero in `currency`.
    pub fn zero(currency: Currency) -> Self {
        Self { amount: 0, currency }
    }

    /// The sum of both amounts.
    pub fn plus(self, other: Money) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::MixedCurrencies);
        }
        Self::new(self.amount.checked_add(other.amount).ok_or(MoneyError::TooLarge)?, self.currency)
    }

    /// The amount for `units` units at this price.
    pub fn times(self, units: u64) -> Result<Self, MoneyError> {
        let units = i64::try_from(units).map_err(|_| MoneyError::TooLarge)?;
        Self::new(self.amount.checked_mul(units).ok_or(MoneyError::TooLarge)?, self.currency)
    }

    /// `basis_points` (hundredths of a percent) of the amount, with halves rounded away from zero.
    pub fn share(self, basis_points: u32) -> Result<Self, MoneyError> {
        let product = i128::from(self.amount) * i128::from(basis_points);
        let rounded = (product.abs() + 5_000) / 10_000 * product.signum();
        Self::new(i64::try_from(rounded).map_err(|_| MoneyError::TooLarge)?, self.currency)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = self.currency.decimals();
        let scale = 10u64.pow(decimals);
        let (sign, amount) = (if self.amount < 0 { "-" } else { "" }, self.amount.unsigned_abs());
        match decimals {
            0 => write!(f, "{sign}{amount} {}", self.currency),
            _ => write!(
                f,
                "{sign}{}.{:0width$} {}",
                amount / scale,
                amount % scale,
                self.currency,
                width = decimals as usize
            ),
        }
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Plain {
            amount: i64,
            currency: Currency,
        }
        let plain = Plain::deserialize(deserializer)?;
        Money::new(plain.amount, plain.currency).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// List one of ISO 4217 on [`CURRENCIES_AS_OF`], without funds, metals, test codes and units of account.
    const IN_USE: &str = "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF \
        CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ \
        GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP \
        LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR \
        PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC \
        SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED VES VND VUV WST XAF XCD XCG XOF \
        XPF YER ZAR ZMW ZWG";

    #[test]
    fn amounts_have_edges() {
        assert!(Money::new(AMOUNT_MAX, Currency::USD).is_ok());
        assert_eq!(Money::new(AMOUNT_MAX + 1, Currency::USD), Err(MoneyError::TooLarge));
        assert_eq!(Money::new(AMOUNT_MAX, Currency::USD).unwrap().times(2), Err(MoneyError::TooLarge));
    }

    #[test]
    fn currencies_do_not_mix() {
        let (dollars, yen) = (Money::zero(Currency::USD), Money::zero(Currency::new("JPY").unwrap()));
        assert_eq!(dollars.plus(yen), Err(MoneyError::MixedCurrencies));
    }

    #[test]
    fn a_share_rounds_halves_away_from_zero() {
        let price = Money::new(250, Currency::USD).unwrap();
        assert_eq!(price.share(1_900).unwrap().amount, 48); // 47.5
        assert_eq!(Money::new(-250, Currency::USD).unwrap().share(1_900).unwrap().amount, -48);
    }

    #[test]
    fn prices_are_made_in_currencies_that_people_pay_in() {
        let codes: Vec<String> = Currency::all_in_use().map(|currency| currency.to_string()).collect();
        assert_eq!(codes.join(" "), IN_USE, "the list changed: is {CURRENCIES_AS_OF} still its date?");
        for code in IN_USE.split(' ') {
            assert_eq!(Currency::new(code).unwrap().code(), code);
        }
        for code in "XXX XTS XAU XAG XPT XPD XDR XSU XUA XBA XBB XBC XBD XAD BOV CHE CHW CLF COU MXV USN UYI UYW HRK BGN CUC SLL ZWL".split(' ') {
            assert_eq!(Currency::new(code), Err(MoneyError::NotInUse), "{code}");
            assert_eq!(Currency::known(code).unwrap().code(), code);
        }
        for code in ["", "usd", "ZZZ", "USDX", "US", "EU\u{20ac}"] {
            assert_eq!(Currency::new(code), Err(MoneyError::UnknownCurrency), "{code}");
        }
    }

    /// The exceptions in ISO 4217 from two decimals, copied from the list.
    #[test]
    fn decimals_are_those_of_iso_4217() {
        let none = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF";
        let three = "BHD IQD JOD KWD LYD OMR TND";
        for currency in Currency::all_in_use() {
            let has = |codes: &str| codes.split(' ').any(|code| code == currency.code());
            let expected = if has(none) {
                0
            } else if has(three) {
                3
            } else {
                2
            };
            assert_eq!(currency.decimals(), expected, "{currency}");
        }
    }

    #[test]
    fn a_currency_that_was_withdrawn_stays_readable() {
        for code in ["BGN", "HRK", "XXX", "ANG"] {
            let currency: Currency = code.parse().unwrap();
            assert_eq!(serde_json::from_str::<Currency>(&format!("{code:?}")).unwrap(), currency);
            let money = Money { amount: 5, currency };
            let bytes = minicbor::to_vec(money).unwrap();
            assert_eq!(minicbor::decode::<Money>(&bytes).unwrap(), money);
        }
        assert!("usd".parse::<Currency>().is_err() && "EURO".parse::<Currency>().is_err());
    }

    #[test]
    fn money_reads_as_people_write_it() {
        assert_eq!(Money::new(-1_205, Currency::USD).unwrap().to_string(), "-12.05 USD");
        assert_eq!(Money::new(1_205, Currency::new("JPY").unwrap()).unwrap().to_string(), "1205 JPY");
    }
}
