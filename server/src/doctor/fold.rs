//! An entity, made again from its entries.

use engine::{
    aggregate::Aggregate,
    cart::Cart,
    checkout::Checkout,
    drop::{Drop, DropCommand, DropReply, DropView, Totals},
    id::{CommandId, DropId, EntityKey, Fingerprint, Kind},
    inventory::{Inventory, InventoryEvent, StockLevels},
    order::Order,
    order_numbers::OrderNumbers,
    payment::Payment,
    product::Product,
    time::Timestamp,
};
use persistence::snapshots::Snapshot;
use std::{any::Any, collections::BTreeMap};

/// What a fold can tell of stock, when it is over.
pub(super) enum Told {
    /// Nothing.
    Nothing,
    /// An inventory shard: its numbers, and for each drop the units that it ever had and what was booked of them.
    Inventory { levels: StockLevels, drops: BTreeMap<DropId, (u64, Totals)> },
    /// A drop, and whether nothing of it is under way.
    Drop { view: Box<DropView>, settled: bool },
}

/// An entity of any kind, while it is folded.
pub(super) trait Folding: Send {
    /// Applies the events of one entry.
    fn apply(&mut self, events: &[u8]) -> Result<(), String>;
    /// Whether it is the same as a snapshot of this version, or what is wrong with that.
    fn compare(&self, snapshot: &Snapshot) -> Result<(), String>;
    /// What it tells of stock at `now`, the newest time of its shard.
    fn tell(&self, now: Timestamp) -> Told;
}

/// An entity of this key that has no entry yet.
pub(super) fn blank(key: &EntityKey) -> Box<dyn Folding> {
    match key.kind() {
        Kind::Inventory => Box::<Fold<Inventory>>::default(),
        Kind::Drop => Box::<Fold<Drop>>::default(),
        Kind::Cart => Box::<Fold<Cart>>::default(),
        Kind::Checkout => Box::<Fold<Checkout>>::default(),
        Kind::Order => Box::<Fold<Order>>::default(),
        Kind::Payment => Box::<Fold<Payment>>::default(),
        Kind::Product => Box::<Fold<Product>>::default(),
        Kind::OrderNumbers => Box::<Fold<OrderNumbers>>::default(),
    }
}

#[derive(Default)]
struct Fold<A> {
    state: A,
    /// What an inventory shard's events say of drops.
    drops: BTreeMap<DropId, (u64, Totals)>,
}

impl<A: Aggregate> Folding for Fold<A> {
    fn apply(&mut self, events: &[u8]) -> Result<(), String> {
        let mut decoder = minicbor::Decoder::new(events);
        while decoder.position() < events.len() {
            let event: A::Event = decoder.decode().map_err(|error| error.to_string())?;
            self.state.apply(&event);
            if let Some(event) = (&event as &dyn Any).downcast_ref::<InventoryEvent>() {
                note(&mut self.drops, event);
            }
        }
        Ok(())
    }

    fn compare(&self, snapshot: &Snapshot) -> Result<(), String> {
        if snapshot.rules > engine::RULES_VERSION {
            let (found, known) = (snapshot.rules, engine::RULES_VERSION);
            return Err(format!("has rules of version {found}, and this program knows {known}"));
        }
        let read =
            A::from_snapshot(snapshot.format, &snapshot.bytes).map_err(|error| format!("does not decode: {error}"))?;
        // Both are written anew: two writers may have cut the same state in other pieces.
        let written = |state: &A| state.to_snapshot().map_err(|error| format!("cannot be compared: {error}"));
        match written(&read)? == written(&self.state)? {
            true => Ok(()),
            false => Err("is not what the journal comes to".to_owned()),
        }
    }

    fn tell(&self, now: Timestamp) -> Told {
        let state: &dyn Any = &self.state;
        if let Some(inventory) = state.downcast_ref::<Inventory>() {
            return Told::Inventory { levels: inventory.levels(), drops: self.drops.clone() };
        }
        let Some(drop) = state.downcast_ref::<Drop>() else { return Told::Nothing };
        let context = engine::aggregate::Context {
            now,
            command_id: CommandId(0),
            former_ids: Vec::new(),
            former_fingerprint: None,
            fingerprint: Fingerprint(0),
        };
        // One whose creation was refused shows nothing, and has nothing.
        let Ok(decision) = drop.decide(&DropCommand::View, &context) else { return Told::Nothing };
        let engine::aggregate::Answer::Now(DropReply::Drop(view)) = decision.answer else { return Told::Nothing };
        // A settlement that is due soon is on its way.
        let soon = now.plus_ms(2 * engine::drop::SETTLE_GATHER_MS);
        let settled = !drop.has_outstanding() && drop.wake_at().is_none_or(|wake| wake > soon);
        Told::Drop { view, settled }
    }
}

fn note(drops: &mut BTreeMap<DropId, (u64, Totals)>, event: &InventoryEvent) {
    match event {
        InventoryEvent::Allocated { drop, total } => drops.entry(*drop).or_default().0 = *total,
        InventoryEvent::Settled { drop, totals } => drops.entry(*drop).or_default().1 = *totals,
        _ => {}
    }
}
