//! What is asked of a payment provider, and what it may answer.

use crate::{
    id::{PaymentId, RefundId, TenantId},
    money::Money,
    time::Timestamp,
};

/// Something to be done by a payment provider.
#[derive(Debug, Clone, PartialEq)]
pub struct ProviderRequest {
    /// Which provider, by the name it is configured under.
    pub provider: String,
    /// Whose money.
    pub tenant: TenantId,
    /// For which payment.
    pub payment: PaymentId,
    /// The idempotency key at the provider: the same at each delivery of this operation, and of no other one.
    pub key: String,
    /// What to do.
    pub operation: ProviderOperation,
}

/// What a provider can be asked to do. Each says which answers settle it; any other one is ignored, and the operation
/// is asked for again.
#[derive(Debug, Clone, PartialEq)]
pub enum ProviderOperation {
    /// Set the money aside: `Authorised`, `RequiresAction` or `Declined`.
    Authorise {
        /// The buyer's means of payment, as the provider's own form named it.
        token: String,
        /// How much.
        amount: Money,
    },
    /// The buyer says that the challenge is passed: `Authorised`, `Declined`, or `RequiresAction` if it is not.
    Confirm,
    /// Take the money that was set aside: `Captured`, `CaptureFailed` or `Declined`.
    Capture {
        /// How much: all of it.
        amount: Money,
    },
    /// Give the money up that was set aside: `Voided`; `Declined` if there is none any more, which is as good.
    Void,
    /// Give captured money back: `Refunded`, `RefundFailed` or `Declined`.
    Refund {
        /// Which refund.
        refund: RefundId,
        /// How much.
        amount: Money,
    },
}

/// What a provider answers: definite answers only. While the outcome is unknown there is none, and the operation is
/// repeated under its key.
#[derive(Debug, Clone, PartialEq)]
pub enum ProviderAnswer {
    /// The money is set aside.
    Authorised,
    /// The buyer has to do something first.
    RequiresAction {
        /// Where, at most 2,048 bytes.
        url: String,
        /// Until when.
        expires_at: Timestamp,
    },
    /// The provider refuses.
    Declined {
        /// Why, in the provider's words for machines.
        code: String,
    },
    /// The money is taken.
    Captured,
    /// The money cannot be taken.
    CaptureFailed {
        /// Why.
        code: String,
    },
    /// The money is no longer set aside.
    Voided,
    /// The money is given back.
    Refunded,
    /// The money cannot be given back.
    RefundFailed {
        /// Why.
        code: String,
    },
}
