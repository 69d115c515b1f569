//! A checkout: a buyer's attempt to pay for claims or for a cart.
//!
//! A checkout is a saga. It sends requests to other entities, one step after the other, and compensates completed steps
//! if a later step is rejected:
//!
//! ```text
//!             claims: lock each ─────────────┐
//!             cart:   lock ▶ quote ▶ reserve ┴▶ authorise ▶ sell, number ▶ place ▶ capture ▶ finish ▶ completed
//!                       │        │        │       │  ▲          │            │        │
//!                       │        │        │       ▼  │ confirm  │            │        │
//!                       │        │        │     challenge        │            │        │
//!                       ▼        ▼        ▼          ▼           ▼            ▼        ▼
//!                       compensate: unlock, release, reverse the sale, void ▶ failed, or refused
//! ```
//!
//! The money is captured last, so that no buyer pays for goods that are gone.
//!
//! A step ends when every request has a definite answer. Only then does the next step or the compensation begin, so
//! that nothing is taken back before it is known whether it took effect. The payment is the exception: voiding a
//! payment whose authorisation is still unknown is handled by the payment itself. An attempt compensates only what it
//! did itself.
//!
//! Until the caller has received a reply, a problem before the payment is requested is a *refusal*: the checkout does
//! not exist afterwards, and the client can try again under the same id, which is a new attempt. After that, a problem
//! makes the checkout *fail* permanently.

mod aggregate;
mod answer;
mod compensation;
mod decide;
mod effect_ids;
mod event;
mod fold;
mod outcome;
mod paying;
mod phase;
mod preparing;
mod problem;
mod selling;
#[cfg(test)]
mod tests;
mod view;

use std::borrow::Cow;

use minicbor::{Decode, Encode};
use strum::{IntoStaticStr, VariantNames};

pub use self::{
    effect_ids::CheckoutOutcome,
    event::CheckoutEvent,
    fold::Checkout,
    problem::CheckoutProblem,
    view::{CheckoutStatus, CheckoutSummary},
};
pub use crate::pricing::{PriceTerms as CheckoutTerms, Totals};
use crate::{
    aggregate::KeyReused,
    flash_drop::Buyer,
    id::{
        CartId, CheckoutId, ClaimRef, ContactId, EmailHash, HoldId, OrderId, PaymentId, ProductId, Sku, SubjectId,
        TenantId,
    },
    money::Money,
    pricing::PricedLine,
    processed_commands::ProcessedCommand,
    product::OptionValue,
    quantity::Quantity,
    time::Timestamp,
};

/// The maximum number of claims in one checkout.
pub const CLAIMS_MAX: usize = 20;
/// How long a caller waits for a reply other than `pending`, in milliseconds.
pub const ANSWER_WITHIN_MS: u64 = 2_000;
/// How long after its start a checkout may take until the payment is authorised, in milliseconds.
pub const GIVE_UP_MS: u64 = 15 * 60 * 1_000;
/// How long a request to lock a claim or a cart or to hold units may take to arrive, in milliseconds: ten times the
/// failure of a node and the start of its successor.
pub const ARRIVE_WITHIN_MS: u64 = 30_000;
/// How long after such a deadline the clocks of all nodes have passed it, in milliseconds: ten times the difference
/// that clocks may have.
pub const CLOCKS_DIFFER_MS_MAX: u64 = 5_000;
/// How long a hold lasts if nothing ends it, in milliseconds. Longer than a provider recognises a payment by its
/// idempotency key, so that the goods are still held when an authorisation is discovered late.
pub const HOLD_MS: u64 = 48 * 60 * 60 * 1_000;
/// The maximum number of ended attempts of one checkout whose claims still wait for their sweep. A sweep unlocks the
/// claims once more when no delayed lock command can be accepted any longer.
pub const SWEEPS_MAX: usize = 16;
/// The maximum number of times that a buyer can confirm a challenge.
pub const CONFIRMS_MAX: usize = crate::payment::CONFIRMS_MAX;

/// The commands of a checkout.
#[derive(Debug, Clone, Encode, Decode)]
pub enum CheckoutCommand {
    /// Starts the checkout. Replies when it has completed or failed or needs the buyer, or after [`ANSWER_WITHIN_MS`].
    #[n(0)]
    Start(#[n(0)] Box<StartCheckout>),
    /// Continues after the buyer has passed the challenge. Replies like [`Start`](CheckoutCommand::Start).
    #[n(1)]
    Confirm {
        /// The caller.
        #[n(0)]
        buyer: Buyer,
    },
    /// Cancels the checkout at the buyer's request. Replies like [`Start`](CheckoutCommand::Start).
    #[n(2)]
    Cancel {
        /// The caller.
        #[n(0)]
        buyer: Buyer,
    },
    /// Reads the checkout.
    #[n(3)]
    View {
        /// The caller. `None` for the merchant, who can read all checkouts.
        #[n(0)]
        buyer: Option<Buyer>,
    },
}

/// The input of a checkout.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct StartCheckout {
    /// The tenant.
    #[n(0)]
    pub tenant: TenantId,
    /// The checkout's id, derived from the command id.
    #[n(1)]
    pub checkout: CheckoutId,
    /// The buyer that pays.
    #[n(2)]
    pub buyer: Buyer,
    /// What the buyer pays for.
    #[n(3)]
    pub source: Source,
    /// The contact with the buyer's e-mail and address, stored before this command is sent.
    #[n(4)]
    pub contact: ContactId,
    /// The keyed hash of the buyer's e-mail address, for the caps of drops.
    #[n(5)]
    pub email: EmailHash,
    /// The configured name of the payment provider.
    #[n(6)]
    pub provider: String,
    /// The provider's token for the buyer's payment method.
    #[n(7)]
    pub token: String,
    /// The total that the buyer has seen. The checkout is refused if the total differs.
    #[n(8)]
    pub expected_total: Option<Money>,
    /// Tax and shipping.
    #[n(9)]
    pub terms: CheckoutTerms,
    /// The current catalogue entry of each claim's SKU, if there is one. Empty for a cart.
    #[n(10)]
    pub variants: Vec<Option<ClaimedVariant>>,
}

/// The catalogue entry of a claimed SKU.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ClaimedVariant {
    /// The product of the variant.
    #[n(0)]
    pub product: ProductId,
    /// The product's title.
    #[n(1)]
    pub title: String,
    /// The variant's options. Empty if the product has none.
    #[n(2)]
    pub options: Vec<OptionValue>,
}

/// What a checkout pays for.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Source {
    /// Claims of drops: from 1 to [`CLAIMS_MAX`] different claims.
    #[n(0)]
    Claims(#[n(0)] Vec<ClaimRef>),
    /// All lines of a cart.
    #[n(1)]
    Cart(#[n(0)] CartId),
}

/// The details of a checkout attempt, fixed at its start.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Details {
    /// The tenant.
    #[n(0)]
    pub tenant: TenantId,
    /// The checkout's id.
    #[n(1)]
    pub checkout: CheckoutId,
    /// The number of the attempt, starting with 1.
    #[n(2)]
    pub attempt: u32,
    /// The subject that pays.
    #[n(3)]
    pub buyer: SubjectId,
    /// The guest subjects that the buyer used before signing in.
    #[n(4)]
    pub former: Vec<SubjectId>,
    /// Whether the buyer has an account.
    #[n(5)]
    pub customer: bool,
    /// What the buyer pays for.
    #[n(6)]
    pub source: Source,
    /// The contact with the buyer's e-mail and address.
    #[n(7)]
    pub contact: ContactId,
    /// The keyed hash of the buyer's e-mail address.
    #[n(8)]
    pub email: EmailHash,
    /// The configured name of the payment provider.
    #[n(9)]
    pub provider: String,
    /// The provider's token for the buyer's payment method.
    #[n(10)]
    pub token: String,
    /// The total that the buyer has seen.
    #[n(11)]
    pub expected_total: Option<Money>,
    /// Tax and shipping.
    #[n(12)]
    pub terms: CheckoutTerms,
    /// The command that started the attempt, with its time.
    #[n(13)]
    pub processed: ProcessedCommand,
    /// The catalogue entry of each claim's SKU. `None` if there was no entry for any of them, and in earlier versions.
    #[n(14)]
    pub variants: Option<Vec<Option<ClaimedVariant>>>,
}

/// A line of a checkout.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct CheckoutLine {
    /// The SKU.
    #[n(0)]
    pub sku: Sku,
    /// The product, if it is known.
    #[n(1)]
    pub product: Option<ProductId>,
    /// The title to display.
    #[n(2)]
    pub title: String,
    /// The number of units.
    #[n(3)]
    pub quantity: Quantity,
    /// The price of a unit.
    #[n(4)]
    pub unit_price: Money,
    /// What holds the units for the buyer.
    #[n(5)]
    pub grip: Grip,
    /// The variant's options, such as "Size": "M". `None` if it has none or they are unknown.
    #[n(6)]
    pub options: Option<Vec<OptionValue>>,
}

impl From<&CheckoutLine> for PricedLine {
    fn from(line: &CheckoutLine) -> Self {
        Self { quantity: line.quantity, unit_price: line.unit_price }
    }
}

/// What holds units for the buyer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum Grip {
    /// A locked claim of a drop.
    #[n(0)]
    Claim(#[n(0)] ClaimRef),
    /// A hold on a stock item.
    #[n(1)]
    Hold(#[n(0)] HoldId),
}

/// The state of a checkout as its buyer sees it.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum CheckoutState {
    /// In progress.
    #[n(0)]
    Pending,
    /// The buyer has to pass a challenge.
    #[n(1)]
    RequiresAction {
        /// The page of the challenge.
        #[n(0)]
        url: String,
        /// When the challenge expires.
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
    /// Ended without a sale. All steps have been compensated.
    #[n(3)]
    Failed {
        /// The reason.
        #[n(0)]
        problem: CheckoutProblem,
    },
}

/// A checkout as its buyer sees it.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct CheckoutView {
    /// The id.
    #[n(0)]
    pub id: CheckoutId,
    /// The subject that pays.
    #[n(1)]
    pub buyer: SubjectId,
    /// The state.
    #[n(2)]
    pub state: CheckoutState,
    /// The lines. Empty until they are known.
    #[n(3)]
    pub lines: Vec<CheckoutLine>,
    /// The totals, once they are known.
    #[n(4)]
    pub totals: Option<Totals>,
    /// The payment, once it has been requested.
    #[n(5)]
    pub payment: Option<PaymentId>,
    /// The time of the start.
    #[n(6)]
    pub started_at: Timestamp,
    /// When the checkout expires, unless the payment is authorised by then.
    #[n(7)]
    pub expires_at: Timestamp,
}

impl CheckoutView {
    /// The order, if the checkout has completed.
    pub fn order(&self) -> Option<OrderId> {
        match self.state {
            CheckoutState::Completed { order } => Some(order),
            _ => None,
        }
    }

    /// The problem, if the checkout has failed.
    pub fn problem(&self) -> Option<&CheckoutProblem> {
        match &self.state {
            CheckoutState::Failed { problem } => Some(problem),
            _ => None,
        }
    }
}

/// The replies of a checkout.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum CheckoutReply {
    /// The current checkout, or the checkout as the first reply to the command showed it.
    #[n(0)]
    Checkout(#[n(0)] Box<CheckoutView>),
}

/// The reasons for which a checkout rejects a command.
#[derive(Debug, Clone, PartialEq, Encode, Decode, thiserror::Error, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum CheckoutRejection {
    /// The checkout does not exist, or it belongs to another buyer.
    #[error("no such checkout")]
    #[n(0)]
    NotFound,
    /// The idempotency key was used for a different command.
    #[error(transparent)]
    #[strum(serialize = "idempotency_key_reused")]
    #[n(1)]
    KeyReused(
        #[n(0)]
        #[from]
        KeyReused,
    ),
    /// The checkout was refused and has been compensated. The caller can try again under the same key.
    #[error(transparent)]
    #[strum(transparent)]
    #[n(2)]
    Refused(
        #[n(0)]
        #[from]
        CheckoutProblem,
    ),
    /// The state of the checkout does not allow the command.
    #[error("{why}")]
    #[n(3)]
    NotAllowed {
        /// The reason, in a sentence for the buyer.
        #[n(0)]
        why: Cow<'static, str>,
    },
    /// Too many attempts under one key. The caller can try again at `retry_at`.
    #[error("too many attempts under this key; try again at {retry_at}")]
    #[strum(serialize = "rate_limited")]
    #[n(4)]
    TooManyAttempts {
        /// When to try again.
        #[n(0)]
        retry_at: Timestamp,
    },
    /// A value is out of range.
    #[error("{pointer}: {why}")]
    #[strum(serialize = "out_of_range")]
    #[n(5)]
    Invalid {
        /// The JSON pointer to the value in the request.
        #[n(0)]
        pointer: Cow<'static, str>,
        /// The reason.
        #[n(1)]
        why: Cow<'static, str>,
    },
}
