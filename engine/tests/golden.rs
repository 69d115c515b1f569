//! Tests that written data stays readable: every event ever written, the snapshots of every format, and the commands,
//! replies and rejections that nodes of different versions send to each other.
//!
//! `golden/` has one file for each variant of each aggregate's event, `drop.claimed.hex`, command,
//! `drop.command.claim.hex`, reply, `drop.reply.claim.hex`, and rejection, `drop.rejection.sold_out.hex`, and one for
//! each aggregate's snapshot, `drop.snapshot.1.hex` (with its format). The tests encode fixed samples and compare them
//! with the files byte by byte, and decode every existing file.
//!
//! **A new kind**: add a file with its samples and a `mod` line for it. A kind of the list without samples does not
//! compile.
//!
//! **A new variant**: add its name to the list and a sample, and run once with `FUSION_WRITE_GOLDEN=1`. This writes the
//! missing files and never changes an existing one.
//!
//! **A new optional field**: rename the file of the variant to `drop.claimed.before-gifts.hex`, add the field to the
//! sample, and write again. Old files are never deleted, because journals keep such events indefinitely, and nodes of
//! the version before send such messages during an upgrade.
//!
//! **A changed snapshot**: add a decoder of the format before to the `UPCASTERS` of its aggregate, which makes the current
//! format the next number. Write again, which adds a file of the new format; the file of the older format stays.
#![allow(clippy::unwrap_used)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
    fs,
    path::PathBuf,
};

use engine::{
    aggregate::{Aggregate, Codec},
    kinds::{Entity, Kind},
    with_kind,
};

/// The names of the variants of an enum: a variant that is not listed does not compile, and one without a sample fails.
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

/// Declares the samples of each kind: `golden/<folder of the kind>.rs`.
macro_rules! samples_of_kinds {
    (() $($number:literal, $variant:ident, $name:literal, $module:ident::$aggregate:ident, $ids:ident::$id:ident, $traits:tt;)*) => {
        $(mod $module;)*
    };
}

mod golden {
    engine::for_each_kind!([samples_of_kinds]);
    mod samples;
}

/// An enum whose variants have names.
pub(crate) trait Named {
    const ALL: &'static [&'static str];

    fn name(&self) -> &'static str;
}

/// An aggregate with samples.
trait Sampled: Entity<Event: Named, Command: Named, Reply: Named, Rejection: Named> {
    fn golden() -> Golden<Self>;
}

/// Samples of a message, each with its sort: `""`, or a word for the kinds of values in it.
type Samples<T> = Vec<(&'static str, T)>;

/// The samples of an aggregate.
struct Golden<A: Aggregate> {
    /// Consecutive events; the snapshot is of the state after them.
    history: Vec<A::Event>,
    /// Samples of variants that cannot be in that history.
    others: Vec<A::Event>,
    /// Further samples of a variant, for the kinds of values in it.
    sorts: Samples<A::Event>,
    messages: Messages<A>,
}

/// What travels between nodes.
struct Messages<A: Aggregate> {
    commands: Samples<A::Command>,
    replies: Samples<A::Reply>,
    rejections: Samples<A::Rejection>,
}

fn written<T: minicbor::Encode<()>>(value: &T) -> Vec<u8> {
    minicbor::to_vec(value).unwrap()
}

/// The files that the samples of one aggregate should have, and the errors found so far.
#[derive(Default)]
struct Files {
    samples: BTreeMap<String, Vec<u8>>,
    faults: Vec<String>,
}

impl Files {
    /// Adds a file for each sample under `prefix`. The first sample of a variant and a sort counts.
    fn add<'a, T>(&mut self, prefix: &str, samples: impl Iterator<Item = (&'static str, &'a T)>)
    where
        T: Codec + Named + Debug + 'a,
    {
        let mut sampled = BTreeSet::new();
        for (sort, sample) in samples {
            let bytes = written(sample);
            let read: T = minicbor::decode(&bytes).unwrap();
            assert_eq!(format!("{read:?}"), format!("{sample:?}"), "{prefix} reads as it was written");
            if sort.is_empty() {
                sampled.insert(sample.name());
            }
            self.samples.entry(file_name(prefix, sample.name(), sort)).or_insert(bytes);
        }
        let missing = T::ALL.iter().filter(|name| !sampled.contains(*name));
        self.faults.extend(missing.map(|name| format!("{prefix}: no sample of {name}")));
    }
}

/// Checks the files of one aggregate, and returns all faults together.
fn check<A: Sampled>() -> Vec<String> {
    let (kind, golden) = (A::KIND.name(), A::golden());
    let mut files = Files::default();
    let events = golden.history.iter().chain(&golden.others).map(|event| ("", event));
    files.add(kind, events.chain(sorted(&golden.sorts)));
    files.add(&format!("{kind}.command"), sorted(&golden.messages.commands));
    files.add(&format!("{kind}.reply"), sorted(&golden.messages.replies));
    files.add(&format!("{kind}.rejection"), sorted(&golden.messages.rejections));

    let mut state = A::default();
    golden.history.iter().for_each(|event| state.apply(event));
    let snapshot = state.to_snapshot().unwrap();
    for format in [A::SNAPSHOT_FORMAT + 1, u8::MAX, 0] {
        assert!(A::from_snapshot(format, &snapshot).is_err(), "{kind} reads format {format}, which it never had");
    }
    let Files { mut samples, mut faults } = files;
    for format in 1..A::SNAPSHOT_FORMAT {
        let name = format!("{kind}.snapshot.{format}.hex");
        if !folder().join(&name).exists() {
            faults.push(format!("{name} is missing: nothing proves that the upcaster of format {format} works"));
        }
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

fn sorted<T>(samples: &Samples<T>) -> impl Iterator<Item = (&'static str, &T)> {
    samples.iter().map(|(sort, sample)| (*sort, sample))
}

/// Returns the reason why a file does not decode to what its name says.
fn unreadable<A: Sampled>(name: &str, bytes: &[u8]) -> Option<String> {
    match name.split('.').collect::<Vec<_>>()[..] {
        [_, "snapshot", format, _] => {
            let format: u8 = format.parse().unwrap();
            let thawed = match A::from_snapshot(format, bytes) {
                Ok(thawed) => thawed,
                Err(error) => return Some(error.to_string()),
            };
            // A snapshot of an older format is re-encoded in the current format, so the bytes differ.
            let same = format != A::SNAPSHOT_FORMAT || thawed.to_snapshot().unwrap() == bytes;
            (!same).then(|| "thaws to another state".to_owned())
        }
        [kind, "command", variant, ..] => misread::<A::Command>(&format!("{kind}.command"), variant, bytes),
        [kind, "reply", variant, ..] => misread::<A::Reply>(&format!("{kind}.reply"), variant, bytes),
        [kind, "rejection", variant, ..] => misread::<A::Rejection>(&format!("{kind}.rejection"), variant, bytes),
        [kind, variant, ..] => misread::<A::Event>(kind, variant, bytes),
        _ => Some("has no variant in its name".to_owned()),
    }
}

/// Returns the reason why `bytes` are not the variant of this name.
fn misread<T: Codec + Named>(prefix: &str, variant: &str, bytes: &[u8]) -> Option<String> {
    let mut decoder = minicbor::Decoder::new(bytes);
    match decoder.decode::<T>() {
        Ok(value) if file_name(prefix, value.name(), "") != format!("{prefix}.{variant}.hex") => {
            Some(format!("reads as {}", value.name()))
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
