//! Checks that only the owner can read the data folder, and that nobody else has put anything into it.

use std::{
    fs::{self, Metadata, Permissions},
    io,
    os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use crate::app::KEYS_FOLDER;

/// The permission bits of the group and of others.
const OTHERS: u32 = 0o077;
/// The bits among them that allow writing.
const OTHERS_WRITE: u32 = 0o022;
/// The folder that file systems create in the root of a volume, for `fsck`.
const LOST_AND_FOUND: &str = "lost+found";

/// A data folder that must not be used as it is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PrivacyError {
    /// A file belongs to another user.
    #[error(
        "{} belongs to user {owner}, but this process runs as user {own}: run it as that user, or, if the file is yours, \
         give it to user {own} with chown",
        .path.display()
    )]
    Foreign {
        /// The path.
        path: PathBuf,
        /// The owner.
        owner: u32,
        /// The user of this process.
        own: u32,
    },
    /// Other users can write to it, and may have planted anything there.
    #[error(
        "{} is writable by other users (mode {mode:04o}): check that everything in it is yours, then run: chmod {} {}",
        .path.display(), if *.is_folder { "700" } else { "600" }, .path.display()
    )]
    Writable {
        /// The path.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// Whether it is a folder.
        is_folder: bool,
    },
    /// A symbolic link.
    #[error("{} is a symbolic link, which is not followed: put the file itself there, or remove the link", .0.display())]
    Link(PathBuf),
    /// Neither a file nor a folder.
    #[error("{} is neither a file nor a folder: remove it", .0.display())]
    Special(PathBuf),
    /// The metadata or permissions cannot be read or changed.
    #[error("{}: {why}", .path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// The system's error.
        why: io::Error,
    },
}

/// Restricts files created by this process to their owner.
pub(crate) fn restrict_new_files() {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(OTHERS));
}

/// Checks that a data folder and its content belong to this user, and removes the permissions of other users.
///
/// Refuses whatever could have been planted: files of other users, links, and folders that others could write to. Files
/// that others could only read, as in folders of earlier versions, are corrected. Key files are not: a key that others
/// could read may be compromised, which the operator must judge. A missing folder is no error.
pub(crate) fn secure(data_dir: &Path) -> Result<(), PrivacyError> {
    let own = rustix::process::geteuid().as_raw();
    // A link to the folder itself is allowed: the operator chose the path.
    let found = match fs::metadata(data_dir) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found.map_err(|why| io_error(data_dir, why))?,
    };
    let is_empty = || fs::read_dir(data_dir).is_ok_and(|mut entries| entries.next().is_none());
    check(data_dir, &found, own, is_empty)?;
    secure_entries(data_dir, own, true)
}

fn secure_entries(folder: &Path, own: u32, is_root: bool) -> Result<(), PrivacyError> {
    let entries = fs::read_dir(folder).map_err(|why| io_error(folder, why))?;
    for entry in entries {
        let path = entry.map_err(|why| io_error(folder, why))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if is_root && name == LOST_AND_FOUND {
            continue;
        }
        let found = match fs::symlink_metadata(&path) {
            // A running server removes files.
            Err(why) if why.kind() == io::ErrorKind::NotFound => continue,
            found => found.map_err(|why| io_error(&path, why))?,
        };
        let kind = found.file_type();
        if kind.is_symlink() {
            return Err(PrivacyError::Link(path));
        }
        if kind.is_socket() {
            continue;
        }
        if !kind.is_file() && !kind.is_dir() {
            return Err(PrivacyError::Special(path));
        }
        let is_key = folder.file_name().is_some_and(|folder| folder == KEYS_FOLDER) && kind.is_file();
        if is_key {
            check_owner(&path, &found, own)?;
            continue;
        }
        check(&path, &found, own, || false)?;
        if kind.is_dir() {
            secure_entries(&path, own, false)?;
        }
    }
    Ok(())
}

fn check_owner(path: &Path, found: &Metadata, own: u32) -> Result<(), PrivacyError> {
    match found.uid() {
        owner if owner != own => Err(PrivacyError::Foreign { path: path.to_owned(), owner, own }),
        _ => Ok(()),
    }
}

fn check(path: &Path, found: &Metadata, own: u32, is_empty: impl Fn() -> bool) -> Result<(), PrivacyError> {
    check_owner(path, found, own)?;
    let mode = found.permissions().mode() & 0o7777;
    if mode & OTHERS == 0 {
        return Ok(());
    }
    // A non-empty folder that others could write to may contain planted files, and a file that everyone could write to
    // may have been changed. Files that only the group could write to are accepted: earlier versions created such files
    // under a common umask.
    if found.is_dir() && mode & OTHERS_WRITE != 0 && !is_empty() {
        return Err(PrivacyError::Writable { path: path.to_owned(), mode, is_folder: true });
    }
    if found.is_file() && mode & 0o002 != 0 {
        return Err(PrivacyError::Writable { path: path.to_owned(), mode, is_folder: false });
    }
    tracing::info!(path = %path.display(), mode = format!("{mode:04o}"), "removed the read permission of other users");
    fs::set_permissions(path, Permissions::from_mode(mode & !OTHERS)).map_err(|why| io_error(path, why))
}

fn io_error(path: &Path, why: io::Error) -> PrivacyError {
    PrivacyError::Io { path: path.to_owned(), why }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Returns a folder as an earlier version created it under a common umask.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for inner in ["keys", "journal/0"] {
            fs::create_dir_all(folder.path().join(inner)).unwrap();
        }
        for (file, mode) in
            [("LOCK", 0o644), ("fusion.sqlite", 0o664), ("journal/0/1.log", 0o644), ("keys/secret", 0o600)]
        {
            fs::write(folder.path().join(file), "x").unwrap();
            set(&folder.path().join(file), mode);
        }
        for (inner, mode) in [("journal/0", 0o755), ("journal", 0o755), ("keys", 0o700), (".", 0o755)] {
            set(&folder.path().join(inner), mode);
        }
        folder
    }

    fn set(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn files_readable_by_others_are_made_private() {
        let folder = folder();
        secure(folder.path()).unwrap();
        for (inner, expected) in [
            (".", 0o700),
            ("journal", 0o700),
            ("journal/0", 0o700),
            ("LOCK", 0o600),
            ("fusion.sqlite", 0o600),
            ("journal/0/1.log", 0o600),
        ] {
            assert_eq!(mode(&folder.path().join(inner)), expected, "{inner}");
        }
        secure(&folder.path().join("nothing")).unwrap();
    }

    #[test]
    fn a_folder_that_others_could_write_to_is_refused_unless_it_is_empty() {
        for (inner, open) in [(".", 0o777), (".", 0o775), ("keys", 0o707), ("journal/0", 0o757)] {
            let folder = folder();
            let path = folder.path().join(inner);
            set(&path, open);
            let refused = secure(folder.path()).unwrap_err();
            assert!(matches!(&refused, PrivacyError::Writable { .. }), "{inner} {open:o}: {refused}");
            assert!(refused.to_string().contains("chmod 700"), "{refused}");
            set(&path, 0o700);
            secure(folder.path()).unwrap();
        }
        let empty = tempfile::tempdir().unwrap();
        set(empty.path(), 0o777);
        secure(empty.path()).unwrap();
        assert_eq!(mode(empty.path()), 0o700);
    }

    #[test]
    fn a_world_writable_file_is_refused() {
        let folder = folder();
        set(&folder.path().join("fusion.sqlite"), 0o666);
        assert!(matches!(secure(folder.path()), Err(PrivacyError::Writable { is_folder: false, .. })));
    }

    #[test]
    fn links_are_refused_wherever_they_are_and_wherever_they_lead() {
        for inner in ["LOCK", "keys/secret", "journal/0/2.log", "keys/fingerprints"] {
            let folder = folder();
            let path = folder.path().join(inner);
            let _ = fs::remove_file(&path);
            std::os::unix::fs::symlink("/nowhere", &path).unwrap();
            let refused = secure(folder.path()).unwrap_err();
            assert!(matches!(&refused, PrivacyError::Link(link) if *link == path), "{refused}");
        }
    }

    #[test]
    fn a_pipe_is_refused() {
        let folder = folder();
        let path = folder.path().join("sandbox.jsonl");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        assert!(matches!(secure(folder.path()), Err(PrivacyError::Special(special)) if special == path));
    }

    #[test]
    fn files_of_another_user_are_refused() {
        let folder = folder();
        let own = rustix::process::geteuid().as_raw();
        let found = fs::metadata(folder.path()).unwrap();
        let refused = check(folder.path(), &found, own + 1, || false).unwrap_err().to_string();
        assert!(refused.contains(&format!("belongs to user {own}")) && refused.contains("chown"), "{refused}");
    }
}
