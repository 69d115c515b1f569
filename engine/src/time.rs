//! Points in time. The engine never reads a clock: callers pass `now`.

use std::{fmt, str::FromStr};

use minicbor::{Decode, Encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use wincode::{SchemaRead, SchemaWrite};

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, SchemaRead, SchemaWrite,
)]
#[cbor(transparent)]
pub struct Timestamp(#[n(0)] pub u64);

/// The latest accepted time, 9999-12-30T22:00:00Z: RFC 3339 can express it in every time zone.
pub const TIMESTAMP_MAX: Timestamp = Timestamp(253_402_207_200_000);

/// The text is not an RFC 3339 time between 1970 and 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an RFC 3339 time between 1970 and 9999")]
pub struct InvalidTimestamp;

impl Timestamp {
    /// The time `seconds` later, at most [`TIMESTAMP_MAX`].
    pub fn plus_seconds(self, seconds: u64) -> Self {
        self.plus_ms(seconds.saturating_mul(1_000))
    }

    /// The time `ms` milliseconds later, at most [`TIMESTAMP_MAX`].
    pub fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms)).min(TIMESTAMP_MAX)
    }

    /// The time `seconds` earlier, at the earliest 1970.
    pub fn minus_seconds(self, seconds: u64) -> Self {
        Self(self.0.saturating_sub(seconds.saturating_mul(1_000)))
    }

    /// Milliseconds from `earlier` to this time, or zero if this time is not later.
    pub fn ms_since(self, earlier: Timestamp) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The program creates no later times. For one from a corrupted file, show the latest valid time.
        let ms = i64::try_from(self.0.min(TIMESTAMP_MAX.0)).map_err(|_| fmt::Error)?;
        let instant = jiff::Timestamp::from_millisecond(ms).map_err(|_| fmt::Error)?;
        write!(f, "{instant:.3}")
    }
}

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        let instant: jiff::Timestamp = text.parse().map_err(|_| InvalidTimestamp)?;
        match u64::try_from(instant.as_millisecond()) {
            Ok(ms) if ms <= TIMESTAMP_MAX.0 => Ok(Self(ms)),
            _ => Err(InvalidTimestamp),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <std::borrow::Cow<'de, str>>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339() {
        let at: Timestamp = "2026-11-22T08:00:00+02:00".parse().unwrap();
        assert_eq!(at.to_string(), "2026-11-22T06:00:00.000Z");
        assert_eq!(TIMESTAMP_MAX.to_string(), "9999-12-30T22:00:00.000Z");
        assert_eq!(Timestamp(u64::MAX).to_string(), TIMESTAMP_MAX.to_string());
        assert_eq!(TIMESTAMP_MAX.to_string().parse(), Ok(TIMESTAMP_MAX));
        assert!("9999-12-30T22:00:01Z".parse::<Timestamp>().is_err());
        assert!("1969-12-31T23:59:59Z".parse::<Timestamp>().is_err());
        assert!("yesterday".parse::<Timestamp>().is_err());
    }
}
