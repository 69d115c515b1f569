//! The conformance suite that every provider of a journal must pass.
//!
//! A provider's test passes [`run`] a function that makes [`Harness`]es, each over an empty journal with at least two
//! shards.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, future::join_all};

use crate::{
    batch::{self, BATCH_BYTES_MAX, BATCH_ENTRIES_MAX, Batch, Content, Entry, Epoch, Header, Nonce, Position, ShardId},
    journal::{AppendError, Journal, JournalError, Leadership},
};

/// The functions that the suite needs from a provider besides the journal itself.
pub trait Harness {
    /// Opens the journal: empty at first, later with everything that was written. The suite has dropped the previous
    /// handle.
    fn open(&mut self) -> impl Future<Output = Arc<dyn Journal>>;

    /// Appends a record to the raw log of a shard as if another process had written it, and returns once the provider
    /// has judged it. A store with a single writer judges it in the same way as its own appends.
    fn inject(&mut self, shard: ShardId, record: Bytes) -> impl Future<Output = ()>;
}

const SHARD: ShardId = ShardId(0);
const OTHER: ShardId = ShardId(1);

/// Runs the whole suite. Panics with the name of the case at the first broken promise.
pub async fn run<H: Harness>(make: impl AsyncFn() -> H) {
    positions_follow_without_gaps(make().await).await;
    all_that_is_written_reads_back(make().await).await;
    several_appends_are_in_flight(make().await).await;
    a_dropped_future_does_not_undo_its_append(make().await).await;
    an_empty_batch_takes_one_position(make().await).await;
    shards_are_apart(make().await).await;
    a_read_begins_with_the_batch_that_holds_the_position(make().await).await;
    a_read_ends_at_the_tail_of_its_call(make().await).await;
    the_accepted_position_is_never_ahead(make().await).await;
    a_second_owner_fences_the_first(make().await).await;
    a_lead_sees_everything_before_it(make().await).await;
    late_batches_of_a_former_owner_never_count(make().await).await;
    batches_out_of_place_never_count(make().await).await;
    leads_out_of_turn_never_count(make().await).await;
    a_lead_in_turn_fences_the_owner(make().await).await;
    after_the_first_error_every_append_fails(make().await).await;
    a_batch_of_the_largest_size_is_accepted(make().await).await;
    what_does_not_fit_a_batch_is_refused(make().await).await;
    a_shard_that_does_not_exist_is_refused(make().await).await;
    reopening_keeps_everything(make().await).await;
    reopening_keeps_what_never_counted_out(make().await).await;
}

async fn positions_follow_without_gaps(mut house: impl Harness) {
    let journal = house.open().await;
    assert_eq!(journal.accepted(SHARD).await.unwrap(), Position(0), "an empty journal");
    let mut owner = lead(&journal, "a").await;
    assert_eq!((owner.lead().epoch, owner.lead().at, owner.next()), (Epoch(1), Position(0), Position(1)));

    let first = owner.append(1, entries(3)).await.unwrap();
    assert_eq!((first.first, first.end, owner.next()), (Position(1), Position(4), Position(4)));
    let second = owner.append(1, entries(1)).await.unwrap();
    assert_eq!((second.first, second.end), (Position(4), Position(5)));
    assert!(second.bytes >= batch::HEADER_BYTES && first.bytes > second.bytes, "bytes in the journal");
    assert_eq!(starts(&journal, SHARD).await, [0, 1, 4]);
}

async fn all_that_is_written_reads_back(mut house: impl Harness) {
    let journal = house.open().await;
    let mut owner = lead(&journal, "node-a at here:1").await;
    let written = vec![
        Entry {
            key: Bytes::from_static(b"\0\xff\x7f"),
            version: u64::MAX,
            at_ms: 1_700_000_000_000,
            wake_at_ms: Some(1_700_000_000_001),
            command_id: u128::MAX,
            request_id: u128::MAX - 1,
            events: Bytes::from(vec![7; 70_000]),
        },
        Entry {
            key: Bytes::new(),
            version: 0,
            at_ms: 0,
            command_id: 0,
            request_id: 0,
            events: Bytes::new(),
            ..entry(0)
        },
    ];
    owner.append(9, written.clone()).await.unwrap();

    let log = read(&journal, SHARD, 0).await;
    assert_eq!(log[0].content, Content::Lead { node: "node-a at here:1".into() });
    assert_eq!(log[1].content, Content::Entries(written));
    let header = log[1].header;
    assert_eq!((header.rules, header.epoch, header.nonce), (9, owner.lead().epoch, owner.lead().nonce));
}

async fn several_appends_are_in_flight(mut house: impl Harness) {
    let journal = house.open().await;
    let mut owner = lead(&journal, "a").await;
    let appends: Vec<_> = (0..64).map(|count| owner.append(1, entries(count % 5))).collect();
    let outcomes = join_all(appends.into_iter().rev()).await;
    let mut next = Position(1);
    for accepted in outcomes.into_iter().rev() {
        let accepted = accepted.unwrap();
        assert_eq!(accepted.first, next, "in the order of the calls");
        next = accepted.end;
    }
    assert_eq!((owner.next(), journal.accepted(SHARD).await.unwrap()), (next, next));
    assert_eq!(read(&journal, SHARD, 0).await.len(), 65);
}

async fn a_dropped_future_does_not_undo_its_append(mut house: impl Harness) {
    let journal = house.open().await;
    let mut owner = lead(&journal, "a").await;
    drop(owner.append(1, entries(2)));
    assert_eq!(owner.append(1, entries(1)).await.unwrap().first, Position(3));
    assert_eq!(starts(&journal, SHARD).await, [0, 1, 3]);
}

async fn an_empty_batch_takes_one_position(mut house: impl Harness) {
    let journal = house.open().await;
    let mut owner = lead(&journal, "a").await;
    let empty = owner.append(1, Vec::new()).await.unwrap();
    assert_eq!((empty.first, empty.end), (Position(1), Position(2)));
    assert_eq!(owner.append(1, entries(1)).await.unwrap().first, Position(2));
    assert_eq!(read(&journal, SHARD, 1).await[0].content, Content::Entries(Vec::new()));
}

async fn shards_are_apart(mut house: impl Harness) {
    let journal = house.open().await;
    assert!(journal.shards() >= 2, "the suite needs two shards");
    let mut here = lead(&journal, "a").await;
    let mut there = journal.acquire_leadership(OTHER, "b").await.unwrap();
    let both = [here.append(1, entries(2)), there.append(1, entries(5))];
    assert!(join_all(both).await.iter().all(Result::is_ok));
    assert_eq!((starts(&journal, SHARD).await, starts(&journal, OTHER).await), (vec![0, 1], vec![0, 1]));
    assert_eq!(journal.accepted(SHARD).await.unwrap(), Position(3));
    assert_eq!(journal.accepted(OTHER).await.unwrap(), Position(6));
}

async fn a_read_begins_with_the_batch_that_holds_the_position(mut house: impl Harness) {
    let journal = house.open().await;
    let mut owner = lead(&journal, "a").await;
    for count in [3, 2, 4] {
        owner.append(1, entries(count)).await.unwrap();
    }
    // Lead at 0, then 1..4, 4..6, 6..10.
    for (from, expected) in [(0, 0), (1, 1), (2, 1), (3, 1), (4, 4), (5, 4), (6, 6), (9, 6)] {
        assert_eq!(read(&journal, SHARD, from).await[0].header.first, Position(expected), "read from {from}");
    }
    for from in [10, 11, u64::MAX] {
        assert!(read(&journal, SHARD, from).await.is_empty(), "read from {from}");
    }
}

async fn a_read_ends_at_the_tail_of_its_call(mut house: impl Harness) {
    let journal = house.open().await;
    let mut owner = lead(&journal, "a").await;
    owner.append(1, entries(1)).await.unwrap();
    let before = journal.read(SHARD, Position(0));
    owner.append(1, entries(1)).await.unwrap();
    assert_eq!(before.try_collect::<Vec<_>>().await.unwrap().len(), 2);
    assert_eq!(read(&journal, SHARD, 0).await.len(), 3);
}

async fn the_accepted_position_is_never_ahead(mut house: impl Harness) {
    let journal = house.open().await;
    let mut owner = lead(&journal, "a").await;
    for round in 0..50 {
        let append = owner.append(1, entries(round % 3 + 1));
        let (reported, outcome) = futures::join!(journal.accepted(SHARD), append);
        let (reported, accepted) = (reported.unwrap(), outcome.unwrap());
        assert!(reported == accepted.first || reported == accepted.end, "{reported} is between batches");
        assert!(journal.accepted(SHARD).await.unwrap() >= accepted.end, "an answer came before its acceptance");
        let end = read(&journal, SHARD, reported.0.saturating_sub(1)).await.last().unwrap().header.end();
        assert!(end >= reported, "{reported} was reported, the log ends at {end}");
    }
}

async fn a_second_owner_fences_the_first(mut house: impl Harness) {
    let journal = house.open().await;
    let mut first = lead(&journal, "a").await;
    first.append(1, entries(1)).await.unwrap();
    let mut second = lead(&journal, "b").await;
    assert_eq!((second.lead().epoch, second.lead().at), (Epoch(2), Position(2)));
    assert_ne!(first.lead().nonce, second.lead().nonce);

    assert_eq!(first.append(1, entries(1)).await, Err(AppendError::Fenced));
    assert_eq!(second.append(1, entries(1)).await.unwrap().first, Position(3));
    assert_eq!(starts(&journal, SHARD).await, [0, 1, 2, 3]);
}

async fn a_lead_sees_everything_before_it(mut house: impl Harness) {
    let journal = house.open().await;
    let mut first = lead(&journal, "a").await;
    let in_flight: Vec<_> = (0..16).map(|_| first.append(1, entries(2))).collect();
    let second = lead(&journal, "b").await;
    let history = read(&journal, SHARD, 0).await;
    let at = second.lead().at;
    assert_eq!(history.last().unwrap().header.first, at, "what the new owner folds ends with its Lead");

    for outcome in join_all(in_flight).await {
        let known = |first| history.iter().any(|batch| batch.header.first == first);
        match outcome {
            Ok(accepted) => assert!(accepted.end <= at && known(accepted.first), "accepted behind the Lead's back"),
            Err(AppendError::Fenced) => {}
            Err(other) => panic!("an append behind a Lead: {other}"),
        }
    }
    assert_eq!(read(&journal, SHARD, 0).await.len(), history.len());
}

async fn late_batches_of_a_former_owner_never_count(mut house: impl Harness) {
    let journal = house.open().await;
    let former = header(&*lead(&journal, "a").await);
    let mut owner = lead(&journal, "b").await;
    for _ in 0..3 {
        let late = Header { first: owner.next(), ..former };
        house.inject(SHARD, batch::encode_entries(late, &entries(1))).await;
        owner.append(1, entries(1)).await.unwrap();
    }
    assert_eq!(starts(&journal, SHARD).await, [0, 1, 2, 3, 4]);
    assert!(read(&journal, SHARD, 2).await.iter().all(|batch| batch.header.epoch == Epoch(2)));
}

async fn batches_out_of_place_never_count(mut house: impl Harness) {
    let journal = house.open().await;
    let mut owner = lead(&journal, "a").await;
    owner.append(1, entries(2)).await.unwrap();
    let own = header(&*owner);
    let ahead = Header { first: Position(4), ..own };
    let copy = Header { first: Position(1), ..own };
    for wrong in [ahead, copy, Header { first: Position(2), ..own }, Header { first: Position(u64::MAX - 9), ..own }] {
        house.inject(SHARD, batch::encode_entries(wrong, &entries(2))).await;
    }
    assert_eq!(owner.append(1, entries(1)).await.unwrap().first, Position(3));
    assert_eq!(starts(&journal, SHARD).await, [0, 1, 3]);
}

async fn leads_out_of_turn_never_count(mut house: impl Harness) {
    let journal = house.open().await;
    let mut owner = lead(&journal, "a").await;
    owner.append(1, entries(1)).await.unwrap();
    let (nonce, first) = (Nonce(4_711), owner.next());
    let wrong = |epoch, first| Header { rules: 0, epoch: Epoch(epoch), nonce, first, count: 1 };
    for (epoch, first) in [(0, first), (1, first), (3, first), (2, Position(1)), (2, Position(first.0 + 1))] {
        house.inject(SHARD, batch::encode_lead(wrong(epoch, first), "x")).await;
    }
    // The batches of those Leads do not count either.
    house.inject(SHARD, batch::encode_entries(wrong(2, first), &entries(1))).await;
    house.inject(SHARD, batch::encode_entries(wrong(1, first), &entries(1))).await;
    assert_eq!(owner.append(1, entries(1)).await.unwrap().first, first);
    assert_eq!(starts(&journal, SHARD).await, [0, 1, 2]);
}

async fn a_lead_in_turn_fences_the_owner(mut house: impl Harness) {
    let journal = house.open().await;
    let mut owner = lead(&journal, "a").await;
    let taken = Header { rules: 0, epoch: Epoch(2), nonce: Nonce(4_711), first: owner.next(), count: 1 };
    house.inject(SHARD, batch::encode_lead(taken, "x")).await;
    assert_eq!(owner.append(1, entries(1)).await, Err(AppendError::Fenced));
    let theirs = Header { first: taken.end(), rules: 1, ..taken };
    house.inject(SHARD, batch::encode_entries(theirs, &entries(1))).await;
    assert_eq!(lead(&journal, "a").await.lead().epoch, Epoch(3));
    assert_eq!(starts(&journal, SHARD).await, [0, 1, 2, 3]);
}

async fn after_the_first_error_every_append_fails(mut house: impl Harness) {
    let journal = house.open().await;
    let mut former = lead(&journal, "a").await;
    let owner = lead(&journal, "b").await;
    for _ in 0..3 {
        former.append(1, entries(1)).await.unwrap_err();
    }
    let in_flight: Vec<_> = (0..3).map(|_| former.append(1, entries(1))).collect();
    assert!(join_all(in_flight).await.iter().all(Result::is_err));
    assert_eq!(journal.accepted(SHARD).await.unwrap(), owner.next());
}

async fn a_batch_of_the_largest_size_is_accepted(mut house: impl Harness) {
    let journal = house.open().await;
    let mut owner = lead(&journal, "a").await;
    let largest = of_bytes(BATCH_BYTES_MAX);
    let accepted = owner.append(1, largest.clone()).await.unwrap();
    assert_eq!(accepted.end, Position(2));
    assert_eq!(owner.append(1, entries(BATCH_ENTRIES_MAX)).await.unwrap().end.0, 2 + BATCH_ENTRIES_MAX as u64);
    let log = read(&journal, SHARD, 1).await;
    assert!(log[0].content == Content::Entries(largest), "the largest batch reads back");
    assert_eq!(log[1].entries().count(), BATCH_ENTRIES_MAX);
}

async fn what_does_not_fit_a_batch_is_refused(mut house: impl Harness) {
    let journal = house.open().await;
    let long_key = Entry { key: vec![0; batch::KEY_BYTES_MAX + 1].into(), ..entry(0) };
    for refused in [of_bytes(BATCH_BYTES_MAX + 1), entries(BATCH_ENTRIES_MAX + 1), vec![long_key]] {
        let mut owner = lead(&journal, "a").await;
        assert!(matches!(owner.append(1, refused).await, Err(AppendError::Failed(_))));
        assert!(owner.append(1, entries(1)).await.is_err(), "after the first error");
    }
    let long_name = "n".repeat(batch::NODE_BYTES_MAX + 1);
    assert!(matches!(journal.acquire_leadership(SHARD, &long_name).await, Err(JournalError::Store(_))));
    assert_eq!(starts(&journal, SHARD).await, [0, 1, 2], "the Leads only");
}

async fn a_shard_that_does_not_exist_is_refused(mut house: impl Harness) {
    let journal = house.open().await;
    let none = ShardId(journal.shards());
    assert!(journal.acquire_leadership(none, "a").await.is_err());
    assert!(journal.accepted(none).await.is_err());
    assert!(journal.read(none, Position(0)).next().await.is_some_and(|first| first.is_err()));
}

async fn reopening_keeps_everything(mut house: impl Harness) {
    let journal = house.open().await;
    let mut owner = lead(&journal, "a").await;
    for count in 0..20 {
        owner.append(1, entries(count)).await.unwrap();
    }
    let mut there = journal.acquire_leadership(OTHER, "a").await.unwrap();
    there.append(1, entries(1)).await.unwrap();
    let (before, next) = (read(&journal, SHARD, 0).await, owner.next());
    drop((owner, there, journal));

    let journal = house.open().await;
    assert_eq!(read(&journal, SHARD, 0).await, before);
    assert_eq!((journal.accepted(SHARD).await.unwrap(), starts(&journal, OTHER).await), (next, vec![0, 1]));
    let mut owner = lead(&journal, "b").await;
    assert_eq!((owner.lead().epoch, owner.lead().at), (Epoch(2), next));
    owner.append(1, entries(1)).await.unwrap();
    drop((owner, journal));

    let journal = house.open().await;
    assert_eq!(read(&journal, SHARD, 0).await.len(), before.len() + 2);
}

async fn reopening_keeps_what_never_counted_out(mut house: impl Harness) {
    let journal = house.open().await;
    let former = header(&*lead(&journal, "a").await);
    let owner = lead(&journal, "b").await;
    let late = Header { first: owner.next(), ..former };
    house.inject(SHARD, batch::encode_entries(late, &entries(1))).await;
    drop((owner, journal));

    let journal = house.open().await;
    assert_eq!((starts(&journal, SHARD).await, journal.accepted(SHARD).await.unwrap()), (vec![0, 1], Position(2)));
}

async fn lead(journal: &Arc<dyn Journal>, node: &str) -> Box<dyn Leadership> {
    journal.acquire_leadership(SHARD, node).await.unwrap()
}

/// Reads all accepted batches from `from` on, and checks that each begins where its predecessor ends.
async fn read(journal: &Arc<dyn Journal>, shard: ShardId, from: u64) -> Vec<Batch> {
    let log: Vec<Batch> = journal.read(shard, Position(from)).try_collect().await.unwrap();
    for pair in log.windows(2) {
        assert_eq!(pair[0].header.end(), pair[1].header.first, "a gap in shard {shard}");
    }
    log
}

async fn starts(journal: &Arc<dyn Journal>, shard: ShardId) -> Vec<u64> {
    read(journal, shard, 0).await.iter().map(|batch| batch.header.first.0).collect()
}

/// Returns the header of a leadership's next batch.
fn header(owner: &dyn Leadership) -> Header {
    let lead = owner.lead();
    Header { rules: 1, epoch: lead.epoch, nonce: lead.nonce, first: owner.next(), count: 0 }
}

fn entry(index: usize) -> Entry {
    Entry {
        key: Bytes::from(format!("key-{}", index % 7)),
        version: index as u64 + 1,
        at_ms: 1_000 + index as u64,
        wake_at_ms: (index % 2 == 1).then_some(2_000),
        command_id: index as u128,
        request_id: index as u128 + 1,
        events: Bytes::from(format!("events of {index}")),
    }
}

fn entries(count: usize) -> Vec<Entry> {
    (0..count).map(entry).collect()
}

/// Returns one entry whose batch has exactly this size.
fn of_bytes(bytes: usize) -> Vec<Entry> {
    let events = bytes - batch::batch_bytes(&[Entry { events: Bytes::new(), ..entry(0) }]);
    let entries = vec![Entry { events: vec![0xa5; events].into(), ..entry(0) }];
    assert_eq!(batch::batch_bytes(&entries), bytes);
    entries
}
