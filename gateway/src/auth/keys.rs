//! The secrets of the installation: created at its first start and kept in `<data>/keys`, readable only by their owner.

use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The signing key, as PKCS#8.
const SIGNING_FILE: &str = "issuer.ed25519";
/// 32 random bytes that every other key is derived from.
const SECRET_FILE: &str = "secret";
const SECRET_BYTES: usize = 32;

/// The secrets cannot be read or created.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error("key file {path}: {why}")]
    File {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        why: io::Error,
    },
    /// The file is damaged or holds something else. Without the key every token and every keyed hash is useless:
    /// restore the file from a copy instead of deleting it.
    #[error("key file {path} does not hold a key")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// Other users can read the file. Change its mode with `chmod 600`.
    #[error("key file {path} is accessible to other users: its mode must be 0600")]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// The file belongs to another user, is a link, or is not a regular file: it may have been planted.
    #[error("key file {path} {why}: remove it, or replace it with the installation's own key")]
    Planted {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The system has no randomness.
    #[error("the system's random number generator failed")]
    NoRandomness,
}

/// The secrets of the installation.
pub struct Keys {
    signing_pkcs8: Vec<u8>,
    public: Vec<u8>,
    secret: [u8; SECRET_BYTES],
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(…)")
    }
}

impl Keys {
    /// Reads the keys in `folder` (`<data>/keys`), and creates missing ones.
    pub fn open(folder: &Path) -> Result<Self, KeyError> {
        make_folder(folder).map_err(|why| KeyError::File { path: folder.to_owned(), why })?;
        let signing = folder.join(SIGNING_FILE);
        let signing_pkcs8 = read_or_make(&signing, || {
            let pair = Ed25519KeyPair::generate().map_err(|_| KeyError::NoRandomness)?;
            let document = pair.to_pkcs8v1().map_err(|_| KeyError::NoRandomness)?;
            Ok(document.as_ref().to_vec())
        })?;
        let secret_file = folder.join(SECRET_FILE);
        let secret = read_or_make(&secret_file, || random::<SECRET_BYTES>().map(|bytes| bytes.to_vec()))?;
        let secret = secret.try_into().map_err(|_| KeyError::Damaged { path: secret_file })?;
        Self::of(signing_pkcs8, secret).ok_or(KeyError::Damaged { path: signing })
    }

    /// Creates keys without files, for tests.
    pub fn ephemeral() -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::generate().map_err(|_| KeyError::NoRandomness)?;
        let document = pair.to_pkcs8v1().map_err(|_| KeyError::NoRandomness)?;
        Self::of(document.as_ref().to_vec(), random()?).ok_or(KeyError::NoRandomness)
    }

    fn of(signing_pkcs8: Vec<u8>, secret: [u8; SECRET_BYTES]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_pkcs8(&signing_pkcs8).ok()?;
        Some(Self { public: pair.public_key().as_ref().to_vec(), signing_pkcs8, secret })
    }

    pub(crate) fn signing_pkcs8(&self) -> &[u8] {
        &self.signing_pkcs8
    }

    pub(crate) fn public(&self) -> &[u8] {
        &self.public
    }

    /// Derives the key for one purpose. It reveals nothing about the keys for others.
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        keyed_hash(&self.secret, &[b"derive", purpose.as_bytes()])
    }
}

/// HMAC-SHA256 (RFC 2104) of `parts`, each preceded by its length, so that different lists of parts never give the same
/// input.
pub(crate) fn keyed_hash(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("HMAC takes a key of any length");
    for part in parts {
        mac.update(&(part.len() as u64).to_le_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// Returns random bytes from the system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], KeyError> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| KeyError::NoRandomness)?;
    Ok(bytes)
}

/// Returns a random 128-bit number.
pub(crate) fn random128() -> Result<u128, KeyError> {
    random().map(u128::from_be_bytes)
}

fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn read_or_make(path: &Path, make: impl FnOnce() -> Result<Vec<u8>, KeyError>) -> Result<Vec<u8>, KeyError> {
    let file = |why| KeyError::File { path: path.to_owned(), why };
    if check_own(path)? {
        return fs::read(path).map_err(file);
    }
    let bytes = make()?;
    // Written to a temporary file and hard-linked: a crash leaves a whole key or none, and of two concurrent starts one
    // key wins.
    let aside = path.with_extension(format!("new-{}", std::process::id()));
    write_private(&aside, &bytes).map_err(file)?;
    let linked = fs::hard_link(&aside, path);
    let _ = fs::remove_file(&aside);
    match linked {
        Ok(()) => {
            if let Some(folder) = path.parent() {
                fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(file)?;
            }
            Ok(bytes)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => fs::read(path).map_err(file),
        Err(error) => Err(file(error)),
    }
}

fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Whether there is a key file. Rejects one that other users can access, or that belongs to another user.
#[cfg(unix)]
fn check_own(path: &Path) -> Result<bool, KeyError> {
    use std::os::unix::fs::MetadataExt;
    let planted = |why| Err(KeyError::Planted { path: path.to_owned(), why });
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        found => found.map_err(|why| KeyError::File { path: path.to_owned(), why })?,
    };
    if found.file_type().is_symlink() {
        return planted("is a symbolic link");
    }
    if !found.is_file() {
        return planted("is not a regular file");
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        return planted("belongs to another user");
    }
    match found.mode() & 0o077 {
        0 => Ok(true),
        _ => Err(KeyError::Exposed { path: path.to_owned() }),
    }
}

#[cfg(not(unix))]
fn check_own(path: &Path) -> Result<bool, KeyError> {
    Ok(path.exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_created_once_and_loaded_later() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        let made = Keys::open(&path).unwrap();
        let found = Keys::open(&path).unwrap();
        assert_eq!((made.public(), made.derive("mail")), (found.public(), found.derive("mail")));
        assert_ne!(made.derive("mail"), made.derive("orders"));
        assert_eq!(fs::read_dir(&path).unwrap().count(), 2, "nothing is left aside");
    }

    #[cfg(unix)]
    #[test]
    fn keys_are_their_owners_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        Keys::open(&path).unwrap();
        for name in [SIGNING_FILE, SECRET_FILE] {
            let file = path.join(name);
            assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
            fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
            assert!(matches!(Keys::open(&path), Err(KeyError::Exposed { .. })));
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        }
    }

    #[test]
    fn a_damaged_key_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        Keys::open(folder.path()).unwrap();
        for name in [SIGNING_FILE, SECRET_FILE] {
            let file = folder.path().join(name);
            let whole = fs::read(&file).unwrap();
            fs::write(&file, b"short").unwrap();
            assert!(matches!(Keys::open(folder.path()), Err(KeyError::Damaged { .. })));
            assert_eq!(fs::read(&file).unwrap(), b"short");
            fs::write(&file, whole).unwrap();
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_key_that_someone_may_have_planted_is_refused() {
        let external_services = tempfile::tempdir().unwrap();
        let known = external_services.path().join("known");
        fs::write(&known, [7; SECRET_BYTES]).unwrap();
        let plants: [fn(&Path, &Path) -> io::Result<()>; 2] =
            [|from, to| std::os::unix::fs::symlink(from, to), |_, to| fs::create_dir(to)];
        for plant in plants {
            let folder = tempfile::tempdir().unwrap();
            plant(&known, &folder.path().join(SECRET_FILE)).unwrap();
            assert!(matches!(Keys::open(folder.path()), Err(KeyError::Planted { .. })));
        }
    }
}
