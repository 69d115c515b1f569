//! Where an attempt stands. Each phase holds just what it has.

use minicbor::{Decode, Encode};

use super::{
    ARRIVE_WITHIN_MS, CLOCKS_DIFFER_MS_MAX, CheckoutLine, CheckoutProblem, CheckoutState, GIVE_UP_MS, Sheet, Totals,
    slots,
};
use crate::{
    cart::{CartLine, NewPrice},
    drop::{Buyer, Pin},
    id::{ClaimRef, HoldId, OrderId, PaymentId, ProductId, Sku},
    money::Money,
    quantity::Quantity,
    receipts::Receipt,
    time::Timestamp,
};

/// An attempt to pay.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(super) struct Attempt {
    #[n(0)]
    pub(super) sheet: Sheet,
    /// Those who asked for something and are to hear what came of it; who began it comes first.
    #[n(1)]
    pub(super) callers: Vec<Caller>,
    /// The payment, once one was asked for.
    #[n(2)]
    pub(super) payment: Option<PaymentId>,
    #[n(3)]
    pub(super) phase: Phase,
}

/// A command that was accepted, and what its caller heard.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(super) struct Caller {
    #[n(0)]
    pub(super) receipt: Receipt,
    #[n(1)]
    pub(super) heard: Option<Heard>,
}

/// What a caller heard: enough to say exactly the same again. What is sold never changes once it is known.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(super) struct Heard {
    #[n(0)]
    pub(super) state: CheckoutState,
    #[n(1)]
    pub(super) goods_known: bool,
    #[n(2)]
    pub(super) payment_known: bool,
}

/// An answer that a step waits for.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(super) enum Asked<T> {
    #[n(0)]
    Open,
    #[n(1)]
    Yes(#[n(0)] T),
    #[n(2)]
    No(#[n(0)] CheckoutProblem),
}

impl<T> Asked<T> {
    pub(super) fn is_open(&self) -> bool {
        matches!(self, Asked::Open)
    }

    pub(super) fn yes(&self) -> Option<&T> {
        match self {
            Asked::Yes(answer) => Some(answer),
            _ => None,
        }
    }

    pub(super) fn problem(&self) -> Option<&CheckoutProblem> {
        match self {
            Asked::No(problem) => Some(problem),
            _ => None,
        }
    }
}

/// As many open answers.
pub(super) fn open<T>(count: usize) -> Vec<Asked<T>> {
    std::iter::repeat_with(|| Asked::Open).take(count).collect()
}

/// Where an attempt stands.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(super) enum Phase {
    /// The goods are being secured.
    #[n(0)]
    Preparing {
        #[n(0)]
        step: Preparation,
        /// The buyer or the clock wants it to end: it is undone once the step is over.
        #[n(1)]
        stop: Option<CheckoutProblem>,
    },
    /// The money is being set aside.
    #[n(1)]
    Paying {
        #[n(0)]
        goods: Goods,
        #[n(1)]
        step: Paying,
    },
    /// The goods are being sold, and the order is being numbered.
    #[n(2)]
    Selling {
        #[n(0)]
        goods: Goods,
        #[n(1)]
        lines: Vec<Asked<()>>,
        #[n(2)]
        number: Asked<u64>,
    },
    /// The order is being placed.
    #[n(3)]
    Placing {
        #[n(0)]
        goods: Goods,
        #[n(1)]
        number: u64,
    },
    /// The money is being taken.
    #[n(4)]
    Capturing {
        #[n(0)]
        goods: Goods,
    },
    /// The order and the cart are being told.
    #[n(5)]
    Finishing {
        #[n(0)]
        goods: Goods,
        #[n(1)]
        order_told: bool,
        /// Also true when there is no cart.
        #[n(2)]
        cart_told: bool,
    },
    /// What was done is being undone.
    #[n(6)]
    Undoing(#[n(0)] Undoing),
    /// Paid.
    #[n(7)]
    Completed {
        #[n(0)]
        goods: Goods,
        #[n(1)]
        order: OrderId,
    },
    /// Over; nothing of it is left.
    #[n(8)]
    Failed {
        #[n(0)]
        goods: Option<Goods>,
        #[n(1)]
        problem: CheckoutProblem,
    },
    /// As if it had never been, but for the answer to who began it.
    #[n(9)]
    Refused {
        #[n(0)]
        problem: CheckoutProblem,
    },
}

/// What is bought, and for how much.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(super) struct Goods {
    #[n(0)]
    pub(super) lines: Vec<CheckoutLine>,
    #[n(1)]
    pub(super) totals: Totals,
}

/// How the goods are secured.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(super) enum Preparation {
    /// Claims are being pinned, and their drops asked what they are.
    #[n(0)]
    Pinning {
        #[n(0)]
        pins: Vec<Asked<Pinned>>,
        #[n(1)]
        drops: Vec<Asked<DropSeen>>,
    },
    /// The cart is being locked.
    #[n(1)]
    Locking {
        #[n(0)]
        cart: Asked<Vec<CartLine>>,
    },
    /// The catalogue is being asked for prices.
    #[n(2)]
    Quoting {
        #[n(0)]
        lines: Vec<CartLine>,
        #[n(1)]
        quotes: Vec<Asked<Money>>,
    },
    /// The inventory is being asked to hold the lines, until this deadline.
    #[n(3)]
    Holding {
        #[n(0)]
        goods: Goods,
        #[n(1)]
        holds: Vec<Asked<()>>,
        #[n(2)]
        asked_at: Timestamp,
    },
}

/// A claim that is pinned.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(super) struct Pinned {
    #[n(0)]
    pub(super) sku: Sku,
    #[n(1)]
    pub(super) quantity: Quantity,
    #[n(2)]
    pub(super) price: Money,
}

/// What a drop said of itself.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(super) struct DropSeen {
    #[n(0)]
    pub(super) title: String,
    #[n(1)]
    pub(super) product: Option<ProductId>,
}

/// How far the payment is.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(super) enum Paying {
    /// The provider is asked.
    #[n(0)]
    Authorising,
    /// The buyer has to pass a challenge.
    #[n(1)]
    Challenged {
        #[n(0)]
        url: String,
        #[n(1)]
        expires_at: Timestamp,
    },
    /// The provider is asked whether the challenge is passed.
    #[n(2)]
    Confirming,
}

/// What is being undone.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(super) struct Undoing {
    #[n(0)]
    pub(super) goods: Option<Goods>,
    #[n(1)]
    pub(super) steps: Vec<UndoStep>,
    /// Claims that a late copy of a pin could still take hold of.
    #[n(2)]
    pub(super) sweep: Vec<ClaimRef>,
    #[n(3)]
    pub(super) problem: CheckoutProblem,
    /// Whether it is refused when it is undone, if its caller has not heard of it by then.
    #[n(4)]
    pub(super) refusable: bool,
    #[n(5)]
    pub(super) asked_at: Timestamp,
}

/// One thing that is being undone.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(super) struct UndoStep {
    #[n(0)]
    pub(super) slot: u64,
    #[n(1)]
    pub(super) undo: Undo,
    #[n(2)]
    pub(super) done: bool,
}

/// How something is undone.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(super) enum Undo {
    /// Let go of a claim.
    #[n(0)]
    Unpin(#[n(0)] ClaimRef),
    /// Take the sale of a claim back.
    #[n(1)]
    UnsellClaim(#[n(0)] ClaimRef),
    /// Let go of a hold, or see to it that it never comes.
    #[n(2)]
    Release(#[n(0)] Sku, #[n(1)] HoldId),
    /// Take the sale of a hold back.
    #[n(3)]
    UnsellHold(#[n(0)] Sku, #[n(1)] HoldId),
    /// Let go of the cart, which hears the prices that changed.
    #[n(4)]
    Unlock(#[n(0)] Vec<NewPrice>),
    /// Give the money up.
    #[n(5)]
    Void,
    /// Tell the order that it will not be paid.
    #[n(6)]
    FailOrder,
}

/// Claims of an attempt that is over, which a late copy of its pins could still take hold of: they are unpinned once
/// more when no such copy is accepted any longer.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(super) struct Sweep {
    #[n(0)]
    pub(super) attempt: u32,
    #[n(1)]
    pub(super) started_at: Timestamp,
    #[n(2)]
    pub(super) due: Timestamp,
    #[n(3)]
    pub(super) asked: bool,
    /// Which, and whether that is done.
    #[n(4)]
    pub(super) claims: Vec<(ClaimRef, bool)>,
}

impl Sheet {
    pub(super) fn as_buyer(&self) -> Buyer {
        Buyer { subject: self.buyer, former: self.former.clone(), customer: self.customer }
    }

    pub(super) fn started_at(&self) -> Timestamp {
        self.receipt.at
    }

    pub(super) fn gives_up_at(&self) -> Timestamp {
        self.started_at().plus_ms(GIVE_UP_MS)
    }

    /// After this instant its pins and its lock are refused.
    pub(super) fn arrive_by(&self) -> Timestamp {
        self.started_at().plus_ms(ARRIVE_WITHIN_MS)
    }

    /// After this instant no copy of its pins is accepted, whatever clock its drops go by.
    pub(super) fn sweep_due(&self) -> Timestamp {
        self.arrive_by().plus_ms(CLOCKS_DIFFER_MS_MAX)
    }

    pub(super) fn pin(&self) -> Pin {
        Pin { checkout: self.checkout, attempt: self.attempt }
    }

    pub(super) fn payment(&self) -> PaymentId {
        slots::payment_id(self.checkout, self.attempt)
    }

    pub(super) fn order(&self) -> OrderId {
        slots::order_id(self.checkout)
    }
}

impl Attempt {
    /// What is bought, once that is known.
    pub(super) fn goods(&self) -> Option<&Goods> {
        match &self.phase {
            Phase::Preparing { step: Preparation::Holding { goods, .. }, .. }
            | Phase::Paying { goods, .. }
            | Phase::Selling { goods, .. }
            | Phase::Placing { goods, .. }
            | Phase::Capturing { goods }
            | Phase::Finishing { goods, .. }
            | Phase::Completed { goods, .. } => Some(goods),
            Phase::Undoing(undoing) => undoing.goods.as_ref(),
            Phase::Failed { goods, .. } => goods.as_ref(),
            Phase::Preparing { .. } | Phase::Refused { .. } => None,
        }
    }

    /// The command that began it, if its caller has heard what came of it.
    pub(super) fn start_heard(&self) -> bool {
        self.callers.first().is_some_and(|caller| caller.heard.is_some())
    }
}
