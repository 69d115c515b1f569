//! The journal when the process has no file descriptors left. This test needs a process of its own, because it changes
//! the limit of the process.

#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    fs::File,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::TryStreamExt;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use streaming::{
    Journal, Position, ShardId,
    batch::Entry,
    embedded::{DataFolder, EmbeddedJournal, EmbeddedOptions},
};

const SHARD: ShardId = ShardId(0);

fn entries(bytes: usize) -> Vec<Entry> {
    vec![Entry {
        key: Bytes::from_static(b"key"),
        version: 1,
        at_ms: 1,
        wake_at_ms: None,
        command_id: 1,
        request_id: 1,
        events: Bytes::from(vec![7; bytes]),
    }]
}

#[tokio::test]
async fn appends_are_flushed_where_every_descriptor_is_taken() {
    let limit = Rlimit { current: Some(256), maximum: getrlimit(Resource::Nofile).maximum };
    setrlimit(Resource::Nofile, limit).unwrap();
    let data = tempfile::tempdir().unwrap();
    let ended = Arc::new(AtomicBool::new(false));
    let told = ended.clone();
    let options = EmbeddedOptions {
        // Every append goes to a table of its own, which fjall flushes in the background.
        memtable_bytes: 1,
        watermark_every: Duration::from_millis(10),
        on_fatal: Arc::new(move |_| told.store(true, Ordering::SeqCst)),
        ..EmbeddedOptions::new(1)
    };
    let journal = EmbeddedJournal::open(DataFolder::lock(data.path()).unwrap(), options).unwrap();
    let mut owner = journal.acquire_leadership(SHARD, "a").await.unwrap();
    owner.append(1, entries(2_000)).await.unwrap();

    let mut taken = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        taken.push(file);
    }
    assert!(taken.len() > 20, "there were descriptors to take");
    for _ in 0..200 {
        owner.append(1, entries(2_000)).await.unwrap();
    }
    drop(taken);
    for _ in 0..50 {
        owner.append(1, entries(2_000)).await.unwrap();
    }
    assert!(!ended.load(Ordering::SeqCst));
    let batches: Vec<_> = journal.read(SHARD, Position(0)).try_collect().await.unwrap();
    assert_eq!(batches.len(), 252, "a lead and every append");
}
