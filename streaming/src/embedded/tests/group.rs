//! Groups of appends: an answer waits for its sync, and a failed write is fatal.

use std::{
    io,
    sync::{
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
};

use parking_lot::Mutex;

use super::*;
use crate::journal::AppendError;

/// A probe that checks that every answered append was synced before.
#[derive(Default)]
struct Watch {
    synced: AtomicU64,
    answered: AtomicU64,
    early: AtomicBool,
}

impl SyncProbe for Watch {
    fn before_sync(&self) -> io::Result<()> {
        let (synced, answered) = (self.synced.load(Ordering::SeqCst), self.answered.load(Ordering::SeqCst));
        self.early.fetch_or(answered > synced, Ordering::SeqCst);
        Ok(())
    }

    fn after_sync(&self, durable: &[(ShardId, Position)]) {
        durable.iter().for_each(|(_, end)| self.synced.store(end.0, Ordering::SeqCst));
    }

    fn before_answer(&self, _: ShardId, end: Position) {
        self.early.fetch_or(end.0 > self.synced.load(Ordering::SeqCst), Ordering::SeqCst);
        self.answered.store(end.0, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn an_answer_waits_for_its_sync() {
    let data = tempfile::tempdir().unwrap();
    let watch = Arc::<Watch>::default();
    let journal = try_open(data.path(), EmbeddedOptions { probe: Arc::clone(&watch) as _, ..options() }).unwrap();
    let mut owner = journal.acquire_leadership(SHARD, "a").await.unwrap();
    for round in 0..20 {
        let appends: Vec<_> = (0..round).map(|_| owner.append(1, entries(2, 100))).collect();
        for append in appends {
            let accepted = append.await.unwrap();
            assert!(watch.synced.load(Ordering::SeqCst) >= accepted.end.0);
        }
    }
    assert_eq!(watch.answered.load(Ordering::SeqCst), owner.next().0);
    assert!(!watch.early.load(Ordering::SeqCst));
}

/// A probe that fails the write or the sync of a group on demand.
struct FullDisk {
    full: AtomicBool,
    at_sync: bool,
}

impl FullDisk {
    fn check(&self, here: bool) -> io::Result<()> {
        let full = here && self.full.load(Ordering::SeqCst);
        if full { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

impl SyncProbe for FullDisk {
    fn before_commit(&self) -> io::Result<()> {
        self.check(!self.at_sync)
    }

    fn before_sync(&self) -> io::Result<()> {
        self.check(self.at_sync)
    }
}

#[tokio::test]
async fn a_full_disk_ends_the_process_and_answers_nothing() {
    for at_sync in [false, true] {
        let data = tempfile::tempdir().unwrap();
        let disk = Arc::new(FullDisk { full: AtomicBool::new(false), at_sync });
        let fatal = Arc::new(Mutex::new(Vec::new()));
        let on_fatal = {
            let fatal = Arc::clone(&fatal);
            move |why: &str| fatal.lock().push(why.to_owned())
        };
        let probe = Arc::clone(&disk) as Arc<dyn SyncProbe>;
        let options = EmbeddedOptions { probe, on_fatal: Arc::new(on_fatal), ..options() };
        let journal = try_open(data.path(), options).unwrap();
        let mut owner = journal.acquire_leadership(SHARD, "a").await.unwrap();
        owner.append(1, entries(1, 10)).await.unwrap();

        disk.full.store(true, Ordering::SeqCst);
        assert!(matches!(owner.append(1, entries(1, 10)).await, Err(AppendError::Unknown(_))));
        assert!(matches!(owner.append(1, entries(1, 10)).await, Err(AppendError::Failed(_))));
        assert!(matches!(journal.acquire_leadership(SHARD, "b").await, Err(JournalError::Store(_))));
        assert_eq!(journal.accepted_now(SHARD).unwrap(), Position(2), "readers go no further");
        assert_eq!(read(&journal, SHARD).await.len(), 2);
        let fatal = fatal.lock();
        assert!(fatal.len() == 1 && fatal[0].contains("no storage space"), "{fatal:?}");
    }
}

/// A probe that holds the appender back until it is released.
struct Gate(Mutex<mpsc::Receiver<()>>);

impl SyncProbe for Gate {
    fn before_commit(&self) -> io::Result<()> {
        let _ = self.0.lock().recv();
        Ok(())
    }
}

#[tokio::test]
async fn the_waiting_queue_is_bounded() {
    let data = tempfile::tempdir().unwrap();
    let (go, gate) = mpsc::channel();
    let gate = Arc::new(Gate(Mutex::new(gate)));
    let journal = try_open(data.path(), EmbeddedOptions { probe: gate, ..options() }).unwrap();
    go.send(()).unwrap();
    let mut owner = journal.acquire_leadership(SHARD, "a").await.unwrap();
    let mut appends = Vec::new();
    let refused = loop {
        let append = owner.append(1, Vec::new());
        match append.now_or_never() {
            Some(outcome) => break outcome,
            None => appends.push(()),
        }
        assert!(appends.len() <= 2 * queue::QUEUE_REQUESTS_MAX, "never refused");
    };
    assert!(matches!(refused, Err(AppendError::Failed(why)) if why.contains("overloaded")));
    drop(go);
    let next = owner.next();
    assert_eq!(next.0, appends.len() as u64 + 1, "a refused append takes no place");
    let owner = loop {
        match journal.acquire_leadership(SHARD, "b").await {
            Ok(owner) => break owner,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    assert_eq!(owner.lead().at, next, "all that waited was written");
}

#[tokio::test]
async fn a_write_that_hangs_is_given_up() {
    let data = tempfile::tempdir().unwrap();
    let (go, gate) = mpsc::channel();
    let (told, fatal) = mpsc::channel();
    let options = EmbeddedOptions {
        probe: Arc::new(Gate(Mutex::new(gate))),
        on_fatal: Arc::new(move |why| told.send(why.to_owned()).unwrap()),
        watermark_every: Duration::from_millis(1),
        stall_max: Duration::ZERO,
        ..options()
    };
    let journal = try_open(data.path(), options).unwrap();
    let lead = journal.acquire_leadership(SHARD, "a");
    let why = tokio::task::spawn_blocking(move || fatal.recv_timeout(Duration::from_secs(30)));
    let (why, lead) = tokio::join!(
        async {
            let why = why.await.unwrap().unwrap();
            drop(go);
            why
        },
        lead
    );
    assert!(why.contains("stuck"), "{why}");
    lead.unwrap();
}

#[tokio::test]
async fn a_crash_between_any_two_steps_keeps_what_was_answered() {
    /// Copies the folder at each step, with the position that was answered by then.
    struct Copies {
        data: std::path::PathBuf,
        answered: Mutex<Position>,
        copies: Mutex<Vec<(&'static str, Position, TempDir)>>,
    }
    impl Copies {
        fn copy(&self, step: &'static str) {
            self.copies.lock().push((step, *self.answered.lock(), crashed(&self.data)));
        }
    }
    impl SyncProbe for Copies {
        fn before_commit(&self) -> io::Result<()> {
            self.copy("before commit");
            Ok(())
        }
        fn before_sync(&self) -> io::Result<()> {
            self.copy("before sync");
            Ok(())
        }
        fn after_sync(&self, _: &[(ShardId, Position)]) {
            self.copy("after sync");
        }
        fn before_answer(&self, _: ShardId, end: Position) {
            *self.answered.lock() = end;
        }
    }
    let data = tempfile::tempdir().unwrap();
    let probe = Arc::new(Copies { data: data.path().into(), answered: Mutex::default(), copies: Mutex::default() });
    let journal = try_open(data.path(), EmbeddedOptions { probe: Arc::clone(&probe) as _, ..options() }).unwrap();
    let mut owner = journal.acquire_leadership(SHARD, "a").await.unwrap();
    for size in [10, 3_000, 9_000, 100] {
        owner.append(1, entries(3, size)).await.unwrap();
    }
    let log = read(&journal, SHARD).await;
    drop(journal);
    let copies = std::mem::take(&mut *probe.copies.lock());
    for (step, answered, copy) in copies {
        let reopened = open(copy.path());
        let kept = read(&reopened, SHARD).await;
        assert!(reopened.accepted_now(SHARD).unwrap() >= answered, "{step} after {answered}");
        assert_eq!(kept, log[..kept.len()], "{step} after {answered}");
        assert_eq!(
            reopened.acquire_leadership(SHARD, "b").await.unwrap().lead().at,
            kept.last().map_or(Position(0), |b| b.header.end())
        );
    }
}
