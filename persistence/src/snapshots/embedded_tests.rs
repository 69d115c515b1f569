#![allow(clippy::unwrap_used)]

use tempfile::TempDir;

use super::*;
use crate::snapshots::conformance::{self, Harness};

struct InFolder {
    data: TempDir,
    open: Option<EmbeddedSnapshots>,
    crashed: Option<TempDir>,
}

impl Harness for InFolder {
    async fn open(&mut self) -> Arc<dyn SnapshotStore> {
        self.open = None;
        let store = EmbeddedSnapshots::open(self.data.path()).unwrap();
        self.open = Some(store.clone());
        Arc::new(store)
    }

    async fn crash(&mut self) -> Arc<dyn SnapshotStore> {
        let copy = tempfile::tempdir().unwrap();
        copy_folder(&self.data.path().join(SNAPSHOTS_FOLDER), &copy.path().join(SNAPSHOTS_FOLDER));
        let store = EmbeddedSnapshots::open(copy.path()).unwrap();
        self.crashed = Some(copy);
        Arc::new(store)
    }

    async fn damage(&mut self, key: &[u8], version: u64) {
        let store = &self.open.as_ref().unwrap().store;
        let range = row::snapshot_key(key, version, 0)..=row::snapshot_key(key, version, u64::MAX);
        for guard in store.rows.range(range) {
            let (key, value) = guard.into_inner().unwrap();
            let mut value = value.to_vec();
            *value.last_mut().unwrap() ^= 1;
            store.insert(key.to_vec(), value).unwrap();
        }
    }
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        let target = to.join(file.file_name());
        if file.file_type().unwrap().is_dir() {
            copy_folder(&file.path(), &target);
        } else if file.file_name() != "lock" {
            std::fs::copy(file.path(), target).unwrap();
        }
    }
}

fn logs(data: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(data.join(SNAPSHOTS_FOLDER)).unwrap().map(|file| file.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "jnl")).collect()
}

fn snapshot(version: u64) -> Snapshot {
    let (key, bytes) = (Bytes::from_static(b"cart"), Bytes::from(vec![version as u8; 9_000]));
    Snapshot { key, version, position: version, rules: 1, format: 1, bytes }
}

fn checkpoint(position: u64) -> Checkpoint {
    Checkpoint { position, rules: 1, format: 0, bytes: Bytes::from_static(b"agenda") }
}

#[tokio::test]
async fn it_conforms() {
    conformance::run(async || InFolder { data: tempfile::tempdir().unwrap(), open: None, crashed: None }).await;
}

/// Returns a folder with two checkpoints and a snapshot before each.
async fn written() -> TempDir {
    let data = tempfile::tempdir().unwrap();
    let store = EmbeddedSnapshots::open(data.path()).unwrap();
    for version in [1, 2] {
        store.put(snapshot(version)).await.unwrap();
        store.put_checkpoint(0, checkpoint(version + 1)).await.unwrap();
    }
    data
}

#[tokio::test]
async fn a_checkpoint_is_never_there_without_its_snapshots() {
    let data = written().await;
    let log = logs(data.path()).remove(0);
    let bytes = std::fs::read(&log).unwrap();
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let (mut newest, mut older) = (0, 0);
    for at in (0..used).step_by(used / 40) {
        let copy = tempfile::tempdir().unwrap();
        copy_folder(data.path(), copy.path());
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x41;
        std::fs::write(copy.path().join(SNAPSHOTS_FOLDER).join(log.file_name().unwrap()), flipped).unwrap();
        let store = EmbeddedSnapshots::open(copy.path()).unwrap();
        match store.newest_checkpoint(0, None).await.unwrap() {
            Some(found) if found.position == 3 => newest += 1,
            Some(found) if found.position == 2 => older += 1,
            other => panic!("flip at {at}: {other:?}"),
        }
        let found = store.newest(Bytes::from_static(b"cart"), None).await.unwrap();
        assert_eq!(found, Some(snapshot(2)), "flip at {at}");
    }
    assert!(older > 0, "{newest} kept the newest checkpoint");
}

#[tokio::test]
async fn an_interrupted_creation_is_repeated() {
    let data = tempfile::tempdir().unwrap();
    let path = data.path().join(SNAPSHOTS_FOLDER);
    std::fs::create_dir_all(path.join("keyspaces")).unwrap();
    std::fs::write(path.join("0.jnl"), [0; 64]).unwrap();
    EmbeddedSnapshots::open(data.path()).unwrap();
}

#[tokio::test]
async fn damaged_tables_are_reported_and_can_be_moved_aside() {
    let data = written().await;
    let tables = data.path().join(SNAPSHOTS_FOLDER).join("keyspaces/1/tables");
    for table in std::fs::read_dir(&tables).unwrap() {
        std::fs::remove_file(table.unwrap().path()).unwrap();
    }
    let refused = EmbeddedSnapshots::open(data.path()).unwrap_err();
    assert!(matches!(refused, SnapshotStoreError::Damaged { .. }), "{refused}");
    let aside = EmbeddedSnapshots::set_aside(data.path()).unwrap();
    assert!(aside.ends_with("snapshots.damaged"));
    let store = EmbeddedSnapshots::open(data.path()).unwrap();
    assert_eq!(store.newest_checkpoint(0, None).await.unwrap(), None);
    assert!(store.on_disk_bytes().unwrap() > 0);
}

/// `cargo test --release -p persistence -- --ignored --nocapture how_fast`
#[tokio::test]
#[ignore = "a measurement"]
async fn how_fast() {
    let data = tempfile::tempdir().unwrap();
    let store = EmbeddedSnapshots::open(data.path()).unwrap();
    for (count, size) in [(10_000_u64, 1_000), (1_000, 20_000), (4, 8 << 20)] {
        let began = Instant::now();
        for version in 0..count {
            let key = Bytes::from(version.to_be_bytes().to_vec());
            let state: Vec<u8> = (0..size).map(|at: usize| (at.wrapping_mul(0x9e37_79b9) >> 13) as u8).collect();
            store.put(Snapshot { key, bytes: state.into(), ..snapshot(version) }).await.unwrap();
        }
        let (put, began) = (began.elapsed(), Instant::now());
        store.put_checkpoint(0, checkpoint(count)).await.unwrap();
        println!("{count} snapshots of {size} B: put {put:.1?}, checkpoint {:.1?}", began.elapsed());
    }
}

/// `cargo test -p persistence -- --ignored --nocapture disk_of_states_that_change`
///
/// Prints the size on disk while states of many sizes are overwritten repeatedly, as passivation and checkpoints do.
#[tokio::test]
#[ignore = "a measurement"]
async fn disk_of_states_that_change() {
    const ENTITIES: u64 = 200;
    const ROUNDS: u64 = 120;
    let data = tempfile::tempdir().unwrap();
    let store = EmbeddedSnapshots::open(data.path()).unwrap();
    let (mut written, mut kept, mut greatest) = (0_u64, 0_u64, 0_u64);
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 1..=ROUNDS {
        kept = 0;
        for entity in 0..ENTITIES {
            let size = [300, 2_000, 20_000, 60_000][entity as usize % 4];
            let state: Vec<u8> = std::iter::repeat_with(|| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                random as u8
            })
            .take(size)
            .collect();
            written += size as u64;
            kept += 2 * size as u64;
            let key = Bytes::from(entity.to_be_bytes().to_vec());
            let place = |version| SnapshotAt { version, position: version };
            store.put(Snapshot { key: key.clone(), bytes: state.into(), ..snapshot(round) }).await.unwrap();
            store.prune(key, place(round - 1)).await.unwrap();
        }
        store.put_checkpoint(0, checkpoint(round)).await.unwrap();
        store.prune_checkpoints(0, round - 1).await.unwrap();
        let on_disk = store.on_disk_bytes().unwrap();
        greatest = greatest.max(on_disk);
        if round % 10 == 0 {
            println!(
                "round {round}: written {} MB, kept {} MB, on disk {} MB",
                written >> 20,
                kept >> 20,
                on_disk >> 20
            );
        }
    }
    assert!(greatest < 8 * kept + 3 * LOG_BYTES_MAX, "{greatest} bytes for {kept}");
}
