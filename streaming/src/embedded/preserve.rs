//! Copies of a journal's files, made before the journal is opened: opening repairs, and a repair can destroy evidence.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

/// The name of the folder beside `journal` that holds the copy during an opening, and afterwards if the journal was
/// refused.
const KEPT: &str = "journal.before-open";

/// A copy of the files from before the opening. Dropping this value keeps the copy; [`release`](Self::release) removes
/// it.
pub(super) struct Preserved {
    path: Option<PathBuf>,
}

impl Preserved {
    /// Copies the files of `journal` into its parent folder. A copy from an earlier refusal is older evidence, so it is
    /// kept and no new copy is made.
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

    /// Returns the path of the copy.
    pub(super) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Removes the copy, because the journal has opened and is sound.
    pub(super) fn release(self) {
        if let Some(path) = self.path
            && let Err(error) = std::fs::remove_dir_all(&path)
        {
            tracing::warn!(path = %path.display(), %error, "copies from before opening could not be removed");
        }
    }
}

/// Copies a fjall folder. Tables and blob files are immutable, so they are hard-linked where possible.
pub(super) fn copy_store(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::create_dir_all(to)?;
    for file in std::fs::read_dir(from)? {
        let file = file?;
        let (source, target) = (file.path(), to.join(file.file_name()));
        if file.file_type()?.is_dir() {
            copy_store(&source, &target)?;
        } else if file.file_name() == "lock" {
            // The lock file belongs to the original folder. Opening the copy creates another.
        } else if !(from.ends_with("tables") || from.ends_with("blobs"))
            || std::fs::hard_link(&source, &target).is_err()
        {
            copy_sparse(&source, &target)?;
        }
    }
    Ok(())
}

/// Copies a file without the zeros that a log is preallocated with.
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
