//! Effects: requests of an aggregate to other entities and external services, and their outcomes.
//!
//! An event requests effects ([`Saga::effects`](crate::aggregate::Saga::effects)). The runtime delivers each of them at
//! least once and passes the [`Outcome`] back to [`Saga::on_outcome`](crate::aggregate::Saga::on_outcome), typed by
//! [`TypedOutcome`]. A target recognises repeats by the effect's
//! [command id](EffectId::command_id).

use std::ops::ControlFlow;

use minicbor::{Decode, Encode};

use crate::{
    aggregate::Aggregate,
    id::{CommandId, EntityKey, TenantId, digest128},
    mail::MailRequest,
    payment::{ProviderAnswer, ProviderRequest},
};

/// The id of an effect within its entity.
///
/// A slot can have one outstanding effect at a time. A request with a newer generation replaces the older one in the
/// same slot, and the aggregate ignores outcomes of older generations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct EffectId {
    /// What is requested.
    #[n(0)]
    pub slot: u64,
    /// Distinguishes successive requests in the same slot. Not a retry count: a redelivery keeps the generation.
    #[n(1)]
    pub generation: u64,
}

impl EffectId {
    /// The id of the command that the effect of `source` sends to its target. It is the same for every delivery.
    pub fn command_id(self, source: &EntityKey) -> CommandId {
        CommandId(digest128(&[source.as_bytes(), &self.slot.to_be_bytes(), &self.generation.to_be_bytes()]))
    }
}

/// A request to another entity or an external service, delivered at least once.
#[derive(Debug, Clone)]
pub struct Effect {
    /// The id within the requesting entity.
    pub id: EffectId,
    /// The request.
    pub request: Request,
}

/// A target of effects: the aggregate of an entity, or an external service.
pub trait Target {
    /// What is sent to the target: for an entity, its id and a command.
    type Request;
    /// The definite answer of the target.
    type Answer;

    /// The request as the runtime delivers it.
    fn request(request: Self::Request) -> Request;

    /// Breaks with the answer in an outcome, or continues with the outcome if it is one of another target.
    fn answer(outcome: Outcome) -> ControlFlow<Self::Answer, Outcome>;
}

/// The payment providers, as a target of effects.
#[derive(Debug)]
pub enum Provider {}

impl Target for Provider {
    type Request = ProviderRequest;
    type Answer = ProviderAnswer;

    fn request(request: ProviderRequest) -> Request {
        Request::Provider(request)
    }

    fn answer(outcome: Outcome) -> ControlFlow<ProviderAnswer, Outcome> {
        match outcome {
            Outcome::Provider(answer) => ControlFlow::Break(answer),
            other => ControlFlow::Continue(other),
        }
    }
}

/// The mailer, as a target of effects.
#[derive(Debug)]
pub enum Mailer {}

impl Target for Mailer {
    type Request = MailRequest;
    type Answer = ();

    fn request(request: MailRequest) -> Request {
        Request::Mail(request)
    }

    fn answer(outcome: Outcome) -> ControlFlow<(), Outcome> {
        match outcome {
            Outcome::Mail => ControlFlow::Break(()),
            other => ControlFlow::Continue(other),
        }
    }
}

/// The slots of one sort of effects: every `step`th slot from `first` to `last`. Journals and command ids contain slots,
/// so the slots of a sort never change.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slots {
    first: u64,
    last: u64,
    step: u64,
}

impl Slots {
    /// A single slot.
    pub(crate) const fn one(slot: u64) -> Self {
        Self { first: slot, last: slot, step: 1 }
    }

    /// The slots from `first` to below `end`.
    pub(crate) const fn range(first: u64, end: u64) -> Self {
        Self { first, last: end - 1, step: 1 }
    }

    /// All slots from `first` on.
    pub(crate) const fn from(first: u64) -> Self {
        Self::every(1, first)
    }

    /// Every `step`th slot from `first` on.
    pub(crate) const fn every(step: u64, first: u64) -> Self {
        Self { first, last: u64::MAX, step }
    }

    /// The slot with this index.
    pub(crate) const fn slot(self, index: u64) -> u64 {
        let slot = self.first + index * self.step;
        debug_assert!(slot <= self.last, "more effects of a sort than it has slots");
        slot
    }

    /// The index of a slot, if it is one of these.
    pub(crate) const fn index(self, slot: u64) -> Option<u64> {
        let is_one = slot >= self.first && slot <= self.last && (slot - self.first).is_multiple_of(self.step);
        if is_one { Some((slot - self.first) / self.step) } else { None }
    }
}

/// The outcomes of an aggregate's effects, by what was requested. The macro `effects!` defines it.
pub trait TypedOutcome: Sized {
    /// The outcome of the effect in this slot. An error if no request in this slot goes to the target that answered,
    /// which never happens: an effect and its outcome have the same target.
    fn of(slot: u64, outcome: Outcome) -> Result<Self, OutcomeMismatch>;
}

/// An outcome arrived in a slot whose requests go to other targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the requests in slot {slot} do not go to {target}")]
pub struct OutcomeMismatch {
    /// The slot.
    pub slot: u64,
    /// The variant of [`Outcome`].
    pub target: &'static str,
}

impl OutcomeMismatch {
    pub(crate) fn new(slot: u64, outcome: &Outcome) -> Self {
        Self { slot, target: outcome.into() }
    }
}

/// The outcomes of an aggregate that requests no effects: there are none.
#[derive(Debug, Clone, PartialEq)]
pub enum NoOutcome {}

impl TypedOutcome for NoOutcome {
    fn of(slot: u64, outcome: Outcome) -> Result<Self, OutcomeMismatch> {
        Err(OutcomeMismatch::new(slot, &outcome))
    }
}

/// Defines the effects of an aggregate and their outcomes, as two enums with the same variants. A variant names a sort of
/// effects, its slots, and the target that its requests go to:
///
/// ```text
/// effects! {
///     OrderEffect, OrderOutcome:
///     /// Refunds money.
///     Refund = Slots::one(1) => Payment;
///     /// Returns units of the SKU with this index to the stock.
///     Restock(index: u64) = Slots::range(2, NOTICE_SLOTS) => StockItem;
/// }
/// ```
///
/// An effect takes the request of its target, an outcome has the answer of that target. Sorts may share slots if their
/// targets differ: an entity whose steps follow each other uses a slot for one request at a time.
macro_rules! effects {
    (
        $effect:ident, $outcome:ident:
        $($(#[$doc:meta])* $name:ident $(($index:ident: $index_type:ty))? = $slots:expr => $target:ty;)*
    ) => {
        /// What the aggregate requests.
        #[derive(Debug, Clone)]
        pub(super) enum $effect {
            $($(#[$doc])* $name($($index_type,)? <$target as $crate::effect::Target>::Request),)*
        }

        impl $effect {
            /// The slot of the effect.
            pub(super) fn slot(&self) -> u64 {
                match self {
                    $(Self::$name($($index,)? _) => $slots.slot(0 $(+ *$index)?),)*
                }
            }

            /// The effect under its id.
            pub(super) fn with(self, generation: u64) -> $crate::effect::Effect {
                let id = $crate::effect::EffectId { slot: self.slot(), generation };
                let request = match self {
                    $(Self::$name($($index,)? request) => {
                        $(let _ = $index;)?
                        <$target as $crate::effect::Target>::request(request)
                    })*
                };
                $crate::effect::Effect { id, request }
            }
        }

        /// The outcomes of what the aggregate requests.
        #[derive(Debug, Clone, PartialEq)]
        pub enum $outcome {
            $($(#[$doc])* $name($($index_type,)? <$target as $crate::effect::Target>::Answer),)*
        }

        impl $crate::effect::TypedOutcome for $outcome {
            fn of(
                slot: u64,
                outcome: $crate::effect::Outcome,
            ) -> Result<Self, $crate::effect::OutcomeMismatch> {
                $(
                    let outcome = match $slots.index(slot) {
                        None => outcome,
                        Some(index) => {
                            let _ = index;
                            match <$target as $crate::effect::Target>::answer(outcome) {
                                std::ops::ControlFlow::Break(answer) => {
                                    return Ok(Self::$name($(std::convert::identity::<$index_type>(index),)? answer));
                                }
                                std::ops::ControlFlow::Continue(other) => other,
                            }
                        }
                    };
                )*
                Err($crate::effect::OutcomeMismatch::new(slot, &outcome))
            }
        }
    };
}
pub(crate) use effects;

/// Defines, for each kind, a request with the entity's id and a command, and an outcome with the entity's reply.
macro_rules! define_requests {
    (() $($number:literal, $variant:ident, $name:literal, $module:ident::$aggregate:ident, $ids:ident::$id:ident, $traits:tt;)*) => {
        /// What an effect requests. Commands go to entities of the same tenant only.
        #[derive(Debug, Clone)]
        pub enum Request {
            $(#[doc = concat!("A command to a [`", stringify!($aggregate), "`](crate::", stringify!($module), "::", stringify!($aggregate), ").")]
            $variant(crate::$ids::$id, <crate::$module::$aggregate as Aggregate>::Command),)*
            /// A request to a payment provider.
            Provider(ProviderRequest),
            /// An e-mail to the mailer.
            Mail(MailRequest),
        }

        impl Request {
            /// The key of the target entity, or `None` for a request to an external service.
            pub fn target(&self, tenant: &TenantId) -> Option<EntityKey> {
                match self {
                    $(Request::$variant(id, _) => Some(id.key(tenant)),)*
                    Request::Provider(_) | Request::Mail(_) => None,
                }
            }
        }

        /// The definite outcome of an effect. As long as there is none, the runtime delivers the effect again.
        #[derive(Debug, Clone, PartialEq, strum::IntoStaticStr)]
        pub enum Outcome {
            $(#[doc = concat!("The answer of a [`", stringify!($aggregate), "`](crate::", stringify!($module), "::", stringify!($aggregate), ").")]
            $variant(
                Result<
                    <crate::$module::$aggregate as Aggregate>::Reply,
                    <crate::$module::$aggregate as Aggregate>::Rejection,
                >,
            ),)*
            /// The definite answer of a payment provider.
            Provider(ProviderAnswer),
            /// The mailer has accepted the e-mail, or there is no recipient.
            Mail,
        }

        $(
            impl Target for crate::$module::$aggregate {
                type Request = (crate::$ids::$id, <Self as Aggregate>::Command);
                type Answer = Result<<Self as Aggregate>::Reply, <Self as Aggregate>::Rejection>;

                fn request((id, command): Self::Request) -> Request {
                    Request::$variant(id, command)
                }

                fn answer(outcome: Outcome) -> ControlFlow<Self::Answer, Outcome> {
                    match outcome {
                        Outcome::$variant(answer) => ControlFlow::Break(answer),
                        other => ControlFlow::Continue(other),
                    }
                }
            }
        )*
    };
}

for_each_kind!([define_requests]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_belongs_to_its_sort() {
        let (one, range, even) = (Slots::one(1), Slots::range(16, 256), Slots::every(2, 0));
        assert_eq!([0, 1, 2].map(|slot| one.index(slot)), [None, Some(0), None]);
        assert_eq!([15, 16, 255, 256].map(|slot| range.index(slot)), [None, Some(0), Some(239), None]);
        assert_eq!([0, 1, 14, u64::MAX].map(|slot| even.index(slot)), [Some(0), None, Some(7), None]);
        assert_eq!((one.slot(0), range.slot(239), even.slot(7)), (1, 255, 14));
        assert_eq!(Slots::from(1 << 63).index(u64::MAX), Some(u64::MAX >> 1));
    }

    /// Journals, snapshots and command ids contain these slots: a change loses effects that are under way.
    #[test]
    fn slots_stay() {
        use crate::{
            cart::CartReply, checkout::CheckoutOutcome as Checkout, flash_drop::DropOutcome, flash_drop::DropReply,
            order::OrderOutcome as Order, order_numbers::OrderNumbersReply, payment::PaymentOutcome as Payment,
            payment::PaymentReply, product::ProductOutcome, product::ProductRejection, stock::StockReply,
        };
        let (stock, drop) = (|| Outcome::Stock(Ok(StockReply::Done)), || Outcome::Drop(Ok(DropReply::Done)));
        let (cart, paid) = (|| Outcome::Cart(Ok(CartReply::Done)), || Outcome::Payment(Ok(PaymentReply::Voided)));
        let (quote, captured) =
            (Outcome::Product(Err(ProductRejection::NotFound)), Outcome::Provider(ProviderAnswer::Captured));
        let number = Outcome::OrderNumbers(Ok(OrderNumbersReply::Number(7)));

        assert!(matches!(Checkout::of(0, cart()), Ok(Checkout::Cart(_))));
        assert!(matches!(Checkout::of(1, paid()), Ok(Checkout::Payment(_))));
        assert!(matches!(Checkout::of(3, number), Ok(Checkout::Number(_))));
        assert!(matches!(Checkout::of(17, drop()), Ok(Checkout::Claim(1, _))));
        assert!(matches!(Checkout::of(18, quote), Ok(Checkout::Quote(2, _))));
        assert!(matches!(Checkout::of(19, stock()), Ok(Checkout::Hold(3, _))));
        assert!(matches!(Checkout::of(260, drop()), Ok(Checkout::DropView(4, _))));
        assert!(matches!(Checkout::of((1 << 63) | 0x205, drop()), Ok(Checkout::Sweep(0x205, _))));
        assert!(Checkout::of(17, cart()).is_err());

        assert!(matches!(Order::of(1, paid()), Ok(Order::Refund(_))));
        assert!(matches!(Order::of(7, stock()), Ok(Order::Restock(5, _))));
        assert!(matches!(Order::of((1 << 32) + 6, Outcome::Mail), Ok(Order::Notice(6, ()))));

        assert!(matches!(DropOutcome::of(6, stock()), Ok(DropOutcome::Allocation(3, _))));
        assert!(matches!(DropOutcome::of(7, stock()), Ok(DropOutcome::Settlement(3, _))));
        assert!(matches!(Payment::of(0, captured.clone()), Ok(Payment::Operation(_))));
        assert!(matches!(Payment::of(3, captured), Ok(Payment::Refund(2, _))));
        assert!(matches!(ProductOutcome::of(5, stock()), Ok(ProductOutcome::Sku(5, _))));
    }

    #[test]
    fn an_outcome_of_another_target_is_refused() {
        use crate::order::OrderOutcome;
        assert_eq!(OrderOutcome::of(0, Outcome::Mail), Ok(OrderOutcome::Receipt(())));
        assert_eq!(OrderOutcome::of(1, Outcome::Mail), Err(OutcomeMismatch { slot: 1, target: "Mail" }));
        assert_eq!(NoOutcome::of(0, Outcome::Mail), Err(OutcomeMismatch { slot: 0, target: "Mail" }));
    }
}
