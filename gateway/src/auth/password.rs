//! Passwords: hashed slowly, a few at a time, and never on the threads that serve requests.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use std::time::Duration;

use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version, password_hash};
use tokio::sync::Semaphore;

use crate::problem::{Code, Problem};

/// The shortest password, in characters: NIST SP 800-63B, section 5.1.1.2.
pub const PASSWORD_CHARS_MIN: usize = 8;
/// The longest, in characters: passphrases fit, and hashing stays cheap beside argon2's memory.
pub const PASSWORD_CHARS_MAX: usize = 256;
/// argon2id's passes over its memory: OWASP's minimum for 19 MiB.
const PASSES: u32 = 2;
/// Passwords that may wait: at 20 ms each, a wait of a second and a half. More is refused.
const WAITING_MAX: usize = 64;
const OVERLOADED_WAIT: Duration = Duration::from_secs(2);

/// Hashes and checks passwords.
#[derive(Clone)]
pub struct Passwords {
    inner: Arc<Inner>,
}

struct Inner {
    argon2: Argon2<'static>,
    at_once: Semaphore,
    waiting: AtomicUsize,
    /// The hash of a password that nobody has: unknown addresses are checked against it, and take as long.
    nobody: String,
}

/// The parameters of argon2 are out of its bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("argon2: {0}")]
pub struct PasswordError(String);

impl Passwords {
    /// Takes `memory_kib` for each of at most `at_once` passwords.
    pub fn new(memory_kib: u32, at_once: usize) -> Result<Self, PasswordError> {
        let params = Params::new(memory_kib, PASSES, 1, None).map_err(|error| PasswordError(error.to_string()))?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let nobody = argon2.hash_password(b"nobody's password").map_err(|error| PasswordError(error.to_string()))?;
        let inner = Inner {
            argon2,
            at_once: Semaphore::new(at_once),
            waiting: AtomicUsize::new(0),
            nobody: nobody.to_string(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The hash of a password, as a PHC string.
    pub async fn hash(&self, password: String) -> Result<String, Problem> {
        let hashed =
            self.run(move |inner| inner.argon2.hash_password(password.as_bytes()).map(|hash| hash.to_string()));
        hashed.await?.map_err(|error| Problem::internal("hashing a password", &error))
    }

    /// Whether `password` is the one with the hash `known`. Without one it is not, after the same time.
    pub async fn verify(&self, password: String, known: Option<String>) -> Result<bool, Problem> {
        let verified = self.run(move |inner| {
            let hash = known.as_deref().unwrap_or(&inner.nobody);
            let verified = inner.argon2.verify_password(password.as_bytes(), hash);
            match verified {
                Ok(()) => Ok(known.is_some()),
                Err(password_hash::Error::PasswordInvalid) => Ok(false),
                Err(error) => Err(error),
            }
        });
        verified.await?.map_err(|error| Problem::internal("checking a password", &error))
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce(&Inner) -> T + Send + 'static) -> Result<T, Problem> {
        let inner = self.inner.clone();
        if inner.waiting.fetch_add(1, Ordering::AcqRel) >= WAITING_MAX {
            inner.waiting.fetch_sub(1, Ordering::AcqRel);
            return Err(Problem::new(Code::Overloaded).retry_after(OVERLOADED_WAIT));
        }
        let place = Waiting(inner.clone());
        let permit = inner.at_once.acquire().await;
        let done = tokio::task::spawn_blocking({
            let inner = inner.clone();
            move || work(&inner)
        });
        let done = done.await;
        std::mem::drop((permit, place));
        done.map_err(|error| Problem::internal("password worker", &error))
    }
}

struct Waiting(Arc<Inner>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Whether a password has a length that is taken. Nothing else is asked of it.
pub fn check_length(password: &str) -> Result<(), &'static str> {
    match password.chars().count() {
        PASSWORD_CHARS_MIN..=PASSWORD_CHARS_MAX => Ok(()),
        _ => Err("has from 8 to 256 characters"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_known_by_its_hash_alone() {
        let passwords = Passwords::new(8, 2).unwrap();
        let hash = passwords.hash("correct horse".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$") && !hash.contains("horse"));
        assert!(passwords.verify("correct horse".into(), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify("wrong horse".into(), Some(hash)).await.unwrap());
        assert!(!passwords.verify("nobody's password".into(), None).await.unwrap());
        assert!(passwords.verify("x".into(), Some("not a hash".into())).await.is_err());
    }

    #[tokio::test]
    async fn a_flood_of_passwords_is_refused_with_a_time_to_come_back() {
        let passwords = Passwords::new(8, 1).unwrap();
        let all = (0..WAITING_MAX + 8).map(|_| passwords.hash("correct horse".into()));
        let refused = futures::future::join_all(all).await.into_iter().filter_map(Result::err).collect::<Vec<_>>();
        assert_eq!(refused.len(), 8);
        assert!(refused.iter().all(|problem| problem.code() == Code::Overloaded));
        assert!(passwords.hash("correct horse".into()).await.is_ok());
    }

    #[test]
    fn passwords_have_a_length() {
        assert!(check_length("1234567").is_err() && check_length("12345678").is_ok());
        assert!(check_length(&"ä".repeat(256)).is_ok() && check_length(&"ä".repeat(257)).is_err());
    }
}
