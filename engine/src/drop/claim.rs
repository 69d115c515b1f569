//! A buyer's hold on units of a drop.

use serde::Serialize;
use wincode::{SchemaRead, SchemaWrite};

use super::{NetworkHash, Pin, Sale};
use crate::{
    id::{ClaimId, ClaimRef, EmailHash, Fingerprint, OrderId, Sku, SubjectId},
    money::Money,
    quantity::Quantity,
    time::Timestamp,
};

/// The most claims of one buyer in one drop, released ones included: claiming and giving back in a loop ends here.
pub const CLAIMS_PER_BUYER_MAX: usize = 100;
/// The most checkouts that one claim may be in: a card that is declined five times will not be approved.
pub const CHECKOUTS_PER_CLAIM_MAX: u8 = 5;

/// Who claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buyer {
    /// The guest or the account.
    pub subject: SubjectId,
    /// The guests that the account was before it signed in: their claims and caps are the account's.
    pub former: Vec<SubjectId>,
    /// Whether it has an account.
    pub customer: bool,
}

impl Buyer {
    /// Everyone that the buyer is.
    pub fn subjects(&self) -> impl Iterator<Item = SubjectId> {
        std::iter::once(self.subject).chain(self.former.iter().copied())
    }

    /// Whether what belongs to `owner` belongs to this buyer.
    pub fn is(&self, owner: SubjectId) -> bool {
        self.subject == owner || self.former.contains(&owner)
    }
}

/// Why a claim was released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, SchemaRead, SchemaWrite)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseReason {
    /// The buyer gave it back.
    GivenBack,
    /// Its hold ended.
    Expired,
    /// Its sale was taken back: the capture failed.
    CaptureFailed,
}

/// Where a claim stands. A claim is made `Held`; `Sold` goes back only when the capture fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, SchemaRead, SchemaWrite)]
pub enum ClaimState {
    /// Its units wait for the buyer.
    Held {
        /// When the hold ends, unless a checkout has it.
        until: Timestamp,
        /// The checkout that has it.
        pin: Option<Pin>,
    },
    /// Paid.
    Sold {
        /// The order that has it.
        order: OrderId,
    },
    /// Over.
    Released {
        /// Why.
        why: ReleaseReason,
    },
}

/// A claim as the drop keeps it.
#[derive(Debug, Clone, PartialEq, Eq, SchemaRead, SchemaWrite)]
pub struct Claim {
    /// Its id within the drop.
    pub id: ClaimId,
    /// Whose it is.
    pub buyer: SubjectId,
    /// What the command that made it said.
    pub fingerprint: Fingerprint,
    /// The item's index.
    pub item: u16,
    /// How many checkouts it was in.
    pub checkouts: u8,
    /// Whether a failed checkout has lengthened it, which happens once.
    pub lengthened: bool,
    /// How many units.
    pub quantity: Quantity,
    /// For how much each, in minor units of the drop's currency.
    pub price: i64,
    /// When it was to expire when it was made.
    pub first_until: Timestamp,
    /// The buyer's e-mail, once a checkout has said it.
    pub email: Option<EmailHash>,
    /// The last pin that was undone: a late copy of it must not take hold again.
    pub undone: Option<Pin>,
    /// Where it stands.
    pub state: ClaimState,
    /// The network that it came from, if that is known.
    pub network: Option<NetworkHash>,
}

impl Claim {
    /// Its units and their price.
    pub(super) fn sale(&self) -> Sale {
        Sale { quantity: self.quantity, price: self.price }
    }
}

/// A claim as its buyer sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimView {
    /// Its name outside.
    pub id: ClaimRef,
    /// Whose it is.
    pub buyer: SubjectId,
    /// What is claimed.
    pub sku: Sku,
    /// How many units.
    pub quantity: Quantity,
    /// For how much each.
    pub unit_price: Money,
    /// Where it stands.
    pub state: ClaimState,
    /// When the hold ends, or would have ended.
    pub expires_at: Timestamp,
    /// When it was made.
    pub created_at: Timestamp,
}
