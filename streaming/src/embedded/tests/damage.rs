//! Damaged files: opening refuses them, or loses nothing that the durable watermark covers.

use std::{
    collections::BTreeMap,
    fs::OpenOptions,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use super::*;

/// Returns a closed journal with batches in the log, in tables and in blob files, and the batches that it holds.
async fn closed() -> (TempDir, Vec<Batch>) {
    let data = tempfile::tempdir().unwrap();
    let journal = open(data.path());
    let mut owner = journal.acquire_leadership(SHARD, "a").await.unwrap();
    for round in 0..6 {
        owner.append(1, entries(2, 300)).await.unwrap();
        owner.append(1, entries(2, 2_000)).await.unwrap();
        if round < 4 {
            journal.store.rows.rotate_memtable_and_wait().unwrap();
        }
    }
    let log = read(&journal, SHARD).await;
    drop(journal);
    assert!(!refused_or_whole(&crashed(data.path()), &log, "as it is").await, "refused as it is");
    (data, log)
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

/// Returns one file of each kind, the largest, relative to the data folder.
fn kinds(data: &Path) -> BTreeMap<String, PathBuf> {
    let mut found = Vec::new();
    files(data, &mut found);
    found.sort_by_key(|path| std::fs::metadata(path).unwrap().len());
    let kind = |path: &Path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        let folder = path.parent().unwrap().file_name().unwrap().to_str().unwrap();
        let meta = if path.to_str().unwrap().contains("keyspaces/0") { "meta " } else { "" };
        format!("{meta}{folder}/{}", name.trim_matches(|c: char| c.is_ascii_digit()))
    };
    let relative = |path: &Path| path.strip_prefix(data).unwrap().to_path_buf();
    found
        .iter()
        .filter(|path| !path.ends_with("LOCK") && !path.ends_with("lock"))
        .map(|path| (kind(path), relative(path)))
        .collect()
}

/// Opens a damaged copy. A copy that opens must hold all of `log`.
async fn refused_or_whole(copy: &TempDir, log: &[Batch], what: &str) -> bool {
    match try_open(copy.path(), options()) {
        Err(refused) => {
            assert!(!refused.to_string().is_empty());
            true
        }
        Ok(journal) => {
            assert_eq!(read(&journal, SHARD).await, log, "{what}: opened with another history");
            false
        }
    }
}

#[tokio::test]
async fn a_flipped_byte_in_any_file_is_refused_or_harmless() {
    let (data, log) = closed().await;
    let mut refusals = BTreeMap::<String, usize>::new();
    for (kind, file) in kinds(data.path()) {
        let bytes = std::fs::read(data.path().join(&file)).unwrap();
        let used = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0) + 1;
        for at in (0..used).step_by((used / 20).max(1)) {
            let copy = crashed(data.path());
            // Hard-linked files are shared with the original: replace them, never write through them.
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x41;
            std::fs::remove_file(copy.path().join(&file)).unwrap();
            std::fs::write(copy.path().join(&file), flipped).unwrap();
            let refused = refused_or_whole(&copy, &log, &format!("flip of {kind} at {at}")).await;
            *refusals.entry(kind.clone()).or_default() += usize::from(refused);
        }
    }
    for must in ["journal/.jnl", "tables/", "blobs/", "journal/version"] {
        assert!(refusals.get(must).is_some_and(|count| *count > 0), "{must} in {refusals:?}");
    }
}

#[tokio::test]
async fn a_truncated_or_missing_file_is_refused_or_harmless() {
    let (data, log) = closed().await;
    for (kind, file) in kinds(data.path()) {
        let bytes = std::fs::read(data.path().join(&file)).unwrap();
        let used = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0) + 1;
        for len in (0..used).step_by((used / 12).max(1)) {
            let copy = crashed(data.path());
            std::fs::remove_file(copy.path().join(&file)).unwrap();
            std::fs::write(copy.path().join(&file), &bytes[..len]).unwrap();
            refused_or_whole(&copy, &log, &format!("cut of {kind} at {len}")).await;
        }
        let copy = crashed(data.path());
        std::fs::remove_file(copy.path().join(&file)).unwrap();
        refused_or_whole(&copy, &log, &format!("loss of {kind}")).await;
    }
}

/// Returns a journal whose last group is complete in the log except for one byte of a value. The durable watermark is
/// from before that group, or from after it if `recorded_at` is set.
async fn torn(recorded_at: bool) -> (TempDir, usize) {
    let data = tempfile::tempdir().unwrap();
    let journal = open(data.path());
    let mut owner = journal.acquire_leadership(SHARD, "a").await.unwrap();
    owner.append(1, entries(1, 100)).await.unwrap();
    drop(journal);
    let durable_watermark = std::fs::read(data.path().join(WATERMARK_FILE)).unwrap();
    let journal = open(data.path());
    let mut owner = journal.acquire_leadership(SHARD, "a").await.unwrap();
    owner.append(1, entries(1, 5_000)).await.unwrap();
    drop(journal);
    if !recorded_at {
        std::fs::write(data.path().join(WATERMARK_FILE), durable_watermark).unwrap();
    }
    let log = torn::newest_log(&data.path().join(JOURNAL_FOLDER)).unwrap().unwrap();
    let bytes = std::fs::read(&log).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    OpenOptions::new().write(true).open(&log).unwrap().write_all_at(b"torn", end as u64 - 2_000).unwrap();
    (data, end)
}

#[tokio::test]
async fn a_last_write_that_reached_the_disk_in_part_is_dropped() {
    let (data, _) = torn(false).await;
    let journal = open(data.path());
    assert_eq!(read(&journal, SHARD).await.len(), 3, "all before it");
    journal.acquire_leadership(SHARD, "b").await.unwrap();
}

#[tokio::test]
async fn but_not_when_it_was_known_to_be_accepted() {
    let (data, _) = torn(true).await;
    for _ in 0..2 {
        let refused = try_open(data.path(), options()).unwrap_err();
        let expected = Position(4);
        assert!(
            matches!(refused, JournalError::Truncated { end: Position(3), expected: at, .. } if at == expected),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn nor_when_others_follow_it() {
    let (data, end) = torn(false).await;
    let log = torn::newest_log(&data.path().join(JOURNAL_FOLDER)).unwrap().unwrap();
    // The first bytes of another write follow.
    OpenOptions::new().write(true).open(&log).unwrap().write_all_at(&[1; 13], end as u64 + 1).unwrap();
    let refused = try_open(data.path(), options()).unwrap_err();
    assert!(matches!(&refused, JournalError::DamagedStore { path, .. } if path.ends_with(".jnl")), "{refused}");
}

#[tokio::test]
async fn a_scan_reports_the_contents_and_changes_nothing() {
    let (data, log) = closed().await;
    let scratch = tempfile::tempdir().unwrap();
    let report = scan(data.path(), &scratch.path().join("copy")).unwrap();
    assert!(report.is_sound(), "{report:?}");
    let shard = &report.shards[0];
    let end = log.last().unwrap().header.end();
    assert_eq!((shard.first, shard.end, shard.recorded_at), (Position(0), end, Some(end)));
    assert_eq!((shard.batches, shard.entries), (log.len() as u64, 24));
    assert_eq!(report.shards[1].end, Position(0));

    let (data, _) = torn(true).await;
    let log = torn::newest_log(&data.path().join(JOURNAL_FOLDER)).unwrap().unwrap();
    let before = std::fs::read(&log).unwrap();
    let report = scan(data.path(), &scratch.path().join("copy")).unwrap();
    assert_eq!(report.shards[0].problems, ["ends at position 3, but the witness file shows 4"]);
    assert!(before == std::fs::read(&log).unwrap());
    assert!(!scratch.path().join("copy").exists());
}
