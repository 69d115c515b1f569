//! A payment: one attempt of a checkout to charge the buyer through a payment provider.
//!
//! ```text
//! Authorise ─▶ pending ─▶ authorised ─ Capture ─▶ captured ─ Refund ─▶ … never more than was captured
//!                │  └─▶ requires action ─ Confirm ─┘  └─▶ failed
//!                └─▶ declined                 Void, before it is captured ─▶ voided
//! ```
//!
//! One operation at a time is sent to the provider (except refunds, which are independent of each other), and it stays
//! open until its outcome is definite. A `Void` that arrives meanwhile waits for that outcome. A payment contains no
//! personal data: the token is the provider's reference to a payment method.

mod aggregate;
mod decide;
mod fold;
mod provider;
mod snapshot;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use minicbor::{Decode, Encode};
use strum::{IntoStaticStr, VariantNames};
use wincode::{SchemaRead, SchemaWrite};

pub use self::{
    fold::Payment,
    provider::{PaymentOutcome, ProviderAnswer, ProviderOperation, ProviderRequest},
    snapshot::FrozenPayment,
};
use crate::{
    aggregate::KeyReused,
    id::{CommandId, PaymentId, RefundId, TenantId},
    money::Money,
    time::Timestamp,
};

/// The maximum number of refunds of a payment, failed ones included: the state contains all of them.
pub const REFUNDS_MAX: usize = 1_000;
/// The maximum number of times that a buyer can confirm a challenge.
pub const CONFIRMS_MAX: usize = 20;
/// The maximum length of a token, in characters: tokens of the well-known providers are shorter than 256.
pub const TOKEN_CHARS_MAX: usize = 1_024;
/// The prefix of a sealed token, whose key the gateway has. Tokens without this prefix were stored by earlier versions.
pub const SEALED_TOKEN_PREFIX: &str = "sealed1.";
/// The maximum length of a token in an event, in bytes: [`TOKEN_CHARS_MAX`] characters of four bytes with a nonce and a
/// tag, in base64.
pub const SEALED_TOKEN_BYTES_MAX: usize = SEALED_TOKEN_PREFIX.len() + (TOKEN_CHARS_MAX * 4 + 12 + 16).div_ceil(3) * 4;
/// The maximum length of a provider's name, in characters.
pub const PROVIDER_CHARS_MAX: usize = 64;
/// The maximum length of a stored error code, in bytes; longer codes are truncated.
pub const CODE_BYTES_MAX: usize = 64;

/// A command to a payment.
#[derive(Debug, Clone, Encode, Decode)]
pub enum PaymentCommand {
    /// Authorises an amount. The reply is deferred until the outcome is definite: authorised, requires action, or
    /// declined.
    #[n(0)]
    Authorise {
        /// The tenant that receives the money.
        #[n(0)]
        tenant: TenantId,
        /// The id of the payment, derived from the checkout and its attempt.
        #[n(1)]
        payment: PaymentId,
        /// The provider, by its name in the configuration.
        #[n(2)]
        provider: String,
        /// The provider's token for the buyer's payment method.
        #[n(3)]
        token: String,
        /// The amount. An amount of zero is authorised without the provider.
        #[n(4)]
        amount: Money,
    },
    /// Continues after the buyer has passed the challenge. The reply is deferred until the outcome is definite.
    #[n(1)]
    Confirm,
    /// Captures the authorised amount. The reply is deferred until the outcome is definite.
    #[n(2)]
    Capture,
    /// Releases the authorised amount, also one that is still to be authorised. If the payment does not exist yet, a
    /// later `Authorise` is rejected.
    #[n(3)]
    Void,
    /// Refunds the captured amount or a part of it. The reply is deferred until the outcome is definite.
    #[n(4)]
    Refund {
        /// The id of the refund: the same id always means the same refund, whatever its outcome.
        #[n(0)]
        refund: RefundId,
        /// The amount.
        #[n(1)]
        amount: Money,
    },
    /// Reads the payment.
    #[n(5)]
    View,
}

/// An event of a payment.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum PaymentEvent {
    /// The provider was asked to authorise the amount.
    #[n(0)]
    AuthoriseAsked {
        /// The tenant that receives the money.
        #[n(0)]
        tenant: TenantId,
        /// The id of the payment.
        #[n(1)]
        payment: PaymentId,
        /// The provider.
        #[n(2)]
        provider: String,
        /// The provider's token for the buyer's payment method.
        #[n(3)]
        token: String,
        /// The amount.
        #[n(4)]
        amount: Money,
        /// The command that caused the event.
        #[n(5)]
        command: CommandId,
        /// The time of the event.
        #[n(6)]
        at: Timestamp,
    },
    /// The provider authorised the amount.
    #[n(1)]
    Authorised {
        /// The time of the event.
        #[n(0)]
        at: Timestamp,
    },
    /// The buyer has to pass a challenge.
    #[n(2)]
    ActionRequired {
        /// The URL of the challenge.
        #[n(0)]
        url: String,
        /// The time until which the challenge is valid.
        #[n(1)]
        expires_at: Timestamp,
        /// The time of the event.
        #[n(2)]
        at: Timestamp,
    },
    /// The provider declined the payment.
    #[n(3)]
    Declined {
        /// The provider's error code.
        #[n(0)]
        code: String,
        /// The time of the event.
        #[n(1)]
        at: Timestamp,
    },
    /// The provider was asked to continue after the challenge.
    #[n(4)]
    ConfirmAsked {
        /// The command that caused the event.
        #[n(0)]
        command: CommandId,
        /// The time of the event.
        #[n(1)]
        at: Timestamp,
    },
    /// The provider was asked to capture the amount.
    #[n(5)]
    CaptureAsked {
        /// The command that caused the event.
        #[n(0)]
        command: CommandId,
        /// The time of the event.
        #[n(1)]
        at: Timestamp,
    },
    /// The provider captured the amount.
    #[n(6)]
    Captured {
        /// The captured amount.
        #[n(0)]
        amount: Money,
        /// The time of the event.
        #[n(1)]
        at: Timestamp,
    },
    /// The provider cannot capture the amount.
    #[n(7)]
    CaptureFailed {
        /// The provider's error code.
        #[n(0)]
        code: String,
        /// The time of the event.
        #[n(1)]
        at: Timestamp,
    },
    /// The payment is to be voided as soon as no other operation is open.
    #[n(8)]
    VoidAsked {
        /// The command that caused the event.
        #[n(0)]
        command: CommandId,
        /// The time of the event.
        #[n(1)]
        at: Timestamp,
    },
    /// The payment is voided: nothing is authorised, and nothing will be.
    #[n(9)]
    Voided {
        /// The time of the event.
        #[n(0)]
        at: Timestamp,
    },
    /// The provider was asked to refund an amount.
    #[n(10)]
    RefundAsked {
        /// The id of the refund.
        #[n(0)]
        refund: RefundId,
        /// The amount.
        #[n(1)]
        amount: Money,
        /// The command that caused the event.
        #[n(2)]
        command: CommandId,
        /// The time of the event.
        #[n(3)]
        at: Timestamp,
    },
    /// The provider refunded an amount.
    #[n(11)]
    Refunded {
        /// The id of the refund.
        #[n(0)]
        refund: RefundId,
        /// The amount.
        #[n(1)]
        amount: Money,
        /// The time of the event.
        #[n(2)]
        at: Timestamp,
    },
    /// The provider cannot refund an amount.
    #[n(12)]
    RefundFailed {
        /// The id of the refund.
        #[n(0)]
        refund: RefundId,
        /// The provider's error code.
        #[n(1)]
        code: String,
        /// The time of the event.
        #[n(2)]
        at: Timestamp,
    },
}

/// The state of a payment.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, SchemaRead, SchemaWrite)]
pub enum PaymentState {
    /// The provider has not given a definite outcome yet.
    #[n(0)]
    Pending,
    /// The buyer has to pass a challenge.
    #[n(1)]
    RequiresAction {
        /// The URL of the challenge.
        #[n(0)]
        url: String,
        /// The time until which the challenge is valid.
        #[n(1)]
        expires_at: Timestamp,
    },
    /// The amount is authorised.
    #[n(2)]
    Authorised,
    /// The provider declined the payment.
    #[n(3)]
    Declined {
        /// The provider's error code.
        #[n(0)]
        code: String,
    },
    /// The amount is captured. Refunds are in the amounts, not in the state.
    #[n(4)]
    Captured,
    /// Nothing is authorised any more.
    #[n(5)]
    Voided,
    /// The amount was authorised and could not be captured.
    #[n(6)]
    Failed {
        /// The provider's error code.
        #[n(0)]
        code: String,
    },
}

/// A payment as its checkout sees it.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct PaymentView {
    /// The id of the payment.
    #[n(0)]
    pub id: PaymentId,
    /// The provider.
    #[n(1)]
    pub provider: String,
    /// The state.
    #[n(2)]
    pub state: PaymentState,
    /// The amount to be paid.
    #[n(3)]
    pub amount: Money,
    /// The captured amount.
    #[n(4)]
    pub captured: Money,
    /// The refunded amount, without refunds in progress.
    #[n(5)]
    pub refunded: Money,
}

/// A reply of a payment.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum PaymentReply {
    /// The payment now or, for a deferred or duplicate command, at the time when the command was settled.
    #[n(0)]
    Payment(#[n(0)] PaymentView),
    /// The reply to `Void`: nothing is authorised, and nothing will be.
    #[n(1)]
    Voided,
}

/// The reason why a payment rejects a command.
#[derive(Debug, Clone, PartialEq, Encode, Decode, thiserror::Error, IntoStaticStr, VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum PaymentRejection {
    /// The payment does not exist.
    #[error("no such payment")]
    #[n(0)]
    NotFound,
    /// The id was used for a different payment or refund.
    #[error(transparent)]
    #[strum(serialize = "idempotency_key_reused")]
    #[n(1)]
    KeyReused(
        #[n(0)]
        #[from]
        KeyReused,
    ),
    /// The payment was voided.
    #[error("the payment was voided")]
    #[strum(serialize = "not_allowed")]
    #[n(2)]
    Voided,
    /// The amount is captured: refund the payment instead of voiding it.
    #[error("the payment is captured already")]
    #[strum(serialize = "not_allowed")]
    #[n(3)]
    AlreadyCaptured,
    /// The amount could not be captured.
    #[error("the capture failed: {code}")]
    #[strum(serialize = "payment_failed")]
    #[n(4)]
    CaptureFailed {
        /// The provider's error code.
        #[n(0)]
        code: String,
    },
    /// The refund failed. Another attempt needs a new refund id.
    #[error("the refund failed: {code}")]
    #[n(5)]
    RefundFailed {
        /// The provider's error code.
        #[n(0)]
        code: String,
    },
    /// The amount is larger than what can be refunded.
    #[error("at most {refundable} can be refunded")]
    #[n(6)]
    RefundTooLarge {
        /// The amount that is left, less the refunds in progress.
        #[n(0)]
        refundable: Money,
    },
    /// The payment has reached the maximum number of refunds.
    #[error("at most {REFUNDS_MAX} refunds")]
    #[strum(serialize = "limit_exceeded")]
    #[n(7)]
    TooManyRefunds,
    /// The state of the payment does not allow the command.
    #[error("{why}")]
    #[n(8)]
    NotAllowed {
        /// The reason.
        #[n(0)]
        why: Cow<'static, str>,
    },
    /// A value is out of range.
    #[error("{pointer}: {why}")]
    #[strum(serialize = "out_of_range")]
    #[n(9)]
    Invalid {
        /// A JSON pointer to the value in the request.
        #[n(0)]
        pointer: Cow<'static, str>,
        /// The reason.
        #[n(1)]
        why: Cow<'static, str>,
    },
}
