//! Measures how many entries per second the embedded journal makes durable.
//!
//! `cargo run --release -p streaming --example journal_load -- [entries a batch] [batches in flight] [shards] [seconds]
//! [bytes of an entry's events] [folder]`
//!
//! If `JOURNAL_LOAD_KEEP` is set, it continues with the contents of the folder and leaves them there: kill it, and
//! start it again.

#![allow(clippy::unwrap_used)]

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::{StreamExt, stream::FuturesOrdered};
use streaming::{
    Entry, Journal, Position, ShardId,
    embedded::{DataFolder, EmbeddedJournal, EmbeddedOptions},
};

fn argument(at: usize, default: usize) -> usize {
    std::env::args().nth(at).map_or(default, |text| text.parse().unwrap())
}

fn entry(index: u64, bytes: usize) -> Entry {
    Entry {
        key: Bytes::from_static(b"tenant-1/inventory/01890a5d-ac96-774b-bcce-b302099a8057"),
        version: index,
        at_ms: index,
        wake_at_ms: Some(index + 60_000),
        command_id: u128::from(index) * 0x9e37_79b9_7f4a_7c15,
        request_id: 7,
        events: Bytes::from(vec![index as u8; bytes]),
    }
}

async fn write(journal: Arc<EmbeddedJournal>, shard: ShardId, load: Load) -> (u64, Vec<Duration>) {
    let mut owner = journal.acquire_leadership(shard, "load").await.unwrap();
    let (mut in_flight, mut index, mut waits) = (FuturesOrdered::new(), 0, Vec::new());
    let began = Instant::now();
    loop {
        while in_flight.len() < load.in_flight && began.elapsed() < load.duration {
            let entries: Vec<Entry> = (0..load.batch).map(|_| entry(index, load.bytes)).collect();
            index += load.batch;
            let (sent, append) = (Instant::now(), owner.append(1, entries));
            in_flight.push_back(async move { append.await.map(|_| sent.elapsed()) });
        }
        match in_flight.next().await {
            Some(waited) => waits.push(waited.unwrap()),
            None => return (index, waits),
        }
    }
}

#[derive(Clone, Copy)]
struct Load {
    batch: u64,
    in_flight: usize,
    duration: Duration,
    bytes: usize,
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    let load = Load {
        batch: argument(1, 256) as u64,
        in_flight: argument(2, 2),
        duration: Duration::from_secs(argument(4, 5) as u64),
        bytes: argument(5, 70),
    };
    let shards = argument(3, 8) as u16;
    let folder = std::env::args().nth(6).map_or_else(|| std::env::temp_dir().join("journal-load"), PathBuf::from);
    let keep = std::env::var_os("JOURNAL_LOAD_KEEP").is_some();
    if !keep {
        let _ = std::fs::remove_dir_all(&folder);
    }
    let open = || EmbeddedJournal::open(DataFolder::lock(&folder).unwrap(), EmbeddedOptions::new(shards)).unwrap();

    let journal = Arc::new(open());
    let began = Instant::now();
    let writers = (0..shards).map(|shard| tokio::spawn(write(Arc::clone(&journal), ShardId(shard), load)));
    let written = futures::future::join_all(writers).await;
    let elapsed = began.elapsed().as_secs_f64();
    let (mut entries, mut waits) = (0, Vec::new());
    for shard in written {
        let (count, shard_waits) = shard.unwrap();
        entries += count;
        waits.extend(shard_waits);
    }
    waits.sort();
    let at = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    let disk = journal.on_disk_bytes().unwrap() >> 20;
    println!(
        "{:>9.0} entries/s, {:>7.0} batches/s; ms p50 {:.2} p99 {:.2} p99.9 {:.2} max {:.1}; {disk} MiB on disk",
        entries as f64 / elapsed,
        waits.len() as f64 / elapsed,
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0)
    );
    drop(journal);

    let began = Instant::now();
    let journal = open();
    let opened = began.elapsed();
    let (began, mut read) = (Instant::now(), 0);
    for shard in 0..shards {
        let mut log = journal.read(ShardId(shard), Position(0));
        while let Some(batch) = log.next().await {
            read += batch.unwrap().entries().count();
        }
    }
    let elapsed = began.elapsed().as_secs_f64();
    println!("reopened and verified in {opened:.2?}; read {:.0} entries/s", read as f64 / elapsed);
    drop(journal);
    if !keep {
        let _ = std::fs::remove_dir_all(&folder);
    }
}
