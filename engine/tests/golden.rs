//! Tests that written data stays readable: every event ever written, and the snapshots of every format.
//!
//! `golden/` has one file for each variant of each aggregate's event, `drop.claimed.hex`, and one for each aggregate's
//! snapshot, `drop.snapshot.1.hex` (with its format). The tests encode fixed samples and compare them with the files
//! byte by byte, and decode every existing file.
//!
//! **A new kind**: add a file with its samples and a `mod` line for it. A kind of the list without samples does not
//! compile.
//!
//! **A new variant**: add its name to the list and a sample, and run once with `FUSION_WRITE_GOLDEN=1`. This writes the
//! missing files and never changes an existing one.
//!
//! **A new optional field in an event**: rename the event's file to `drop.claimed.before-gifts.hex`, add the field to
//! the sample, and write again. Old files are never deleted, because journals keep such events indefinitely.
//!
//! **A changed snapshot**: increment the `SNAPSHOT_FORMAT` of its aggregate and read the older format in its `upcast`.
//! Write again, which adds a file of the new format; the file of the older format stays.
#![allow(clippy::unwrap_used)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use engine::{
    aggregate::Aggregate,
    kinds::{Entity, Kind},
    with_kind,
};

/// The names of an event's variants: a variant that is not listed does not compile, and one without a sample fails.
macro_rules! variants {
    ($event:ident: $($variant:ident),* $(,)?) => {
        impl crate::Named for $event {
            const ALL: &'static [&'static str] = &[$(stringify!($variant)),*];

            fn name(&self) -> &'static str {
                match self {
                    $($event::$variant { .. } => stringify!($variant),)*
                }
            }
        }
    };
}

#[path = "golden/carts.rs"]
mod carts;
#[path = "golden/checkouts.rs"]
mod checkouts;
#[path = "golden/drops.rs"]
mod drops;
#[path = "golden/inventories.rs"]
mod inventories;
#[path = "golden/order_numbers.rs"]
mod order_numbers;
#[path = "golden/orders.rs"]
mod orders;
#[path = "golden/payments.rs"]
mod payments;
#[path = "golden/products.rs"]
mod products;
#[path = "golden/samples.rs"]
mod samples;

/// An event whose variants have names.
pub(crate) trait Named {
    const ALL: &'static [&'static str];

    fn name(&self) -> &'static str;
}

/// An aggregate with samples.
trait Sampled: Entity<Event: Named> {
    fn golden() -> Golden<Self>;
}

/// The samples of an aggregate.
struct Golden<A: Aggregate> {
    /// Consecutive events; the snapshot is of the state after them.
    history: Vec<A::Event>,
    /// Samples of variants that cannot be in that history.
    others: Vec<A::Event>,
    /// Further samples of a variant, for the kinds of values in it.
    sorts: Vec<(&'static str, A::Event)>,
}

fn written<E: minicbor::Encode<()>>(event: &E) -> Vec<u8> {
    minicbor::to_vec(event).unwrap()
}

/// Checks the files of one aggregate, and returns all faults together.
fn check<A: Sampled>() -> Vec<String> {
    let (kind, golden) = (A::KIND.name(), A::golden());
    let mut faults = Vec::new();

    let mut samples: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for event in golden.history.iter().chain(&golden.others) {
        assert_eq!(minicbor::decode::<A::Event>(&written(event)).unwrap(), *event, "{kind} reads as it was written");
        samples.entry(file_name(kind, event.name(), "")).or_insert_with(|| written(event));
    }
    for (sort, event) in &golden.sorts {
        samples.insert(file_name(kind, event.name(), sort), written(event));
    }
    let sampled: BTreeSet<&str> = golden.history.iter().chain(&golden.others).map(Named::name).collect();
    faults.extend(
        A::Event::ALL.iter().filter(|name| !sampled.contains(*name)).map(|name| format!("{kind}: no sample of {name}")),
    );

    let mut state = A::default();
    golden.history.iter().for_each(|event| state.apply(event));
    let snapshot = state.to_snapshot().unwrap();
    for format in [A::SNAPSHOT_FORMAT + 1, u8::MAX, 0] {
        assert!(A::from_snapshot(format, &snapshot).is_err(), "{kind} reads format {format}, which it never had");
    }
    samples.insert(format!("{kind}.snapshot.{}.hex", A::SNAPSHOT_FORMAT), snapshot);

    for (name, bytes) in &samples {
        let path = folder().join(name);
        match fs::read_to_string(&path) {
            Ok(text) if text == to_hex(bytes) => {}
            Ok(text) => faults.push(format!(
                "{name}: written otherwise\n  file {}\n  now  {}",
                text.trim(),
                to_hex(bytes).trim()
            )),
            Err(_) if std::env::var_os("FUSION_WRITE_GOLDEN").is_some() => fs::write(&path, to_hex(bytes)).unwrap(),
            Err(error) => faults.push(format!("{name}: {error}; FUSION_WRITE_GOLDEN=1 writes it")),
        }
    }
    for (name, bytes) in files_of(kind) {
        faults.extend(unreadable::<A>(&name, &bytes).map(|why| format!("{name}: {why}")));
    }
    faults
}

/// Returns the reason why a file does not decode to what its name says.
fn unreadable<A: Sampled>(name: &str, bytes: &[u8]) -> Option<String> {
    let parts: Vec<&str> = name.split('.').collect();
    if parts[1] == "snapshot" {
        let format: u8 = parts[2].parse().unwrap();
        let thawed = match A::from_snapshot(format, bytes) {
            Ok(thawed) => thawed,
            Err(error) => return Some(error.to_string()),
        };
        // A snapshot of an older format is re-encoded in the current format, so the bytes differ.
        let same = format != A::SNAPSHOT_FORMAT || thawed.to_snapshot().unwrap() == bytes;
        return (!same).then(|| "thaws to another state".to_owned());
    }
    let mut decoder = minicbor::Decoder::new(bytes);
    match decoder.decode::<A::Event>() {
        Ok(event) if file_name(A::KIND.name(), event.name(), "") != format!("{}.{}.hex", parts[0], parts[1]) => {
            Some(format!("reads as {}", event.name()))
        }
        Ok(_) if decoder.position() != bytes.len() => Some("has bytes that no one reads".to_owned()),
        Ok(_) => None,
        Err(error) => Some(error.to_string()),
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// Returns the name of a variant's file, `drop.units_asked.hex` for `UnitsAsked`; the name of a sort is added to it.
fn file_name(kind: &str, variant: &str, sort: &str) -> String {
    let mut snake = String::new();
    for letter in variant.chars() {
        if letter.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    if sort.is_empty() { format!("{kind}.{snake}.hex") } else { format!("{kind}.{snake}.{sort}.hex") }
}

/// Returns every file of this aggregate, including older ones.
fn files_of(kind: &str) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap());
    let named = entries.map(|entry| (entry.file_name().into_string().unwrap(), entry.path()));
    let ours = named.filter(|(name, _)| name.ends_with(".hex") && name.split('.').next() == Some(kind));
    ours.map(|(name, path)| (name, from_hex(&fs::read_to_string(path).unwrap()))).collect()
}

/// Encodes bytes in hexadecimal, 32 bytes per line.
fn to_hex(bytes: &[u8]) -> String {
    let line = |line: &[u8]| line.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n";
    bytes.chunks(32).map(line).collect()
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().filter(|letter| !letter.is_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap()).collect()
}

/// A kind without samples does not compile.
#[test]
fn every_kind_stays_readable() {
    let faults: Vec<String> = Kind::ALL.into_iter().flat_map(|kind| with_kind!(kind, A => check::<A>())).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_file_belongs_to_an_aggregate() {
    let known: BTreeSet<&str> = Kind::ALL.into_iter().map(|kind| kind.name()).collect();
    for entry in fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let kind = name.split('.').next().unwrap();
        assert!(!name.ends_with(".hex") || known.contains(kind), "{name} is checked by no one");
    }
}
