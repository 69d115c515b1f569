//! The kinds of entities. [`for_each_kind`](crate::for_each_kind) has the only list of them: everything that exists once
//! for each kind expands that list, or selects the aggregate of a [`Kind`] with [`with_kind`](crate::with_kind).

use std::fmt::{Debug, Display};

use crate::{
    aggregate::{Aggregate, Saga, Timers},
    effect::{NoOutcome, Outcome, Request},
    id::{EntityKey, TenantId},
    snapshot::Persist,
};

/// The list of kinds. Passes it to a macro, `for_each_kind!([callback] arguments)`, which receives the arguments in
/// parentheses and then one line for each kind:
///
/// `number, variant of Kind, "name in metrics and logs", aggregate, id, [traits];`
///
/// The traits are those of `timers` ([`Timers`](crate::aggregate::Timers)) and `saga` ([`Saga`](crate::aggregate::Saga))
/// that the aggregate implements. The list implements the others with their defaults: stable Rust has no other way for
/// an aggregate to have a trait of which its own folder says nothing.
///
/// The numbers are stored in every journal and must never be reused. They count from 1 without gaps. The paths begin in
/// this crate.
#[macro_export]
macro_rules! for_each_kind {
    ([$($callback:tt)+] $($argument:tt)*) => {
        $($callback)+! {
            ($($argument)*)
            1, Stock, "inventory", stock::StockItem, id::Sku, [timers];
            2, Drop, "drop", flash_drop::FlashDrop, id::DropId, [timers, saga];
            3, Cart, "cart", cart::Cart, id::CartId, [];
            4, Checkout, "checkout", checkout::Checkout, id::CheckoutId, [timers, saga];
            5, Order, "order", order::Order, id::OrderId, [saga];
            6, Payment, "payment", payment::Payment, id::PaymentId, [saga];
            7, Product, "product", product::Product, id::ProductId, [saga];
            8, OrderNumbers, "order_numbers", order_numbers::OrderNumbers, order_numbers::OrderNumbersId, [];
        }
    };
}

/// Evaluates `body` with `A` as an alias for the aggregate of a [`Kind`](crate::kinds::Kind):
/// `with_kind!(kind, A => body)`.
#[macro_export]
macro_rules! with_kind {
    ($kind:expr, $alias:ident => $body:expr) => {
        $crate::for_each_kind!([$crate::with_kind] $kind, $alias, $body)
    };
    (($kind:expr, $alias:ident, $body:expr) $($number:literal, $variant:ident, $name:literal, $module:ident::$aggregate:ident, $ids:ident::$id:ident, $traits:tt;)*) => {
        match $kind {
            $($crate::kinds::Kind::$variant => {
                type $alias = $crate::$module::$aggregate;
                $body
            })*
        }
    };
}

/// The id of an entity within its tenant and kind.
pub trait EntityId: Clone + Debug + Display + Send + Sync + 'static {
    /// The bytes of the id in keys. Not empty.
    fn to_key_bytes(&self) -> impl AsRef<[u8]>;

    /// Decodes the output of [`to_key_bytes`](EntityId::to_key_bytes). `None` if the bytes are not such an id.
    fn from_key_bytes(bytes: &[u8]) -> Option<Self>;
}

/// An aggregate of the list of kinds. The runtime runs any `Entity`; the list implements this trait.
pub trait Entity: Aggregate + Timers + Saga + Persist {
    /// The number of the kind in entity keys.
    const KIND: Kind;
    /// The id of an entity of this kind.
    type Id: EntityId;

    /// The command of a request to an entity of this kind. `None` for a request to another target.
    fn command_of(request: &Request) -> Option<&Self::Command>;

    /// The outcome of an effect that sent a command to an entity of this kind.
    fn outcome_of(answer: Result<Self::Reply, Self::Rejection>) -> Outcome;
}

/// Implements the traits that a line of the list does not name.
macro_rules! implement_defaults {
    ($aggregate:ty, []) => {
        impl Timers for $aggregate {}
        impl Saga for $aggregate {
            type Outcome = NoOutcome;
        }
    };
    ($aggregate:ty, [timers]) => {
        impl Saga for $aggregate {
            type Outcome = NoOutcome;
        }
    };
    ($aggregate:ty, [saga]) => {
        impl Timers for $aggregate {}
    };
    ($aggregate:ty, [timers, saga]) => {};
}

macro_rules! define_kinds {
    (() $($number:literal, $variant:ident, $name:literal, $module:ident::$aggregate:ident, $ids:ident::$id:ident, $traits:tt;)*) => {
        /// The kinds of aggregates.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Kind {
            $(#[doc = concat!("[`", stringify!($aggregate), "`](crate::", stringify!($module), "::", stringify!($aggregate), ").")]
            $variant = $number,)*
        }

        impl Kind {
            /// All kinds, in the order of their numbers.
            pub const ALL: [Kind; [$($number),*].len()] = [$(Kind::$variant),*];

            /// The name in metrics and logs.
            pub fn name(self) -> &'static str {
                match self {
                    $(Kind::$variant => $name,)*
                }
            }
        }

        $(
            implement_defaults!(crate::$module::$aggregate, $traits);

            impl Entity for crate::$module::$aggregate {
                const KIND: Kind = Kind::$variant;
                type Id = crate::$ids::$id;

                fn command_of(request: &Request) -> Option<&Self::Command> {
                    match request {
                        Request::$variant(_, command) => Some(command),
                        _ => None,
                    }
                }

                fn outcome_of(answer: Result<Self::Reply, Self::Rejection>) -> Outcome {
                    Outcome::$variant(answer)
                }
            }

            impl crate::$ids::$id {
                /// The key of the entity with this id.
                pub fn key(&self, tenant: &TenantId) -> EntityKey {
                    EntityKey::new(Kind::$variant, tenant, self.to_key_bytes().as_ref())
                }
            }
        )*
    };
}

for_each_kind!([define_kinds]);

impl Kind {
    /// The kind with this number, or `None` if this version of the program does not know it.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number).checked_sub(1)?).copied()
    }

    /// The place in [`ALL`](Kind::ALL), for tables with one element for each kind.
    pub const fn index(self) -> usize {
        self as usize - 1
    }
}

/// A journal never loses the number of a kind, so that a kind keeps its line for good and no gap can come about.
const _: () = {
    let mut index = 0;
    while index < Kind::ALL.len() {
        assert!(Kind::ALL[index].index() == index, "the numbers of kinds count from 1 without gaps");
        index += 1;
    }
};

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// What is stored and shown: a change of a number or name here breaks journals and dashboards.
    #[test]
    fn numbers_and_names_stay() {
        let known = ["inventory", "drop", "cart", "checkout", "order", "payment", "product", "order_numbers"];
        for (number, name) in (1..).zip(known) {
            assert_eq!(Kind::from_number(number).map(|kind| (kind as u8, kind.name())), Some((number, name)));
        }
        assert_eq!([0, Kind::ALL.len() as u8 + 1, u8::MAX].map(Kind::from_number), [None; 3]);
    }

    #[test]
    fn keys_read_back_as_the_ids_that_they_were_made_of() {
        fn check<A: Entity>(id: &A::Id, key: &EntityKey) {
            assert_eq!((key.kind(), key.id()), (A::KIND, id.to_key_bytes().as_ref()));
            assert_eq!(A::Id::from_key_bytes(key.id()).unwrap().to_string(), id.to_string());
            assert_eq!(key.to_string(), format!("demo/{}/{id}", A::KIND.name()));
            assert!(A::Id::from_key_bytes(b"").is_none());
        }
        let tenant = TenantId::new("demo").unwrap();
        let skus = ["SHIRT-S", "SIXTEEN-BYTES-16"].map(|sku| crate::id::Sku::new(sku).unwrap());
        for sku in skus {
            check::<crate::stock::StockItem>(&sku, &sku.key(&tenant));
        }
        let order = crate::id::OrderId::derive(&[b"order"]);
        check::<crate::order::Order>(&order, &order.key(&tenant));
        let counter = crate::order_numbers::OrderNumbersId;
        check::<crate::order_numbers::OrderNumbers>(&counter, &counter.key(&tenant));
    }
}
