//! A drop: a flash sale with a window, prices, per-buyer caps, and its own allocated units.
//!
//! A claim is decided by the drop alone: window, cap, stock and hold in one step. Units come from the inventory shards
//! before the drop opens and go back as totals that only grow, so that a repeat or a late copy adds nothing.
//!
//! Each item keeps `allocated = available + held + sold + returned` at every event.

mod claim;
mod decide;
mod edit;
mod fold;
mod schedule;
mod settle;
mod snapshot;
mod state;
#[cfg(test)]
mod tests;

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};
use wincode::{SchemaRead, SchemaWrite};

pub use self::{
    claim::{Buyer, CHECKOUTS_PER_CLAIM_MAX, CLAIMS_PER_BUYER_MAX, Claim, ClaimState, ClaimView, ReleaseReason},
    edit::{DropEdit, ItemEdit},
    state::Drop,
};
use crate::{
    aggregate::KeyReused,
    effect::EffectId,
    id::{CheckoutId, ClaimId, DropId, EmailHash, OrderId, ProductId, Sku, SubjectId, TenantId},
    money::{Currency, Money},
    quantity::Quantity,
    receipts::Receipt,
    time::Timestamp,
};

/// The most items (sizes) of one drop: they are all in each of its views.
pub const ITEMS_MAX: usize = 100;
/// The most claims of one drop over its life, released ones included: its memory, at some 200 bytes each.
pub const CLAIMS_PER_DROP_MAX: u32 = 20_000_000;
/// The most expiries in one batch of events: it stays under a megabyte, and claims get their turn in between.
pub const EXPIRIES_PER_WAKE_MAX: usize = 1_000;
/// How long sales gather before they are settled with the inventory: one settlement a second and item.
pub const SETTLE_GATHER_MS: u64 = 1_000;
/// How long a hold lives at least from the start of a checkout that failed, once.
pub const CHECKOUT_SECONDS: u64 = 600;
/// The shortest and the longest hold that a merchant can choose, in seconds.
pub const HOLD_SECONDS: std::ops::RangeInclusive<u32> = 5..=86_400;

/// Who may claim.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode, Serialize, Deserialize, SchemaRead, SchemaWrite)]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
pub enum Audience {
    /// Everyone, guests too.
    #[default]
    #[n(0)]
    Anyone,
    /// Those with an account.
    #[n(1)]
    Customers,
}

/// What a merchant says of a drop. Its prices have one currency.
#[derive(Debug, Clone, PartialEq, Encode, Decode, SchemaRead, SchemaWrite)]
pub struct Terms {
    /// What it is called.
    #[n(0)]
    pub title: String,
    /// The product that it sells, for its page.
    #[n(1)]
    pub product: Option<ProductId>,
    /// The most units that one buyer may hold and have bought, over all items.
    #[n(2)]
    pub per_buyer_max: Quantity,
    /// How long a claim holds its units.
    #[n(3)]
    pub hold_seconds: u32,
    /// The first instant at which claims are taken. `None`: as soon as it is published.
    #[n(4)]
    pub starts_at: Option<Timestamp>,
    /// The first instant at which claims are no longer taken.
    #[n(5)]
    pub ends_at: Timestamp,
    /// Who may claim.
    #[n(6)]
    pub audience: Audience,
    /// The currency of its prices.
    #[n(7)]
    pub currency: Currency,
}

/// An item (a size) as the merchant wants it.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct ItemTerms {
    /// What is sold.
    #[n(0)]
    pub sku: SkuName,
    /// How many units.
    #[n(1)]
    pub quantity: Quantity,
    /// For how much, in minor units of the drop's currency.
    #[n(2)]
    pub price: i64,
    /// What it costs elsewhere, for show.
    #[n(3)]
    pub compare_at: Option<i64>,
}

/// How events spell a SKU.
pub type SkuName = Sku;

/// What can be asked of a drop.
#[derive(Debug, Clone)]
pub enum DropCommand {
    /// Make it; unless it is a draft, get its units and publish it.
    Create {
        /// Whose it is.
        tenant: TenantId,
        /// Its id, derived from the command's.
        drop: DropId,
        /// What the merchant says of it.
        terms: Terms,
        /// What it sells.
        items: Vec<ItemTerms>,
        /// Keep it to oneself for now.
        draft: bool,
    },
    /// Get a draft's units and publish it.
    Publish,
    /// Change it. `version` is the one that the merchant saw.
    Edit {
        /// The version to be changed.
        version: u64,
        /// The changes.
        edit: DropEdit,
    },
    /// End it now.
    End,
    /// End it now and give back every hold that no checkout has pinned.
    Cancel,
    /// Hold units for a buyer.
    Claim {
        /// The claim's id, derived from the command's.
        claim: ClaimId,
        /// For whom.
        buyer: Buyer,
        /// Which item; may be left out when there is one.
        sku: Option<Sku>,
        /// How many.
        quantity: Quantity,
    },
    /// Give a claim back.
    Release {
        /// Which.
        claim: ClaimId,
        /// Who asks.
        buyer: Buyer,
    },
    /// Tie a claim to a checkout: it does not expire until it is unpinned.
    Pin {
        /// Which.
        claim: ClaimId,
        /// Who pays.
        buyer: Buyer,
        /// The checkout, and its attempt.
        pin: Pin,
        /// The buyer's e-mail, for the cap across guests.
        email: EmailHash,
        /// After this instant it is too late to pin.
        deadline: Timestamp,
    },
    /// The checkout failed or gave up.
    Unpin {
        /// Which.
        claim: ClaimId,
        /// The checkout, and its attempt.
        pin: Pin,
        /// When the checkout started: the hold lives at least [`CHECKOUT_SECONDS`] from then, once.
        started_at: Timestamp,
    },
    /// The checkout is paid: the units are sold.
    Confirm {
        /// Which.
        claim: ClaimId,
        /// The checkout, and its attempt.
        pin: Pin,
        /// The order that has them.
        order: OrderId,
    },
    /// The capture failed after the units were sold: they are not.
    Unsell {
        /// Which.
        claim: ClaimId,
        /// The order that had them.
        order: OrderId,
    },
    /// Read the drop.
    View,
    /// Read one claim. `buyer` is `None` for the vendor, who sees all.
    ViewClaim {
        /// Which.
        claim: ClaimId,
        /// Who asks.
        buyer: Option<Buyer>,
    },
    /// Read claims, newest first, `limit` at the most, older than `before`.
    ListClaims {
        /// Only this buyer's.
        buyer: Option<Buyer>,
        /// Only those older than the claim with this number.
        before: Option<u32>,
        /// How many at the most.
        limit: u32,
    },
}

/// A checkout's grip on a claim. A later attempt of the same checkout is another grip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, SchemaRead, SchemaWrite)]
pub struct Pin {
    /// The checkout.
    #[n(0)]
    pub checkout: CheckoutId,
    /// Its attempt: a refused checkout may be tried again under its id.
    #[n(1)]
    pub attempt: u32,
}

/// What can happen to a drop.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum DropEvent {
    /// It was made, and sells nothing yet.
    #[n(0)]
    Created {
        /// Whose it is.
        #[n(0)]
        tenant: TenantId,
        /// Its id.
        #[n(1)]
        drop: DropId,
        /// What the merchant says of it.
        #[n(2)]
        terms: Terms,
        /// What it is to sell.
        #[n(3)]
        items: Vec<ItemTerms>,
        /// Whether it is a draft.
        #[n(4)]
        draft: bool,
        /// The command that made it.
        #[n(5)]
        receipt: Receipt,
    },
    /// Units were asked of the inventory: to publish, or for an edit.
    #[n(1)]
    UnitsAsked {
        /// The command that needs them.
        #[n(0)]
        receipt: Receipt,
        /// What is done once they have come. `None`: it is published.
        #[n(1)]
        edit: Option<DropEdit>,
        /// Which items, by index, get how many more.
        #[n(2)]
        units: Vec<(u16, u64)>,
    },
    /// The inventory gave an item its units.
    #[n(2)]
    UnitsCame {
        /// The item.
        #[n(0)]
        item: u16,
        /// When.
        #[n(1)]
        at: Timestamp,
    },
    /// The inventory has too few.
    #[n(3)]
    UnitsRefused {
        /// The item.
        #[n(0)]
        item: u16,
        /// How many it has.
        #[n(1)]
        available: u64,
        /// When.
        #[n(2)]
        at: Timestamp,
    },
    /// It is published: claims are taken from its start on.
    #[n(4)]
    Published {
        /// When.
        #[n(0)]
        at: Timestamp,
    },
    /// It was changed.
    #[n(5)]
    Edited {
        /// The changes.
        #[n(0)]
        edit: DropEdit,
        /// The command that changed it.
        #[n(1)]
        receipt: Receipt,
    },
    /// It ended, by its time or by the merchant.
    #[n(6)]
    Ended {
        /// When.
        #[n(0)]
        at: Timestamp,
        /// The command that ended it, if not time.
        #[n(1)]
        receipt: Option<Receipt>,
    },
    /// The merchant cancelled it.
    #[n(7)]
    Cancelled {
        /// The command that cancelled it.
        #[n(0)]
        receipt: Receipt,
    },
    /// Units are held for a buyer.
    #[n(8)]
    Claimed {
        /// The claim.
        #[n(0)]
        claim: ClaimId,
        /// For whom.
        #[n(1)]
        buyer: SubjectId,
        /// Which item.
        #[n(2)]
        item: u16,
        /// How many.
        #[n(3)]
        quantity: Quantity,
        /// For how much each, in minor units.
        #[n(4)]
        price: i64,
        /// What the command said.
        #[n(5)]
        fingerprint: crate::id::Fingerprint,
        /// When.
        #[n(6)]
        at: Timestamp,
        /// When the hold ends.
        #[n(7)]
        until: Timestamp,
    },
    /// A buyer gave a claim back.
    #[n(9)]
    Released {
        /// Which.
        #[n(0)]
        claim: ClaimId,
        /// When.
        #[n(1)]
        at: Timestamp,
    },
    /// Holds ended: by their time, or because the drop was cancelled.
    #[n(10)]
    Expired {
        /// Their numbers in the drop's list of claims.
        #[n(0)]
        claims: Vec<u32>,
        /// When.
        #[n(1)]
        at: Timestamp,
    },
    /// A checkout took hold of a claim.
    #[n(11)]
    Pinned {
        /// Which.
        #[n(0)]
        claim: ClaimId,
        /// Who has it.
        #[n(1)]
        pin: Pin,
        /// The buyer's e-mail.
        #[n(2)]
        email: EmailHash,
    },
    /// A checkout let go of a claim.
    #[n(12)]
    Unpinned {
        /// Which.
        #[n(0)]
        claim: ClaimId,
        /// Who had it.
        #[n(1)]
        pin: Pin,
        /// When the hold ends now.
        #[n(2)]
        until: Timestamp,
    },
    /// A claim was paid.
    #[n(13)]
    Sold {
        /// Which.
        #[n(0)]
        claim: ClaimId,
        /// The order that has it.
        #[n(1)]
        order: OrderId,
        /// When.
        #[n(2)]
        at: Timestamp,
    },
    /// A sale was taken back: its capture failed.
    #[n(14)]
    Unsold {
        /// Which.
        #[n(0)]
        claim: ClaimId,
        /// When.
        #[n(1)]
        at: Timestamp,
    },
    /// What was sold and what is left over is reported to the inventory.
    #[n(15)]
    SettlementAsked {
        /// When.
        #[n(0)]
        at: Timestamp,
    },
    /// The inventory has booked an item's totals.
    #[n(16)]
    Settled {
        /// The item.
        #[n(0)]
        item: u16,
        /// What it booked.
        #[n(1)]
        totals: Totals,
    },
}

/// What an item's units came to, counted from the drop's creation. Each only grows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode, SchemaRead, SchemaWrite)]
pub struct Totals {
    /// Units that were ever sold.
    #[n(0)]
    pub sold: u64,
    /// Units given back unsold.
    #[n(1)]
    pub unsold: u64,
    /// Sales that were taken back.
    #[n(2)]
    pub returned: u64,
}

/// Where a drop stands, as people see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DropState {
    /// Only the merchant knows of it.
    Draft,
    /// Published, and not open yet.
    Scheduled,
    /// Claims are taken.
    Open,
    /// Every unit is sold. A sale taken back opens it again.
    SoldOut,
    /// Over.
    Ended,
    /// Over, by the merchant's will.
    Cancelled,
}

/// An item as people see it.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemView {
    /// What is sold.
    pub sku: Sku,
    /// How many units the drop has in all.
    pub quantity: u64,
    /// For how much.
    pub price: Money,
    /// What it costs elsewhere.
    pub compare_at: Option<Money>,
    /// Units that can be claimed.
    pub available: u64,
    /// Units in claims.
    pub held: u64,
    /// Units sold.
    pub sold: u64,
    /// Units given back to the inventory.
    pub returned: u64,
}

/// A drop as people see it.
#[derive(Debug, Clone, PartialEq)]
pub struct DropView {
    /// Its id.
    pub id: DropId,
    /// Where it stands.
    pub state: DropState,
    /// Raised by each of the merchant's edits.
    pub version: u64,
    /// What the merchant says of it.
    pub terms: Terms,
    /// When it starts, once that is known.
    pub starts_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// What it sells.
    pub items: Vec<ItemView>,
    /// The instant that this was true at.
    pub as_of: Timestamp,
}

/// What a drop answers.
#[derive(Debug, Clone, PartialEq)]
pub enum DropReply {
    /// The drop as it stands.
    Drop(Box<DropView>),
    /// A claim as it stands, or stood when it was made.
    Claim(ClaimView),
    /// Claims, and the number to go on before.
    Claims(Vec<ClaimView>, Option<u32>),
    /// Done, or done before.
    Done,
}

/// Why a drop refuses.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum DropRejection {
    /// There is no such drop, or none that the caller may see.
    #[error("no such drop")]
    NotFound,
    /// There is no such claim, or it is not the caller's.
    #[error("no such claim")]
    ClaimNotFound,
    /// The drop does not sell this SKU.
    #[error("the drop does not sell {}", sku.as_ref().map_or("more than one item without a sku", |sku| sku.as_str()))]
    ItemNotFound {
        /// What was asked for; `None` when the claim named none and there are several.
        sku: Option<Sku>,
    },
    /// The idempotency key was used for another command.
    #[error(transparent)]
    KeyReused(#[from] KeyReused),
    /// Too few units are free.
    #[error("{available} units are available")]
    SoldOut {
        /// How many are.
        available: u64,
        /// Whether holds may end and free some.
        may_return: bool,
    },
    /// The buyer's cap is reached.
    #[error("{remaining} more units allowed for this buyer")]
    LimitReached {
        /// How many more the buyer may claim.
        remaining: u64,
    },
    /// Too early.
    #[error("the drop is not open yet")]
    NotOpen {
        /// When it opens. `None`: not published.
        starts_at: Option<Timestamp>,
    },
    /// Too late.
    #[error("the drop has ended")]
    Ended,
    /// For customers with an account.
    #[error("the drop is for customers with an account")]
    AccountRequired,
    /// The claim is paid.
    #[error("the claim is paid already")]
    AlreadySold,
    /// The claim's hold is over.
    #[error("the claim was released")]
    AlreadyReleased,
    /// A checkout has hold of the claim.
    #[error("the claim is in a checkout")]
    CheckoutInProgress {
        /// Which.
        checkout: CheckoutId,
    },
    /// The claim was in as many checkouts as it may.
    #[error("the claim was in {CHECKOUTS_PER_CLAIM_MAX} checkouts already")]
    TooManyCheckouts,
    /// The drop has taken as many claims as it keeps.
    #[error("too many claims")]
    TooManyClaims,
    /// The request came after its deadline.
    #[error("too late")]
    TooLate,
    /// The inventory has too few units.
    #[error("{available} units of {sku} are available")]
    InsufficientStock {
        /// Of what.
        sku: Sku,
        /// How many it has.
        available: u64,
    },
    /// The merchant saw an older version.
    #[error("the drop is at version {current}")]
    StaleVersion {
        /// The version there is.
        current: u64,
    },
    /// The state does not allow the change.
    #[error("{why}")]
    NotAllowed {
        /// Why, in a sentence for the merchant.
        why: &'static str,
    },
    /// A value is out of its range.
    #[error("{pointer}: {why}")]
    Invalid {
        /// Where in the request, as a JSON pointer.
        pointer: String,
        /// Why.
        why: &'static str,
    },
}

/// The slots of a drop's effects: an allocation and a settlement for each item.
fn allocation(item: u16, turn: u64) -> EffectId {
    EffectId { slot: u64::from(item) * 2, turn }
}

fn settlement(item: u16, turn: u64) -> EffectId {
    EffectId { slot: u64::from(item) * 2 + 1, turn }
}
