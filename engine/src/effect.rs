//! What an event asks to be done elsewhere, and what came of it.

use minicbor::{Decode, Encode};

use crate::{
    cart::{CartCommand, CartRejection, CartReply},
    checkout::{CheckoutCommand, CheckoutRejection, CheckoutReply},
    drop::{DropCommand, DropRejection, DropReply},
    id::{CartId, CheckoutId, CommandId, DropId, EntityKey, OrderId, PaymentId, ProductId, Sku, TenantId, digest128},
    inventory::{InventoryCommand, InventoryRejection, InventoryReply},
    mail::MailRequest,
    order::{OrderCommand, OrderRejection, OrderReply},
    order_numbers::{self, OrderNumbersCommand, OrderNumbersRejection, OrderNumbersReply},
    payment::{PaymentCommand, PaymentRejection, PaymentReply, ProviderAnswer, ProviderRequest},
    product::{ProductCommand, ProductRejection, ProductReply},
};

/// Names an effect within its entity.
///
/// A slot is a thing that can be asked for once at a time; a newer turn of a slot replaces the older. An outcome of an
/// older turn is ignored by the aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct EffectId {
    /// What is asked for.
    #[n(0)]
    pub slot: u64,
    /// How often it was asked for anew.
    #[n(1)]
    pub turn: u64,
}

impl EffectId {
    /// The command id under which the effect of `source` reaches its target: the same at each delivery.
    pub fn command_id(self, source: &EntityKey) -> CommandId {
        CommandId(digest128(&[source.as_bytes(), &self.slot.to_be_bytes(), &self.turn.to_be_bytes()]))
    }
}

/// Something to be done elsewhere, delivered at least once.
#[derive(Debug, Clone)]
pub struct Effect {
    /// Its name within the entity that asks.
    pub id: EffectId,
    /// What is asked.
    pub request: Request,
}

/// For each kind of entity that can be asked: a request that carries its id and a command, and an outcome that carries
/// what it answered. A new kind is one line.
macro_rules! entities {
    ($($(#[$doc:meta])* $kind:ident($id:ty, $command:ty) -> ($reply:ty, $rejection:ty);)*) => {
        /// What can be asked for. Commands to other entities are of the same tenant.
        #[derive(Debug, Clone)]
        pub enum Request {
            $($(#[$doc])* $kind($id, $command),)*
            /// The counter of order numbers.
            OrderNumbers(OrderNumbersCommand),
            /// A payment provider.
            Provider(ProviderRequest),
            /// The post office.
            Mail(MailRequest),
        }

        impl Request {
            /// The entity that it is for. `None`: it is for the world outside.
            pub fn target(&self, tenant: &TenantId) -> Option<EntityKey> {
                match self {
                    $(Request::$kind(id, _) => Some(id.key(tenant)),)*
                    Request::OrderNumbers(_) => Some(order_numbers::key(tenant)),
                    Request::Provider(_) | Request::Mail(_) => None,
                }
            }
        }

        /// What came of an effect. An unknown outcome is none: the runtime asks again.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Outcome {
            $($(#[$doc])* $kind(Result<$reply, $rejection>),)*
            /// The counter of order numbers.
            OrderNumbers(Result<OrderNumbersReply, OrderNumbersRejection>),
            /// A payment provider, with a definite answer.
            Provider(ProviderAnswer),
            /// The post office: the letter is handed over, or there is no one to get it.
            Mail,
        }
    };
}

entities! {
    /// An inventory shard.
    Inventory(Sku, InventoryCommand) -> (InventoryReply, InventoryRejection);
    /// A drop.
    Drop(DropId, DropCommand) -> (DropReply, DropRejection);
    /// A cart.
    Cart(CartId, CartCommand) -> (CartReply, CartRejection);
    /// A checkout.
    Checkout(CheckoutId, CheckoutCommand) -> (CheckoutReply, CheckoutRejection);
    /// A product.
    Product(ProductId, ProductCommand) -> (ProductReply, ProductRejection);
    /// An order.
    Order(OrderId, OrderCommand) -> (OrderReply, OrderRejection);
    /// A payment.
    Payment(PaymentId, PaymentCommand) -> (PaymentReply, PaymentRejection);
}
