//! Copies of a journal's files, taken before they are opened: opening repairs, and a repair can destroy evidence.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

/// What is beside `journal` while it is being opened, and stays when it was refused.
const KEPT: &str = "journal.before-open";

/// The files as they were before opening. Dropped, they stay; [`release`](Self::release) removes them.
pub(super) struct Preserved {
    path: Option<PathBuf>,
}

impl Preserved {
    /// Keeps the files of `journal` in its parent folder. What an earlier refusal kept is older evidence, and stays.
    pub(super) fn take(journal: &Path) -> Self {
        match Self::try_take(journal) {
            Ok(path) => Self { path },
            Err(error) => {
                tracing::warn!(journal = %journal.display(), %error, "files could not be copied before opening them");
                Self { path: None }
            }
        }
    }

    fn try_take(journal: &Path) -> io::Result<Option<PathBuf>> {
        if !journal.try_exists()? {
            return Ok(None);
        }
        let (kept, partial) = (journal.with_file_name(KEPT), journal.with_file_name(format!("{KEPT}.partial")));
        if kept.try_exists()? {
            return Ok(Some(kept));
        }
        if partial.try_exists()? {
            std::fs::remove_dir_all(&partial)?;
        }
        copy_store(journal, &partial)?;
        std::fs::rename(&partial, &kept)?;
        Ok(Some(kept))
    }

    /// Where they are.
    pub(super) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The journal opened and is right: the copies are not needed.
    pub(super) fn release(self) {
        if let Some(path) = self.path
            && let Err(error) = std::fs::remove_dir_all(&path)
        {
            tracing::warn!(path = %path.display(), %error, "copies from before opening could not be removed");
        }
    }
}

/// Copies a fjall folder. Tables and blob files never change, so they are linked where that is possible.
pub(super) fn copy_store(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::create_dir_all(to)?;
    for file in std::fs::read_dir(from)? {
        let file = file?;
        let (source, target) = (file.path(), to.join(file.file_name()));
        if file.file_type()?.is_dir() {
            copy_store(&source, &target)?;
        } else if file.file_name() == "lock" {
            // Its owner's, not ours; opening makes another.
        } else if !(from.ends_with("tables") || from.ends_with("blobs"))
            || std::fs::hard_link(&source, &target).is_err()
        {
            copy_sparse(&source, &target)?;
        }
    }
    Ok(())
}

/// Copies a file, and leaves out the zeros that a log is made with.
fn copy_sparse(from: &Path, to: &Path) -> io::Result<()> {
    let (mut source, mut target) = (File::open(from)?, File::create(to)?);
    let (mut chunk, zeros) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        let count = source.read(&mut chunk)?;
        if count == 0 {
            break;
        }
        if chunk[..count] == zeros[..count] {
            target.seek(SeekFrom::Current(count as i64))?;
        } else {
            target.write_all(&chunk[..count])?;
        }
    }
    target.set_len(source.metadata()?.len())
}
