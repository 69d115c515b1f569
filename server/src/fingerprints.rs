//! Checks that the secrets in `<data>/keys` are the ones that the folder was made with.
//!
//! Any 32 bytes are a valid secret, and any 48 bytes with the right prefix a valid signing key. So a flipped bit gives
//! a valid but different key: all tokens become invalid, every order gets another number, and caps by e-mail restart
//! from zero. Therefore a fingerprint of each file is stored beside them: HMAC-SHA256 under the secret, which reveals
//! neither.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use data_encoding::HEXLOWER;
use gateway::auth::Keys;

/// The file of the secret from which all keys are derived, as [`Keys`] names it.
const SECRET_FILE: &str = "secret";
/// The file of the key that signs tokens.
const SIGNING_FILE: &str = "issuer.ed25519";
/// The file of the fingerprints, with a line for each key file: its name, a space, hexadecimal digits.
const FINGERPRINTS_FILE: &str = "fingerprints";

/// Secrets that must not be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FingerprintError {
    /// A key file is missing from a folder that was in use.
    #[error("key file {} is missing from a data folder that was in use", .0.display())]
    Missing(PathBuf),
    /// A key file has changed.
    #[error("key file {} differs from the data folder's original key file", .0.display())]
    Changed(PathBuf),
    /// The file of the fingerprints is damaged.
    #[error("{} does not contain the fingerprints of the key files; if the key files are correct, remove it", .0.display())]
    Unreadable(PathBuf),
    /// A file cannot be read or written.
    #[error("{}: {why}", .path.display())]
    File {
        /// The path of the file.
        path: PathBuf,
        /// The system's error.
        why: io::Error,
    },
}

/// Fails if a folder that was in use has lost a key file. Opening the keys would silently create a new one.
pub(crate) fn expect_all(keys_folder: &Path) -> Result<(), FingerprintError> {
    let mut paths = [SECRET_FILE, SIGNING_FILE].map(|name| keys_folder.join(name)).into_iter();
    paths.find(|path| !path.exists()).map_or(Ok(()), |path| Err(FingerprintError::Missing(path)))
}

/// Compares the opened keys with their fingerprints, or stores these if there are none yet.
pub(crate) fn check(keys_folder: &Path, keys: &Keys) -> Result<(), FingerprintError> {
    let path = keys_folder.join(FINGERPRINTS_FILE);
    let io = |path: &Path, why| FingerprintError::File { path: path.to_owned(), why };
    let signing = keys_folder.join(SIGNING_FILE);
    let signing = std::fs::read(&signing).map_err(|why| io(&signing, why))?;
    let found = [
        (SECRET_FILE, HEXLOWER.encode(&keys.derive("fingerprint"))),
        (SIGNING_FILE, HEXLOWER.encode(&keys.derive(&format!("fingerprint {}", HEXLOWER.encode(&signing))))),
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

/// Writes the fingerprints atomically and durably.
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
