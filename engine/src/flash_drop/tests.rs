#![allow(clippy::unwrap_used)]

use super::*;
use crate::{
    aggregate::{Aggregate, Answer, Context, Decision, KeyReused, Saga, Timers},
    effect::{Effect, Outcome, Request},
    id::{ClaimId, CommandId, EmailHash, Fingerprint, OrderId, SubjectId, TenantId},
    snapshot::Persist,
    stock::{StockLevels, StockRejection, StockReply},
};

mod networks;
mod promises;
mod repeating;

const T0: Timestamp = Timestamp(1_000_000);
const HOLD: u32 = 60;

fn context(now: Timestamp, id: u128) -> Context {
    Context {
        now,
        command_id: CommandId(id),
        former_ids: Vec::new(),
        former_fingerprint: None,
        fingerprint: Fingerprint(id),
    }
}

fn sku(name: &str) -> Sku {
    Sku::new(name).unwrap()
}

fn units(count: i64) -> Quantity {
    Quantity::new(count).unwrap()
}

fn buyer(n: u128) -> Buyer {
    Buyer { subject: SubjectId(n), former: Vec::new(), customer: false }
}

fn lock(checkout: u128) -> ClaimLock {
    ClaimLock { checkout: CheckoutId(checkout), attempt: 1 }
}

fn terms() -> Terms {
    Terms {
        title: "Winter drop".into(),
        product: None,
        per_buyer_max: units(2),
        hold_seconds: HOLD,
        starts_at: None,
        ends_at: T0.plus_seconds(3_600),
        audience: Audience::Anyone,
        currency: Currency::USD,
        network_limit: None,
    }
}

fn item(name: &str, quantity: i64) -> ItemTerms {
    ItemTerms { sku: sku(name), quantity: units(quantity), price: 4_900, compare_at: None }
}

/// A drop under test. Applies the events of each decision and collects the requested effects.
struct Given {
    drop: FlashDrop,
    asked: Vec<Effect>,
    history: Vec<DropEvent>,
}

impl Given {
    fn nothing() -> Self {
        Self { drop: FlashDrop::default(), asked: Vec::new(), history: Vec::new() }
    }

    fn created(terms: Terms, items: Vec<ItemTerms>) -> Self {
        let mut given = Self::nothing();
        given.when(T0, 1, create(terms, items)).unwrap();
        given
    }

    /// A published drop with `quantity` units of one item.
    fn open(quantity: i64) -> Self {
        let mut given = Self::created(terms(), vec![item("S", quantity)]);
        given.inventory_gives_all(T0);
        given
    }

    fn happen(&mut self, events: Vec<DropEvent>) {
        for event in events {
            self.drop.apply(&event);
            self.asked.extend(self.drop.effects(&event));
            self.history.push(event);
        }
    }

    fn when(&mut self, now: Timestamp, id: u128, command: DropCommand) -> Result<Answer<DropReply>, DropRejection> {
        let Decision { events, answer } = self.drop.decide(&command, &context(now, id))?;
        self.happen(events);
        Ok(answer)
    }

    fn outcome(&mut self, now: Timestamp, effect: &Effect, outcome: Result<StockReply, StockRejection>) {
        let events = self.drop.receive_outcome(effect.id, Outcome::Stock(outcome), now).unwrap();
        self.happen(events);
    }

    fn inventory_gives_all(&mut self, now: Timestamp) {
        for effect in std::mem::take(&mut self.asked) {
            let reply = match &effect.request {
                Request::Stock(_, crate::stock::StockCommand::Settle { totals, .. }) => StockReply::Settled(*totals),
                _ => StockReply::Done,
            };
            self.outcome(now, &effect, Ok(reply));
        }
    }

    fn claim(&mut self, now: Timestamp, id: u128, who: Buyer, count: i64) -> Result<ClaimView, DropRejection> {
        let command =
            DropCommand::Claim { claim: ClaimId(id), buyer: who, sku: None, quantity: units(count), network: None };
        match self.when(now, id, command)? {
            Answer::Now(DropReply::Claim(view)) | Answer::Duplicate(DropReply::Claim(view)) => Ok(view),
            other => panic!("not a claim: {other:?}"),
        }
    }

    fn locked(
        &mut self,
        now: Timestamp,
        claim: u128,
        who: Buyer,
        checkout: u128,
        email: u128,
    ) -> Result<(), DropRejection> {
        let command = DropCommand::LockClaim {
            claim: ClaimId(claim),
            buyer: who,
            lock: lock(checkout),
            email: EmailHash(email),
            deadline: now.plus_seconds(10),
        };
        self.when(now, checkout, command).map(|_| ())
    }

    fn time_passes(&mut self, now: Timestamp) {
        while self.drop.wake_at().is_some_and(|at| at <= now) {
            let events = self.drop.on_wake(now);
            assert!(!events.is_empty(), "woken for nothing");
            self.happen(events);
        }
    }

    fn numbers(&self) -> (u64, u64, u64, u64) {
        let item = &self.drop.items[0];
        (item.available, item.held, item.sold(), item.totals.unsold)
    }
}

fn create(terms: Terms, items: Vec<ItemTerms>) -> DropCommand {
    DropCommand::Create { tenant: TenantId::new("t").unwrap(), drop: DropId(7), terms, items, draft: false }
}

#[test]
fn a_drop_opens_only_once_its_units_have_come() {
    let mut given = Given::created(terms(), vec![item("S", 3), item("M", 2)]);
    assert_eq!(given.asked.len(), 2);
    assert_eq!(given.claim(T0, 2, buyer(1), 1).unwrap_err(), DropRejection::NotOpen { starts_at: None });
    given.inventory_gives_all(T0);
    let answer =
        given.drop.deferred_reply(&crate::aggregate::DeferredReply { command_id: CommandId(1), duplicate: false }, T0);
    let Some(Ok(DropReply::Drop(view))) = answer else { panic!("not settled: {answer:?}") };
    assert_eq!((view.state, view.items[0].available, view.items[1].available), (DropState::Open, 3, 2));
}

#[test]
fn a_refused_creation_returns_its_units_and_leaves_its_id_free() {
    let mut given = Given::created(terms(), vec![item("S", 3), item("M", 2)]);
    let deferred = crate::aggregate::DeferredReply { command_id: CommandId(1), duplicate: false };
    let asked = std::mem::take(&mut given.asked);
    given.outcome(T0, &asked[0], Ok(StockReply::Done));
    let refusal = StockRejection::InsufficientAvailable { available: 1, levels: StockLevels::default() };
    given.outcome(T0, &asked[1], Err(refusal));
    assert_eq!(given.drop.deferred_reply(&deferred, T0), None, "not answered before the units are back");
    given.time_passes(T0.plus_ms(SETTLE_GATHER_MS));
    given.inventory_gives_all(T0);
    let refused = DropRejection::InsufficientStock { sku: sku("M"), available: 1 };
    assert_eq!(given.drop.deferred_reply(&deferred, T0), Some(Err(refused)));
    assert_eq!(given.when(T0, 2, DropCommand::View).unwrap_err(), DropRejection::NotFound);

    given.when(T0, 1, create(terms(), vec![item("S", 3)])).unwrap();
    let Request::Stock(_, crate::stock::StockCommand::Allocate { total, .. }) = &given.asked[0].request else {
        panic!("asked for something else")
    };
    assert_eq!(*total, 6, "totals go on growing over attempts");
    given.inventory_gives_all(T0);
    assert_eq!(
        given.claim(T0, 3, buyer(1), 2).unwrap().state,
        ClaimState::Held { until: T0.plus_seconds(60), lock: None }
    );
}

#[test]
fn units_that_come_after_a_refusal_go_back_too() {
    let mut given = Given::created(terms(), vec![item("S", 3), item("M", 2)]);
    let deferred = crate::aggregate::DeferredReply { command_id: CommandId(1), duplicate: false };
    let asked = std::mem::take(&mut given.asked);
    let refusal = StockRejection::InsufficientAvailable { available: 1, levels: StockLevels::default() };
    given.outcome(T0, &asked[1], Err(refusal));
    assert_eq!(given.drop.deferred_reply(&deferred, T0), None, "the inventory may have given the other item its units");
    assert_eq!(given.drop.outstanding().len(), 1, "a restart asks for them again");
    assert_eq!(given.when(T0, 2, DropCommand::View).unwrap_err(), DropRejection::NotFound, "as in lists");
    given.outcome(T0, &asked[0], Ok(StockReply::Done));
    given.time_passes(T0);
    given.inventory_gives_all(T0);
    assert_eq!(given.drop.items[0].booked, Totals { sold: 0, unsold: 3, returned: 0 });
    let refused = DropRejection::InsufficientStock { sku: sku("M"), available: 1 };
    assert_eq!(given.drop.deferred_reply(&deferred, T0), Some(Err(refused)));
}

#[test]
fn a_refusal_without_units_is_answered_at_once() {
    let mut given = Given::created(terms(), vec![item("S", 3)]);
    let asked = std::mem::take(&mut given.asked);
    let refusal = StockRejection::InsufficientAvailable { available: 1, levels: StockLevels::default() };
    given.outcome(T0, &asked[0], Err(refusal));
    let deferred = crate::aggregate::DeferredReply { command_id: CommandId(1), duplicate: false };
    let refused = DropRejection::InsufficientStock { sku: sku("S"), available: 1 };
    assert_eq!(given.drop.deferred_reply(&deferred, T0), Some(Err(refused)));
    assert_eq!(given.drop.wake_at(), None, "there is nothing to report");
}

#[test]
fn units_claimed_during_a_refused_edit_stay_claimed() {
    let mut given = Given::created(terms(), vec![item("S", 1), item("M", 1)]);
    given.inventory_gives_all(T0);
    let more = |name| {
        let (sku, add_quantity) = (sku(name), Some(units(2)));
        ItemEdit { sku, add_quantity, quantity: None, price: None, compare_at: None }
    };
    let edit = DropEdit { items: vec![more("S"), more("M")], ..DropEdit::default() };
    given.when(T0, 2, DropCommand::Edit { version: 1, edit }).unwrap();
    let asked = std::mem::take(&mut given.asked);
    given.outcome(T0, &asked[0], Ok(StockReply::Done));
    let claim = DropCommand::Claim {
        claim: ClaimId(10),
        buyer: buyer(1),
        sku: Some(sku("S")),
        quantity: units(2),
        network: None,
    };
    given.when(T0, 10, claim).unwrap();
    let refusal = StockRejection::InsufficientAvailable { available: 0, levels: StockLevels::default() };
    given.outcome(T0, &asked[1], Err(refusal));
    assert_eq!(given.numbers(), (0, 2, 0, 1), "one of the three is free, and goes back");
    let deferred = crate::aggregate::DeferredReply { command_id: CommandId(2), duplicate: false };
    let refused = DropRejection::InsufficientStock { sku: sku("M"), available: 0 };
    assert_eq!(
        given.drop.deferred_reply(&deferred, T0),
        Some(Err(refused)),
        "an open drop does not wait for its reports"
    );
}

#[test]
fn the_last_unit_is_claimed_once() {
    let mut given = Given::open(1);
    given.claim(T0, 10, buyer(1), 1).unwrap();
    let refused = given.claim(T0, 11, buyer(2), 1).unwrap_err();
    assert_eq!(refused, DropRejection::SoldOut { available: 0, may_return: true });
}

#[test]
fn a_repeated_claim_gets_the_same_answer_even_after_its_release() {
    let mut given = Given::open(5);
    let first = given.claim(T0, 10, buyer(1), 1).unwrap();
    given.when(T0, 11, DropCommand::Release { claim: ClaimId(10), buyer: buyer(1) }).unwrap();
    let events = given.history.len();
    assert_eq!(given.claim(T0.plus_seconds(5), 10, buyer(1), 1).unwrap(), first);
    assert_eq!(given.history.len(), events, "nothing changed");
}

#[test]
fn one_key_is_not_used_for_two_claims() {
    let mut given = Given::open(5);
    given.claim(T0, 10, buyer(1), 1).unwrap();
    let command =
        DropCommand::Claim { claim: ClaimId(10), buyer: buyer(1), sku: None, quantity: units(2), network: None };
    let other = Context { fingerprint: Fingerprint(99), ..context(T0, 10) };
    assert_eq!(given.drop.decide(&command, &other).unwrap_err(), DropRejection::KeyReused(KeyReused));
}

#[test]
fn a_cap_spans_items_and_former_subjects() {
    let mut given = Given::open(9);
    given.claim(T0, 10, buyer(1), 2).unwrap();
    assert_eq!(given.claim(T0, 11, buyer(1), 1).unwrap_err(), DropRejection::LimitReached { remaining: 0 });
    let account = Buyer { subject: SubjectId(5), former: vec![SubjectId(1)], customer: true };
    assert_eq!(given.claim(T0, 12, account.clone(), 1).unwrap_err(), DropRejection::LimitReached { remaining: 0 });
    given.when(T0, 13, DropCommand::Release { claim: ClaimId(10), buyer: account.clone() }).unwrap();
    assert!(given.claim(T0, 14, account, 2).is_ok());
}

#[test]
fn claiming_and_giving_back_ends_at_its_bound() {
    let mut given = Given::open(5);
    for n in 0..CLAIMS_PER_BUYER_MAX as u128 {
        given.claim(T0, 100 + n, buyer(1), 1).unwrap();
        given.when(T0, 0, DropCommand::Release { claim: ClaimId(100 + n), buyer: buyer(1) }).unwrap();
    }
    assert_eq!(given.claim(T0, 900, buyer(1), 1).unwrap_err(), DropRejection::TooManyOwnClaims, "not a limit of units");
    assert!(given.claim(T0, 901, buyer(2), 1).is_ok());
}

#[test]
fn a_drop_neither_opens_early_nor_claims_late() {
    let start = T0.plus_seconds(10);
    let mut given = Given::created(Terms { starts_at: Some(start), ..terms() }, vec![item("S", 5)]);
    given.inventory_gives_all(T0);
    let early = Timestamp(start.0 - 1);
    assert_eq!(given.claim(early, 10, buyer(1), 1).unwrap_err(), DropRejection::NotOpen { starts_at: Some(start) });
    assert!(given.claim(start, 11, buyer(1), 1).is_ok());
    let end = terms().ends_at;
    assert!(given.claim(Timestamp(end.0 - 1), 12, buyer(2), 1).is_ok());
    assert_eq!(given.claim(end, 13, buyer(3), 1).unwrap_err(), DropRejection::Ended);
}

#[test]
fn a_hold_expires_and_its_units_are_free_again() {
    let mut given = Given::open(1);
    given.claim(T0, 10, buyer(1), 1).unwrap();
    given.time_passes(T0.plus_ms(59_999));
    assert_eq!(given.numbers(), (0, 1, 0, 0));
    given.time_passes(T0.plus_seconds(60));
    assert_eq!(given.numbers(), (1, 0, 0, 0));
}

#[test]
fn a_hold_that_expires_after_the_end_goes_back_to_the_inventory() {
    let mut given = Given::open(3);
    let end = terms().ends_at;
    given.claim(Timestamp(end.0 - 1_000), 10, buyer(1), 1).unwrap();
    given.time_passes(end);
    assert_eq!(given.numbers(), (0, 1, 0, 2));
    given.time_passes(end.plus_seconds(60));
    assert_eq!(given.numbers(), (0, 0, 0, 3));
    let view = given.when(end.plus_seconds(60), 0, DropCommand::View).unwrap();
    let Answer::Now(DropReply::Drop(view)) = view else { panic!("{view:?}") };
    assert_eq!((view.state, view.starts_at), (DropState::Ended, Some(T0)), "when it was opened is still known");
    given.inventory_gives_all(end);
    given.time_passes(end.plus_seconds(120));
    given.inventory_gives_all(end);
    assert_eq!(given.drop.items[0].booked, Totals { sold: 0, unsold: 3, returned: 0 });
    assert!(!given.drop.has_outstanding());
}

#[test]
fn a_pinned_hold_does_not_expire_and_is_lengthened_once() {
    let mut given = Given::open(1);
    given.claim(T0, 10, buyer(1), 1).unwrap();
    let started = T0.plus_seconds(50);
    given.locked(started, 10, buyer(1), 20, 1).unwrap();
    given.time_passes(T0.plus_seconds(500));
    assert_eq!(given.numbers(), (0, 1, 0, 0));
    let unlock = |checkout| DropCommand::UnlockClaim { claim: ClaimId(10), lock: lock(checkout), started_at: started };
    given.when(T0.plus_seconds(500), 0, unlock(20)).unwrap();
    assert_eq!(given.drop.wake_at(), Some(started.plus_seconds(CHECKOUT_SECONDS)));
    let later = T0.plus_seconds(510);
    given.locked(later, 10, buyer(1), 21, 1).unwrap();
    given.when(later, 0, DropCommand::UnlockClaim { claim: ClaimId(10), lock: lock(21), started_at: later }).unwrap();
    assert_eq!(given.drop.wake_at(), Some(started.plus_seconds(CHECKOUT_SECONDS)), "lengthened once only");
}

#[test]
fn a_late_copy_of_an_undone_pin_does_not_take_hold() {
    let mut given = Given::open(1);
    given.claim(T0, 10, buyer(1), 1).unwrap();
    given.locked(T0, 10, buyer(1), 20, 1).unwrap();
    given.when(T0, 0, DropCommand::UnlockClaim { claim: ClaimId(10), lock: lock(20), started_at: T0 }).unwrap();
    assert_eq!(given.locked(T0, 10, buyer(1), 20, 1).unwrap_err(), DropRejection::TooLate);
}

#[test]
fn a_claim_is_in_one_checkout_at_a_time_and_in_five_at_most() {
    let mut given = Given::open(1);
    given.claim(T0, 10, buyer(1), 1).unwrap();
    for checkout in 20..25 {
        given.locked(T0, 10, buyer(1), checkout, 1).unwrap();
        let other = given.locked(T0, 10, buyer(1), 99, 1).unwrap_err();
        assert_eq!(other, DropRejection::CheckoutInProgress { checkout: CheckoutId(checkout) });
        given
            .when(T0, 0, DropCommand::UnlockClaim { claim: ClaimId(10), lock: lock(checkout), started_at: T0 })
            .unwrap();
    }
    assert_eq!(given.locked(T0, 10, buyer(1), 25, 1).unwrap_err(), DropRejection::TooManyCheckouts);
}

#[test]
fn a_cap_counts_the_email_across_guests_at_checkout() {
    let mut given = Given::open(5);
    given.claim(T0, 10, buyer(1), 2).unwrap();
    given.claim(T0, 11, buyer(2), 1).unwrap();
    given.locked(T0, 10, buyer(1), 20, 77).unwrap();
    assert_eq!(given.locked(T0, 11, buyer(2), 21, 77).unwrap_err(), DropRejection::LimitReached { remaining: 0 });
    assert!(given.locked(T0, 11, buyer(2), 22, 78).is_ok());
}

#[test]
fn a_sale_taken_back_frees_its_units() {
    let mut given = Given::open(2);
    given.claim(T0, 10, buyer(1), 1).unwrap();
    given.locked(T0, 10, buyer(1), 20, 1).unwrap();
    let confirm = || DropCommand::Confirm { claim: ClaimId(10), lock: lock(20), order: OrderId(5) };
    given.when(T0, 0, confirm()).unwrap();
    assert!(matches!(given.when(T0, 0, confirm()), Ok(Answer::Duplicate(_))));
    assert_eq!(given.numbers(), (1, 0, 1, 0));
    assert_eq!(
        given.when(T0, 0, DropCommand::Release { claim: ClaimId(10), buyer: buyer(1) }).unwrap_err(),
        DropRejection::AlreadySold
    );
    given.time_passes(T0.plus_ms(SETTLE_GATHER_MS));
    given.inventory_gives_all(T0);
    given.when(T0, 0, DropCommand::Unsell { claim: ClaimId(10), order: OrderId(5) }).unwrap();
    assert_eq!(given.numbers(), (2, 0, 0, 0));
    given.time_passes(T0.plus_ms(3 * SETTLE_GATHER_MS));
    given.inventory_gives_all(T0);
    assert_eq!(given.drop.items[0].booked, Totals { sold: 1, unsold: 0, returned: 1 });
}

#[test]
fn a_cancelled_drop_releases_unpinned_holds_only() {
    let mut given = Given::open(4);
    given.claim(T0, 10, buyer(1), 1).unwrap();
    given.claim(T0, 11, buyer(2), 1).unwrap();
    given.locked(T0, 11, buyer(2), 20, 1).unwrap();
    given.when(T0, 30, DropCommand::Cancel).unwrap();
    given.time_passes(T0);
    assert_eq!(given.numbers(), (0, 1, 0, 3));
    given.when(T0, 0, DropCommand::Confirm { claim: ClaimId(11), lock: lock(20), order: OrderId(5) }).unwrap();
    assert_eq!(given.numbers(), (0, 0, 1, 3));
}

#[test]
fn an_open_drop_takes_more_units_and_other_prices_and_nothing_else() {
    let mut given = Given::open(1);
    let change =
        ItemEdit { sku: sku("S"), add_quantity: Some(units(2)), quantity: None, price: Some(100), compare_at: None };
    let edit = DropEdit { items: vec![change.clone()], ..DropEdit::default() };
    given.when(T0, 30, DropCommand::Edit { version: 1, edit }).unwrap();
    assert_eq!(given.numbers().0, 1, "not before they have come");
    given.inventory_gives_all(T0);
    assert_eq!(given.claim(T0, 10, buyer(1), 2).unwrap().unit_price.amount, 100);
    let stale = given.when(T0, 31, DropCommand::Edit { version: 1, edit: DropEdit::default() }).unwrap_err();
    assert_eq!(stale, DropRejection::StaleVersion { current: 2 });
    let edit = DropEdit { title: Some("Other".into()), ..DropEdit::default() };
    let fixed = given.when(T0, 32, DropCommand::Edit { version: 2, edit }).unwrap_err();
    assert!(matches!(fixed, DropRejection::NotAllowed { .. }));
}

#[test]
fn a_scheduled_drop_gives_back_units_that_it_no_longer_wants() {
    let terms = Terms { starts_at: Some(T0.plus_seconds(100)), ..terms() };
    let mut given = Given::created(terms, vec![item("S", 5)]);
    given.inventory_gives_all(T0);
    let change = ItemEdit { sku: sku("S"), add_quantity: None, quantity: Some(2), price: None, compare_at: None };
    let edit = DropEdit { items: vec![change], ..DropEdit::default() };
    given.when(T0, 30, DropCommand::Edit { version: 1, edit }).unwrap();
    assert_eq!(given.numbers(), (2, 0, 0, 3));
}

#[test]
fn a_wake_expires_a_bounded_number_and_requests_another() {
    let mut given = Given::created(Terms { per_buyer_max: units(1), ..terms() }, vec![item("S", 3_000)]);
    given.inventory_gives_all(T0);
    for n in 0..EXPIRIES_PER_WAKE_MAX as u128 + 1 {
        given.claim(T0, 100 + n, buyer(100 + n), 1).unwrap();
    }
    let due = T0.plus_seconds(60);
    let events = given.drop.on_wake(due);
    let Some(DropEvent::Expired { claims, .. }) = events.first() else { panic!("nothing expired") };
    assert_eq!(claims.len(), EXPIRIES_PER_WAKE_MAX);
    given.happen(events);
    assert!(given.drop.wake_at().is_some_and(|at| at <= due));
    given.time_passes(due);
    assert_eq!(given.numbers(), (3_000, 0, 0, 0));
}
