//! Limits for the buyers of one network, and guests that sign in to one account.

use super::*;

const HOME: NetworkHash = NetworkHash(1);
const AWAY: NetworkHash = NetworkHash(2);

fn limited(limit: NetworkLimit, quantity: i64) -> Given {
    let mut given = Given::created(Terms { network_limit: Some(limit), ..terms() }, vec![item("S", quantity)]);
    given.inventory_gives_all(T0);
    given
}

fn claim_from(given: &mut Given, id: u128, count: i64, hash: NetworkHash, exempt: bool) -> Result<(), DropRejection> {
    let network = Some(ClaimNetwork { hash, exempt });
    let command =
        DropCommand::Claim { claim: ClaimId(id), buyer: buyer(id), sku: None, quantity: units(count), network };
    given.when(T0, id, command).map(|_| ())
}

#[test]
fn the_standard_limit_leaves_most_of_a_drop_to_others() {
    // A quarter of 60 is more than five times two.
    let mut given = limited(NetworkLimit::Standard, 60);
    for id in 10..25 {
        claim_from(&mut given, id, 1, HOME, false).unwrap();
    }
    let refused = claim_from(&mut given, 25, 1, HOME, false);
    assert_eq!(refused, Err(DropRejection::NetworkLimit { remaining: 0 }));
    claim_from(&mut given, 26, 2, AWAY, false).unwrap();
    // Five times two is more than a quarter of 12.
    let mut given = limited(NetworkLimit::Standard, 12);
    for id in 10..15 {
        claim_from(&mut given, id, 2, HOME, false).unwrap();
    }
    assert_eq!(claim_from(&mut given, 15, 1, HOME, false), Err(DropRejection::NetworkLimit { remaining: 0 }));
}

#[test]
fn the_limit_counts_units_and_says_how_many_are_left() {
    let mut given = limited(NetworkLimit::Units(units(3)), 60);
    claim_from(&mut given, 10, 2, HOME, false).unwrap();
    assert_eq!(claim_from(&mut given, 11, 2, HOME, false), Err(DropRejection::NetworkLimit { remaining: 1 }));
    claim_from(&mut given, 12, 1, HOME, false).unwrap();
    // A duplicate of a command does not count again.
    claim_from(&mut given, 12, 1, HOME, false).unwrap();
}

#[test]
fn released_and_expired_units_count_for_the_network_again() {
    let mut given = limited(NetworkLimit::Units(units(2)), 60);
    claim_from(&mut given, 10, 2, HOME, false).unwrap();
    given.when(T0, 11, DropCommand::Release { claim: ClaimId(10), buyer: buyer(10) }).unwrap();
    claim_from(&mut given, 12, 2, HOME, false).unwrap();
    given.time_passes(T0.plus_seconds(u64::from(HOLD)));
    claim_from(&mut given, 13, 2, HOME, false).unwrap();
    given.locked(T0, 13, buyer(13), 50, 1).unwrap();
    let confirm = DropCommand::Confirm { claim: ClaimId(13), lock: lock(50), order: OrderId(9) };
    given.when(T0, 51, confirm).unwrap();
    assert_eq!(claim_from(&mut given, 14, 1, HOME, false), Err(DropRejection::NetworkLimit { remaining: 0 }));
    given.when(T0, 52, DropCommand::Unsell { claim: ClaimId(13), order: OrderId(9) }).unwrap();
    claim_from(&mut given, 14, 1, HOME, false).unwrap();
}

#[test]
fn a_developers_machine_is_held_to_a_limit_that_the_merchant_has_chosen_alone() {
    let mut given = limited(NetworkLimit::Standard, 12);
    for id in 10..16 {
        claim_from(&mut given, id, 2, HOME, true).unwrap();
    }
    let mut given = limited(NetworkLimit::Units(units(1)), 12);
    claim_from(&mut given, 10, 1, HOME, true).unwrap();
    assert!(claim_from(&mut given, 11, 1, HOME, true).is_err());
}

#[test]
fn a_drop_of_an_earlier_version_and_an_unlimited_one_have_no_limit() {
    for limit in [None, Some(NetworkLimit::Unlimited)] {
        let mut given = Given::created(Terms { network_limit: limit, ..terms() }, vec![item("S", 12)]);
        given.inventory_gives_all(T0);
        for id in 10..16 {
            claim_from(&mut given, id, 2, HOME, false).unwrap();
        }
    }
}

#[test]
fn an_open_drops_limit_can_be_changed_and_counts_what_was_claimed_before() {
    let mut given = limited(NetworkLimit::Unlimited, 60);
    claim_from(&mut given, 10, 2, HOME, false).unwrap();
    let edit = DropEdit { network_limit: Some(NetworkLimit::Units(units(2))), ..DropEdit::default() };
    given.when(T0, 11, DropCommand::Edit { version: 1, edit }).unwrap();
    assert_eq!(claim_from(&mut given, 12, 1, HOME, false), Err(DropRejection::NetworkLimit { remaining: 0 }));
    claim_from(&mut given, 13, 1, AWAY, false).unwrap();
}

#[test]
fn a_snapshot_keeps_what_networks_have() {
    let mut given = limited(NetworkLimit::Units(units(2)), 60);
    claim_from(&mut given, 10, 2, HOME, false).unwrap();
    claim_from(&mut given, 11, 1, AWAY, false).unwrap();
    given.when(T0, 12, DropCommand::Release { claim: ClaimId(11), buyer: buyer(11) }).unwrap();
    given.drop = FlashDrop::thaw(&given.drop.to_snapshot().unwrap()).unwrap();
    assert_eq!(given.drop.by_network.len(), 1);
    assert_eq!(claim_from(&mut given, 13, 1, HOME, false), Err(DropRejection::NetworkLimit { remaining: 0 }));
}

#[test]
fn guests_who_sign_in_to_one_account_have_its_cap_together() {
    // Each guest claims the maximum for one buyer, and each pays with a different e-mail address.
    let mut given = Given::open(10);
    given.claim(T0, 10, buyer(1), 2).unwrap();
    given.claim(T0, 11, buyer(2), 2).unwrap();
    let account = Buyer { subject: SubjectId(9), former: vec![SubjectId(1), SubjectId(2)], customer: true };
    given.locked(T0, 10, account.clone(), 50, 1).unwrap();
    let second = given.locked(T0, 11, account.clone(), 51, 2);
    assert_eq!(second, Err(DropRejection::LimitReached { remaining: 0 }));
    // A claim that is unlocked no longer counts.
    given.when(T0, 52, DropCommand::UnlockClaim { claim: ClaimId(10), lock: lock(50), started_at: T0 }).unwrap();
    given.locked(T0, 11, account, 51, 2).unwrap();
}
