//! Ids and names: tenants, entities, and the ids that clients see.
//!
//! Every id has 128 bits. It is either random or derived by a truncated SHA-256 hash from what makes the entity unique,
//! so that a repeated request finds the entity that the first request created. Outside the process, an id is an opaque
//! string of 26 Crockford base32 characters.

use std::{fmt, str::FromStr, sync::Arc};

use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use wincode::{SchemaRead, SchemaWrite};

use crate::kinds::{Entity, EntityId, Kind};

/// The text is not a valid id, tenant name or SKU.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {what}")]
pub struct InvalidName {
    /// The kind of name that was expected.
    pub what: &'static str,
}

const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The value of each character as a Crockford digit. 255 for characters that are no digit.
const DIGITS: [u8; 256] = {
    let mut digits = [255; 256];
    let mut value = 0;
    while value < CROCKFORD.len() {
        digits[CROCKFORD[value] as usize] = value as u8;
        value += 1;
    }
    digits
};

/// A number as text in a fixed-size buffer. Avoids allocations, because each reply contains several ids.
pub struct Spelled<const DIGITS: usize>([u8; DIGITS]);

impl<const DIGITS: usize> Spelled<DIGITS> {
    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Encodes `value` in Crockford base32, with `DIGITS` characters, most significant first.
pub fn crockford<const DIGITS: usize>(value: u128) -> Spelled<DIGITS> {
    let (mut text, mut rest) = ([0; DIGITS], value);
    for place in text.iter_mut().rev() {
        *place = CROCKFORD[(rest & 31) as usize];
        rest >>= 5;
    }
    Spelled(text)
}

/// Decodes the output of [`crockford`]. Accepts upper case only, so that an id has exactly one text form.
pub(crate) fn from_crockford(text: &str) -> Option<u128> {
    if text.len() == 26 && !matches!(text.as_bytes()[0], b'0'..=b'7') {
        return None;
    }
    text.bytes().try_fold(0, |value: u128, byte| match DIGITS[byte as usize] {
        255 => None,
        digit => Some((value << 5) | u128::from(digit)),
    })
}

/// Hashes `parts` to 128 bits. The length of each part is hashed before the part, so that two different lists of parts
/// never hash the same bytes.
pub fn digest128(parts: &[&[u8]]) -> u128 {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let digest = hasher.finalize();
    let mut half = [0u8; 16];
    half.copy_from_slice(&digest[..16]);
    u128::from_be_bytes(half)
}

macro_rules! ids {
    ($($(#[$meta:meta])* $name:ident, $what:literal;)*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, SchemaRead, SchemaWrite)]
        pub struct $name(pub u128);

        impl $name {
            /// Derives the id from `parts`. The same parts always yield the same id.
            pub fn derive(parts: &[&[u8]]) -> Self {
                Self(digest128(parts))
            }

            /// The 16 bytes of the id in keys.
            pub fn to_bytes(self) -> [u8; 16] {
                self.0.to_be_bytes()
            }
        }

        impl EntityId for $name {
            fn to_key_bytes(&self) -> impl AsRef<[u8]> {
                self.to_bytes()
            }

            fn from_key_bytes(bytes: &[u8]) -> Option<Self> {
                Some(Self(u128::from_be_bytes(bytes.try_into().ok()?)))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(crockford::<26>(self.0).as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, InvalidName> {
                if text.len() != 26 {
                    return Err(InvalidName { what: $what });
                }
                from_crockford(text).map(Self).ok_or(InvalidName { what: $what })
            }
        }

        impl<C> Encode<C> for $name {
            fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
                e.bytes(&self.to_bytes())?.ok()
            }
        }

        impl<'b, C> Decode<'b, C> for $name {
            fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
                let bytes = <[u8; 16]>::try_from(d.bytes()?).map_err(|_| decode::Error::message("id is not 16 bytes"))?;
                Ok(Self(u128::from_be_bytes(bytes)))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(crockford::<26>(self.0).as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <std::borrow::Cow<'de, str>>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

ids! {
    /// A flash sale drop.
    DropId, "drop id";
    /// A buyer's hold on units of a drop. The public form includes the drop: see [`ClaimRef`].
    ClaimId, "claim id";
    /// Units of a stock item that are held for a checkout.
    HoldId, "hold id";
    /// A shopping cart.
    CartId, "cart id";
    /// A line of a cart.
    LineId, "line id";
    /// A buyer's attempt to pay.
    CheckoutId, "checkout id";
    /// A placed order.
    OrderId, "order id";
    /// A line of a placed order.
    OrderLineId, "line id";
    /// A shipment of an order.
    FulfillmentId, "fulfillment id";
    /// A payment through a payment provider.
    PaymentId, "payment id";
    /// A full or partial refund of a captured payment.
    RefundId, "refund id";
    /// A product of the catalogue.
    ProductId, "product id";
    /// A variant of a product, with its own SKU and price.
    VariantId, "variant id";
    /// An acting subject: a guest, a customer, or a member of the merchant's staff.
    SubjectId, "subject";
    /// A row of the table `contacts`, which stores the e-mail address, name and address of a buyer.
    ContactId, "contact id";
    /// A command, identified by tenant, subject, operation, target and idempotency key.
    CommandId, "command id";
    /// The hash of a command's content. Detects a different command under the same idempotency key.
    Fingerprint, "fingerprint";
    /// A keyed hash of a normalised e-mail address. The address itself never reaches the journal.
    EmailHash, "e-mail hash";
}

/// The public id of a claim: its drop and its id in one opaque string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, SchemaRead, SchemaWrite)]
pub struct ClaimRef {
    /// The drop that owns the claim.
    #[n(0)]
    pub drop: DropId,
    /// The claim within that drop.
    #[n(1)]
    pub claim: ClaimId,
}

impl fmt::Display for ClaimRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(crockford::<26>(self.drop.0).as_str())?;
        f.write_str("-")?;
        f.write_str(crockford::<26>(self.claim.0).as_str())
    }
}

impl FromStr for ClaimRef {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let invalid = InvalidName { what: "claim id" };
        let (drop, claim) = text.split_once('-').ok_or(invalid.clone())?;
        match (drop.parse(), claim.parse()) {
            (Ok(drop), Ok(claim)) => Ok(Self { drop, claim }),
            _ => Err(invalid),
        }
    }
}

macro_rules! names {
    ($($(#[$meta:meta])* $name:ident, $what:literal, $valid:expr;)*) => {$(
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Returns `text` as a name if it is valid.
            pub fn new(text: &str) -> Result<Self, InvalidName> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) { Ok(Self(text.into())) } else { Err(InvalidName { what: $what }) }
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, InvalidName> {
                Self::new(text)
            }
        }

        impl<C> Encode<C> for $name {
            fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
                e.str(&self.0)?.ok()
            }
        }

        impl<'b, C> Decode<'b, C> for $name {
            fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
                Self::new(d.str()?).map_err(decode::Error::message)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::new(&<std::borrow::Cow<'de, str>>::deserialize(deserializer)?).map_err(serde::de::Error::custom)
            }
        }
    )*};
}

/// The maximum length of a tenant name, in bytes. It is part of every key.
pub const TENANT_BYTES_MAX: usize = 32;
/// The maximum length of a SKU, in characters. It is the id of a stock item. Shopify has the same limit.
pub const SKU_CHARS_MAX: usize = 255;

names! {
    /// A merchant's name in this installation: `a-z`, `0-9` and `-`, at most [`TENANT_BYTES_MAX`] characters.
    TenantId, "tenant", |text| {
        !text.is_empty() && text.len() <= TENANT_BYTES_MAX && !text.starts_with('-')
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    /// A stock keeping unit. No control characters, no surrounding white space, at most [`SKU_CHARS_MAX`] characters.
    Sku, "sku", |text| {
        !text.is_empty()
            && text.chars().count() <= SKU_CHARS_MAX
            && text.trim() == text
            && !text.chars().any(char::is_control)
    };
}

/// The key of an entity: tenant, kind and id, in the bytes that the journal stores.
///
/// Layout: kind (1 byte), length of the tenant name (1 byte), tenant name, id. No two entities have the same key, and
/// the key determines the shard of its entity.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityKey(Arc<[u8]>);

impl EntityKey {
    /// The key of the entity of `tenant` with this kind and id.
    pub fn new(kind: Kind, tenant: &TenantId, id: &[u8]) -> Self {
        let tenant = tenant.as_str().as_bytes();
        let mut bytes = Vec::with_capacity(2 + tenant.len() + id.len());
        bytes.push(kind as u8);
        bytes.push(tenant.len() as u8);
        bytes.extend_from_slice(tenant);
        bytes.extend_from_slice(id);
        Self(bytes.into())
    }

    /// Decodes a key from the journal. `None` if it is malformed or its kind is unknown to this version of the program.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Kind::from_number(*bytes.first()?)?;
        let tenant_end = 2 + *bytes.get(1)? as usize;
        let tenant = std::str::from_utf8(bytes.get(2..tenant_end)?).ok()?;
        TenantId::new(tenant).ok()?;
        (bytes.len() > tenant_end).then(|| Self(bytes.into()))
    }

    /// The bytes of the key.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The kind of the entity.
    pub fn kind(&self) -> Kind {
        Kind::from_number(self.0[0]).expect("checked when the key was made")
    }

    /// The tenant that owns the entity.
    pub fn tenant(&self) -> TenantId {
        let name = std::str::from_utf8(&self.0[2..2 + self.0[1] as usize]).expect("checked when the key was made");
        TenantId(name.into())
    }

    /// The id within the tenant and kind.
    pub fn id(&self) -> &[u8] {
        &self.0[2 + self.0[1] as usize..]
    }

    /// The id as 128 bits, for kinds with such ids.
    pub fn id128(&self) -> Option<u128> {
        self.id().try_into().ok().map(u128::from_be_bytes)
    }

    /// The shard that owns the entity, out of `shards`: XXH3 of the key.
    pub fn shard(&self, shards: u16) -> u16 {
        (xxhash_rust::xxh3::xxh3_64(&self.0) % u64::from(shards)) as u16
    }
}

impl fmt::Debug for EntityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for EntityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/", self.tenant(), self.kind().name())?;
        with_kind!(self.kind(), A => match <A as Entity>::Id::from_key_bytes(self.id()) {
            Some(id) => fmt::Display::fmt(&id, f),
            None => f.write_str(&String::from_utf8_lossy(self.id())),
        })
    }
}

impl EntityId for Sku {
    fn to_key_bytes(&self) -> impl AsRef<[u8]> {
        self.as_str()
    }

    fn from_key_bytes(bytes: &[u8]) -> Option<Self> {
        Self::new(std::str::from_utf8(bytes).ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_spelling_and_reads_back() {
        let id = DropId::derive(&[b"tenant", b"key"]);
        let text = id.to_string();
        assert_eq!(text.len(), 26);
        assert_eq!(text.parse::<DropId>(), Ok(id));
        assert!(text.to_lowercase().parse::<DropId>().is_err());
        assert!("8ZZZZZZZZZZZZZZZZZZZZZZZZZ".parse::<DropId>().is_err(), "over 128 bits");
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(digest128(&[b"ab", b"c"]), digest128(&[b"a", b"bc"]));
    }

    #[test]
    fn a_key_has_its_parts() {
        let tenant = TenantId::new("demo").unwrap();
        let key = Sku::new("SHIRT-S").unwrap().key(&tenant);
        assert_eq!((key.kind(), key.tenant(), key.id()), (Kind::Stock, tenant, &b"SHIRT-S"[..]));
        assert_eq!(EntityKey::from_bytes(key.as_bytes()), Some(key));
        assert_eq!(EntityKey::from_bytes(&[99, 1, b'a', b'b']), None);
    }

    #[test]
    fn names_have_bounds() {
        assert!(TenantId::new(&"a".repeat(TENANT_BYTES_MAX)).is_ok());
        assert!(TenantId::new(&"a".repeat(TENANT_BYTES_MAX + 1)).is_err());
        for letter in ["a", "茶", "🍵"] {
            assert!(Sku::new(&letter.repeat(SKU_CHARS_MAX)).is_ok());
            assert!(Sku::new(&letter.repeat(SKU_CHARS_MAX + 1)).is_err());
        }
        assert!(Sku::new(" a").is_err() && Sku::new("a\n").is_err() && Sku::new("").is_err());
    }
}
