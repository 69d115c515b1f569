//! Password hashing: slow, a few at a time, and never on the threads that serve requests.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use std::time::Duration;

use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version, password_hash};
use engine::text::{nfc, nfd};
use tokio::sync::Semaphore;

use crate::problem::{Code, Problem};

/// The minimum length of a password, in characters: NIST SP 800-63B, section 5.1.1.2.
pub const PASSWORD_CHARS_MIN: usize = 8;
/// The maximum length, in characters: passphrases fit, and hashing stays cheap beside argon2's memory.
pub const PASSWORD_CHARS_MAX: usize = 256;
/// argon2id's passes over its memory: OWASP's minimum for 19 MiB.
const PASSES: u32 = 2;
/// The maximum number of passwords that wait: at 20 ms each, a wait of a second and a half. More are rejected.
pub(super) const WAITING_MAX: usize = 64;
const OVERLOADED_WAIT: Duration = Duration::from_secs(2);

/// The result of comparing a password with the stored one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// It is the same.
    Same,
    /// It is the same, stored in a form from before passwords were prepared: it should be hashed again.
    FormerForm,
    /// It is another.
    Other,
}

impl Fit {
    /// Whether the password is right.
    pub fn is_same(self) -> bool {
        self != Fit::Other
    }
}

/// Prepares a password for hashing: the OpaqueString profile (RFC 8265, section 4.2). Every white space becomes a plain
/// space, and letters are composed; case and width are kept.
pub fn prepare(password: &str) -> String {
    let plain: String = password.chars().map(|c| if c != ' ' && is_space(c) { ' ' } else { c }).collect();
    nfc(&plain).into_owned()
}

/// Unicode's general category Zs.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}')
}

/// The forms in which a password may have been hashed, the present one first. A password in ASCII has a single form.
fn forms(password: &str) -> Vec<String> {
    let mut forms = vec![prepare(password)];
    for former in [password.to_owned(), nfc(password).into_owned(), nfd(password)] {
        if !forms.contains(&former) {
            forms.push(former);
        }
    }
    forms
}

/// Hashes and verifies passwords.
#[derive(Clone)]
pub struct Passwords {
    inner: Arc<Inner>,
}

struct Inner {
    argon2: Argon2<'static>,
    at_once: Arc<Semaphore>,
    waiting: AtomicUsize,
    /// The hash of an unused password. Passwords of unknown addresses are verified against it and take as long.
    nobody: String,
}

/// The parameters are outside argon2's bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("argon2: {0}")]
pub struct PasswordError(String);

impl Passwords {
    /// Uses `memory_kib` for each of at most `at_once` concurrent passwords.
    pub fn new(memory_kib: u32, at_once: usize) -> Result<Self, PasswordError> {
        let params = Params::new(memory_kib, PASSES, 1, None).map_err(|error| PasswordError(error.to_string()))?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let nobody = argon2.hash_password(b"nobody's password").map_err(|error| PasswordError(error.to_string()))?;
        let inner = Inner {
            argon2,
            at_once: Arc::new(Semaphore::new(at_once)),
            waiting: AtomicUsize::new(0),
            nobody: nobody.to_string(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Returns the hash of a password, as a PHC string.
    pub async fn hash(&self, password: String) -> Result<String, Problem> {
        let password = prepare(&password);
        let hashed =
            self.run(move |inner| inner.argon2.hash_password(password.as_bytes()).map(|hash| hash.to_string()));
        hashed.await?.map_err(|error| Problem::internal("hashing a password", &error))
    }

    /// Compares `password` with the hash `known`. Without a hash the result is `Other`, after the same time.
    pub async fn verify(&self, password: String, known: Option<String>) -> Result<Fit, Problem> {
        self.verify_in(self.take_place()?, password, known).await
    }

    /// The same in a place that was taken before.
    pub(super) async fn verify_in(
        &self,
        place: Waiting,
        password: String,
        known: Option<String>,
    ) -> Result<Fit, Problem> {
        let verified = self.run_in(place, move |inner| {
            let hash = known.as_deref().unwrap_or(&inner.nobody);
            for (index, form) in forms(&password).into_iter().enumerate() {
                match inner.argon2.verify_password(form.as_bytes(), hash) {
                    Ok(()) if known.is_none() => return Ok(Fit::Other),
                    Ok(()) if index == 0 => return Ok(Fit::Same),
                    Ok(()) => return Ok(Fit::FormerForm),
                    Err(password_hash::Error::PasswordInvalid) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(Fit::Other)
        });
        verified.await?.map_err(|error| Problem::internal("checking a password", &error))
    }

    /// Takes a place among the passwords that wait, before anything is stored for one more. Rejects at once when the
    /// maximum number waits.
    pub(super) fn take_place(&self) -> Result<Waiting, Problem> {
        let inner = self.inner.clone();
        if inner.waiting.fetch_add(1, Ordering::AcqRel) >= WAITING_MAX {
            inner.waiting.fetch_sub(1, Ordering::AcqRel);
            return Err(Problem::new(Code::Overloaded).retry_after(OVERLOADED_WAIT));
        }
        Ok(Waiting(inner))
    }

    /// Runs work on passwords in its turn, off the threads that serve requests.
    pub(super) async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        self.run(move |_| work()).await
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce(&Inner) -> T + Send + 'static) -> Result<T, Problem> {
        self.run_in(self.take_place()?, work).await
    }

    async fn run_in<T: Send + 'static>(
        &self,
        place: Waiting,
        work: impl FnOnce(&Inner) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let inner = self.inner.clone();
        let permit = inner.at_once.clone().acquire_owned().await;
        // The work goes on when its caller has gone, and so it holds its permit itself.
        let done = tokio::task::spawn_blocking(move || {
            let _held = (permit, place);
            work(&inner)
        });
        done.await.map_err(|error| Problem::internal("password worker", &error))
    }
}

/// A place among the passwords that wait. Dropping it gives it back.
pub(super) struct Waiting(Arc<Inner>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Checks that a new password has an allowed length and no control characters (RFC 8264, section 4.3).
pub fn check_new(password: &str) -> Result<(), &'static str> {
    let password = prepare(password);
    match password.chars().count() {
        PASSWORD_CHARS_MIN..=PASSWORD_CHARS_MAX if password.chars().any(char::is_control) => {
            Err("must not contain control characters")
        }
        PASSWORD_CHARS_MIN..=PASSWORD_CHARS_MAX => Ok(()),
        _ => Err("must be between 8 and 256 characters long"),
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
        assert_eq!(passwords.verify("correct horse".into(), Some(hash.clone())).await.unwrap(), Fit::Same);
        assert_eq!(passwords.verify("wrong horse".into(), Some(hash)).await.unwrap(), Fit::Other);
        assert_eq!(passwords.verify("nobody's password".into(), None).await.unwrap(), Fit::Other);
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

    #[tokio::test]
    async fn work_without_a_caller_keeps_its_permit_until_it_completes() {
        let passwords = Passwords::new(8, 1).unwrap();
        let (begun, begins) = std::sync::mpsc::channel();
        let (end, ends) = std::sync::mpsc::channel::<()>();
        let caller = tokio::spawn({
            let passwords = passwords.clone();
            async move {
                passwords
                    .aside(move || {
                        begun.send(()).unwrap();
                        let _ = ends.recv();
                    })
                    .await
            }
        });
        tokio::task::spawn_blocking(move || begins.recv().unwrap()).await.unwrap();
        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
        assert_eq!(passwords.inner.at_once.available_permits(), 0);
        end.send(()).unwrap();
        assert!(passwords.hash("correct horse".into()).await.is_ok());
    }

    #[tokio::test]
    async fn a_password_is_the_same_however_a_keyboard_writes_it() {
        let passwords = Passwords::new(8, 2).unwrap();
        let hash = passwords.hash("Crème brûlée 京都".into()).await.unwrap();
        for typed in ["Crème brûlée 京都", "Cre\u{300}me bru\u{302}le\u{301}e 京都", "Crème\u{a0}brûlée\u{3000}京都"]
        {
            assert_eq!(passwords.verify(typed.into(), Some(hash.clone())).await.unwrap(), Fit::Same, "{typed}");
        }
        for other in ["crème brûlée 京都", "Creme brulee 京都", "Crème brûlée  京都"] {
            assert_eq!(passwords.verify(other.into(), Some(hash.clone())).await.unwrap(), Fit::Other, "{other}");
        }
        // Width and case are kept: they add to the secret.
        assert_ne!(prepare("ＡＢＣ"), prepare("ABC"));
    }

    #[tokio::test]
    async fn a_password_from_before_it_was_prepared_is_known_in_its_former_forms() {
        let passwords = Passwords::new(8, 2).unwrap();
        for kept in ["cafe\u{301} creme\u{301}", "café\u{a0}crémé", "café crémé\u{2009}x"] {
            let hash = passwords.inner.argon2.hash_password(kept.as_bytes()).unwrap().to_string();
            let verify = async |typed: &str| passwords.verify(typed.into(), Some(hash.clone())).await.unwrap();
            assert_eq!(verify(kept).await, Fit::FormerForm, "{kept}");
            assert_eq!(verify("cafe creme").await, Fit::Other, "{kept}");
        }
        assert_eq!(forms("correct horse").len(), 1, "plain passwords cost one hash");
        assert!(forms("c\u{a0}é e\u{301}").len() <= 4);
    }

    #[test]
    fn passwords_have_a_length() {
        assert!(check_new("1234567\u{7}x").is_err());
        assert!(check_new("e\u{301}2345678").is_ok() && check_new("e\u{301}234567").is_err());
        assert!(check_new("1234567").is_err() && check_new("12345678").is_ok());
        assert!(check_new(&"ä".repeat(256)).is_ok() && check_new(&"ä".repeat(257)).is_err());
    }
}
