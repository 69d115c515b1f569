//! Limits password attempts per account, from whatever address: after some wrong ones the next must wait.
//!
//! ```text
//!   tries   1 … 5    6     7     8    …   15, 16, …
//!   wait      0      1 s   2 s   4 s  …   15 min
//! ```
//!
//! A password that comes too early is not checked, so that guessing reveals nothing; an address without an account is
//! counted alike. Other people cannot lock an owner out permanently: sessions continue, a network from which the
//! account was signed in to has its own count, and a mailed link to set a password clears all counts and makes its
//! network a known one.

use std::{net::IpAddr, time::Duration};

use engine::{id::TenantId, time::Timestamp};
use persistence::sql::{ReadSide, SignInTry, normalise_email};

use super::keys::{Keys, keyed_hash};
use crate::{
    edge::subscriber,
    problem::{Code, Problem},
};

/// The number of attempts without a delay: a typing error, a misplaced hand, caps lock, and two former passwords.
pub const FREE_TRIES: u32 = 5;
/// The first delay: a person does not notice it. Each further delay is twice as long.
const FIRST_DELAY: Duration = Duration::from_secs(1);
/// The longest delay: it allows a hundred attempts a day, with which a password of [`PASSWORD_GUESSES_MIN`] guesses
/// takes thousands of years; and it is short enough for an owner to wait for.
///
/// [`PASSWORD_GUESSES_MIN`]: super::strength::PASSWORD_GUESSES_MIN
const DELAY_MAX: Duration = Duration::from_secs(15 * 60);
/// The minimum interval between warnings to the owner: once a day is informative, more would be noise that others can
/// cause.
const WARNING_EVERY: Duration = Duration::from_secs(24 * 3_600);

/// Counts password attempts.
pub(crate) struct Attempts {
    read_side: ReadSide,
    key: [u8; 32],
}

/// A password attempt for an address. It counts as wrong until the password is known to be right.
#[derive(Clone)]
pub(crate) struct Attempt {
    /// The tenant.
    pub(super) tenant: TenantId,
    /// The address, as it was typed.
    pub(super) email: String,
    account: u128,
    network: u128,
    counted: SignInTry,
}

impl std::fmt::Debug for Attempt {
    /// Omits everything personal.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attempt").field("tenant", &self.tenant).field("counted", &self.counted).finish_non_exhaustive()
    }
}

impl Attempt {
    /// Whether the owner should be warned if the password was wrong: the next attempt has to wait.
    pub(crate) fn makes_delay(&self) -> bool {
        self.counted.failures >= FREE_TRIES
    }
}

/// The delay after this number of failures.
fn delay(failures: u32) -> Duration {
    match failures.checked_sub(FREE_TRIES) {
        None => Duration::ZERO,
        Some(doublings) => FIRST_DELAY.saturating_mul(1u32.checked_shl(doublings).unwrap_or(u32::MAX)).min(DELAY_MAX),
    }
}

impl Attempts {
    pub(crate) fn new(keys: &Keys, read_side: ReadSide) -> Self {
        Self { read_side, key: keys.derive("sign-in counts") }
    }

    fn hash(&self, parts: &[&[u8]]) -> u128 {
        let hash = keyed_hash(&self.key, parts);
        let mut half = [0; 16];
        half.copy_from_slice(&hash[..16]);
        u128::from_be_bytes(half)
    }

    fn account(&self, tenant: &TenantId, email: &str) -> u128 {
        self.hash(&[b"account", tenant.as_str().as_bytes(), normalise_email(email).as_bytes()])
    }

    /// The hash of a network for one account, so that two accounts cannot be linked by it.
    fn network(&self, account: u128, address: IpAddr) -> u128 {
        self.hash(&[b"network", &account.to_be_bytes(), &subscriber(address).to_be_bytes()])
    }

    /// Starts an attempt for an address, or returns how long the next one must wait.
    pub(crate) async fn begin(
        &self,
        tenant: &TenantId,
        email: &str,
        from: IpAddr,
        now: Timestamp,
    ) -> Result<Attempt, Problem> {
        let account = self.account(tenant, email);
        let network = self.network(account, from);
        let delay_ms = |failures| delay(failures).as_millis() as u64;
        match self.read_side.begin_sign_in(tenant, account, network, now, delay_ms).await? {
            Ok(counted) => {
                let (tenant, email) = (tenant.clone(), email.to_owned());
                Ok(Attempt { tenant, email, account, network, counted })
            }
            Err(until) => {
                let wait = Duration::from_millis(until.ms_since(now));
                Err(Problem::new(Code::TooManyAttempts).retry_after(wait))
            }
        }
    }

    /// Records that the password was right.
    pub(crate) async fn succeeded(&self, attempt: &Attempt, now: Timestamp) -> Result<(), Problem> {
        let Attempt { tenant, account, network, counted, .. } = attempt;
        Ok(self.read_side.end_sign_in(tenant, *account, *network, counted, now).await?)
    }

    /// Clears the counts after the owner has created the account or set a password with a mailed link.
    pub(crate) async fn clear(
        &self,
        tenant: &TenantId,
        email: &str,
        from: IpAddr,
        now: Timestamp,
    ) -> Result<(), Problem> {
        let account = self.account(tenant, email);
        Ok(self.read_side.clear_sign_ins(tenant, account, self.network(account, from), now).await?)
    }

    /// Whether to warn the owner of a wrong password now. After it returns true, it returns false for
    /// [`WARNING_EVERY`].
    pub(crate) async fn is_news(&self, attempt: &Attempt, now: Timestamp) -> Result<bool, Problem> {
        let since = Timestamp(now.0.saturating_sub(WARNING_EVERY.as_millis() as u64));
        let Attempt { tenant, account, counted, .. } = attempt;
        Ok(self.read_side.note_sign_in_warning(tenant, *account, counted, now, since).await?)
    }

    /// Deletes the counts of an address.
    pub(crate) async fn forget(&self, tenant: &TenantId, email: &str) -> Result<(), Problem> {
        Ok(self.read_side.forget_sign_ins(tenant, self.account(tenant, email)).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_a_quarter_of_an_hour() {
        let seconds = |failures| delay(failures).as_secs();
        assert_eq!([0, 1, 4].map(seconds), [0, 0, 0]);
        assert_eq!([5, 6, 7, 14, 15, 16, 40, u32::MAX].map(seconds), [1, 2, 4, 512, 900, 900, 900, 900]);
    }
}
