//! The effect of opening on a folder.

use super::*;

#[test]
fn an_interrupted_creation_is_repeated() {
    for version in [None, Some(&b""[..]), Some(b"FJ")] {
        let data = tempfile::tempdir().unwrap();
        let journal = data.path().join(JOURNAL_FOLDER);
        std::fs::create_dir_all(journal.join("keyspaces")).unwrap();
        std::fs::write(journal.join("0.jnl"), [0; 4096]).unwrap();
        if let Some(version) = version {
            std::fs::write(journal.join("version"), version).unwrap();
        }
        drop(open(data.path()));
        drop(open(data.path()));
    }
}

#[test]
fn a_creation_interrupted_at_any_step_is_repeated() {
    // The database exists without the row that completes its creation, or everything exists except the durable
    // watermark.
    for steps in 0..3 {
        let data = tempfile::tempdir().unwrap();
        let path = data.path().join(JOURNAL_FOLDER);
        let folder = DataFolder::lock(data.path()).unwrap();
        let store = (steps > 0).then(|| Store::open(&path, Some(folder), &options()).unwrap());
        if steps > 1 {
            store.as_ref().unwrap().make(2).unwrap();
        }
        drop(store);
        drop(open(data.path()));
    }
}

#[tokio::test]
async fn a_folder_that_was_in_use_is_never_made_again() {
    let data = tempfile::tempdir().unwrap();
    let journal = open(data.path());
    journal.acquire_leadership(SHARD, "a").await.unwrap();
    drop(journal);
    let copy = crashed(data.path());
    std::fs::remove_file(copy.path().join(JOURNAL_FOLDER).join("version")).unwrap();
    let refused = try_open(copy.path(), options()).unwrap_err();
    assert!(refused.to_string().contains("version"), "{refused}");
    // It is refused even if the durable watermark is missing too.
    std::fs::remove_file(copy.path().join(WATERMARK_FILE)).unwrap();
    let refused = try_open(copy.path(), options()).unwrap_err();
    assert!(refused.to_string().contains("in use"), "{refused}");

    let copy = crashed(data.path());
    std::fs::remove_dir_all(copy.path().join(JOURNAL_FOLDER)).unwrap();
    let refused = try_open(copy.path(), options()).unwrap_err();
    let expected = "shard 0 ends at position 0, but the witness file shows that it reached 1";
    assert!(refused.to_string().contains(expected), "{refused}");
}

#[test]
fn another_number_of_shards_is_refused() {
    let data = tempfile::tempdir().unwrap();
    drop(open(data.path()));
    let refused = try_open(data.path(), EmbeddedOptions::new(3)).unwrap_err();
    assert!(matches!(refused, JournalError::WrongShards { made: 2, asked: 3 }));
}

#[test]
fn a_folder_in_use_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let _journal = open(data.path());
    let refused = try_open(data.path(), options()).unwrap_err();
    assert!(matches!(&refused, JournalError::InUse(why) if why.contains(&std::process::id().to_string())));
}

#[tokio::test]
async fn a_lost_witness_is_an_operators_decision() {
    let data = tempfile::tempdir().unwrap();
    let journal = open(data.path());
    journal.acquire_leadership(SHARD, "a").await.unwrap();
    drop(journal);
    std::fs::remove_file(data.path().join(WATERMARK_FILE)).unwrap();
    let refused = try_open(data.path(), options()).unwrap_err();
    assert!(matches!(&refused, JournalError::DamagedStore { path, .. } if path.ends_with(WATERMARK_FILE)));
    assert!(data.path().join("journal.before-open").exists(), "the files are kept as they were");

    drop(try_open(data.path(), EmbeddedOptions { reset_watermark: true, ..options() }).unwrap());
    assert!(!data.path().join("journal.before-open").exists());
    assert_eq!(open(data.path()).accepted_now(SHARD).unwrap(), Position(1));
}

#[tokio::test]
async fn positions_recorded_elsewhere_must_exist() {
    let data = tempfile::tempdir().unwrap();
    let journal = open(data.path());
    journal.acquire_leadership(SHARD, "a").await.unwrap();
    let recorded = |position| [(ShardId(1), Position(0), "a checkpoint"), (SHARD, Position(position), "a projection")];
    journal.check_reaches(&recorded(1)).unwrap();
    let refused = journal.check_reaches(&recorded(2)).unwrap_err();
    assert!(matches!(refused, JournalError::Truncated { recorded_by: "a projection", end: Position(1), .. }));
}

#[tokio::test]
async fn only_the_places_of_old_batches_are_checked() {
    let data = tempfile::tempdir().unwrap();
    let journal = open(data.path());
    let mut owner = journal.acquire_leadership(SHARD, "a").await.unwrap();
    for _ in 0..10 {
        owner.append(1, entries(1, 2_000)).await.unwrap();
    }
    let whole = verify::verify(&journal.store, SHARD, u64::MAX).unwrap();
    let newest = verify::verify(&journal.store, SHARD, 4_000).unwrap();
    assert_eq!((newest.tail, newest.batches), (whole.tail, 11));
    assert!(whole.bytes > 20_000 && newest.bytes < 7_000);
}
