//! The data folder, which one process owns at a time.

use std::{
    fs::{DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::journal::JournalError;

/// The name of the lock file in a data folder. The file holds the id of the process that owns the folder.
pub const LOCK_FILE: &str = "LOCK";

/// An error while taking ownership of a data folder.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Another process owns the folder. Stop that process first.
    #[error("data folder {path} is in use by process {pid}")]
    InUse {
        /// The folder.
        path: PathBuf,
        /// The id of the owning process; `?` if that process has only just started.
        pid: String,
    },
    /// The lock file is a symbolic link. Writing to it would overwrite the target of the link.
    #[error("{path} is a symbolic link, which is not followed: remove it")]
    Link {
        /// The lock file.
        path: PathBuf,
    },
    /// The folder cannot be created or locked.
    #[error("data folder {path}: {why}")]
    Io {
        /// The folder.
        path: PathBuf,
        /// The error of the operating system.
        why: io::Error,
    },
}

impl From<FolderError> for JournalError {
    fn from(error: FolderError) -> Self {
        match error {
            FolderError::InUse { .. } => Self::InUse(error.to_string()),
            FolderError::Link { .. } | FolderError::Io { .. } => Self::Store(error.to_string()),
        }
    }
}

/// Exclusive ownership of a data folder by this process, until the last clone is dropped. The operating system releases
/// the lock when the process ends, whatever the cause.
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
    /// Locks the folder, and creates it if it does not exist.
    pub fn lock(path: impl AsRef<Path>) -> Result<Self, FolderError> {
        let path = path.as_ref().to_path_buf();
        let lock_file = path.join(LOCK_FILE);
        if lock_file.is_symlink() {
            return Err(FolderError::Link { path: lock_file });
        }
        Self::try_lock(&path).map_err(|why| FolderError::Io { path: path.clone(), why })?.map_err(|pid| {
            let pid = if pid.is_empty() { "?".to_owned() } else { pid };
            FolderError::InUse { path, pid }
        })
    }

    /// Returns the locked folder, or the id of the process that owns it.
    fn try_lock(path: &Path) -> io::Result<Result<Self, String>> {
        // Accessible by its owner only: the folder holds accounts and addresses.
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        // Does not follow a symbolic link, even if it was created after the check in `lock`.
        options.mode(0o600).custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32);
        let mut lock = options.open(path.join(LOCK_FILE))?;
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

    /// Returns the path of the folder.
    pub fn path(&self) -> &Path {
        &self.held.path
    }
}

/// Makes the creation, renaming and removal of files in a folder durable.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_folder_has_one_owner_whose_name_is_reported() {
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

    #[test]
    fn a_lock_file_that_is_a_link_is_refused_and_its_target_left_alone() {
        let parent = tempfile::tempdir().unwrap();
        let (path, target) = (parent.path().join("data"), parent.path().join("precious"));
        std::fs::create_dir(&path).unwrap();
        std::fs::write(&target, "precious").unwrap();
        std::os::unix::fs::symlink(&target, path.join(LOCK_FILE)).unwrap();
        assert!(matches!(DataFolder::lock(&path), Err(FolderError::Link { .. })));
        // A dangling link would create a file elsewhere.
        std::fs::remove_file(&target).unwrap();
        assert!(matches!(DataFolder::lock(&path), Err(FolderError::Link { .. })));
        assert!(!target.exists());
    }

    #[test]
    fn a_new_folder_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt;
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        let _folder = DataFolder::lock(&path).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&path.join(LOCK_FILE))), (0o700, 0o600));
    }
}
