//! Names of things: tenants, entities, and the ids that people and clients see.
//!
//! Every id is 128 bits, either random or derived (SHA-256, cut) from what makes the thing unique, so that a
//! repeated request finds the thing that the first one made. Outside the process an id is an opaque string of 26
//! Crockford base32 characters.

use std::{fmt, str::FromStr, sync::Arc};

use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use wincode::{SchemaRead, SchemaWrite};

/// What could not be read as an id, a tenant or a SKU.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {what}")]
pub struct InvalidName {
    /// The kind of name that was expected, in the words of the trade.
    pub what: &'static str,
}

const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The value of each character as a Crockford digit; 255: none.
const DIGITS: [u8; 256] = {
    let mut digits = [255; 256];
    let mut value = 0;
    while value < CROCKFORD.len() {
        digits[CROCKFORD[value] as usize] = value as u8;
        value += 1;
    }
    digits
};

/// A number as text in memory of its own: ids are written several times for each answer.
pub struct Spelled<const DIGITS: usize>([u8; DIGITS]);

impl<const DIGITS: usize> Spelled<DIGITS> {
    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Writes `value` in Crockford base32, `DIGITS` characters, most significant first.
pub fn crockford<const DIGITS: usize>(value: u128) -> Spelled<DIGITS> {
    let (mut text, mut rest) = ([0; DIGITS], value);
    for place in text.iter_mut().rev() {
        *place = CROCKFORD[(rest & 31) as usize];
        rest >>= 5;
    }
    Spelled(text)
}

/// Reads what [`crockford`] wrote. Upper case only: an id has exactly one spelling.
pub(crate) fn from_crockford(text: &str) -> Option<u128> {
    if text.len() == 26 && !matches!(text.as_bytes()[0], b'0'..=b'7') {
        return None;
    }
    text.bytes().try_fold(0, |value: u128, byte| match DIGITS[byte as usize] {
        255 => None,
        digit => Some((value << 5) | u128::from(digit)),
    })
}

/// Hashes `parts` to 128 bits. Each part is preceded by its length, so that no two lists of parts read alike.
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
            /// The id that belongs to `parts`, always the same.
            pub fn derive(parts: &[&[u8]]) -> Self {
                Self(digest128(parts))
            }

            /// The 16 bytes that stand for it in keys.
            pub fn to_bytes(self) -> [u8; 16] {
                self.0.to_be_bytes()
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
    /// A flash sale.
    DropId, "drop id";
    /// A buyer's hold on units of a drop. Outside, it is written together with its drop: see [`ClaimRef`].
    ClaimId, "claim id";
    /// Units of ordinary inventory held for a checkout.
    HoldId, "hold id";
    /// A shopping cart.
    CartId, "cart id";
    /// A line of a cart.
    LineId, "line id";
    /// One attempt of a buyer to pay.
    CheckoutId, "checkout id";
    /// A placed order.
    OrderId, "order id";
    /// A line of a placed order.
    OrderLineId, "line id";
    /// A parcel of an order.
    FulfillmentId, "fulfillment id";
    /// Money asked of a payment provider.
    PaymentId, "payment id";
    /// A refund of a part or all of a captured payment.
    RefundId, "refund id";
    /// A product of the catalogue.
    ProductId, "product id";
    /// A variant of a product: what has a SKU and a price.
    VariantId, "variant id";
    /// Who acts: a guest, a customer, or a member of the merchant's staff.
    SubjectId, "subject";
    /// A row of `contacts`: where a buyer's e-mail, name and address live.
    ContactId, "contact id";
    /// A command as its caller named it: tenant, subject, operation, target and idempotency key.
    CommandId, "command id";
    /// What a command said, so that the same key cannot be used for another one.
    Fingerprint, "fingerprint";
    /// A keyed hash of a normalised e-mail address. The address itself never reaches the journal.
    EmailHash, "e-mail hash";
}

/// A claim as clients name it: its drop and its id in one opaque string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, SchemaRead, SchemaWrite)]
pub struct ClaimRef {
    /// The drop that decides about the claim.
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
            /// Takes `text` if it is a valid name of this kind.
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

/// The longest tenant name, in bytes: it is part of every key.
pub const TENANT_BYTES_MAX: usize = 32;
/// The longest SKU, in characters: it is the id of a stock item, and Shopify allows no longer one.
pub const SKU_CHARS_MAX: usize = 255;

names! {
    /// A merchant's name on this installation: `a-z`, `0-9` and `-`, at most [`TENANT_BYTES_MAX`] characters.
    TenantId, "tenant", |text| {
        !text.is_empty() && text.len() <= TENANT_BYTES_MAX && !text.starts_with('-')
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    /// A stock keeping unit: what is counted. No control characters, no surrounding white space, at most
    /// [`SKU_CHARS_MAX`] characters.
    Sku, "sku", |text| {
        !text.is_empty()
            && text.chars().count() <= SKU_CHARS_MAX
            && text.trim() == text
            && !text.chars().any(char::is_control)
    };
}

/// The kinds of aggregates. The numbers are in every journal: never reuse one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// The units of one SKU at one stock location.
    Inventory = 1,
    /// A flash sale.
    Drop = 2,
    /// A shopping cart.
    Cart = 3,
    /// A buyer's attempt to pay.
    Checkout = 4,
    /// A placed order.
    Order = 5,
    /// Money asked of a payment provider.
    Payment = 6,
    /// A product of the catalogue.
    Product = 7,
    /// The counter of a tenant's order numbers.
    OrderNumbers = 8,
}

impl Kind {
    /// Every kind there is.
    pub const ALL: [Kind; 8] = [
        Kind::Inventory,
        Kind::Drop,
        Kind::Cart,
        Kind::Checkout,
        Kind::Order,
        Kind::Payment,
        Kind::Product,
        Kind::OrderNumbers,
    ];

    /// The kind with this number, if this program knows it.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == number)
    }

    /// Its name in metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Inventory => "inventory",
            Kind::Drop => "drop",
            Kind::Cart => "cart",
            Kind::Checkout => "checkout",
            Kind::Order => "order",
            Kind::Payment => "payment",
            Kind::Product => "product",
            Kind::OrderNumbers => "order_numbers",
        }
    }
}

/// The address of an entity: tenant, kind and id, in the bytes that the journal stores.
///
/// Layout: kind (1 byte), length of the tenant (1 byte), tenant, id. Two entities never share these bytes, and an
/// entity's shard is a function of them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityKey(Arc<[u8]>);

impl EntityKey {
    /// The key of the entity of this kind and id that belongs to `tenant`.
    pub fn new(kind: Kind, tenant: &TenantId, id: &[u8]) -> Self {
        let tenant = tenant.as_str().as_bytes();
        let mut bytes = Vec::with_capacity(2 + tenant.len() + id.len());
        bytes.push(kind as u8);
        bytes.push(tenant.len() as u8);
        bytes.extend_from_slice(tenant);
        bytes.extend_from_slice(id);
        Self(bytes.into())
    }

    /// Reads a key from the journal. `None` when it is not one, or of a kind that this program does not know.
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

    /// What kind of entity it names.
    pub fn kind(&self) -> Kind {
        Kind::from_number(self.0[0]).expect("checked when the key was made")
    }

    /// Whose entity it is.
    pub fn tenant(&self) -> TenantId {
        let name = std::str::from_utf8(&self.0[2..2 + self.0[1] as usize]).expect("checked when the key was made");
        TenantId(name.into())
    }

    /// The id within tenant and kind.
    pub fn id(&self) -> &[u8] {
        &self.0[2 + self.0[1] as usize..]
    }

    /// The id as 128 bits, for the kinds that have such ids.
    pub fn id128(&self) -> Option<u128> {
        self.id().try_into().ok().map(u128::from_be_bytes)
    }

    /// The shard among `shards` that owns the entity: XXH3 of the key.
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
        match self.id128() {
            Some(id) if self.kind() != Kind::Inventory => f.write_str(crockford::<26>(id).as_str()),
            _ => write!(f, "{}", String::from_utf8_lossy(self.id())),
        }
    }
}

macro_rules! keyed {
    ($($id:ident => $kind:ident),* $(,)?) => {$(
        impl $id {
            /// The key of the entity with this id.
            pub fn key(self, tenant: &TenantId) -> EntityKey {
                EntityKey::new(Kind::$kind, tenant, &self.to_bytes())
            }
        }
    )*};
}

keyed! {
    DropId => Drop, CartId => Cart, CheckoutId => Checkout, OrderId => Order, PaymentId => Payment, ProductId => Product,
}

impl Sku {
    /// The key of the inventory shard that counts this SKU at the location `default`.
    pub fn key(&self, tenant: &TenantId) -> EntityKey {
        EntityKey::new(Kind::Inventory, tenant, self.as_str().as_bytes())
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
    fn a_key_tells_its_parts() {
        let tenant = TenantId::new("demo").unwrap();
        let key = Sku::new("SHIRT-S").unwrap().key(&tenant);
        assert_eq!((key.kind(), key.tenant(), key.id()), (Kind::Inventory, tenant, &b"SHIRT-S"[..]));
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
