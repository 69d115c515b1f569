//! Requests to payment providers, and their answers.

use crate::{
    effect::{Provider, Slots, effects},
    id::{PaymentId, RefundId, TenantId},
    money::Money,
    time::Timestamp,
};

effects! {
    PaymentEffect, PaymentOutcome:
    /// The open operation: authorise, confirm, capture or void.
    Operation = Slots::one(0) => Provider;
    /// The refund with this index.
    Refund(index: u64) = Slots::from(1) => Provider;
}

/// A request to a payment provider.
#[derive(Debug, Clone, PartialEq)]
pub struct ProviderRequest {
    /// The provider, by its name in the configuration.
    pub provider: String,
    /// The tenant that receives the money.
    pub tenant: TenantId,
    /// The payment.
    pub payment: PaymentId,
    /// The idempotency key at the provider: the same for every attempt of this operation, and different for every other
    /// operation.
    pub key: String,
    /// The operation.
    pub operation: ProviderOperation,
}

/// An operation of a payment provider. Each operation lists the answers that settle it; any other answer is ignored,
/// and the operation is retried.
#[derive(Debug, Clone, PartialEq)]
pub enum ProviderOperation {
    /// Authorises an amount: `Authorised`, `RequiresAction` or `Declined`.
    Authorise {
        /// The token for the buyer's payment method, from the provider's own form.
        token: String,
        /// The amount.
        amount: Money,
    },
    /// Continues after the buyer has confirmed the challenge: `Authorised`, `Declined`, or `RequiresAction` if the
    /// challenge is not passed.
    Confirm,
    /// Captures the authorised amount: `Captured`, `CaptureFailed` or `Declined`.
    Capture {
        /// The amount: always the full authorised amount.
        amount: Money,
    },
    /// Releases the authorised amount: `Voided`, or `Declined` if nothing is authorised any more, which counts as
    /// voided.
    Void,
    /// Refunds a captured amount: `Refunded`, `RefundFailed` or `Declined`.
    Refund {
        /// The id of the refund.
        refund: RefundId,
        /// The amount.
        amount: Money,
    },
}

/// A definite answer of a payment provider. While the outcome is unknown there is no answer, and the operation is
/// retried with the same key.
#[derive(Debug, Clone, PartialEq)]
pub enum ProviderAnswer {
    /// The amount is authorised.
    Authorised,
    /// The buyer has to pass a challenge first.
    RequiresAction {
        /// The URL of the challenge, at most 2,048 bytes.
        url: String,
        /// The time until which the challenge is valid.
        expires_at: Timestamp,
    },
    /// The provider declined the operation.
    Declined {
        /// The provider's error code.
        code: String,
    },
    /// The amount is captured.
    Captured,
    /// The amount cannot be captured.
    CaptureFailed {
        /// The provider's error code.
        code: String,
    },
    /// The authorised amount is released.
    Voided,
    /// The amount is refunded.
    Refunded,
    /// The amount cannot be refunded.
    RefundFailed {
        /// The provider's error code.
        code: String,
    },
}
