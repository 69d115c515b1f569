//! A checkout: one attempt of a buyer to pay for claims or for a cart.
//!
//! It asks others to do things, one step after the other, and takes back what it did when a later step is refused:
//!
//! ```text
//!             claims: pin each ──────────────┐
//!             cart:   lock ▶ quote ▶ reserve ┴▶ authorise ▶ sell, number ▶ place ▶ capture ▶ finish ▶ completed
//!                       │        │        │       │  ▲          │            │        │
//!                       │        │        │       ▼  │ confirm  │            │        │
//!                       │        │        │     challenge        │            │        │
//!                       ▼        ▼        ▼          ▼           ▼            ▼        ▼
//!                       undo: unpin, release, take back, void, unlock ▶ failed, or refused
//! ```
//!
//! A step is over when everything it asked for has a definite answer; only then does the next begin, or the undoing, so
//! that nothing is taken back before it is known whether it was done. Money apart: giving up a payment whose
//! authorisation is unknown is the payment's to get right. What this attempt did is undone, nothing else.
//!
//! Until the caller has heard an answer, what fails before the money is asked for is a *refusal*: the checkout is as if
//! it had never been, and may be tried again under its id, as another attempt. Afterwards it *fails*, for good.

mod answer;
mod decide;
mod event;
mod fold;
mod outcome;
mod paying;
mod phase;
mod preparing;
mod problem;
mod selling;
mod slots;
mod snapshot;
#[cfg(test)]
mod tests;
mod undoing;

use minicbor::{Decode, Encode};

pub use self::{event::CheckoutEvent, fold::Checkout, problem::CheckoutProblem, snapshot::FrozenCheckout};
pub use crate::pricing::{PriceTerms as CheckoutTerms, Totals};
use crate::{
    aggregate::KeyReused,
    drop::Buyer,
    id::{
        CartId, CheckoutId, ClaimRef, ContactId, EmailHash, HoldId, OrderId, PaymentId, ProductId, Sku, SubjectId,
        TenantId,
    },
    money::Money,
    pricing::PricedLine,
    product::OptionValue,
    quantity::Quantity,
    receipts::Receipt,
    time::Timestamp,
};

/// The most claims of one checkout.
pub const CLAIMS_MAX: usize = 20;
/// How long a caller waits for more than `pending`.
pub const ANSWER_WITHIN_MS: u64 = 2_000;
/// How long a buyer has, from the start, until the payment is authorised.
pub const GIVE_UP_MS: u64 = 15 * 60 * 1_000;
/// How long a request to pin, lock or hold may take to arrive: a node's failure and its successor's start, ten times.
pub const ARRIVE_WITHIN_MS: u64 = 30_000;
/// How long after that deadline the clock of every node is past it too: ten times what they may differ.
pub const CLOCKS_DIFFER_MS_MAX: u64 = 5_000;
/// How long a hold lives if nobody ends it: past the time in which a provider knows a payment by its key, so that an
/// authorisation which is found late still finds its goods.
pub const HOLD_MS: u64 = 48 * 60 * 60 * 1_000;
/// The most refused attempts of one checkout whose late copies may still be on their way.
pub const SWEEPS_MAX: usize = 16;
/// The most times that a buyer can say that the challenge is passed.
pub const CONFIRMS_MAX: usize = crate::payment::CONFIRMS_MAX;

/// What can be asked of a checkout.
#[derive(Debug, Clone)]
pub enum CheckoutCommand {
    /// Make it and begin. Answered when it has completed, failed or needs the buyer, or after [`ANSWER_WITHIN_MS`].
    Start(Box<StartCheckout>),
    /// The buyer passed the challenge. Answered as [`Start`](CheckoutCommand::Start) is.
    Confirm {
        /// Who asks.
        buyer: Buyer,
    },
    /// The buyer does not want to pay any more. Answered as [`Start`](CheckoutCommand::Start) is.
    Cancel {
        /// Who asks.
        buyer: Buyer,
    },
    /// Read it. `buyer` is `None` for the vendor, who sees all.
    View {
        /// Who asks.
        buyer: Option<Buyer>,
    },
}

/// What a checkout needs to begin.
#[derive(Debug, Clone, PartialEq)]
pub struct StartCheckout {
    /// Whose shop.
    pub tenant: TenantId,
    /// Its id, derived from the command's.
    pub checkout: CheckoutId,
    /// Who pays.
    pub buyer: Buyer,
    /// What for.
    pub source: Source,
    /// Where the buyer's e-mail and address live; committed before this is asked.
    pub contact: ContactId,
    /// The keyed hash of the buyer's e-mail, for the caps of drops.
    pub email: EmailHash,
    /// The payment provider, by the name it is configured under.
    pub provider: String,
    /// The buyer's means of payment, as the provider named it.
    pub token: String,
    /// The total that the buyer has seen. Another one is refused.
    pub expected_total: Option<Money>,
    /// What is added to the goods' prices.
    pub terms: CheckoutTerms,
    /// For each claim what the catalogue says of it now, if it knows the SKU. Empty for a cart, whose lines say it
    /// themselves.
    pub variants: Vec<Option<ClaimedVariant>>,
}

/// What the catalogue says of a claimed SKU.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ClaimedVariant {
    /// The product that it belongs to.
    #[n(0)]
    pub product: ProductId,
    /// The product's title.
    #[n(1)]
    pub title: String,
    /// The variant's options. Empty when the product has none.
    #[n(2)]
    pub options: Vec<OptionValue>,
}

/// What is paid for.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Source {
    /// Claims of drops: 1 to [`CLAIMS_MAX`] different ones.
    #[n(0)]
    Claims(#[n(0)] Vec<ClaimRef>),
    /// Everything in a cart.
    #[n(1)]
    Cart(#[n(0)] CartId),
}

/// A checkout's beginning, as it stays.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Sheet {
    /// Whose shop.
    #[n(0)]
    pub tenant: TenantId,
    /// Its id.
    #[n(1)]
    pub checkout: CheckoutId,
    /// Which attempt it is, from 1 on.
    #[n(2)]
    pub attempt: u32,
    /// Who pays.
    #[n(3)]
    pub buyer: SubjectId,
    /// The guests that the buyer was before.
    #[n(4)]
    pub former: Vec<SubjectId>,
    /// Whether the buyer has an account.
    #[n(5)]
    pub customer: bool,
    /// What for.
    #[n(6)]
    pub source: Source,
    /// Where the buyer's e-mail and address live.
    #[n(7)]
    pub contact: ContactId,
    /// The keyed hash of the buyer's e-mail.
    #[n(8)]
    pub email: EmailHash,
    /// The payment provider.
    #[n(9)]
    pub provider: String,
    /// The buyer's means of payment.
    #[n(10)]
    pub token: String,
    /// The total that the buyer has seen.
    #[n(11)]
    pub expected_total: Option<Money>,
    /// What is added to the goods' prices.
    #[n(12)]
    pub terms: CheckoutTerms,
    /// The command that began it, and when.
    #[n(13)]
    pub receipt: Receipt,
    /// For each claim what the catalogue said of it. `None` when it knew none of them, and in earlier versions.
    #[n(14)]
    pub variants: Option<Vec<Option<ClaimedVariant>>>,
}

/// What is sold on one line.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct CheckoutLine {
    /// What.
    #[n(0)]
    pub sku: Sku,
    /// The product that it belongs to, if that is known.
    #[n(1)]
    pub product: Option<ProductId>,
    /// What it is called.
    #[n(2)]
    pub title: String,
    /// How many units.
    #[n(3)]
    pub quantity: Quantity,
    /// For how much each.
    #[n(4)]
    pub unit_price: Money,
    /// What keeps its units for the buyer.
    #[n(5)]
    pub grip: Grip,
    /// The variant's options: "Size", "M". `None` when it has none, or when that is not known.
    #[n(6)]
    pub options: Option<Vec<OptionValue>>,
}

impl From<&CheckoutLine> for PricedLine {
    fn from(line: &CheckoutLine) -> Self {
        Self { quantity: line.quantity, unit_price: line.unit_price }
    }
}

/// What keeps units for the buyer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum Grip {
    /// A pinned claim of a drop.
    #[n(0)]
    Claim(#[n(0)] ClaimRef),
    /// A hold on ordinary inventory.
    #[n(1)]
    Hold(#[n(0)] HoldId),
}

/// Where a checkout stands, as its buyer sees it.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum CheckoutState {
    /// Under way.
    #[n(0)]
    Pending,
    /// The buyer has to pass a challenge.
    #[n(1)]
    RequiresAction {
        /// Where.
        #[n(0)]
        url: String,
        /// Until when.
        #[n(1)]
        expires_at: Timestamp,
    },
    /// Paid.
    #[n(2)]
    Completed {
        /// The order.
        #[n(0)]
        order: OrderId,
    },
    /// Over, and nothing of it is left.
    #[n(3)]
    Failed {
        /// Why.
        #[n(0)]
        problem: CheckoutProblem,
    },
}

/// A checkout as its buyer sees it.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct CheckoutView {
    /// Its id.
    #[n(0)]
    pub id: CheckoutId,
    /// Who pays.
    #[n(1)]
    pub buyer: SubjectId,
    /// Where it stands.
    #[n(2)]
    pub state: CheckoutState,
    /// What is sold; empty until that is known.
    #[n(3)]
    pub lines: Vec<CheckoutLine>,
    /// What it comes to, once that is known.
    #[n(4)]
    pub totals: Option<Totals>,
    /// The payment, once one was asked for.
    #[n(5)]
    pub payment: Option<PaymentId>,
    /// When it began.
    #[n(6)]
    pub started_at: Timestamp,
    /// When it is given up, unless the payment is authorised by then.
    #[n(7)]
    pub expires_at: Timestamp,
}

impl CheckoutView {
    /// The order, once it is paid.
    pub fn order(&self) -> Option<OrderId> {
        match self.state {
            CheckoutState::Completed { order } => Some(order),
            _ => None,
        }
    }

    /// Why it failed, if it did.
    pub fn problem(&self) -> Option<&CheckoutProblem> {
        match &self.state {
            CheckoutState::Failed { problem } => Some(problem),
            _ => None,
        }
    }
}

/// What a checkout answers.
#[derive(Debug, Clone, PartialEq)]
pub enum CheckoutReply {
    /// The checkout as it stands, or stood when the command was answered first.
    Checkout(Box<CheckoutView>),
}

/// Why a checkout refuses.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CheckoutRejection {
    /// There is no such checkout, or it is not the caller's.
    #[error("no such checkout")]
    NotFound,
    /// The idempotency key was used for another command.
    #[error(transparent)]
    KeyReused(#[from] KeyReused),
    /// It could not begin. Nothing of it is left; it may be tried again under the same key.
    #[error(transparent)]
    Refused(#[from] CheckoutProblem),
    /// The state does not allow it.
    #[error("{why}")]
    NotAllowed {
        /// Why, in a sentence for the buyer.
        why: &'static str,
    },
    /// Too many attempts under one key; try again after a while.
    #[error("too many attempts under this key; try again at {retry_at}")]
    TooManyAttempts {
        /// When.
        retry_at: Timestamp,
    },
    /// A value is out of its range.
    #[error("{pointer}: {why}")]
    Invalid {
        /// Where in the request, as a JSON pointer.
        pointer: &'static str,
        /// Why.
        why: &'static str,
    },
}
