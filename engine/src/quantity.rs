//! Quantities of units.

use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};
use serde::{Deserialize, Deserializer, Serialize};
use wincode::{SchemaRead, SchemaWrite};

/// The maximum number of units in one request. No sale is larger, and a million quantities add up without overflow.
pub const QUANTITY_MAX: u32 = 100_000_000;

/// A number of units in a request, from 1 to [`QUANTITY_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, SchemaRead, SchemaWrite)]
pub struct Quantity(u32);

/// The number is zero, negative, or more than [`QUANTITY_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a quantity is a whole number from 1 to {QUANTITY_MAX}")]
pub struct InvalidQuantity;

impl Quantity {
    /// One unit.
    pub const ONE: Quantity = Quantity(1);

    /// Returns `units` as a quantity if it is within bounds.
    pub fn new(units: i64) -> Result<Self, InvalidQuantity> {
        match u32::try_from(units) {
            Ok(units @ 1..=QUANTITY_MAX) => Ok(Self(units)),
            _ => Err(InvalidQuantity),
        }
    }

    /// The number of units.
    pub fn units(self) -> u64 {
        u64::from(self.0)
    }
}

impl<C> Encode<C> for Quantity {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        e.u32(self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Quantity {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        Self::new(i64::from(d.u32()?)).map_err(decode::Error::message)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(i64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantity_has_edges() {
        assert!(Quantity::new(0).is_err() && Quantity::new(-1).is_err());
        assert!(Quantity::new(1).is_ok() && Quantity::new(i64::from(QUANTITY_MAX)).is_ok());
        assert!(Quantity::new(i64::from(QUANTITY_MAX) + 1).is_err());
    }
}
