//! The events of a checkout.

use minicbor::{Decode, Encode};

use super::{CheckoutProblem, Details, Totals};
use crate::{
    cart::CartLine,
    id::{OrderId, ProductId, Sku},
    money::Money,
    processed_commands::ProcessedCommand,
    quantity::Quantity,
    time::Timestamp,
};

/// The events of a checkout. `slot` identifies a request of a step; see the `effect_ids` module.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum CheckoutEvent {
    /// The checkout started: its claims or its cart are being locked.
    #[n(0)]
    Started {
        /// The details of the attempt.
        #[n(0)]
        details: Box<Details>,
    },
    /// A drop locked a claim.
    #[n(1)]
    ClaimLocked {
        /// The slot of the claim.
        #[n(0)]
        slot: u64,
        /// The SKU of the claim.
        #[n(1)]
        sku: Sku,
        /// The number of units.
        #[n(2)]
        quantity: Quantity,
        /// The price of a unit.
        #[n(3)]
        price: Money,
    },
    /// A drop replied with its title and product.
    #[n(2)]
    DropSeen {
        /// The slot of the drop.
        #[n(0)]
        slot: u64,
        /// The title.
        #[n(1)]
        title: String,
        /// The product.
        #[n(2)]
        product: Option<ProductId>,
    },
    /// The cart was locked.
    #[n(3)]
    Locked {
        /// The lines of the cart.
        #[n(0)]
        lines: Vec<CartLine>,
    },
    /// The catalogue replied with the current price of a line.
    #[n(4)]
    Quoted {
        /// The slot of the line.
        #[n(0)]
        slot: u64,
        /// The price of a unit.
        #[n(1)]
        price: Money,
    },
    /// A request of the step succeeded.
    #[n(5)]
    Done {
        /// The slot of the request.
        #[n(0)]
        slot: u64,
    },
    /// A request of the step was rejected.
    #[n(6)]
    Denied {
        /// The slot of the request.
        #[n(0)]
        slot: u64,
        /// The reason.
        #[n(1)]
        problem: CheckoutProblem,
    },
    /// The order number was assigned.
    #[n(7)]
    Numbered {
        /// The number, counted for each tenant.
        #[n(0)]
        number: u64,
    },
    /// The current prices of the cart's lines are requested from the catalogue.
    #[n(8)]
    QuotesAsked,
    /// Stock is asked to hold the cart's lines.
    #[n(9)]
    HoldsAsked {
        /// The totals.
        #[n(0)]
        totals: Totals,
        /// The time of the event.
        #[n(1)]
        at: Timestamp,
    },
    /// The authorisation of the payment is requested.
    #[n(10)]
    AuthorisationAsked {
        /// The totals.
        #[n(0)]
        totals: Totals,
        /// The time of the event.
        #[n(1)]
        at: Timestamp,
    },
    /// The buyer has to pass a challenge.
    #[n(11)]
    ActionRequired {
        /// The page of the challenge.
        #[n(0)]
        url: String,
        /// When the challenge expires.
        #[n(1)]
        expires_at: Timestamp,
        /// The time of the event.
        #[n(2)]
        at: Timestamp,
    },
    /// The buyer reports that the challenge is passed; the payment provider is asked to confirm it.
    #[n(12)]
    ConfirmationAsked {
        /// The buyer's command.
        #[n(0)]
        processed: ProcessedCommand,
    },
    /// The payment is authorised. The sale of the goods and the order number are requested.
    #[n(13)]
    SaleAsked {
        /// The time of the event.
        #[n(0)]
        at: Timestamp,
    },
    /// The goods are sold. Placing the order is requested.
    #[n(14)]
    OrderAsked {
        /// The time of the event.
        #[n(0)]
        at: Timestamp,
    },
    /// The order is placed. The capture of the payment is requested.
    #[n(15)]
    CaptureAsked {
        /// The time of the event.
        #[n(0)]
        at: Timestamp,
    },
    /// The payment is captured. The order and the cart are notified.
    #[n(16)]
    FinishAsked {
        /// The time of the event.
        #[n(0)]
        at: Timestamp,
    },
    /// The checkout completed.
    #[n(17)]
    Completed {
        /// The order.
        #[n(0)]
        order: OrderId,
        /// The time of the event.
        #[n(1)]
        at: Timestamp,
    },
    /// The buyer or a timeout stopped the checkout. Compensation begins as soon as the current step allows it.
    #[n(18)]
    Stopped {
        /// The reason.
        #[n(0)]
        problem: CheckoutProblem,
        /// The buyer's command. `None` for a timeout.
        #[n(1)]
        processed: Option<ProcessedCommand>,
        /// The time of the event.
        #[n(2)]
        at: Timestamp,
    },
    /// Compensation began.
    #[n(19)]
    UndoAsked {
        /// The reason.
        #[n(0)]
        problem: CheckoutProblem,
        /// The time of the event.
        #[n(1)]
        at: Timestamp,
    },
    /// The checkout failed. All steps have been compensated.
    #[n(20)]
    Failed {
        /// The reason.
        #[n(0)]
        problem: CheckoutProblem,
        /// The time of the event.
        #[n(1)]
        at: Timestamp,
    },
    /// The checkout was refused. All steps have been compensated, and it can be tried again under its id.
    #[n(21)]
    Refused {
        /// The reason.
        #[n(0)]
        problem: CheckoutProblem,
        /// The time of the event.
        #[n(1)]
        at: Timestamp,
    },
    /// Callers that have waited for `ANSWER_WITHIN_MS` get the reply that the checkout is pending.
    #[n(22)]
    StillPending {
        /// The time of the event.
        #[n(0)]
        at: Timestamp,
    },
    /// No delayed copy of an attempt's lock commands can be accepted any more. Claims locked by such copies are
    /// unlocked.
    #[n(23)]
    SweepAsked {
        /// The attempt.
        #[n(0)]
        attempt: u32,
        /// The time of the event.
        #[n(1)]
        at: Timestamp,
    },
    /// A claim is permanently free of locks of an attempt.
    #[n(24)]
    Swept {
        /// The slot of the sweep.
        #[n(0)]
        slot: u64,
    },
}
