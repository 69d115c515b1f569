//! The phases of an attempt. Each phase holds only the data that it needs.

use minicbor::{Decode, Encode};

use super::{
    ARRIVE_WITHIN_MS, CLOCKS_DIFFER_MS_MAX, CheckoutLine, CheckoutProblem, CheckoutState, Details, GIVE_UP_MS, Totals,
    effect_ids,
};
use crate::{
    cart::{CartLine, NewPrice},
    flash_drop::{Buyer, ClaimLock},
    id::{ClaimRef, HoldId, OrderId, PaymentId, ProductId, Sku},
    money::Money,
    processed_commands::ProcessedCommand,
    quantity::Quantity,
    time::Timestamp,
};

/// An attempt to pay.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(super) struct Attempt {
    #[n(0)]
    pub(super) details: Details,
    /// The accepted commands whose callers expect a reply. The command that started the attempt is the first.
    #[n(1)]
    pub(super) callers: Vec<Caller>,
    /// The payment, once it has been requested.
    #[n(2)]
    pub(super) payment: Option<PaymentId>,
    #[n(3)]
    pub(super) phase: Phase,
}

/// An accepted command and the reply to it.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(super) struct Caller {
    #[n(0)]
    pub(super) processed: ProcessedCommand,
    #[n(1)]
    pub(super) heard: Option<Heard>,
}

/// A reply, with all that is needed to give the same reply again. The goods never change once they are known.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(super) struct Heard {
    #[n(0)]
    pub(super) state: CheckoutState,
    #[n(1)]
    pub(super) goods_known: bool,
    #[n(2)]
    pub(super) payment_known: bool,
}

/// The answer to a request of a step.
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

/// A list of `count` answers that have not arrived.
pub(super) fn open<T>(count: usize) -> Vec<Asked<T>> {
    std::iter::repeat_with(|| Asked::Open).take(count).collect()
}

/// The phase of an attempt.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(super) enum Phase {
    /// The goods are being locked or held.
    #[n(0)]
    Preparing {
        #[n(0)]
        step: Preparation,
        /// Set when the buyer or a timeout has stopped the checkout. The compensation begins when the step ends.
        #[n(1)]
        stop: Option<CheckoutProblem>,
    },
    /// The payment is being authorised.
    #[n(1)]
    Paying {
        #[n(0)]
        goods: Goods,
        #[n(1)]
        step: Paying,
    },
    /// The goods are being sold, and the order gets its number.
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
    /// The payment is being captured.
    #[n(4)]
    Capturing {
        #[n(0)]
        goods: Goods,
    },
    /// The order and the cart are being notified of the payment.
    #[n(5)]
    Finishing {
        #[n(0)]
        goods: Goods,
        #[n(1)]
        order_told: bool,
        /// Also true if there is no cart.
        #[n(2)]
        cart_told: bool,
    },
    /// Completed steps are being compensated.
    #[n(6)]
    Compensation(#[n(0)] Compensation),
    /// Paid.
    #[n(7)]
    Completed {
        #[n(0)]
        goods: Goods,
        #[n(1)]
        order: OrderId,
    },
    /// Ended and compensated.
    #[n(8)]
    Failed {
        #[n(0)]
        goods: Option<Goods>,
        #[n(1)]
        problem: CheckoutProblem,
    },
    /// Refused: the checkout does not exist any more, except for the reply to the command that started it.
    #[n(9)]
    Refused {
        #[n(0)]
        problem: CheckoutProblem,
    },
}

/// The lines of a checkout and their totals.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(super) struct Goods {
    #[n(0)]
    pub(super) lines: Vec<CheckoutLine>,
    #[n(1)]
    pub(super) totals: Totals,
}

/// The steps that secure the goods.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(super) enum Preparation {
    /// The claims are being locked, and their drops are being read.
    #[n(0)]
    LockingClaims {
        #[n(0)]
        claim_locks: Vec<Asked<LockedClaim>>,
        #[n(1)]
        drops: Vec<Asked<DropSeen>>,
    },
    /// The cart is being locked.
    #[n(1)]
    Locking {
        #[n(0)]
        cart: Asked<Vec<CartLine>>,
    },
    /// The current prices are being read from the catalogue.
    #[n(2)]
    Quoting {
        #[n(0)]
        lines: Vec<CartLine>,
        #[n(1)]
        quotes: Vec<Asked<Money>>,
    },
    /// Stock is being asked to hold the lines. The deadline follows from `asked_at`.
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

/// A locked claim.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(super) struct LockedClaim {
    #[n(0)]
    pub(super) sku: Sku,
    #[n(1)]
    pub(super) quantity: Quantity,
    #[n(2)]
    pub(super) price: Money,
}

/// The title and product of a drop.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(super) struct DropSeen {
    #[n(0)]
    pub(super) title: String,
    #[n(1)]
    pub(super) product: Option<ProductId>,
}

/// The steps of the payment.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(super) enum Paying {
    /// The provider is being asked for an authorisation.
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
    /// The provider is being asked whether the challenge is passed.
    #[n(2)]
    Confirming,
}

/// A compensation in progress.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(super) struct Compensation {
    #[n(0)]
    pub(super) goods: Option<Goods>,
    #[n(1)]
    pub(super) steps: Vec<CompensationStepForm>,
    /// Claims that a delayed copy of a lock command could still lock.
    #[n(2)]
    pub(super) sweep: Vec<ClaimRef>,
    #[n(3)]
    pub(super) problem: CheckoutProblem,
    /// Whether the attempt ends as refused, provided that its caller has not received a reply by then.
    #[n(4)]
    pub(super) refusable: bool,
    #[n(5)]
    pub(super) asked_at: Timestamp,
}

/// One step of a compensation.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(super) struct CompensationStepForm {
    #[n(0)]
    pub(super) slot: u64,
    #[n(1)]
    pub(super) undo: CompensationStep,
    #[n(2)]
    pub(super) done: bool,
}

/// The ways to compensate a step.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(super) enum CompensationStep {
    /// Unlocks a claim.
    #[n(0)]
    UnlockClaim(#[n(0)] ClaimRef),
    /// Reverses the sale of a claim.
    #[n(1)]
    UnsellClaim(#[n(0)] ClaimRef),
    /// Releases a hold, or prevents it if it has not arrived yet.
    #[n(2)]
    Release(#[n(0)] Sku, #[n(1)] HoldId),
    /// Reverses the sale of a hold.
    #[n(3)]
    UnsellHold(#[n(0)] Sku, #[n(1)] HoldId),
    /// Unlocks the cart and updates prices that have changed.
    #[n(4)]
    Unlock(#[n(0)] Vec<NewPrice>),
    /// Voids the payment.
    #[n(5)]
    Void,
    /// Notifies the order that it is not going to be paid.
    #[n(6)]
    FailOrder,
}

/// Claims of an ended attempt that a delayed copy of its lock commands could still lock. They are unlocked once more as
/// soon as no such copy can be accepted.
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
    /// The claims, and whether each of them has been unlocked.
    #[n(4)]
    pub(super) claims: Vec<(ClaimRef, bool)>,
}

impl Details {
    pub(super) fn as_buyer(&self) -> Buyer {
        Buyer { subject: self.buyer, former: self.former.clone(), customer: self.customer }
    }

    pub(super) fn started_at(&self) -> Timestamp {
        self.processed.at
    }

    pub(super) fn gives_up_at(&self) -> Timestamp {
        self.started_at().plus_ms(GIVE_UP_MS)
    }

    /// After this instant, lock commands of the attempt are rejected.
    pub(super) fn arrive_by(&self) -> Timestamp {
        self.started_at().plus_ms(ARRIVE_WITHIN_MS)
    }

    /// After this instant, no drop accepts a copy of the attempt's lock commands, whatever the clock of its node.
    pub(super) fn sweep_due(&self) -> Timestamp {
        self.arrive_by().plus_ms(CLOCKS_DIFFER_MS_MAX)
    }

    pub(super) fn claim_lock(&self) -> ClaimLock {
        ClaimLock { checkout: self.checkout, attempt: self.attempt }
    }

    pub(super) fn payment(&self) -> PaymentId {
        effect_ids::payment_id(self.checkout, self.attempt)
    }

    pub(super) fn order(&self) -> OrderId {
        effect_ids::order_id(self.checkout)
    }
}

impl Attempt {
    /// The goods, once they are known.
    pub(super) fn goods(&self) -> Option<&Goods> {
        match &self.phase {
            Phase::Preparing { step: Preparation::Holding { goods, .. }, .. }
            | Phase::Paying { goods, .. }
            | Phase::Selling { goods, .. }
            | Phase::Placing { goods, .. }
            | Phase::Capturing { goods }
            | Phase::Finishing { goods, .. }
            | Phase::Completed { goods, .. } => Some(goods),
            Phase::Compensation(compensation) => compensation.goods.as_ref(),
            Phase::Failed { goods, .. } => goods.as_ref(),
            Phase::Preparing { .. } | Phase::Refused { .. } => None,
        }
    }

    /// Whether the caller that started the attempt has received a reply.
    pub(super) fn start_heard(&self) -> bool {
        self.callers.first().is_some_and(|caller| caller.heard.is_some())
    }
}
