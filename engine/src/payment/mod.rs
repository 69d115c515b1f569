//! A payment: money asked of a payment provider, for one attempt of a checkout.
//!
//! ```text
//! Authorise ─▶ pending ─▶ authorised ─ Capture ─▶ captured ─ Refund ─▶ … never more than was captured
//!                │  └─▶ requires action ─ Confirm ─┘  └─▶ failed
//!                └─▶ declined                 Void, before it is captured ─▶ voided
//! ```
//!
//! One operation at a time goes to the provider (refunds apart, each of which is its own), and it stays asked for until
//! the answer is definite. A `Void` that comes meanwhile waits for that answer. Personal data never gets here: a token
//! is the provider's own name for a means of payment.

mod decide;
mod fold;
mod provider;
mod snapshot;
#[cfg(test)]
mod tests;

use minicbor::{Decode, Encode};
use wincode::{SchemaRead, SchemaWrite};

pub use self::{
    fold::Payment,
    provider::{ProviderAnswer, ProviderOperation, ProviderRequest},
    snapshot::FrozenPayment,
};
use crate::{
    aggregate::KeyReused,
    id::{CommandId, PaymentId, RefundId, TenantId},
    money::Money,
    time::Timestamp,
};

/// The most refunds of one payment, failed ones included: they are all in its state.
pub const REFUNDS_MAX: usize = 1_000;
/// The most times that a buyer can say that the challenge is passed.
pub const CONFIRMS_MAX: usize = 20;
/// The longest token, in characters: the well-known providers' are below 256.
pub const TOKEN_CHARS_MAX: usize = 1_024;
/// What a sealed token starts with; the key is the gateway's. Tokens without it are of earlier versions.
pub const SEALED_TOKEN_PREFIX: &str = "sealed1.";
/// The longest token as events hold it: [`TOKEN_CHARS_MAX`] characters of four bytes with a nonce and a tag, in base64.
pub const SEALED_TOKEN_BYTES_MAX: usize = SEALED_TOKEN_PREFIX.len() + (TOKEN_CHARS_MAX * 4 + 12 + 16).div_ceil(3) * 4;
/// The longest name of a provider, in characters.
pub const PROVIDER_CHARS_MAX: usize = 64;
/// The longest code of a refusal that is kept, in bytes; the rest is cut off.
pub const CODE_BYTES_MAX: usize = 64;

/// What can be asked of a payment.
#[derive(Debug, Clone)]
pub enum PaymentCommand {
    /// Set money aside. Answered when that is definite: authorised, requires action, or declined.
    Authorise {
        /// Whose money it will be.
        tenant: TenantId,
        /// Its id, derived from the checkout and its attempt.
        payment: PaymentId,
        /// The provider, by the name it is configured under.
        provider: String,
        /// The buyer's means of payment, as the provider named it.
        token: String,
        /// How much. Of nothing, no provider is asked.
        amount: Money,
    },
    /// The buyer passed the challenge. Answered when that is definite.
    Confirm,
    /// Take the money that was set aside. Answered when that is definite.
    Capture,
    /// Give up what was set aside, or will be. Of a payment that is not known, one that comes later is refused.
    Void,
    /// Give back a part or all of what was taken. Answered when that is definite.
    Refund {
        /// Its id: the same id is the same refund, whatever came of it.
        refund: RefundId,
        /// How much.
        amount: Money,
    },
    /// Read it.
    View,
}

/// What can happen to a payment.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum PaymentEvent {
    /// The provider was asked to set money aside.
    #[n(0)]
    AuthoriseAsked {
        /// Whose money it will be.
        #[n(0)]
        tenant: TenantId,
        /// Its id.
        #[n(1)]
        payment: PaymentId,
        /// The provider.
        #[n(2)]
        provider: String,
        /// The buyer's means of payment, as the provider named it.
        #[n(3)]
        token: String,
        /// How much.
        #[n(4)]
        amount: Money,
        /// The command that asked.
        #[n(5)]
        command: CommandId,
        /// When.
        #[n(6)]
        at: Timestamp,
    },
    /// The money is set aside.
    #[n(1)]
    Authorised {
        /// When.
        #[n(0)]
        at: Timestamp,
    },
    /// The buyer has to pass a challenge.
    #[n(2)]
    ActionRequired {
        /// Where.
        #[n(0)]
        url: String,
        /// Until when.
        #[n(1)]
        expires_at: Timestamp,
        /// When the provider said so.
        #[n(2)]
        at: Timestamp,
    },
    /// The provider refused.
    #[n(3)]
    Declined {
        /// Why.
        #[n(0)]
        code: String,
        /// When.
        #[n(1)]
        at: Timestamp,
    },
    /// The provider was told that the buyer passed the challenge.
    #[n(4)]
    ConfirmAsked {
        /// The command that asked.
        #[n(0)]
        command: CommandId,
        /// When.
        #[n(1)]
        at: Timestamp,
    },
    /// The provider was asked to take the money.
    #[n(5)]
    CaptureAsked {
        /// The command that asked.
        #[n(0)]
        command: CommandId,
        /// When.
        #[n(1)]
        at: Timestamp,
    },
    /// The money is taken.
    #[n(6)]
    Captured {
        /// How much.
        #[n(0)]
        amount: Money,
        /// When.
        #[n(1)]
        at: Timestamp,
    },
    /// The money cannot be taken.
    #[n(7)]
    CaptureFailed {
        /// Why.
        #[n(0)]
        code: String,
        /// When.
        #[n(1)]
        at: Timestamp,
    },
    /// It is to be given up, as soon as nothing else is open.
    #[n(8)]
    VoidAsked {
        /// The command that asked.
        #[n(0)]
        command: CommandId,
        /// When.
        #[n(1)]
        at: Timestamp,
    },
    /// Nothing is set aside any more, or will be.
    #[n(9)]
    Voided {
        /// When.
        #[n(0)]
        at: Timestamp,
    },
    /// The provider was asked to give money back.
    #[n(10)]
    RefundAsked {
        /// Which refund.
        #[n(0)]
        refund: RefundId,
        /// How much.
        #[n(1)]
        amount: Money,
        /// The command that asked.
        #[n(2)]
        command: CommandId,
        /// When.
        #[n(3)]
        at: Timestamp,
    },
    /// Money was given back.
    #[n(11)]
    Refunded {
        /// Which refund.
        #[n(0)]
        refund: RefundId,
        /// How much.
        #[n(1)]
        amount: Money,
        /// When.
        #[n(2)]
        at: Timestamp,
    },
    /// Money cannot be given back.
    #[n(12)]
    RefundFailed {
        /// Which refund.
        #[n(0)]
        refund: RefundId,
        /// Why.
        #[n(1)]
        code: String,
        /// When.
        #[n(2)]
        at: Timestamp,
    },
}

/// Where a payment stands.
#[derive(Debug, Clone, PartialEq, Eq, SchemaRead, SchemaWrite)]
pub enum PaymentState {
    /// The provider has not said anything definite.
    Pending,
    /// The buyer has to pass a challenge.
    RequiresAction {
        /// Where.
        url: String,
        /// Until when.
        expires_at: Timestamp,
    },
    /// The money is set aside.
    Authorised,
    /// The provider refused.
    Declined {
        /// Why.
        code: String,
    },
    /// The money is taken; how much of it was given back is in the numbers.
    Captured,
    /// Nothing is set aside any more.
    Voided,
    /// The money was set aside and could not be taken.
    Failed {
        /// Why.
        code: String,
    },
}

/// A payment as its checkout sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct PaymentView {
    /// Its id.
    pub id: PaymentId,
    /// Its provider.
    pub provider: String,
    /// Where it stands.
    pub state: PaymentState,
    /// How much was asked for.
    pub amount: Money,
    /// How much was taken.
    pub captured: Money,
    /// How much of that was given back, without what is still being given back.
    pub refunded: Money,
}

/// What a payment answers.
#[derive(Debug, Clone, PartialEq)]
pub enum PaymentReply {
    /// The payment as it stands, or stood when the command was settled.
    Payment(PaymentView),
    /// The answer to a `Void`: nothing is set aside, and never will be for this payment.
    Voided,
}

/// Why a payment refuses.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PaymentRejection {
    /// There is no such payment.
    #[error("no such payment")]
    NotFound,
    /// The id was used for another payment or refund.
    #[error(transparent)]
    KeyReused(#[from] KeyReused),
    /// It was given up.
    #[error("the payment was voided")]
    Voided,
    /// The money is taken: it can be refunded, not given up.
    #[error("the payment is captured already")]
    AlreadyCaptured,
    /// The money could not be taken.
    #[error("the capture failed: {code}")]
    CaptureFailed {
        /// Why.
        code: String,
    },
    /// The money could not be given back. Another attempt needs another refund id.
    #[error("the refund failed: {code}")]
    RefundFailed {
        /// Why.
        code: String,
    },
    /// More than there is to give back.
    #[error("at most {refundable} can be refunded")]
    RefundTooLarge {
        /// What is left, less what is being given back.
        refundable: Money,
    },
    /// As many refunds as one payment keeps.
    #[error("at most {REFUNDS_MAX} refunds")]
    TooManyRefunds,
    /// The state does not allow it.
    #[error("{why}")]
    NotAllowed {
        /// Why.
        why: &'static str,
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
