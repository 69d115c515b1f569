//! Measures the cost of a claim in a drop with a million claims, and how long a snapshot blocks the drop.
//!
//! `cargo run --release -p engine --example claim_path`. The second table measures the same record in a persistent map,
//! for `docs/adr/0006-frozen-pages.md`.
#![allow(clippy::unwrap_used, missing_docs)]

use std::time::{Duration, Instant};

use engine::{
    aggregate::{Aggregate, Context, Timers},
    flash_drop::{Audience, Buyer, Claim, ClaimState, DropCommand, DropEvent, FlashDrop, ItemTerms, Terms},
    id::{ClaimId, CommandId, DropId, Fingerprint, Sku, SubjectId, TenantId, digest128},
    money::Currency,
    processed_commands::ProcessedCommand,
    quantity::Quantity,
    snapshot::Persist,
    time::Timestamp,
};

const CLAIMS: u64 = 1_000_000;
const T0: Timestamp = Timestamp(1_800_000_000_000);

fn main() {
    let mut drop = open_drop();
    let (claiming, longest) = timed(|n| claim(&mut drop, n));
    println!("drop: {:>6.0} ns a claim (decide + apply), longest {longest:?}", per_claim(claiming));
    let (frozen, freeze) = once(|| drop.freeze().unwrap());
    let (_, longest_after) = timed_from(CLAIMS, 100_000, |n| claim(&mut drop, n));
    let (bytes, encode) = once(|| FlashDrop::encode_frozen(&frozen).unwrap());
    println!(
        "freeze {freeze:?}, longest claim after it {longest_after:?}; encode {encode:?}, {} MB",
        bytes.len() >> 20
    );
    std::mem::drop(frozen);
    let (thawed, thaw) = once(|| FlashDrop::thaw(&bytes).unwrap());
    println!("thaw {thaw:?}, next wake {:?}", thawed.wake_at());

    let mut map: imbl::OrdMap<ClaimId, Claim> = imbl::OrdMap::new();
    let (inserting, longest) = timed(|n| {
        map.insert(claim_id(n), record(n));
    });
    println!("persistent ordered map: {:>6.0} ns an insert, longest {longest:?}", per_claim(inserting));
    let (frozen, freeze) = once(|| map.clone());
    let (after, longest) = timed_from(CLAIMS, 100_000, |n| {
        map.insert(claim_id(n), record(n));
    });
    println!("freeze {freeze:?}; then {:>6.0} ns an insert, longest {longest:?}", after.as_nanos() as f64 / 100_000.0);
    std::mem::drop(frozen);
}

fn claim_id(n: u64) -> ClaimId {
    ClaimId(digest128(&[&n.to_be_bytes()]))
}

fn open_drop() -> FlashDrop {
    let processed = ProcessedCommand { command_id: CommandId(1), fingerprint: Fingerprint(1), at: T0 };
    let terms = Terms {
        title: "bench".into(),
        product: None,
        per_buyer_max: Quantity::new(4).unwrap(),
        hold_seconds: 3_600,
        starts_at: None,
        ends_at: T0.plus_seconds(86_400),
        audience: Audience::Anyone,
        currency: Currency::USD,
        network_limit: None,
    };
    let (units, sku) = (Quantity::new(50_000_000).unwrap(), Sku::new("S").unwrap());
    let items = vec![ItemTerms { sku, quantity: units, price: 100, compare_at: None }];
    let tenant = TenantId::new("bench").unwrap();
    let mut drop = FlashDrop::default();
    for event in [
        DropEvent::Created { tenant, drop: DropId(1), terms, items, draft: false, processed },
        DropEvent::UnitsAsked { processed, edit: None, units: vec![(0, units.units())] },
        DropEvent::UnitsCame { item: 0, at: T0 },
        DropEvent::Published { at: T0 },
    ] {
        drop.apply(&event);
    }
    drop
}

fn claim(drop: &mut FlashDrop, n: u64) {
    let buyer =
        Buyer { subject: SubjectId(digest128(&[b"buyer", &n.to_be_bytes()])), former: Vec::new(), customer: false };
    let command = DropCommand::Claim { claim: claim_id(n), buyer, sku: None, quantity: Quantity::ONE, network: None };
    let id = claim_id(n).0;
    let context = Context {
        now: T0.plus_ms(n / 50),
        command_id: CommandId(id),
        former_ids: Vec::new(),
        former_fingerprint: None,
        fingerprint: Fingerprint(id),
    };
    for event in drop.decide(&command, &context).unwrap().events {
        drop.apply(&event);
    }
}

fn record(n: u64) -> Claim {
    Claim {
        id: claim_id(n),
        buyer: SubjectId(u128::from(n)),
        fingerprint: Fingerprint(u128::from(n)),
        item: 0,
        checkouts: 0,
        lengthened: false,
        quantity: Quantity::ONE,
        price: 100,
        first_until: T0,
        email: None,
        undone: None,
        network: None,
        state: ClaimState::Held { until: T0, lock: None },
    }
}

fn per_claim(elapsed: Duration) -> f64 {
    elapsed.as_nanos() as f64 / CLAIMS as f64
}

fn once<T>(run: impl FnOnce() -> T) -> (T, Duration) {
    let started = Instant::now();
    let result = run();
    (result, started.elapsed())
}

fn timed(run: impl FnMut(u64)) -> (Duration, Duration) {
    timed_from(0, CLAIMS, run)
}

/// Returns the total time and the longest single time.
fn timed_from(first: u64, count: u64, mut run: impl FnMut(u64)) -> (Duration, Duration) {
    let (started, mut longest) = (Instant::now(), Duration::ZERO);
    for n in first..first + count {
        let before = Instant::now();
        run(n);
        longest = longest.max(before.elapsed());
    }
    (started.elapsed(), longest)
}
