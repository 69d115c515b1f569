//! Repair of a last write that reached the disk only in part before a crash.
//!
//! fjall drops a last write that is incomplete, but refuses to open if the last write is complete and has a wrong
//! checksum. A power cut leaves such a write when the disk had written its last page but not a page in its middle. Each
//! group is synced before the next is written, so only the very last write can be torn, and no request of it was
//! answered. Damage anywhere else must not be cut away.
//!
//! Format: fjall 3's `journal/entry.rs`. `Start` 1 | items u32 | seqno u64; `Item` 2 | type u8 | compression u8 |
//! keyspace u64 | key length u16 | value length u32 | length on disk u32 | key | value; `End` 3 | xxh3 u64 | `FJL\x03`;
//! `Clear` 4 | keyspace u64.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
};

use xxhash_rust::xxh3::Xxh3;

const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const CLEAR: u8 = 4;
const TRAILER: [u8; 4] = *b"FJL\x03";
/// The maximum length of a value. A longer one was not written by the journal: its length is damaged.
const VALUE_BYTES_MAX: u32 = 64 << 20;

/// The result of a walk over a fjall log.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Walk {
    /// Every complete write is intact.
    Whole,
    /// The last write begins at this offset, is complete, and has a wrong checksum.
    TornTail(u64),
    /// A write that begins at this offset has a wrong checksum, and other writes follow it.
    Damaged(u64),
}

/// Returns the newest log of a fjall folder.
pub(super) fn newest_log(folder: &Path) -> io::Result<Option<PathBuf>> {
    Ok(logs(folder)?.pop())
}

/// Returns all logs of a fjall folder, oldest first.
pub(super) fn logs(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut logs = Vec::new();
    for file in std::fs::read_dir(folder)? {
        let path = file?.path();
        let number = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".jnl")?.parse::<u64>().ok());
        if let Some(number) = number {
            logs.push((number, path));
        }
    }
    logs.sort();
    Ok(logs.into_iter().map(|(_, path)| path).collect())
}

/// Walks over a log up to the first write that is not intact.
pub(super) fn walk(log: &Path) -> io::Result<Walk> {
    let mut reader = Counted { inner: BufReader::with_capacity(1 << 16, File::open(log)?), at: 0 };
    let mut payload = Vec::new();
    let mut start = 0;
    let mut hasher = Xxh3::new();
    loop {
        let at = reader.at;
        match next(&mut reader, &mut payload) {
            Ok(Some(Part::Start)) => (start, hasher) = (at, Xxh3::new()),
            Ok(Some(Part::Body)) => hasher.update(&payload),
            Ok(Some(Part::End(checksum))) if checksum == hasher.digest() => {}
            Ok(Some(Part::End(_))) => {
                let follows = matches!(next(&mut reader, &mut payload), Ok(Some(_)));
                return Ok(if follows { Walk::Damaged(start) } else { Walk::TornTail(start) });
            }
            Ok(None) => return Ok(Walk::Whole),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(Walk::Whole),
            Err(error) => return Err(error),
        }
    }
}

/// Cuts a log at the offset of the torn write that [`walk`] found.
pub(super) fn cut(log: &Path, at: u64) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(log)?;
    file.set_len(at)?;
    file.sync_all()
}

enum Part {
    Start,
    Body,
    End(u64),
}

/// Reads the next part. `payload` receives the bytes that the checksum covers. Returns `None` at bytes that are no
/// part: the end of the written log.
fn next(reader: &mut impl Read, payload: &mut Vec<u8>) -> io::Result<Option<Part>> {
    payload.clear();
    let mut tag = [0];
    reader.read_exact(&mut tag)?;
    payload.push(tag[0]);
    match tag[0] {
        START => take(reader, payload, 12).map(|()| Some(Part::Start)),
        CLEAR => take(reader, payload, 8).map(|()| Some(Part::Body)),
        ITEM => {
            take(reader, payload, 20)?;
            let key = u16::from_le_bytes([payload[11], payload[12]]);
            let value = u32::from_le_bytes([payload[17], payload[18], payload[19], payload[20]]);
            if value > VALUE_BYTES_MAX {
                return Ok(None);
            }
            take(reader, payload, usize::from(key) + value as usize).map(|()| Some(Part::Body))
        }
        END => {
            take(reader, payload, 12)?;
            let checksum = payload[1..9].iter().rev().fold(0, |sum, byte| (sum << 8) | u64::from(*byte));
            Ok((payload[9..] == TRAILER).then_some(Part::End(checksum)))
        }
        _ => Ok(None),
    }
}

fn take(reader: &mut impl Read, payload: &mut Vec<u8>, count: usize) -> io::Result<()> {
    let taken = reader.take(count as u64).read_to_end(payload)?;
    if taken < count { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
}

struct Counted<R> {
    inner: R,
    at: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.at += count as u64;
        Ok(count)
    }
}
