//! Money: integer minor units with a currency. No floats, ever.

use std::{fmt, str::FromStr};

use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use wincode::{SchemaRead, SchemaWrite};

/// The largest absolute amount, 2⁵³ − 1 minor units: what a JSON number carries exactly.
pub const AMOUNT_MAX: i64 = (1 << 53) - 1;

/// What is wrong with an amount of money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not an ISO 4217 code in use.
    #[error("not an ISO 4217 currency code")]
    UnknownCurrency,
    /// More than [`AMOUNT_MAX`] minor units, or less than its negative.
    #[error("amount is beyond {AMOUNT_MAX} minor units")]
    TooLarge,
    /// Two amounts of different currencies in one sum.
    #[error("amounts of different currencies")]
    MixedCurrencies,
}

/// An ISO 4217 currency.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, SchemaRead, SchemaWrite)]
pub struct Currency([u8; 3]);

impl Currency {
    /// US dollars.
    pub const USD: Currency = Currency(*b"USD");

    /// The currency with this upper-case code.
    pub fn new(code: &str) -> Result<Self, MoneyError> {
        let known = iso_currency::Currency::from_code(code).ok_or(MoneyError::UnknownCurrency)?;
        <[u8; 3]>::try_from(known.code().as_bytes()).map(Self).map_err(|_| MoneyError::UnknownCurrency)
    }

    /// Its three letters.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("XXX")
    }

    /// Decimals of its major unit: 2 for USD, 0 for JPY, 3 for KWD.
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

    fn from_str(code: &str) -> Result<Self, MoneyError> {
        Self::new(code)
    }
}

impl<C> Encode<C> for Currency {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        e.str(self.code())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Currency {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        // Whatever was once accepted stays readable, also when ISO 4217 withdraws the code.
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
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&<std::borrow::Cow<'de, str>>::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// An amount in minor units (cents) of a currency. |amount| ≤ [`AMOUNT_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode, Serialize, SchemaRead, SchemaWrite)]
pub struct Money {
    /// Minor units.
    #[n(0)]
    pub amount: i64,
    /// Of which currency.
    #[n(1)]
    pub currency: Currency,
}

impl Money {
    /// `amount` minor units of `currency`.
    pub fn new(amount: i64, currency: Currency) -> Result<Self, MoneyError> {
        if amount.abs() > AMOUNT_MAX { Err(MoneyError::TooLarge) } else { Ok(Self { amount, currency }) }
    }

    /// Nothing, in `currency`.
    pub fn zero(currency: Currency) -> Self {
        Self { amount: 0, currency }
    }

    /// The sum of the two.
    pub fn plus(self, other: Money) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::MixedCurrencies);
        }
        Self::new(self.amount.checked_add(other.amount).ok_or(MoneyError::TooLarge)?, self.currency)
    }

    /// The amount for `units` at this price.
    pub fn times(self, units: u64) -> Result<Self, MoneyError> {
        let units = i64::try_from(units).map_err(|_| MoneyError::TooLarge)?;
        Self::new(self.amount.checked_mul(units).ok_or(MoneyError::TooLarge)?, self.currency)
    }

    /// `basis_points` (hundredths of a percent) of the amount, halves rounded away from zero.
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
    fn money_reads_as_people_write_it() {
        assert_eq!(Money::new(-1_205, Currency::USD).unwrap().to_string(), "-12.05 USD");
        assert_eq!(Money::new(1_205, Currency::new("JPY").unwrap()).unwrap().to_string(), "1205 JPY");
    }
}
