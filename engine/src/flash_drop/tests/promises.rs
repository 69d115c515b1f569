//! Invariants under random histories.

use proptest::prelude::*;

use super::*;
use crate::view::View;

#[derive(Debug, Clone)]
enum Step {
    Claim { key: u8, who: u8, count: u8 },
    Release { key: u8, who: u8 },
    LockClaim { key: u8, who: u8, checkout: u8 },
    UnlockClaim { key: u8, checkout: u8 },
    Confirm { key: u8, checkout: u8 },
    Unsell { key: u8 },
    AddUnits(u8),
    End,
    Cancel,
    StockItem { refuse: bool },
    Wait(u32),
    Snapshot,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (0..30u8, 0..6u8, 1..4u8).prop_map(|(key, who, count)| Step::Claim { key, who, count }),
        2 => (0..30u8, 0..6u8).prop_map(|(key, who)| Step::Release { key, who }),
        4 => (0..30u8, 0..6u8, 0..6u8).prop_map(|(key, who, checkout)| Step::LockClaim { key, who, checkout }),
        2 => (0..30u8, 0..6u8).prop_map(|(key, checkout)| Step::UnlockClaim { key, checkout }),
        3 => (0..30u8, 0..6u8).prop_map(|(key, checkout)| Step::Confirm { key, checkout }),
        1 => (0..30u8).prop_map(|key| Step::Unsell { key }),
        1 => (1..5u8).prop_map(Step::AddUnits),
        1 => Just(Step::End),
        1 => Just(Step::Cancel),
        4 => any::<bool>().prop_map(|refuse| Step::StockItem { refuse }),
        4 => (1..200_000u32).prop_map(Step::Wait),
        1 => Just(Step::Snapshot),
    ];
    proptest::collection::vec(step, 1..80)
}

/// Units held and sold, computed from the events alone without the claims.
fn moved(history: &[DropEvent]) -> (i64, i64) {
    let count = |quantity: Option<Quantity>| quantity.unwrap().units() as i64;
    let mut claims = 0;
    history.iter().fold((0, 0), |(held, sold), event| match event {
        DropEvent::Claimed { quantity, number, .. } => {
            assert_eq!(*number, Some(claims), "as `Expired` names it");
            claims += 1;
            (held + quantity.units() as i64, sold)
        }
        DropEvent::Released { quantity, .. } => (held - count(*quantity), sold),
        DropEvent::Expired { units, .. } => (held - units.unwrap() as i64, sold),
        DropEvent::Sold { sale, .. } => {
            let units = count(sale.map(|sale| sale.quantity));
            (held - units, sold + units)
        }
        DropEvent::Unsold { sale, .. } => (held, sold - count(sale.map(|sale| sale.quantity))),
        _ => (held, sold),
    })
}

/// Folds what lists show of a drop, as a projection does.
fn shown(history: &[DropEvent]) -> Option<DropSummary> {
    let mut view = None;
    history.iter().filter(|event| DropSummary::concerns(event)).for_each(|event| DropSummary::fold(&mut view, event));
    // These are not public: the drop itself keeps a refused command until all stock items have answered.
    view.map(|drop| DropSummary { published_at: None, pending: None, ..drop })
}

/// The same from the state of the drop.
fn summary(drop: &FlashDrop) -> Option<DropSummary> {
    drop.existing().map(|details| DropSummary {
        listing: details.listing.clone(),
        items: drop.items.iter().map(|item| item.offer.clone()).collect(),
        published_at: None,
        created_at: details.created.at,
        created: details.created.command_id,
        pending: None,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// After every event units add up, no more units are held and sold than were allocated, reading a snapshot changes
    /// nothing, the outstanding effects are those that were requested and not settled, and the events alone tell what
    /// is held and sold.
    #[test]
    fn promises_hold_over_any_history(steps in steps(), quantity in 1..20i64) {
        let mut given = Given::created(terms(), vec![item("S", quantity)]);
        let (mut now, mut next_id) = (T0, 1_000u128);
        for step in steps {
            next_id += 1;
            let who = |who: u8| buyer(u128::from(who) + 1);
            let key = |key: u8| ClaimId(100 + u128::from(key));
            let outcome = match step {
                Step::Claim { key, who: by, count } => {
                    given.claim(now, 100 + u128::from(key), who(by), i64::from(count)).map(|_| ())
                }
                Step::Release { key: k, who: by } => {
                    given.when(now, next_id, DropCommand::Release { claim: key(k), buyer: who(by) }).map(|_| ())
                }
                Step::LockClaim { key, who: by, checkout } => {
                    given.locked(now, 100 + u128::from(key), who(by), 500 + u128::from(checkout), u128::from(by))
                }
                Step::UnlockClaim { key: k, checkout } => {
                    let lock = lock(500 + u128::from(checkout));
                    given.when(now, next_id, DropCommand::UnlockClaim { claim: key(k), lock, started_at: now }).map(|_| ())
                }
                Step::Confirm { key: k, checkout } => {
                    let lock = lock(500 + u128::from(checkout));
                    given.when(now, next_id, DropCommand::Confirm { claim: key(k), lock, order: OrderId(1) }).map(|_| ())
                }
                Step::Unsell { key: k } => {
                    given.when(now, next_id, DropCommand::Unsell { claim: key(k), order: OrderId(1) }).map(|_| ())
                }
                Step::AddUnits(more) => {
                    let version = given.drop.details.as_ref().map_or(0, |details| details.listing.version);
                    let more = Some(units(i64::from(more)));
                    let change = ItemEdit { sku: sku("S"), add_quantity: more, quantity: None, price: None, compare_at: None };
                    let edit = DropEdit { items: vec![change], ..DropEdit::default() };
                    given.when(now, next_id, DropCommand::Edit { version, edit }).map(|_| ())
                }
                Step::End => given.when(now, next_id, DropCommand::End).map(|_| ()),
                Step::Cancel => given.when(now, next_id, DropCommand::Cancel).map(|_| ()),
                Step::StockItem { refuse } => {
                    // Every effect is delivered twice, as after a crash.
                    for effect in given.drop.outstanding().into_iter().flat_map(|effect| [effect.clone(), effect]) {
                        let reply = match &effect.request {
                            Request::Stock(_, crate::stock::StockCommand::Settle { totals, .. }) => Ok(StockReply::Settled(*totals)),
                            _ if refuse => Err(StockRejection::InsufficientAvailable { available: 0, levels: StockLevels::default() }),
                            _ => Ok(StockReply::Done),
                        };
                        given.outcome(now, &effect, reply);
                    }
                    Ok(())
                }
                Step::Wait(ms) => {
                    now = now.plus_ms(u64::from(ms));
                    given.time_passes(now);
                    Ok(())
                }
                Step::Snapshot => {
                    given.drop = FlashDrop::thaw(&given.drop.to_snapshot().unwrap()).unwrap();
                    Ok(())
                }
            };
            let _ = outcome;
            given.drop.assert_balanced();
            prop_assert_eq!(given.drop.has_outstanding(), !given.drop.outstanding().is_empty());
            let mut folded = FlashDrop::default();
            for event in &given.history {
                let bytes = minicbor::to_vec(event).unwrap();
                prop_assert_eq!(&minicbor::decode::<DropEvent>(&bytes).unwrap(), event);
                folded.apply(event);
            }
            let state = |drop: &FlashDrop| (drop.to_snapshot().unwrap(), drop.wake_at(), drop.by_email.clone());
            prop_assert_eq!(state(&folded), state(&given.drop), "state = fold(events)");
            let shown = shown(&given.history).filter(|drop| drop.listing.phase != Phase::Void);
            prop_assert_eq!(shown, summary(&given.drop), "the events alone give what lists show");
            let (_, held, sold, _) = given.numbers();
            prop_assert_eq!(moved(&given.history), (held as i64, sold as i64), "events say by themselves what they move");
        }
    }
}
