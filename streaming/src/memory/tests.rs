#![allow(clippy::unwrap_used)]

use std::time::Duration;

use tokio::time::Instant;

use super::*;
use crate::{batch::Entry, journal::AppendError};

const SHARD: ShardId = ShardId(0);

/// Faults for the appends of the first leadership and for the Leads, each applied in order.
#[derive(Default)]
struct Script {
    appends: Mutex<Vec<Fault>>,
    leads: Mutex<Vec<Fault>>,
}

impl Faults for Script {
    fn on_append(&self, _: ShardId, header: &Header) -> Fault {
        let mut appends = self.appends.lock();
        if header.epoch != Epoch(1) || appends.is_empty() { Fault::None } else { appends.remove(0) }
    }

    fn on_lead(&self, _: ShardId, _: &Header) -> Fault {
        let mut leads = self.leads.lock();
        if leads.is_empty() { Fault::None } else { leads.remove(0) }
    }
}

fn journal(appends: &[Fault]) -> MemoryJournal {
    MemoryJournal::with_faults(2, 7, Script { appends: Mutex::new(appends.to_vec()), ..Script::default() })
}

fn entries(count: usize) -> Vec<Entry> {
    let entry = Entry {
        key: Bytes::from_static(b"k"),
        version: 1,
        at_ms: 1,
        wake_at_ms: None,
        command_id: 1,
        request_id: 2,
        events: Bytes::new(),
    };
    vec![entry; count]
}

fn verdicts(journal: &MemoryJournal) -> Vec<Verdict> {
    journal.raw_log(SHARD).into_iter().map(|(_, verdict)| verdict).collect()
}

const MS: Duration = Duration::from_millis(1);
use Verdict::*;

#[tokio::test(start_paused = true)]
async fn a_delayed_append_holds_back_those_behind_it() {
    let journal = journal(&[Fault::Delay(MS * 5), Fault::None]);
    let mut owner = journal.acquire_leadership(SHARD, "a").await.unwrap();
    let (first, second) = (owner.append(1, entries(2)), owner.append(1, entries(1)));
    assert_eq!(journal.accepted_now(SHARD), Position(1));

    let began = Instant::now();
    assert_eq!(second.await.unwrap().first, Position(3));
    assert_eq!((began.elapsed(), first.await.unwrap().end), (MS * 5, Position(3)));
}

#[tokio::test(start_paused = true)]
async fn an_append_that_landed_unheard_is_there_for_the_next_owner() {
    let journal = journal(&[Fault::FailAfter]);
    let mut owner = journal.acquire_leadership(SHARD, "a").await.unwrap();
    let (first, second) = (owner.append(1, entries(1)), owner.append(1, entries(1)));
    assert!(matches!(first.await, Err(AppendError::Unknown(_))));
    assert!(matches!(second.await, Err(AppendError::Unknown(_))), "in flight behind it");
    assert!(matches!(owner.append(1, entries(1)).await, Err(AppendError::Failed(_))), "not even sent");
    assert_eq!(journal.acquire_leadership(SHARD, "b").await.unwrap().lead().at, Position(3));
}

#[tokio::test(start_paused = true)]
async fn a_lost_append_takes_those_in_flight_behind_it_along() {
    let journal = journal(&[Fault::Lose]);
    let mut owner = journal.acquire_leadership(SHARD, "a").await.unwrap();
    let (first, second) = (owner.append(1, entries(1)), owner.append(1, entries(1)));
    assert!(matches!(first.await, Err(AppendError::Unknown(_))));
    assert!(matches!(second.await, Err(AppendError::Failed(_))), "it reached the log and did not count");
    assert_eq!(verdicts(&journal), [Counts, OutOfPlace]);
}

#[tokio::test(start_paused = true)]
async fn a_late_append_behind_a_new_lead_never_counts() {
    let journal = journal(&[Fault::LandLate(MS * 5)]);
    let mut owner = journal.acquire_leadership(SHARD, "a").await.unwrap();
    assert!(matches!(owner.append(1, entries(1)).await, Err(AppendError::Unknown(_))));
    drop(owner);
    let mut next = journal.acquire_leadership(SHARD, "b").await.unwrap();
    tokio::time::sleep(MS * 6).await;
    next.append(1, entries(1)).await.unwrap();
    assert_eq!(verdicts(&journal), [Counts, Counts, Fenced, Counts]);
    assert_eq!(journal.accepted_log(SHARD).len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_failed_append_leaves_nothing_behind() {
    let journal = journal(&[Fault::Delay(MS), Fault::FailBefore]);
    let mut owner = journal.acquire_leadership(SHARD, "a").await.unwrap();
    let all = [owner.append(1, entries(1)), owner.append(1, entries(1)), owner.append(1, entries(1))];
    let all = futures::future::join_all(all).await;
    assert!(matches!(&all[..], [Ok(_), Err(AppendError::Failed(_)), Err(AppendError::Failed(_))]));
    assert_eq!(verdicts(&journal), [Counts, Counts]);
}

#[tokio::test(start_paused = true)]
async fn a_lead_may_land_unheard_late_or_never() {
    let leads = Mutex::new(vec![Fault::FailAfter, Fault::FailBefore, Fault::LandLate(MS), Fault::Delay(MS * 2)]);
    let journal = MemoryJournal::with_faults(1, 7, Script { leads, ..Script::default() });
    for _ in 0..3 {
        assert!(matches!(journal.acquire_leadership(SHARD, "a").await, Err(JournalError::Store(_))));
    }
    // The late Lead of epoch 2 lands while this call is in progress.
    assert!(matches!(
        journal.acquire_leadership(SHARD, "b").await,
        Err(JournalError::LostRace { epoch: Epoch(2), .. })
    ));
    assert_eq!(journal.acquire_leadership(SHARD, "b").await.unwrap().lead().epoch, Epoch(3));
}

#[tokio::test(start_paused = true)]
async fn a_lead_overtaken_by_an_append_of_the_owner_is_retried() {
    let leads = Mutex::new(vec![Fault::None, Fault::Delay(MS)]);
    let journal = MemoryJournal::with_faults(1, 7, Script { leads, ..Script::default() });
    let mut owner = journal.acquire_leadership(SHARD, "a").await.unwrap();
    let (next, append) = tokio::join!(journal.acquire_leadership(SHARD, "b"), owner.append(1, entries(3)));
    assert_eq!((append.unwrap().end, next.unwrap().lead().at), (Position(4), Position(4)));
}

struct InMemory(MemoryJournal);

impl crate::conformance::Harness for InMemory {
    async fn open(&mut self) -> Arc<dyn Journal> {
        Arc::new(self.0.clone())
    }

    async fn inject(&mut self, shard: ShardId, record: Bytes) {
        self.0.inject(shard, record).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn it_conforms() {
    crate::conformance::run(async || InMemory(MemoryJournal::new(2))).await;
}

#[tokio::test(start_paused = true)]
async fn it_conforms_when_it_is_slow() {
    struct Slow;
    impl Faults for Slow {
        fn on_append(&self, _: ShardId, header: &Header) -> Fault {
            Fault::Delay(MS * (header.first.0 % 3) as u32)
        }
        fn on_lead(&self, _: ShardId, _: &Header) -> Fault {
            Fault::Delay(MS)
        }
        fn read_delay(&self, _: ShardId) -> Option<Duration> {
            Some(MS)
        }
    }
    crate::conformance::run(async || InMemory(MemoryJournal::with_faults(2, 1, Slow))).await;
}
