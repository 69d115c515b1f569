//! A temporary copy of a data folder.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

/// The files and folders that are copied. Mails, locks and sockets are not checked.
const COPIED: [&str; 6] =
    ["journal", "journal.witness", "snapshots", "fusion.sqlite", "fusion.sqlite-wal", "fusion.sqlite-shm"];
const CHUNK_BYTES: usize = 1 << 16;

/// A folder that is removed with its content on drop.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        match std::fs::remove_dir_all(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(path = %self.0.display(), %error, "copy could not be removed");
            }
            _ => {}
        }
    }
}

/// Copies the files that the doctor checks.
pub(super) fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::create_dir_all(to)?;
    for name in COPIED {
        let (source, target) = (from.join(name), to.join(name));
        match std::fs::metadata(&source) {
            Ok(metadata) if metadata.is_dir() => copy_tree(&source, &target)?,
            Ok(_) => copy_file(&source, &target)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy_tree(&entry.path(), &target)?,
            false => copy_file(&entry.path(), &target)?,
        }
    }
    Ok(())
}

/// Copies a file, leaving out the zeros that preallocated logs contain.
fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    let (mut source, mut target) = (File::open(from)?, File::create(to)?);
    let (mut chunk, zeros) = (vec![0; CHUNK_BYTES], vec![0; CHUNK_BYTES]);
    loop {
        let count = source.read(&mut chunk)?;
        if count == 0 {
            break;
        }
        match chunk[..count] == zeros[..count] {
            true => drop(target.seek(SeekFrom::Current(count as i64))?),
            false => target.write_all(&chunk[..count])?,
        }
    }
    target.set_len(source.metadata()?.len())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_copy_has_the_same_bytes_and_is_removed() {
        let (data, scratch) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::create_dir_all(data.path().join("journal/keyspaces/0")).unwrap();
        let mut log = vec![0; 3 * CHUNK_BYTES + 17];
        log[CHUNK_BYTES + 5] = 7;
        std::fs::write(data.path().join("journal/keyspaces/0/0.jnl"), &log).unwrap();
        std::fs::create_dir(data.path().join("outbox")).unwrap();

        let path = scratch.path().join("doctor");
        let removed = Scratch::new(path.clone());
        copy_folder(data.path(), &path.join("copy")).unwrap();
        assert_eq!(std::fs::read(path.join("copy/journal/keyspaces/0/0.jnl")).unwrap(), log);
        assert!(!path.join("copy/outbox").exists());
        drop(removed);
        assert!(!path.exists());
    }
}
