//! Verification of fjall's files before fjall opens them.
//!
//! fjall trusts some of its files too much for a damaged disk: it allocates a length that a flipped bit has changed
//! before it checks anything, and it deletes a keyspace whose name it cannot find. Its files contain the checksums that
//! are needed to verify them first:
//!
//! ```text
//!  keyspaces/<n>/current ──► v<id>, with its xxh3-128
//!                 v<id>  ──► tables/<id> and blobs/<id>, each with its xxh3-128
//! ```
//!
//! `current`: id u64 | xxh3-128 | 0 (lsm-tree's `version/persist.rs`). `v<id>`, tables and blob files are archives of
//! the `sfa` crate: sections, then a table of contents `TOC!` | count u32 | (position u64 | length u64 | name length
//! u16 | name)*, then the trailer `SFA!` | 1 | 0 | xxh3-128 of the table of contents | its position u64 | its length
//! u64.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use xxhash_rust::xxh3::{Xxh3, xxh3_128};

const TRAILER_BYTES: u64 = 38;
/// A table of contents lists only a handful of sections.
const CONTENTS_BYTES_MAX: u64 = 64 << 10;
/// A manifest lists the tables and blob files of a keyspace, with 33 bytes for each.
const MANIFEST_BYTES_MAX: u64 = 256 << 20;

/// A reason not to open a fjall folder.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// A file is missing or differs from what was written.
    #[error("{}: {why}", .path.display())]
    Damaged {
        /// The damaged file.
        path: PathBuf,
        /// A description of the damage.
        why: String,
    },
    /// The operating system does not allow the file to be read, for a reason outside the journal. Fix the cause and
    /// retry.
    #[error("{}: {why}", .path.display())]
    Unreadable {
        /// The unreadable file.
        path: PathBuf,
        /// The error of the operating system.
        why: io::Error,
    },
}

impl FilesError {
    fn new(path: &Path, why: impl ToString) -> Self {
        Self::Damaged { path: path.to_path_buf(), why: why.to_string() }
    }

    fn io(path: &Path, why: io::Error) -> Self {
        use io::ErrorKind::{IsADirectory, NotADirectory, NotFound, UnexpectedEof};
        match why.kind() {
            NotFound | UnexpectedEof | IsADirectory | NotADirectory => Self::new(path, why),
            _ => Self::Unreadable { path: path.to_path_buf(), why },
        }
    }
}

/// A table or a blob file of a keyspace.
struct Part {
    path: PathBuf,
    id: u64,
    checksum: u128,
    bytes: u64,
}

/// Checks the files of a fjall folder that no process has open: the frame of every file, and every byte of the newest
/// `bytes_max` bytes. fjall's logs are not checked here.
pub fn check_files(folder: &Path, bytes_max: u64) -> Result<(), FilesError> {
    let keyspaces = folder.join("keyspaces");
    if !keyspaces.is_dir() {
        return Ok(());
    }
    check_keyspaces(&keyspaces, bytes_max)
}

fn check_keyspaces(keyspaces: &Path, bytes_max: u64) -> Result<(), FilesError> {
    let mut parts = Vec::new();
    for folder in list(keyspaces)? {
        parts.extend(parts_of(&folder)?);
    }
    // The keyspace that holds the names is checked first whatever its age: fjall deletes a keyspace without a name.
    parts.sort_by_key(|part| (!part.path.starts_with(keyspaces.join("0")), u64::MAX - part.id));
    let mut left = bytes_max;
    for part in parts {
        check_frame(&part.path)?;
        if part.bytes <= left {
            left -= part.bytes;
            check_whole(&part)?;
        }
    }
    Ok(())
}

fn list(folder: &Path) -> Result<Vec<PathBuf>, FilesError> {
    let files = std::fs::read_dir(folder).and_then(|files| files.map(|file| Ok(file?.path())).collect());
    let mut files: Vec<PathBuf> = files.map_err(|error| FilesError::io(folder, error))?;
    files.sort();
    Ok(files)
}

/// Returns the files that the keyspace currently consists of. Other files are left over from a crash; fjall removes
/// them.
fn parts_of(folder: &Path) -> Result<Vec<Part>, FilesError> {
    let current = folder.join("current");
    let current_bytes = match std::fs::read(&current) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let used = |kind: &str| std::fs::read_dir(folder.join(kind)).is_ok_and(|mut files| files.next().is_some());
            // Without this file fjall assumes that the creation of the keyspace was interrupted, and deletes the
            // keyspace.
            return if used("tables") || used("blobs") { Err(FilesError::io(&current, error)) } else { Ok(Vec::new()) };
        }
        Err(error) => return Err(FilesError::io(&current, error)),
    };
    let mut fields = Fields { bytes: &current_bytes };
    let (Some(id), Some(checksum)) = (fields.u64(), fields.u128()) else {
        return Err(FilesError::new(&current, "it is cut short"));
    };
    let manifest = folder.join(format!("v{id}"));
    let bytes = std::fs::metadata(&manifest).map_err(|error| FilesError::io(&manifest, error))?.len();
    if bytes > MANIFEST_BYTES_MAX {
        return Err(FilesError::new(&manifest, format!("it has {bytes} bytes")));
    }
    let bytes = std::fs::read(&manifest).map_err(|error| FilesError::io(&manifest, error))?;
    if xxh3_128(&bytes) != checksum {
        return Err(FilesError::new(&manifest, "its checksum is not the one in `current`"));
    }
    let listed = listed(&bytes).ok_or_else(|| FilesError::new(&manifest, "it cannot be read"))?;
    let part = |(kind, id, checksum): (&str, u64, u128)| {
        let path = folder.join(kind).join(id.to_string());
        let bytes = std::fs::metadata(&path).map_err(|error| FilesError::io(&path, error))?.len();
        Ok(Part { path, id, checksum, bytes })
    };
    listed.into_iter().map(part).collect()
}

/// Returns the tables and blob files that a manifest lists. The format is that of lsm-tree's `version/recovery.rs`.
fn listed(manifest: &[u8]) -> Option<Vec<(&'static str, u64, u128)>> {
    let at = manifest.len().checked_sub(TRAILER_BYTES as usize)?;
    let mut trailer = Fields { bytes: manifest.get(at + 22..)? };
    let contents = manifest.get(trailer.u64()? as usize..at)?;
    let section = |wanted: &[u8]| {
        let mut fields = Fields { bytes: contents.get(4..)? };
        for _ in 0..fields.u32()? {
            let (position, bytes) = (fields.u64()? as usize, fields.u64()? as usize);
            let name_bytes = fields.u16()?;
            if fields.take(usize::from(name_bytes))? == wanted {
                return Some(Fields { bytes: manifest.get(position..position.checked_add(bytes)?)? });
            }
        }
        None
    };
    let mut parts = Vec::new();
    let mut tables = section(b"tables")?;
    for _level in 0..tables.u8()? {
        for _run in 0..tables.u8()? {
            for _table in 0..tables.u32()? {
                let (id, _, checksum, _) = (tables.u64()?, tables.u8()?, tables.u128()?, tables.u64()?);
                parts.push(("tables", id, checksum));
            }
        }
    }
    let mut blobs = section(b"blob_files")?;
    for _file in 0..blobs.u32()? {
        let (id, _, checksum) = (blobs.u64()?, blobs.u8()?, blobs.u128()?);
        parts.push(("blobs", id, checksum));
    }
    Some(parts)
}

/// Checks that the table of contents of a file matches the checksum in its trailer.
fn check_frame(path: &Path) -> Result<(), FilesError> {
    let io = |error| FilesError::io(path, error);
    let file = File::open(path).map_err(io)?;
    let bytes = file.metadata().map_err(io)?.len();
    let at = bytes.checked_sub(TRAILER_BYTES).ok_or_else(|| FilesError::new(path, "it is cut short"))?;
    let mut trailer = [0; TRAILER_BYTES as usize];
    file.read_exact_at(&mut trailer, at).map_err(io)?;
    let mut fields = Fields { bytes: &trailer };
    let broken = || FilesError::new(path, "it does not end as it was written");
    let (magic, _, checksum, position) = (fields.take(4), fields.u16(), fields.u128(), fields.u64());
    let (Some(b"SFA!"), Some(checksum), Some(position)) = (magic, checksum, position) else {
        return Err(broken());
    };
    let contents_bytes = at.checked_sub(position).filter(|bytes| *bytes <= CONTENTS_BYTES_MAX).ok_or_else(broken)?;
    let mut contents = vec![0; contents_bytes as usize];
    file.read_exact_at(&mut contents, position).map_err(io)?;
    if xxh3_128(&contents) == checksum { Ok(()) } else { Err(broken()) }
}

fn check_whole(part: &Part) -> Result<(), FilesError> {
    let hash = || {
        let (mut file, mut hasher, mut chunk) = (File::open(&part.path)?, Xxh3::new(), vec![0; 1 << 18]);
        loop {
            match file.read(&mut chunk)? {
                0 => return Ok(hasher.digest128()),
                count => hasher.update(&chunk[..count]),
            }
        }
    };
    let found = hash().map_err(|error: io::Error| FilesError::io(&part.path, error))?;
    if found == part.checksum { Ok(()) } else { Err(FilesError::new(&part.path, "its checksum is not what it was")) }
}

struct Fields<'b> {
    bytes: &'b [u8],
}

impl<'b> Fields<'b> {
    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(count)?;
        self.bytes = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn u128(&mut self) -> Option<u128> {
        self.array().map(u128::from_le_bytes)
    }
}
