//! What an event asks to be done elsewhere, and what came of it.

use minicbor::{Decode, Encode};

use crate::{
    drop::{DropCommand, DropRejection, DropReply},
    id::{CommandId, DropId, EntityKey, Sku, TenantId, digest128},
    inventory::{InventoryCommand, InventoryRejection, InventoryReply},
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

/// What can be asked for. Commands to other entities are of the same tenant.
#[derive(Debug, Clone)]
pub enum Request {
    /// A command for an inventory shard.
    Inventory(Sku, InventoryCommand),
    /// A command for a drop.
    Drop(DropId, DropCommand),
}

impl Request {
    /// The entity that it is for, if it is for one.
    pub fn target(&self, tenant: &TenantId) -> Option<EntityKey> {
        match self {
            Request::Inventory(sku, _) => Some(sku.key(tenant)),
            Request::Drop(drop, _) => Some(drop.key(tenant)),
        }
    }
}

/// What came of an effect. An unknown outcome is none: the runtime asks again.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// What an inventory shard answered.
    Inventory(Result<InventoryReply, InventoryRejection>),
    /// What a drop answered.
    Drop(Result<DropReply, DropRejection>),
}

