//! Claims: a buyer's hold on units of a drop.

use minicbor::{Decode, Encode};
use serde::Serialize;
use wincode::{SchemaRead, SchemaWrite};

use super::{ClaimLock, NetworkHash, Sale};
use crate::{
    id::{ClaimId, ClaimRef, EmailHash, Fingerprint, OrderId, Sku, SubjectId},
    money::Money,
    quantity::Quantity,
    time::Timestamp,
};

/// The maximum number of claims of one buyer in one drop, including released claims. Stops claim-release loops.
pub const CLAIMS_PER_BUYER_MAX: usize = 100;
/// The maximum number of checkouts of one claim. A card that is declined five times is not going to be approved.
pub const CHECKOUTS_PER_CLAIM_MAX: u8 = 5;

/// The buyer of a claim.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Buyer {
    /// The guest or the account.
    #[n(0)]
    pub subject: SubjectId,
    /// The guest subjects that the account used before it signed in. Their claims and caps count for the account.
    #[n(1)]
    pub former: Vec<SubjectId>,
    /// Whether the buyer has an account.
    #[n(2)]
    pub customer: bool,
}

impl Buyer {
    /// All subjects of the buyer, the current one first.
    pub fn subjects(&self) -> impl Iterator<Item = SubjectId> {
        std::iter::once(self.subject).chain(self.former.iter().copied())
    }

    /// Whether `owner` is a subject of this buyer.
    pub fn is(&self, owner: SubjectId) -> bool {
        self.subject == owner || self.former.contains(&owner)
    }
}

/// The reason for which a claim was released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize, SchemaRead, SchemaWrite)]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
pub enum ReleaseReason {
    /// The buyer released it.
    #[n(0)]
    GivenBack,
    /// Its hold expired.
    #[n(1)]
    Expired,
    /// Its sale was reversed, because the capture failed.
    #[n(2)]
    CaptureFailed,
}

/// The state of a claim. A claim starts as `Held`. `Sold` is final unless the capture fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, SchemaRead, SchemaWrite)]
pub enum ClaimState {
    /// The units are held for the buyer.
    #[n(0)]
    Held {
        /// When the hold expires, unless a checkout has locked the claim.
        #[n(0)]
        until: Timestamp,
        /// The checkout that has locked the claim.
        #[n(1)]
        lock: Option<ClaimLock>,
    },
    /// The claim is paid.
    #[n(1)]
    Sold {
        /// The order.
        #[n(0)]
        order: OrderId,
    },
    /// The claim is over without a sale.
    #[n(2)]
    Released {
        /// The reason.
        #[n(0)]
        why: ReleaseReason,
    },
}

/// A claim as stored in the drop.
#[derive(Debug, Clone, PartialEq, Eq, SchemaRead, SchemaWrite)]
pub struct Claim {
    /// The id within the drop.
    pub id: ClaimId,
    /// The subject that made the claim.
    pub buyer: SubjectId,
    /// The fingerprint of the command that made the claim.
    pub fingerprint: Fingerprint,
    /// The index of the item.
    pub item: u16,
    /// The number of checkouts that have locked the claim.
    pub checkouts: u8,
    /// Whether a failed checkout has extended the hold, which happens at most once.
    pub lengthened: bool,
    /// The number of units.
    pub quantity: Quantity,
    /// The price of a unit, in minor units of the drop's currency.
    pub price: i64,
    /// The original expiry time.
    pub first_until: Timestamp,
    /// The hash of the buyer's e-mail address, set by a checkout.
    pub email: Option<EmailHash>,
    /// The last lock that was removed. A delayed copy of its command must not lock the claim again.
    pub undone: Option<ClaimLock>,
    /// The state.
    pub state: ClaimState,
    /// The network of the buyer, if it is known.
    pub network: Option<NetworkHash>,
}

impl Claim {
    /// The units and their price.
    pub(super) fn sale(&self) -> Sale {
        Sale { quantity: self.quantity, price: self.price }
    }
}

/// A claim as the buyer sees it.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct ClaimView {
    /// The public id.
    #[n(0)]
    pub id: ClaimRef,
    /// The subject that made the claim.
    #[n(1)]
    pub buyer: SubjectId,
    /// The SKU.
    #[n(2)]
    pub sku: Sku,
    /// The number of units.
    #[n(3)]
    pub quantity: Quantity,
    /// The price of a unit.
    #[n(4)]
    pub unit_price: Money,
    /// The state.
    #[n(5)]
    pub state: ClaimState,
    /// When the hold expires, or was originally to expire.
    #[n(6)]
    pub expires_at: Timestamp,
    /// The time of creation.
    #[n(7)]
    pub created_at: Timestamp,
}
