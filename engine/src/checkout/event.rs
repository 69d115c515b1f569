//! What can happen to a checkout.

use minicbor::{Decode, Encode};

use super::{CheckoutProblem, Sheet, Totals};
use crate::{
    cart::CartLine,
    id::{OrderId, ProductId, Sku},
    money::Money,
    quantity::Quantity,
    receipts::Receipt,
    time::Timestamp,
};

/// What can happen to a checkout. `slot` names what a step asked for; see the `slots` module.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum CheckoutEvent {
    /// It began: its claims are to be pinned, or its cart locked.
    #[n(0)]
    Started {
        /// What it began with.
        #[n(0)]
        sheet: Box<Sheet>,
    },
    /// A drop has pinned a claim.
    #[n(1)]
    Pinned {
        /// Which, by its place in the list.
        #[n(0)]
        slot: u64,
        /// What is claimed.
        #[n(1)]
        sku: Sku,
        /// How many units.
        #[n(2)]
        quantity: Quantity,
        /// For how much each.
        #[n(3)]
        price: Money,
    },
    /// A drop said what it is.
    #[n(2)]
    DropSeen {
        /// Which.
        #[n(0)]
        slot: u64,
        /// What it is called.
        #[n(1)]
        title: String,
        /// The product that it sells.
        #[n(2)]
        product: Option<ProductId>,
    },
    /// The cart is locked.
    #[n(3)]
    Locked {
        /// What is in it.
        #[n(0)]
        lines: Vec<CartLine>,
    },
    /// The catalogue said what a line costs.
    #[n(4)]
    Quoted {
        /// Which line.
        #[n(0)]
        slot: u64,
        /// For how much each.
        #[n(1)]
        price: Money,
    },
    /// Something that the step asked for is done.
    #[n(5)]
    Done {
        /// What.
        #[n(0)]
        slot: u64,
    },
    /// Something that the step asked for is refused.
    #[n(6)]
    Denied {
        /// What.
        #[n(0)]
        slot: u64,
        /// Why.
        #[n(1)]
        problem: CheckoutProblem,
    },
    /// The order has its number.
    #[n(7)]
    Numbered {
        /// The number in the tenant's count.
        #[n(0)]
        number: u64,
    },
    /// The catalogue is asked what the cart's lines cost.
    #[n(8)]
    QuotesAsked,
    /// The inventory is asked to hold the cart's lines.
    #[n(9)]
    HoldsAsked {
        /// What it all comes to.
        #[n(0)]
        totals: Totals,
        /// When.
        #[n(1)]
        at: Timestamp,
    },
    /// The money is to be set aside.
    #[n(10)]
    AuthorisationAsked {
        /// What it all comes to.
        #[n(0)]
        totals: Totals,
        /// When.
        #[n(1)]
        at: Timestamp,
    },
    /// The buyer has to pass a challenge.
    #[n(11)]
    ActionRequired {
        /// Where.
        #[n(0)]
        url: String,
        /// Until when.
        #[n(1)]
        expires_at: Timestamp,
        /// When this was known.
        #[n(2)]
        at: Timestamp,
    },
    /// The buyer says that the challenge is passed.
    #[n(12)]
    ConfirmationAsked {
        /// The buyer's command.
        #[n(0)]
        receipt: Receipt,
    },
    /// The money is set aside: the goods are to be sold, and the order to be numbered.
    #[n(13)]
    SaleAsked {
        /// When.
        #[n(0)]
        at: Timestamp,
    },
    /// The goods are sold: the order is to be placed.
    #[n(14)]
    OrderAsked {
        /// When.
        #[n(0)]
        at: Timestamp,
    },
    /// The order is placed: its money is to be taken.
    #[n(15)]
    CaptureAsked {
        /// When.
        #[n(0)]
        at: Timestamp,
    },
    /// The money is taken: the order and the cart are to be told.
    #[n(16)]
    FinishAsked {
        /// When.
        #[n(0)]
        at: Timestamp,
    },
    /// It is done.
    #[n(17)]
    Completed {
        /// The order.
        #[n(0)]
        order: OrderId,
        /// When.
        #[n(1)]
        at: Timestamp,
    },
    /// The buyer or the clock wants it to end. It is undone as soon as the step at hand allows.
    #[n(18)]
    Stopped {
        /// Why.
        #[n(0)]
        problem: CheckoutProblem,
        /// The buyer's command, if it was the buyer.
        #[n(1)]
        receipt: Option<Receipt>,
        /// When.
        #[n(2)]
        at: Timestamp,
    },
    /// What it did is to be undone.
    #[n(19)]
    UndoAsked {
        /// Why.
        #[n(0)]
        problem: CheckoutProblem,
        /// When.
        #[n(1)]
        at: Timestamp,
    },
    /// It failed, and nothing of it is left.
    #[n(20)]
    Failed {
        /// Why.
        #[n(0)]
        problem: CheckoutProblem,
        /// When.
        #[n(1)]
        at: Timestamp,
    },
    /// It was refused, and nothing of it is left; it may be tried again under its id.
    #[n(21)]
    Refused {
        /// Why.
        #[n(0)]
        problem: CheckoutProblem,
        /// When.
        #[n(1)]
        at: Timestamp,
    },
    /// Those who have waited for `ANSWER_WITHIN_MS` hear that it is pending.
    #[n(22)]
    StillPending {
        /// When.
        #[n(0)]
        at: Timestamp,
    },
    /// No late copy of an attempt's pins can take hold any more: those that did are to be undone.
    #[n(23)]
    SweepAsked {
        /// Whose pins.
        #[n(0)]
        attempt: u32,
        /// When.
        #[n(1)]
        at: Timestamp,
    },
    /// A claim is free of an attempt's pin for good.
    #[n(24)]
    Swept {
        /// Which.
        #[n(0)]
        slot: u64,
    },
}
