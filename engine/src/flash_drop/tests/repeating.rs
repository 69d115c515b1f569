//! Duplicates of the merchant's commands.

use super::*;
use crate::aggregate::DeferredReply;

fn add(more: i64) -> DropEdit {
    let change =
        ItemEdit { sku: sku("S"), add_quantity: Some(units(more)), quantity: None, price: None, compare_at: None };
    DropEdit { items: vec![change], ..DropEdit::default() }
}

fn cap(count: i64) -> DropEdit {
    DropEdit { per_buyer_max: Some(units(count)), ..DropEdit::default() }
}

fn refuse_all(given: &mut Given, now: Timestamp) {
    for effect in std::mem::take(&mut given.asked) {
        let refusal = StockRejection::InsufficientAvailable { available: 0, levels: StockLevels::default() };
        given.outcome(now, &effect, Err(refusal));
    }
}

/// The reply to this command, sent immediately or after stock has answered.
fn answered(
    given: &mut Given,
    now: Timestamp,
    id: u128,
    command: DropCommand,
) -> Option<(Result<DropReply, DropRejection>, bool)> {
    match given.when(now, id, command) {
        Ok(Answer::Now(reply)) => Some((Ok(reply), false)),
        Ok(Answer::Duplicate(reply)) => Some((Ok(reply), true)),
        Ok(Answer::Deferred(deferred)) => {
            given.drop.deferred_reply(&deferred, now).map(|answered| (answered, deferred.duplicate))
        }
        Err(rejection) => Some((Err(rejection), false)),
    }
}

#[test]
fn an_edit_that_was_refused_is_answered_as_accepted_when_a_smaller_one_comes_under_its_key() {
    let mut given = Given::open(1);
    given.when(T0, 2, DropCommand::Edit { version: 1, edit: add(9) }).unwrap();
    refuse_all(&mut given, T0);
    let deferred = DeferredReply { command_id: CommandId(2), duplicate: false };
    let refused = DropRejection::InsufficientStock { sku: sku("S"), available: 0 };
    assert_eq!(given.drop.deferred_reply(&deferred, T0), Some(Err(refused)));

    let smaller = answered(&mut given, T0, 2, DropCommand::Edit { version: 1, edit: cap(3) });
    let Some((Ok(DropReply::Drop(view)), false)) = smaller else { panic!("not accepted: {smaller:?}") };
    assert_eq!((view.version, view.terms.per_buyer_max), (2, units(3)));
    let again = answered(&mut given, T0, 2, DropCommand::Edit { version: 1, edit: cap(3) });
    assert_eq!(again, Some((Ok(DropReply::Drop(view)), true)));
}

/// A command is accepted at `now`. Then buyers claim, the merchant changes the drop, time passes and the drop is loaded
/// from a snapshot. A duplicate of the command gets exactly the same reply.
fn is_told_the_same_later(mut given: Given, now: Timestamp, id: u128, command: DropCommand) -> DropView {
    let first = answered(&mut given, now, id, command.clone());
    given.inventory_gives_all(now.plus_ms(20));
    let first = first.unwrap_or_else(|| {
        let deferred = DeferredReply { command_id: CommandId(id), duplicate: false };
        (given.drop.deferred_reply(&deferred, now.plus_ms(25)).unwrap(), false)
    });
    let (Ok(DropReply::Drop(view)), false) = first else { panic!("not accepted: {first:?}") };

    let later = now.plus_seconds(30);
    let _ = given.claim(later, 900, buyer(9), 1);
    let _ = given.when(later, 901, DropCommand::Edit { version: view.version, edit: cap(7) });
    let _ = given.when(later, 902, DropCommand::Cancel);
    given.time_passes(now.plus_seconds(200));
    given.drop = FlashDrop::thaw(&given.drop.to_snapshot().unwrap()).unwrap();

    let again = answered(&mut given, now.plus_seconds(200), id, command);
    assert_eq!(again, Some((Ok(DropReply::Drop(view.clone())), true)));
    *view
}

#[test]
fn a_repeated_creation_gets_the_first_answer() {
    let create = create(terms(), vec![item("S", 3), item("M", 2)]);
    let view = is_told_the_same_later(Given::nothing(), T0, 1, create);
    assert_eq!((view.state, view.version, view.items.len()), (DropState::Open, 1, 2));
    assert_eq!(view.as_of, T0.plus_ms(20), "when its units had come");
}

fn draft() -> DropCommand {
    let (tenant, drop, items) = (TenantId::new("t").unwrap(), DropId(7), vec![item("S", 3)]);
    DropCommand::Create { tenant, drop, terms: terms(), items, draft: true }
}

#[test]
fn a_repeated_draft_and_publication_get_the_first_answers() {
    let view = is_told_the_same_later(Given::nothing(), T0, 1, draft());
    assert_eq!((view.state, view.version), (DropState::Draft, 1));

    let mut given = Given::nothing();
    given.when(T0, 1, draft()).unwrap();
    let view = is_told_the_same_later(given, T0.plus_seconds(1), 2, DropCommand::Publish);
    assert_eq!((view.state, view.version, view.items[0].available), (DropState::Open, 2, 3));
}

#[test]
fn a_repeated_edit_gets_the_first_answer() {
    let view =
        is_told_the_same_later(Given::open(1), T0.plus_seconds(1), 2, DropCommand::Edit { version: 1, edit: cap(3) });
    assert_eq!((view.version, view.terms.per_buyer_max, view.as_of), (2, units(3), T0.plus_seconds(1)));
    let view =
        is_told_the_same_later(Given::open(1), T0.plus_seconds(1), 2, DropCommand::Edit { version: 1, edit: add(4) });
    assert_eq!((view.version, view.items[0].quantity, view.items[0].available), (2, 5, 5));
    assert_eq!(view.as_of, T0.plus_ms(1_020), "when its units had come");
}

#[test]
fn a_repeated_end_and_cancellation_get_the_first_answers() {
    for (command, state) in [(DropCommand::End, DropState::Ended), (DropCommand::Cancel, DropState::Cancelled)] {
        let mut given = Given::open(4);
        given.claim(T0, 10, buyer(1), 1).unwrap();
        let view = is_told_the_same_later(given, T0.plus_seconds(1), 2, command);
        assert_eq!((view.state, view.items[0].held, view.items[0].returned), (state, 1, 3));
    }
}

#[test]
fn a_repeated_creation_after_the_retention_gets_the_current_drop() {
    let mut terms = terms();
    terms.ends_at = T0.plus_seconds(400_000);
    let mut given = Given::nothing();
    given.when(T0, 1, create(terms.clone(), vec![item("S", 3)])).unwrap();
    given.inventory_gives_all(T0);
    let later = T0.plus_ms(crate::processed_commands::PROCESSED_COMMANDS_KEPT_MS + 1);
    given.when(later, 2, DropCommand::Edit { version: 1, edit: cap(3) }).unwrap();
    let again = answered(&mut given, later, 1, create(terms, vec![item("S", 3)]));
    let Some((Ok(DropReply::Drop(view)), true)) = again else { panic!("not known: {again:?}") };
    assert_eq!((view.version, view.as_of), (2, later));
}

/// The context of a duplicate of the command with this id, sent by a version that computes another fingerprint.
fn by_a_newer_version(now: Timestamp, id: u128) -> Context {
    Context { fingerprint: Fingerprint(id + 1_000), former_fingerprint: Some(Fingerprint(id)), ..context(now, id) }
}

#[test]
fn commands_of_an_earlier_version_are_known_by_their_former_fingerprint_for_a_day() {
    let create = create(terms(), vec![item("S", 3)]);
    let edit = DropCommand::Edit { version: 1, edit: add(4) };
    let claim = ClaimId(3);
    let claim = DropCommand::Claim { claim, buyer: buyer(1), sku: None, quantity: units(1), network: None };
    let mut given = Given::open(3);
    given.when(T0, 2, edit.clone()).unwrap();
    given.when(T0, 3, claim.clone()).unwrap();
    let last = T0.plus_ms(crate::processed_commands::PROCESSED_COMMANDS_KEPT_MS);
    for (id, command) in [(1, create), (2, edit), (3, claim)] {
        let repeat = |now| given.drop.decide(&command, &by_a_newer_version(now, id)).map(|decision| decision.answer);
        let again = |answer: &Answer<DropReply>| match answer {
            Answer::Duplicate(_) => true,
            Answer::Deferred(deferred) => deferred.duplicate,
            Answer::Now(_) => false,
        };
        assert!(repeat(last).is_ok_and(|answer| again(&answer)), "{command:?}");
        assert!(repeat(last.plus_ms(1)).is_err(), "{command:?}");
    }
}
