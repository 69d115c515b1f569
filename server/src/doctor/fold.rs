//! Rebuilds an entity from its journal entries.

use engine::{
    aggregate::{Aggregate, Answer, Context, Saga, Timers},
    flash_drop::{DropCommand, DropReply, DropView, FlashDrop, Totals},
    id::{CommandId, DropId, EntityKey, Fingerprint},
    kinds::Entity,
    stock::{StockEvent, StockItem, StockLevels},
    time::Timestamp,
    with_kind,
};
use persistence::snapshots::Snapshot;
use std::{any::Any, collections::BTreeMap};

/// What a fold shows of stock at its end.
pub(super) enum StockFigures {
    /// The entity has no stock.
    Nothing,
    /// A stock item: its levels, and for each drop the units allocated to it in total and what was booked of them.
    StockItem { levels: StockLevels, drops: BTreeMap<DropId, (u64, Totals)> },
    /// A drop, and whether none of its units are outstanding.
    Drop { view: Box<DropView>, settled: bool },
}

/// An entity of any kind that is being folded.
pub(super) trait Folding: Send {
    /// Applies the events of one entry.
    fn apply(&mut self, events: &[u8]) -> Result<(), String>;
    /// Compares the state with a snapshot of the same version, and returns the difference as an error.
    fn compare(&self, snapshot: &Snapshot) -> Result<(), String>;
    /// Returns what the entity shows of stock at `now`, the newest time of its shard.
    fn stock_figures(&self, now: Timestamp) -> StockFigures;
}

/// Returns the empty state of an entity.
pub(super) fn blank(key: &EntityKey) -> Box<dyn Folding> {
    with_kind!(key.kind(), A => Box::<Fold<A>>::default())
}

#[derive(Default)]
struct Fold<A> {
    state: A,
    /// The allocations by drop, from the events of a stock item.
    drops: BTreeMap<DropId, (u64, Totals)>,
}

impl<A: Entity> Folding for Fold<A> {
    fn apply(&mut self, events: &[u8]) -> Result<(), String> {
        let mut decoder = minicbor::Decoder::new(events);
        while decoder.position() < events.len() {
            let event: A::Event = decoder.decode().map_err(|error| error.to_string())?;
            self.state.apply(&event);
            if let Some(event) = (&event as &dyn Any).downcast_ref::<StockEvent>() {
                note(&mut self.drops, event);
            }
        }
        Ok(())
    }

    fn compare(&self, snapshot: &Snapshot) -> Result<(), String> {
        if snapshot.rules > engine::RULES_VERSION {
            let (found, known) = (snapshot.rules, engine::RULES_VERSION);
            return Err(format!("has rules of version {found}, but this program supports {known}"));
        }
        let read =
            A::from_snapshot(snapshot.format, &snapshot.bytes).map_err(|error| format!("does not decode: {error}"))?;
        // Both states are encoded again: two writers may have split the same state into different chunks.
        let written = |state: &A| state.to_snapshot().map_err(|error| format!("cannot be compared: {error}"));
        match written(&read)? == written(&self.state)? {
            true => Ok(()),
            false => Err("differs from the journal".to_owned()),
        }
    }

    fn stock_figures(&self, now: Timestamp) -> StockFigures {
        let state: &dyn Any = &self.state;
        if let Some(inventory) = state.downcast_ref::<StockItem>() {
            return StockFigures::StockItem { levels: inventory.levels(), drops: self.drops.clone() };
        }
        let Some(drop) = state.downcast_ref::<FlashDrop>() else { return StockFigures::Nothing };
        let context = Context {
            now,
            command_id: CommandId(0),
            former_ids: Vec::new(),
            former_fingerprint: None,
            fingerprint: Fingerprint(0),
        };
        // A drop whose creation was refused has no view and no stock.
        let Ok(decision) = drop.decide(&DropCommand::View, &context) else { return StockFigures::Nothing };
        let Answer::Now(DropReply::Drop(view)) = decision.answer else { return StockFigures::Nothing };
        // A settlement that is due soon counts as outstanding.
        let soon = now.plus_ms(2 * engine::flash_drop::SETTLE_GATHER_MS);
        let settled = !drop.has_outstanding() && drop.wake_at().is_none_or(|wake| wake > soon);
        StockFigures::Drop { view, settled }
    }
}

fn note(drops: &mut BTreeMap<DropId, (u64, Totals)>, event: &StockEvent) {
    match event {
        StockEvent::Allocated { drop, total } => drops.entry(*drop).or_default().0 = *total,
        StockEvent::Settled { drop, totals } => drops.entry(*drop).or_default().1 = *totals,
        _ => {}
    }
}
