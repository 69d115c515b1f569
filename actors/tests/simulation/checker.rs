//! Compares every answer that was given with what the journal accepted.

use std::collections::{BTreeMap, HashSet};

use actors::{AskError, CommandMeta};
use engine::{
    aggregate::{Aggregate, Context, Saga},
    flash_drop::{ClaimView, DropCommand, DropEvent, DropRejection, DropReply, DropView, FlashDrop},
    id::{CheckoutId, ClaimId, CommandId, EntityKey, Fingerprint, Sku},
    kinds::Kind,
    stock::{StockCommand, StockEvent, StockItem, StockLevels, StockReply},
    time::Timestamp,
};
use persistence::snapshots::Snapshot;
use streaming::memory::MemoryJournal;

use crate::{
    buyers::shard,
    faults::{Snapshots, accepted_everywhere},
    money::check_money,
    world::{Report, World},
};

/// An answer that a participant received. `answered_at` is the position that the journal had accepted by then.
#[derive(Debug, Clone)]
pub enum Heard {
    Claimed { view: Box<ClaimView>, answered_at: u64 },
    Again { first: Box<ClaimView>, again: Box<Option<Result<DropReply, DropRejection>>> },
    Released { claim: ClaimId, answered_at: u64 },
    SoldOut { sku: Sku, wanted: u64, available: u64, may_return: bool, asked_at: u64, answered_at: u64 },
    Viewed { view: Box<DropView>, answered_at: u64 },
    CheckedOut { checkout: CheckoutId, claim: ClaimId },
    Unknown,
}

/// The numbers of the drop's items as the journal had them up to a position.
#[derive(Debug, Clone, PartialEq)]
struct Moment {
    end: u64,
    numbers: BTreeMap<Sku, (u64, u64, u64)>,
}

/// Checks a finished history. `Err` describes the promise that was broken.
pub async fn check(world: &World, journal: &MemoryJournal) -> Result<Report, String> {
    let heard = world.heard.lock().clone();
    let logs = accepted_everywhere(journal);
    let mut report = Report { answers: heard.len() as u64, ..Report::default() };
    report.entries = logs.iter().flatten().map(|batch| batch.entries().count() as u64).sum();
    report.log_digest = digest(&logs);
    check_versions(&logs)?;
    let (moments, claimed_at, released) = replay_drop(world, &logs);
    for told in &heard {
        match told {
            Heard::Claimed { view, answered_at } => {
                report.claims += 1;
                let Some(at) = claimed_at.get(&view.id.claim) else {
                    return Err(format!("claim {} was answered and is not in the journal", view.id));
                };
                if at > answered_at {
                    return Err(format!("claim {} was answered at {answered_at}, accepted at {at}", view.id));
                }
            }
            Heard::Again { first, again } => match again.as_ref() {
                Some(Ok(DropReply::Claim(again))) if again == first.as_ref() => {}
                None => {}
                other => return Err(format!("claim {} answered again as {other:?}", first.id)),
            },
            Heard::Released { claim, answered_at } => {
                if released.get(claim).is_none_or(|at| at > answered_at) {
                    return Err(format!("release of {claim} was answered before it was accepted"));
                }
            }
            Heard::SoldOut { sku, wanted, available, may_return, asked_at, answered_at } => {
                report.sold_out += 1;
                // Some accepted state between the command and its answer must have had these numbers.
                let first = moments.partition_point(|moment| moment.end <= *asked_at).saturating_sub(1);
                let true_once = moments[first..].iter().take_while(|moment| moment.end <= *answered_at).any(|moment| {
                    moment
                        .numbers
                        .get(sku)
                        .is_some_and(|&(free, held, _)| free == *available && (held > 0) == *may_return)
                });
                if !true_once || available >= wanted {
                    return Err(format!("sold_out with {available} of {sku} available was never true ({told:?})"));
                }
            }
            Heard::Viewed { view, answered_at } => {
                let seen = numbers_seen(view);
                if !moments.iter().take_while(|moment| moment.end <= *answered_at).any(|moment| moment.numbers == seen)
                {
                    return Err(format!("a view showed numbers that were never accepted: {seen:?}"));
                }
            }
            Heard::CheckedOut { .. } => {}
            Heard::Unknown => report.unknown += 1,
        }
    }
    check_units(world, &logs)?;
    check_settled(world, &logs).await?;
    report.orders = check_money(world, &heard).await?;
    report.provider_panics = world.bank.books.lock().panics;
    Ok(report)
}

fn digest(logs: &[Vec<streaming::Batch>]) -> u64 {
    use std::hash::{Hash, Hasher};
    let mut hasher = std::hash::DefaultHasher::new();
    for entry in logs.iter().flatten().flat_map(streaming::Batch::entries).map(|(_, entry)| entry) {
        (&entry.key[..], entry.version, entry.at_ms, entry.command_id, &entry.events[..]).hash(&mut hasher);
    }
    hasher.finish()
}

/// No entity has a gap or a fork: its versions increase by one.
fn check_versions(logs: &[Vec<streaming::Batch>]) -> Result<(), String> {
    let mut versions: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
    for (position, entry) in logs.iter().flatten().flat_map(streaming::Batch::entries) {
        let version = versions.entry(entry.key.to_vec()).or_default();
        if entry.version != *version + 1 {
            return Err(format!("entry at {position} has version {}, after {version}", entry.version));
        }
        *version = entry.version;
    }
    Ok(())
}

fn events_of<E: for<'b> minicbor::Decode<'b, ()>>(bytes: &[u8]) -> Vec<E> {
    let mut decoder = minicbor::Decoder::new(bytes);
    let mut events = Vec::new();
    while decoder.position() < bytes.len() {
        events.push(decoder.decode().unwrap());
    }
    events
}

type Replayed = (Vec<Moment>, BTreeMap<ClaimId, u64>, BTreeMap<ClaimId, u64>);

/// The drop's numbers after each accepted batch, and the positions at which claims were made and released.
fn replay_drop(world: &World, logs: &[Vec<streaming::Batch>]) -> Replayed {
    let (key, mut drop) = (world.drop.key(&world.tenant), FlashDrop::default());
    let (mut moments, mut claimed, mut released) =
        (vec![Moment { end: 0, numbers: BTreeMap::new() }], BTreeMap::new(), BTreeMap::new());
    // By the claim's number in the drop's list.
    let mut numbered: BTreeMap<u32, ClaimId> = BTreeMap::new();
    for batch in &logs[usize::from(shard(world).0)] {
        let end = batch.header.end().0;
        for (_, entry) in batch.entries().filter(|(_, entry)| entry.key == key.as_bytes()) {
            for event in events_of::<DropEvent>(&entry.events) {
                match &event {
                    DropEvent::Claimed { claim, number, .. } => {
                        claimed.insert(*claim, end);
                        numbered.extend(number.map(|number| (number, *claim)));
                    }
                    DropEvent::Released { claim, .. } => {
                        released.insert(*claim, end);
                    }
                    // The buyer of a claim that expired first is answered that it is released.
                    DropEvent::Expired { claims, .. } => {
                        released.extend(claims.iter().filter_map(|number| Some((*numbered.get(number)?, end))));
                    }
                    _ => {}
                }
                drop.apply(&event);
            }
            let numbers = numbers(&drop);
            moments.push(Moment { end, numbers });
        }
    }
    (moments, claimed, released)
}

fn numbers_seen(view: &DropView) -> BTreeMap<Sku, (u64, u64, u64)> {
    view.items.iter().map(|item| (item.sku.clone(), (item.available, item.held, item.sold))).collect()
}

fn numbers(drop: &FlashDrop) -> BTreeMap<Sku, (u64, u64, u64)> {
    drop.numbers().map(|(sku, available, held, sold)| (sku.clone(), (available, held, sold))).collect()
}

/// Replays everything: the units balance at every entry, and both sides of every drop agree at the end.
fn check_units(world: &World, logs: &[Vec<streaming::Batch>]) -> Result<(), String> {
    let mut shelves: BTreeMap<EntityKey, StockItem> = BTreeMap::new();
    let mut drop = FlashDrop::default();
    for (_, entry) in logs.iter().flatten().flat_map(streaming::Batch::entries) {
        let key = EntityKey::from_bytes(&entry.key).unwrap();
        match key.kind() {
            Kind::Stock => {
                let shelf = shelves.entry(key).or_default();
                events_of::<StockEvent>(&entry.events).iter().for_each(|event| shelf.apply(event));
                shelf.assert_balanced();
            }
            Kind::Drop => {
                events_of::<DropEvent>(&entry.events).iter().for_each(|event| drop.apply(event));
                drop.assert_balanced();
            }
            _ => {}
        }
    }
    if drop.has_outstanding() || shelves.len() != world.skus.len() {
        return Err(format!("not settled: {:?}", drop.outstanding()));
    }
    for (sku, available, held, sold) in drop.numbers() {
        let StockLevels { on_hand, allocated, sold: booked, .. } = shelves[&sku.key(&world.tenant)].levels();
        let stocked = world.units * 3;
        if (available, held, allocated) != (0, 0, 0) || booked != sold || on_hand != stocked - sold {
            return Err(format!(
                "{sku}: the drop has {available} available, {held} held, {sold} sold; the shelf {on_hand} on hand of \
                 {stocked}, {allocated} allocated, {booked} sold"
            ));
        }
    }
    Ok(())
}

/// No snapshot has a position after an entry that it lacks: the journal completes a snapshot from its position on.
pub fn check_positions(snapshots: &Snapshots, journal: &MemoryJournal) -> Result<(), String> {
    let mut entries: BTreeMap<Vec<u8>, Vec<(u64, u64)>> = BTreeMap::new();
    for (position, entry) in accepted_everywhere(journal).iter().flatten().flat_map(streaming::Batch::entries) {
        entries.entry(entry.key.to_vec()).or_default().push((entry.version, position.0));
    }
    for Snapshot { key, version, position, .. } in snapshots.rows.snapshots() {
        let mut of_entity = entries.get(&key[..]).into_iter().flatten();
        if let Some((lacks, at)) = of_entity.find(|(later, at)| *later > version && *at < position) {
            return Err(format!(
                "a snapshot of version {version} stands at {position}, and lacks entry {lacks} at {at}"
            ));
        }
    }
    Ok(())
}

fn at_the_end() -> Context {
    Context {
        now: Timestamp(u64::MAX),
        command_id: CommandId(0),
        former_ids: Vec::new(),
        former_fingerprint: None,
        fingerprint: Fingerprint(0),
    }
}

/// An entity, folded from the whole journal.
fn folded<A: Aggregate>(key: &EntityKey, logs: &[Vec<streaming::Batch>]) -> A {
    let mut state = A::default();
    let entries = logs.iter().flatten().flat_map(streaming::Batch::entries).map(|(_, entry)| entry);
    for entry in entries.filter(|entry| entry.key == key.as_bytes()) {
        events_of::<A::Event>(&entry.events).iter().for_each(|event| state.apply(event));
    }
    state
}

/// The running node gives the same state as the journal.
async fn check_settled(world: &World, logs: &[Vec<streaming::Batch>]) -> Result<(), String> {
    let commerce = world.commerce().await;
    let mut seen = HashSet::new();
    for sku in &world.skus {
        let asked = commerce.ask::<StockItem>(&sku.key(&world.tenant), StockCommand::View, CommandMeta::read()).await;
        let expected = folded::<StockItem>(&sku.key(&world.tenant), logs).levels();
        match asked.map(|answered| answered.reply) {
            Ok(StockReply::Levels(levels)) if levels == expected => seen.insert(sku.clone()),
            other => return Err(format!("{sku} on the node: {other:?}, in the journal: {expected:?}")),
        };
    }
    let key = world.drop.key(&world.tenant);
    let drop = folded::<FlashDrop>(&key, logs);
    let (expected, nowhere) = (numbers(&drop), drop.decide(&DropCommand::View, &at_the_end()).is_err());
    match commerce.ask::<FlashDrop>(&key, DropCommand::View, CommandMeta::read()).await.map(|answered| answered.reply) {
        Ok(DropReply::Drop(view)) if numbers_seen(&view) == expected => Ok(()),
        Err(AskError::Rejected(DropRejection::NotFound)) if nowhere => Ok(()),
        other => Err(format!("the drop on the node: {other:?}, in the journal: {expected:?}")),
    }
}
