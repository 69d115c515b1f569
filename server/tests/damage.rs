//! Damaged data folders: after a `kill -9` under load, files of each kind are changed, truncated, emptied and removed.
//! The program either refuses the folder and names the fault, or serves it with all its data intact.
//!
//! ```text
//!   prepared once ─► a copy for each case ─► damage ─► start ─┬─► refused: the file or shard is named
//!                                                             └─► serves: checker and lists find no fault
//! ```

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod black_box;

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    fs,
    panic::AssertUnwindSafe,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use black_box::{
    Buyer, Sale, Shop, assert_no_panic,
    round::{Round, seed},
    until, until_within,
};
use futures::{FutureExt, StreamExt, future::join_all, stream};
use serde_json::{Value, json};
use streaming::embedded::{DataFolder, EmbeddedJournal, EmbeddedOptions};
use tempfile::TempDir;

/// The number of buyers whose responses are checked in each case, and below it the maximum number of responses in each
/// of the two rounds.
const BUYERS: usize = 6;
const ANSWERS_MAX: u64 = 80;
/// Small enough that a few claims fill it, so that the journal has tables and blob files like a large one.
const MEMTABLE_BYTES: u64 = 16 << 10;
/// The number of shards that the program uses.
const SHARDS: u16 = 8;
/// The number of cases that run at the same time.
const AT_ONCE: usize = 3;
/// How long the lists may take to show accepted changes.
const LISTS_LAG: Duration = Duration::from_secs(5);
/// A watermark that has not changed for so long is complete: it is written with a delay of at most 100 ms.
const WITNESS_RESTS: Duration = Duration::from_millis(300);
/// The number of claims of a drop that is large enough to be kept in a blob file of the snapshots.
const CROWD: usize = 100;
/// The number of adjacent bytes that are flipped.
const FLIPPED: usize = 8;
/// Where bytes are flipped, in sixteenths of the used part of a file.
const FLIPPED_AT: [usize; 3] = [0, 8, 16];

/// Kinds of files that appear only after some time. The test makes sure that they are among the damaged ones.
const KINDS: [&str; 6] = [
    "journal/keyspaces/1/tables/N",
    "journal/keyspaces/1/blobs/N",
    "snapshots/keyspaces/1/tables/N",
    "snapshots/keyspaces/1/blobs/N",
    "fusion.sqlite-wal",
    "sandbox.jsonl",
];

/// How a file is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Damage {
    /// Some bytes are flipped, at so many sixteenths of the used part.
    Flipped(usize),
    Halved,
    Emptied,
    Removed,
}

/// What the program must do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Must {
    /// Refuse: the lost data is stored nowhere else.
    Refuse,
    /// Serve: the lost data can be rebuilt, or is not needed.
    Serve,
    /// Refuse or serve, depending on the bytes.
    DoEither,
}

/// Returns what the program must do after this damage. `None`: the case is not tested.
fn must(kind: &str, damage: Damage) -> Option<Must> {
    use {Damage::*, Must::*};
    Some(match (kind, damage) {
        // A case takes a second. Where a file is not read, or has a single checksum, one kind of damage is enough.
        (
            "LOCK" | "development" | "outbox/.eml" | "fusion.sqlite-shm" | "fusion.sqlite.witness",
            Flipped(0 | 16) | Halved,
        ) => return None,
        (checked, Emptied) if checked.starts_with("snapshots/") => return None,
        // The last group may not have been synced, so no request that depends on it was answered.
        ("journal/.jnl", Flipped(16)) => DoEither,
        ("journal/lock" | "LOCK", _) => Serve,
        (journal, _) if journal.starts_with("journal/") => Refuse,
        // The other one of its two slots is still valid.
        ("journal.witness", Flipped(_) | Halved) => Serve,
        ("journal.witness", _) => Refuse,
        // A cache of the journal.
        (snapshots, _) if snapshots.starts_with("snapshots/") => Serve,
        // SQLite's pages have no checksums, and newer versions of them are in its log.
        ("fusion.sqlite", Flipped(1..)) => return None,
        ("fusion.sqlite", Flipped(_)) => DoEither,
        ("fusion.sqlite", _) => Refuse,
        // Transactions from the damaged one on are lost. The newest may be addresses of requests that were never
        // answered.
        ("fusion.sqlite-wal", Flipped(0) | Halved | Emptied | Removed) => Refuse,
        ("fusion.sqlite-wal", _) => DoEither,
        // An index that SQLite rebuilds, and a watermark that is only a safeguard.
        ("fusion.sqlite-shm" | "fusion.sqlite.witness", _) => Serve,
        ("keys/fingerprints", Removed) => Serve,
        (keys, _) if keys.starts_with("keys/") => Refuse,
        // A ledger without its last lines is still valid: the sandbox moves no money, so it may forget payments.
        ("sandbox.jsonl", Halved | Emptied | Removed) => return None,
        ("sandbox.jsonl", _) => Refuse,
        // Only its existence counts.
        ("development", Removed) => Refuse,
        ("development", _) => Serve,
        // Mails that were sent.
        ("outbox/.eml", _) => Serve,
        (unknown, _) => panic!("{unknown}: what must come of damage to it?"),
    })
}

/// A data folder after a kill, with the responses that clients had got.
struct Prepared {
    shop: Shop,
    rounds: Vec<Round>,
    /// The reader, path and content of each list.
    lists: Vec<(Buyer, &'static str, Vec<Value>)>,
    /// A drop with units left.
    open: Sale,
}

fn data(folder: &TempDir) -> PathBuf {
    folder.path().join("data")
}

/// Copies the folder. `cp` keeps the logs sparse: they consist mostly of holes.
fn copy(from: &Path) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let copied = Command::new("cp").args(["-a", "--sparse=always"]).arg(from).arg(data(&folder)).status().unwrap();
    assert!(copied.success());
    folder
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] });
    files.filter(|path| path.is_file()).collect()
}

/// Returns whether a file of the journal is in use. The kill may have come after a file was written but before it was
/// referenced, or before an obsolete file was removed. Damage to such a file must have no effect.
fn counted(data: &Path) -> impl Fn(&Path) -> bool {
    let opened = copy(data);
    let of_copy = opened.path().join("data");
    // Opening removes unused files at once. A file that it writes under the same name has different content.
    let journal =
        EmbeddedJournal::open(DataFolder::lock(of_copy.clone()).unwrap(), EmbeddedOptions::new(SHARDS)).unwrap();
    let is_kept = |path: &Path| fs::read(of_copy.join(path)).is_ok_and(|now| now == fs::read(data.join(path)).unwrap());
    let below = |path: &PathBuf| path.strip_prefix(data).unwrap().to_owned();
    let kept: BTreeSet<_> = files(data).iter().map(below).filter(|path| is_kept(path)).collect();
    drop(journal);
    let data = data.to_owned();
    move |path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        let current = fs::read(data.join(path.with_file_name("current")));
        match (path.parent().and_then(Path::file_name).and_then(OsStr::to_str), current) {
            _ if name.starts_with(".tmp") => false,
            (Some("tables" | "blobs"), _) => !path.starts_with("journal") || kept.contains(path),
            // Only the tree version whose number is in `current` is in use.
            (_, Ok(current)) if name.starts_with('v') => {
                name == format!("v{}", u64::from_le_bytes(*current.first_chunk().unwrap()))
            }
            _ => true,
        }
    }
}

/// Returns a file of each kind, by its path below the data folder. Of numbered files it is the newest.
fn kinds(data: &Path) -> BTreeMap<String, PathBuf> {
    let digits = |text: &str| text.bytes().filter(u8::is_ascii_digit).count();
    let mut found: Vec<_> = files(data).iter().map(|path| path.strip_prefix(data).unwrap().to_path_buf()).collect();
    let counted = counted(data);
    found.retain(|path| counted(path));
    found.sort_by_key(|path| (digits(path.to_str().unwrap()), path.clone()));
    let kind = |path: &Path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        let name = name.strip_prefix("receipt-").map_or(name, |letter| &letter[letter.find('.').unwrap()..]);
        let name = name.trim_matches(|letter: char| letter.is_ascii_digit());
        path.with_file_name(if name.is_empty() { "N" } else { name }).display().to_string()
    };
    found.into_iter().map(|path| (kind(&path), path)).collect()
}

/// Returns a folder that contains files of every kind, after a kill under load.
async fn prepared() -> Prepared {
    let mut random = fastrand::Rng::with_seed(seed());
    let folder = tempfile::tempdir().unwrap();
    let made = EmbeddedOptions { memtable_bytes: MEMTABLE_BYTES, ..EmbeddedOptions::new(SHARDS) };
    drop(EmbeddedJournal::open(DataFolder::lock(data(&folder)).unwrap(), made).unwrap());
    let mut shop = Shop::over(folder);
    let disk = shop.put_shim();
    shop.begin().await;
    let mut buyers = shop.guests(BUYERS).await;
    let mut first =
        Round::run(&mut shop, &buyers, "FIRST", &mut random, ANSWERS_MAX, async |shop: &mut Shop| shop.kill()).await;
    shop.start().await;
    first.check(&shop).await;
    let guest = shop.api().guest().await;
    let account = json!({"email": "ann@example.com", "password": "correct horse"});
    let session = guest.post("/v1/accounts", &account).await.expect(201);
    let mut account = Buyer { token: session["token"].as_str().unwrap().to_owned(), ..guest };
    let open = shop.sell("OPEN", 1_000, 1_000).await;
    let crowd = shop.guests(CROWD).await;
    join_all(crowd.iter().map(|guest| guest.claim(&open.drop, 1))).await;
    let claim = account.claim(&open.drop, 1).await.expect(201);
    account.pay_to_the_end(&[claim["id"].as_str().unwrap()], "tok_approve", "ann@example.com").await.expect(201);
    // Stopping takes a checkpoint, so that the folder has one with its snapshots.
    shop.stop().await;
    shop.start().await;
    buyers.iter_mut().chain([&mut account]).for_each(|buyer| buyer.api = shop.api().clone());
    let mut lists = Vec::new();
    for path in ["/v1/products?limit=200", "/v1/orders?limit=200"] {
        lists.push((shop.vendor.clone(), path, listed(&shop.vendor, path).await));
    }
    for path in ["/v1/me", "/v1/me/export", "/v1/orders?limit=200", "/v1/checkouts?limit=200"] {
        lists.push((account.clone(), path, listed(&account, path).await));
    }
    let second = Round::run(&mut shop, &buyers, "SECOND", &mut random, ANSWERS_MAX, async |shop: &mut Shop| {
        // No request is answered from here on, and the watermarks cover all that were. Data behind them may be lost.
        disk.hold("journal/");
        until("the witnesses rest", async || {
            let rests = |name| {
                shop.data().join(name).metadata().unwrap().modified().unwrap().elapsed().unwrap() > WITNESS_RESTS
            };
            (rests("journal.witness") && rests("fusion.sqlite.witness")).then_some(())
        })
        .await;
        shop.kill();
        disk.release();
    })
    .await;
    Prepared { shop, rounds: vec![first, second], lists, open }
}

/// Returns the items of a list, or the single object at the path. The server's URL is removed from links, because its
/// port changes.
async fn listed(reader: &Buyer, path: &str) -> Vec<Value> {
    let here = reader.get(path).await.expect(200).to_string().replace(&reader.api.url, "");
    let mut body: Value = serde_json::from_str(&here).unwrap();
    match body.get_mut("items") {
        Some(items) => items.as_array().unwrap().clone(),
        None => vec![body],
    }
}

impl Damage {
    fn all() -> Vec<Self> {
        let flips = FLIPPED_AT.map(Self::Flipped);
        flips.into_iter().chain([Self::Halved, Self::Emptied, Self::Removed]).collect()
    }

    /// Damages a file. Returns `false` if it has no bytes to damage.
    fn apply(self, path: &Path) -> bool {
        let mut bytes = fs::read(path).unwrap();
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        match self {
            Self::Removed => {
                fs::remove_file(path).unwrap();
                return true;
            }
            _ if used == 0 => return false,
            Self::Flipped(sixteenths) => {
                let at = (used * sixteenths / 16).min(used.saturating_sub(FLIPPED));
                bytes[at..used.min(at + FLIPPED)].iter_mut().for_each(|byte| *byte = !*byte);
            }
            Self::Halved => bytes.truncate(used / 2),
            Self::Emptied => bytes.clear(),
        }
        fs::write(path, bytes).unwrap();
        true
    }
}

/// Damages a copy and starts the server on it. Returns its message if it refuses, and `Ok` if it serves and all data is
/// intact.
async fn outcome(prepared: &Prepared, file: &Path, damage: Damage) -> Option<Result<(), String>> {
    let folder = copy(&prepared.shop.data());
    let path = data(&folder).join(file);
    if !damage.apply(&path) {
        return None;
    }
    let mut shop = Shop::over(folder);
    shop.vendor = prepared.shop.vendor.clone();
    if let Err(refused) = shop.try_start().await {
        let words = refused.last_words();
        let what = words.lines().next().unwrap();
        let mut named = path.ancestors().take_while(|named| named.starts_with(shop.data()));
        assert!(named.any(|named| what.contains(named.to_str().unwrap())) || what.contains("shard"), "where? {words}");
        assert!(["restore", "use another", "remove"].iter().any(|word| words.contains(word)), "and now? {words}");
        return Some(Err(words.replace(shop.data().to_str().unwrap(), "…")));
    }
    for round in &prepared.rounds {
        round.clone().check(&shop).await;
    }
    for (reader, path, items) in &prepared.lists {
        let reader = Buyer { api: shop.api().clone(), ..reader.clone() };
        let mut now = Vec::new();
        until_within(LISTS_LAG, &format!("{path} has what it had"), async || {
            now = listed(&reader, path).await;
            items.iter().all(|item| now.contains(item)).then_some(())
        })
        .await;
    }
    let buyer = shop.api().guest().await;
    buyer.claim(&prepared.open.drop, 1).await.expect(201);
    assert_no_panic(&shop.log());
    Some(Ok(()))
}

/// Follows the advice of a refusal for the case without a backup: the lists are rebuilt from the journal.
async fn the_way_out_works(prepared: &Prepared) {
    for lost in [&["fusion.sqlite-wal"][..], &["fusion.sqlite", "fusion.sqlite-wal"]] {
        let mut shop = Shop::over(copy(&prepared.shop.data()));
        shop.vendor = prepared.shop.vendor.clone();
        lost.iter().for_each(|file| fs::remove_file(shop.data().join(file)).unwrap());
        let words = shop.try_start().await.unwrap_err().last_words();
        assert!(words.contains("`fusion rebuild"), "{words}");
        let rebuilt = shop.run(&["rebuild"]);
        assert!(rebuilt.status.success(), "{}", String::from_utf8_lossy(&rebuilt.stderr));
        shop.start().await;
        let (_, path, products) = &prepared.lists[0];
        let ids = |items: &[Value]| items.iter().map(|item| item["id"].clone()).collect::<Vec<_>>();
        let (now, before) = (ids(&listed(&shop.vendor, path).await), ids(products));
        assert!(before.iter().all(|id| now.contains(id)), "{before:?} were there, and now {now:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_data_folder_is_refused_with_its_damage_or_served_without_loss() {
    let began = Instant::now();
    let prepared = prepared().await;
    println!("prepared in {:.1?}", began.elapsed());
    let kinds = kinds(&prepared.shop.data());
    for must_be in KINDS {
        assert!(kinds.contains_key(must_be), "no {must_be} among {kinds:?}");
    }
    let cases: Vec<_> = kinds
        .iter()
        .flat_map(|(kind, file)| Damage::all().into_iter().map(move |damage| (kind, file, damage)))
        .filter_map(|(kind, file, damage)| Some((kind, file, damage, must(kind, damage)?)))
        .collect();
    let outcomes = stream::iter(cases)
        .map(|(kind, file, damage, must)| {
            let tried = AssertUnwindSafe(outcome(&prepared, file, damage)).catch_unwind();
            async move { (format!("{kind} {damage:?}"), must, tried.await) }
        })
        .buffered(AT_ONCE)
        .collect::<Vec<_>>()
        .await;
    let mut wrong = Vec::new();
    for (what, must, outcome) in outcomes {
        let result = match outcome {
            Ok(None) => continue,
            Ok(Some(Ok(()))) if must == Must::Refuse => Err("it serves".to_owned()),
            Ok(Some(Err(words))) if must == Must::Serve => Err(format!("it refuses: {words}")),
            Ok(Some(Ok(()))) => Ok("serves".to_owned()),
            Ok(Some(Err(words))) => Ok(words),
            Err(panic) => Err(panic.downcast_ref::<String>().cloned().unwrap_or_default()),
        };
        println!("{what}: {result:?}");
        wrong.extend(result.err().map(|words| format!("{what}: {words}")));
    }
    the_way_out_works(&prepared).await;
    println!("in {:.1?}", began.elapsed());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
