//! Whether the secrets in `<data>/keys` are those that the folder was made with.
//!
//! Any 32 bytes are a secret, and any 48 that begin right a signing key: a flipped bit is a key too, under which no token
//! is good, every order has another number, and caps by e-mail count from zero. So a fingerprint of each is kept beside
//! them: HMAC-SHA256 under the secret, which tells nothing about either.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use gateway::auth::Keys;

/// What every derived key comes from, as [`Keys`] names it.
const SECRET_FILE: &str = "secret";
/// What tokens are signed with.
const SIGNING_FILE: &str = "issuer.ed25519";
/// The fingerprints, a line for each file: its name, a space, hexadecimal digits.
const FINGERPRINTS_FILE: &str = "fingerprints";

/// Secrets that should not be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FingerprintError {
    /// A folder that was in use has lost one.
    #[error("key file {} is missing from a folder that was in use", .0.display())]
    Missing(PathBuf),
    /// It is another one.
    #[error("key file {} is not the one that the folder was made with", .0.display())]
    Changed(PathBuf),
    /// The fingerprints themselves are damaged.
    #[error("{} does not hold the fingerprints of the key files; if those are right, remove it", .0.display())]
    Unreadable(PathBuf),
    /// A file cannot be read or written.
    #[error("{}: {why}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        why: io::Error,
    },
}

/// Refuses a folder that was in use and has lost a secret: opening the keys would make another.
pub(crate) fn expect_all(keys_folder: &Path) -> Result<(), FingerprintError> {
    let mut paths = [SECRET_FILE, SIGNING_FILE].map(|name| keys_folder.join(name)).into_iter();
    paths.find(|path| !path.exists()).map_or(Ok(()), |path| Err(FingerprintError::Missing(path)))
}

/// Compares the opened keys with their fingerprints, and makes these where there are none.
pub(crate) fn check(keys_folder: &Path, keys: &Keys) -> Result<(), FingerprintError> {
    let path = keys_folder.join(FINGERPRINTS_FILE);
    let io = |path: &Path, why| FingerprintError::File { path: path.to_owned(), why };
    let signing = keys_folder.join(SIGNING_FILE);
    let signing = std::fs::read(&signing).map_err(|why| io(&signing, why))?;
    let found = [
        (SECRET_FILE, hex(&keys.derive("fingerprint"))),
        (SIGNING_FILE, hex(&keys.derive(&format!("fingerprint {}", hex(&signing))))),
    ];
    let expected = match std::fs::read_to_string(&path) {
        Ok(expected) => expected,
        Err(why) if why.kind() == io::ErrorKind::NotFound => {
            return write(&path, &found).map_err(|why| io(&path, why));
        }
        Err(why) if why.kind() == io::ErrorKind::InvalidData => return Err(FingerprintError::Unreadable(path)),
        Err(why) => return Err(io(&path, why)),
    };
    for (name, fingerprint) in found {
        let line = expected.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        match line.filter(|line| line.len() == fingerprint.len() && line.bytes().all(|digit| digit.is_ascii_hexdigit()))
        {
            None => return Err(FingerprintError::Unreadable(path)),
            Some(line) if line != fingerprint => return Err(FingerprintError::Changed(keys_folder.join(name))),
            Some(_) => {}
        }
    }
    Ok(())
}

/// Whole or not at all, and on the disk.
fn write(path: &Path, found: &[(&str, String)]) -> io::Result<()> {
    let aside = path.with_extension("new");
    let mut file = std::fs::File::create(&aside)?;
    for (name, fingerprint) in found {
        writeln!(file, "{name} {fingerprint}")?;
    }
    file.sync_all()?;
    std::fs::rename(&aside, path)?;
    path.parent().map_or(Ok(()), |folder| std::fs::File::open(folder)?.sync_all())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_flipped_bit_of_either_key_is_noticed_and_the_file_named() {
        for name in [SECRET_FILE, SIGNING_FILE] {
            let folder = tempfile::tempdir().unwrap();
            let keys = Keys::open(folder.path()).unwrap();
            expect_all(folder.path()).unwrap();
            check(folder.path(), &keys).unwrap();
            check(folder.path(), &Keys::open(folder.path()).unwrap()).unwrap();

            let path = folder.path().join(name);
            let mut bytes = std::fs::read(&path).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            std::fs::write(&path, bytes).unwrap();
            let changed = check(folder.path(), &Keys::open(folder.path()).unwrap()).unwrap_err();
            assert!(matches!(&changed, FingerprintError::Changed(found) if *found == path), "{changed}");

            std::fs::remove_file(&path).unwrap();
            let missing = expect_all(folder.path()).unwrap_err();
            assert!(matches!(&missing, FingerprintError::Missing(found) if *found == path), "{missing}");
        }
    }

    #[test]
    fn damaged_fingerprints_do_not_pass_for_a_damaged_key() {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys::open(folder.path()).unwrap();
        check(folder.path(), &keys).unwrap();
        let path = folder.path().join(FINGERPRINTS_FILE);
        for text in ["", "secret\n", "secret 12\nissuer.ed25519 12\n"] {
            std::fs::write(&path, text).unwrap();
            assert!(matches!(check(folder.path(), &keys), Err(FingerprintError::Unreadable(_))), "{text:?}");
        }
        std::fs::remove_file(&path).unwrap();
        check(folder.path(), &keys).unwrap();
    }
}
