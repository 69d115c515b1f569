//! The data folder, which one process owns at a time.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::journal::JournalError;

/// The name of the lock file in a data folder. It holds the id of the process that has the folder.
pub const LOCK_FILE: &str = "LOCK";

/// A data folder that could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Another process has it. Stop that process first.
    #[error("data folder {path} is in use by process {pid}")]
    InUse {
        /// The folder.
        path: PathBuf,
        /// Who has it; `?` while that process is just starting.
        pid: String,
    },
    /// It cannot be made or locked.
    #[error("data folder {path}: {why}")]
    Io {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        why: io::Error,
    },
}

impl From<FolderError> for JournalError {
    fn from(error: FolderError) -> Self {
        match error {
            FolderError::InUse { .. } => Self::InUse(error.to_string()),
            FolderError::Io { .. } => Self::Store(error.to_string()),
        }
    }
}

/// A data folder that this process alone has, until the last clone of this is gone. The system releases it with the
/// process, however that ends.
#[derive(Debug, Clone)]
pub struct DataFolder {
    held: Arc<Held>,
}

#[derive(Debug)]
struct Held {
    path: PathBuf,
    _lock: File,
}

impl DataFolder {
    /// Takes the folder, and makes it if there is none.
    pub fn lock(path: impl AsRef<Path>) -> Result<Self, FolderError> {
        let path = path.as_ref().to_path_buf();
        Self::try_lock(&path).map_err(|why| FolderError::Io { path: path.clone(), why })?.map_err(|pid| {
            let pid = if pid.is_empty() { "?".to_owned() } else { pid };
            FolderError::InUse { path, pid }
        })
    }

    /// Itself, or the id of the process that has it.
    fn try_lock(path: &Path) -> io::Result<Result<Self, String>> {
        std::fs::create_dir_all(path)?;
        let file = path.join(LOCK_FILE);
        let mut lock = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(file)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                (&mut lock).take(32).read_to_string(&mut pid)?;
                return Ok(Err(pid.trim().to_owned()));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        lock.set_len(0)?;
        writeln!(lock, "{}", std::process::id())?;
        Ok(Ok(Self { held: Arc::new(Held { path: path.to_path_buf(), _lock: lock }) }))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.held.path
    }
}

/// Makes what was created, renamed or removed in a folder durable.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_folder_has_one_owner_who_is_named_to_others() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        let folder = DataFolder::lock(&path).unwrap();
        let refused = DataFolder::lock(&path).unwrap_err();
        assert!(matches!(&refused, FolderError::InUse { pid, .. } if *pid == std::process::id().to_string()));
        assert!(refused.to_string().contains(&format!("in use by process {}", std::process::id())));

        let clone = folder.clone();
        drop(folder);
        assert!(DataFolder::lock(&path).is_err(), "a clone still has it");
        drop(clone);
        DataFolder::lock(&path).unwrap();
    }
}
