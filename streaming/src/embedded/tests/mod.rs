#![allow(clippy::unwrap_used)]

mod damage;
mod group;
mod opening;

use std::{path::Path, time::Duration};

use futures::TryStreamExt;
use tempfile::TempDir;

use super::*;
use crate::{
    batch::Entry,
    conformance::{self, Harness},
};

const SHARD: ShardId = ShardId(0);

/// Returns options with two shards and a durable watermark that is written only at opening and closing.
fn options() -> EmbeddedOptions {
    EmbeddedOptions { watermark_every: Duration::from_secs(3600), ..EmbeddedOptions::new(2) }
}

fn open(data: &Path) -> EmbeddedJournal {
    try_open(data, options()).unwrap()
}

fn try_open(data: &Path, options: EmbeddedOptions) -> Result<EmbeddedJournal, JournalError> {
    EmbeddedJournal::open(DataFolder::lock(data)?, options)
}

fn entries(count: usize, bytes: usize) -> Vec<Entry> {
    let entry = |index: usize| Entry {
        key: Bytes::from(format!("key-{index}")),
        version: 1,
        at_ms: 1,
        wake_at_ms: None,
        command_id: index as u128,
        request_id: 1,
        events: Bytes::from(vec![index as u8; bytes]),
    };
    (0..count).map(entry).collect()
}

async fn read(journal: &EmbeddedJournal, shard: ShardId) -> Vec<Batch> {
    journal.read(shard, Position(0)).try_collect().await.unwrap()
}

/// Copies a data folder as a crash at this moment would leave it, on a disk that has all writes.
fn crashed(data: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    preserve::copy_store(&data.join(JOURNAL_FOLDER), &copy.path().join(JOURNAL_FOLDER)).unwrap();
    if data.join(WATERMARK_FILE).exists() {
        std::fs::copy(data.join(WATERMARK_FILE), copy.path().join(WATERMARK_FILE)).unwrap();
    }
    copy
}

struct InFolder {
    data: TempDir,
    options: EmbeddedOptions,
    open: std::sync::Weak<EmbeddedJournal>,
}

impl Harness for InFolder {
    async fn open(&mut self) -> Arc<dyn Journal> {
        let journal = Arc::new(try_open(self.data.path(), self.options.clone()).unwrap());
        self.open = Arc::downgrade(&journal);
        journal
    }

    async fn inject(&mut self, shard: ShardId, record: Bytes) {
        self.open.upgrade().unwrap().inject(shard, record).await.unwrap();
    }
}

fn harness(options: EmbeddedOptions) -> InFolder {
    InFolder { data: tempfile::tempdir().unwrap(), options, open: std::sync::Weak::new() }
}

#[tokio::test]
async fn it_conforms() {
    conformance::run(async || harness(options())).await;
}

#[tokio::test]
async fn it_conforms_when_it_sorts_into_tables_all_the_time() {
    conformance::run(async || harness(EmbeddedOptions { memtable_bytes: 1, ..options() })).await;
}

#[tokio::test]
async fn a_long_log_reads_back_in_chunks() {
    let data = tempfile::tempdir().unwrap();
    let journal = open(data.path());
    let mut owner = journal.acquire_leadership(SHARD, "a").await.unwrap();
    let appends: Vec<_> = (0..40).map(|_| owner.append(1, entries(10, 20_000))).collect();
    assert!(futures::future::join_all(appends).await.iter().all(Result::is_ok));
    for (from, batches) in [(0, 41), (1, 40), (205, 20), (400, 1), (401, 0)] {
        let read: Vec<Batch> = journal.read(SHARD, Position(from)).try_collect().await.unwrap();
        assert_eq!(read.len(), batches, "from {from}");
    }
    assert!(journal.on_disk_bytes().unwrap() > 8_000_000);
}
