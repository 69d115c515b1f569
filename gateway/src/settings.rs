//! What an operator can choose about the doors. Every field has a default that works.

use std::{collections::BTreeMap, num::NonZeroU32, time::Duration};

use engine::id::TenantId;

use crate::{
    auth::TOKEN_TTL_MAX,
    edge::{Network, Origins},
};

/// How often something may be asked: a steady rate, and how much may come at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Requests a second, on average.
    pub per_second: NonZeroU32,
    /// Requests at once.
    pub burst: NonZeroU32,
}

impl Rate {
    const fn of(per_second: u32, burst: u32) -> Self {
        match (NonZeroU32::new(per_second), NonZeroU32::new(burst)) {
            (Some(per_second), Some(burst)) => Self { per_second, burst },
            _ => panic!("a rate of zero"),
        }
    }
}

/// How often callers may ask. Loopback addresses are unlimited under [`Settings::dev`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// Requests of one guest or account: a person with a page that polls, and a fast finger.
    pub identity: Rate,
    /// Requests of a member of staff or an integration: a catalogue is kept up by scripts.
    pub staff: Rate,
    /// Requests from one address: a household, an office, or many phones behind one carrier's address.
    pub address: Rate,
    /// New sessions from one address: caps of drops count sessions.
    pub sessions: Rate,
    /// Passwords tried, accounts made and resets asked for from one address.
    pub passwords: Rate,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            identity: Rate::of(50, 100),
            staff: Rate::of(500, 1_000),
            address: Rate::of(500, 1_000),
            sessions: Rate::of(5, 50),
            passwords: Rate::of(1, 10),
        }
    }
}

/// The shortest time that carts are kept: changes are answered again by their keys for a day.
const CART_TTL_MIN: Duration = Duration::from_secs(24 * 3_600);
/// The shortest time that contacts are kept: a payment may be unknown for as long as its goods are held, two days.
const CONTACT_TTL_MIN: Duration = Duration::from_secs(3 * 24 * 3_600);

/// What an operator can choose about the doors.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whether this is a developer's machine: a default tenant, and no limits for loopback.
    pub dev: bool,
    /// Whose shop a request is for that does not say so; only under `dev`.
    pub default_tenant: Option<TenantId>,
    /// Shops by the host names that lead to them, in lower case and without a port; beside those in the database.
    pub hosts: BTreeMap<String, TenantId>,
    /// Where people reach the shop, for links in mails: `https://shop.example`. No slash at the end.
    pub public_url: String,
    /// Whose `X-Forwarded-For` counts. Default: nobody's.
    pub trusted_proxies: Vec<Network>,
    /// Whose pages may read the answers and open WebSockets. Default: all may read, since no cookie speaks for a visitor,
    /// and only the shop's own may open WebSockets.
    pub origins: Origins,
    /// How often callers may ask.
    pub rates: Rates,
    /// Who issues tokens: `iss` of every token.
    pub issuer: String,
    /// How long a token is good for. After that a refresh token buys the next.
    pub token_ttl: Duration,
    /// How long a refresh token is good for.
    pub refresh_ttl: Duration,
    /// How long the link in a password mail is good for.
    pub reset_ttl: Duration,
    /// Whether accounts may claim and check out only once their e-mail address is verified. Guests have no account, and
    /// are not asked: `audience: customers` keeps them out of a drop.
    pub require_verified_email: bool,
    /// Memory that one password costs to check, in KiB: OWASP's argon2id minimum. Tests take less.
    pub password_memory_kib: u32,
    /// Passwords that are checked at once: each takes `password_memory_kib`, and a core for some 20 ms.
    pub passwords_at_once: usize,
    /// How long a request may take once its body has come. Longer than any entity is waited for.
    pub request_timeout: Duration,
    /// How long a catalogue file may take to arrive and be read.
    pub upload_timeout: Duration,
    /// The largest catalogue file, in bytes.
    pub upload_bytes_max: usize,
    /// Connections at once. Each idle one costs some 10 KB.
    pub connections_max: usize,
    /// Plain HTTP connections from one address, idle ones included: browsers open six each, and many phones are behind
    /// one carrier's address. Not for trusted proxies.
    pub connections_per_address_max: usize,
    /// File descriptors from this one on are for files: a connection that would get one is refused. The default is all,
    /// for those who have not looked at the process's limit.
    pub descriptors_max: u64,
    /// Live connections (WebSockets and streams of events) from one address: many phones are behind one carrier's.
    pub live_per_address_max: usize,
    /// How long a connection may be idle, or take to send the head of a request.
    pub idle_timeout: Duration,
    /// How long requests may still take when the server stops.
    pub drain_timeout: Duration,
    /// What `/metrics` wants as a bearer token. `None`: it is shown under `dev` alone.
    pub metrics_token: Option<String>,
    /// Shipping, flat, in minor units of the order's currency.
    pub shipping_flat: i64,
    /// Tax, in hundredths of a percent of the subtotal.
    pub tax_basis_points: u32,
    /// How long a guest's cart is kept that nobody changes.
    pub guest_cart_ttl: Duration,
    /// How long the e-mail address and the address of a checkout are kept that no order came of.
    pub contact_ttl: Duration,
    /// The payment providers that a checkout may name. Default: none, so that nothing can be bought.
    pub payment_providers: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            dev: false,
            default_tenant: None,
            hosts: BTreeMap::new(),
            public_url: "http://127.0.0.1:8080".to_owned(),
            trusted_proxies: Vec::new(),
            origins: Origins::AnyReads,
            rates: Rates::default(),
            issuer: "fusion".to_owned(),
            token_ttl: Duration::from_secs(3_600),
            refresh_ttl: Duration::from_secs(30 * 24 * 3_600),
            reset_ttl: Duration::from_secs(3_600),
            require_verified_email: false,
            password_memory_kib: 19 * 1_024,
            passwords_at_once: 2,
            request_timeout: Duration::from_secs(30),
            upload_timeout: Duration::from_secs(600),
            upload_bytes_max: 256 * 1024 * 1024,
            connections_max: 20_000,
            connections_per_address_max: 1_000,
            descriptors_max: u64::MAX,
            live_per_address_max: 1_000,
            idle_timeout: Duration::from_secs(75),
            drain_timeout: Duration::from_secs(20),
            metrics_token: None,
            shipping_flat: 0,
            tax_basis_points: 0,
            guest_cart_ttl: Duration::from_secs(30 * 24 * 3_600),
            contact_ttl: Duration::from_secs(7 * 24 * 3_600),
            payment_providers: Vec::new(),
        }
    }
}

/// What is wrong with a setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: {why}")]
pub struct SettingFault {
    /// Which.
    pub setting: &'static str,
    /// Why it cannot be.
    pub why: &'static str,
}

impl Settings {
    /// Everything that is wrong with them.
    pub fn faults(&self) -> Vec<SettingFault> {
        let mut faults = Vec::new();
        let mut check = |setting, holds: bool, why| {
            if !holds {
                faults.push(SettingFault { setting, why });
            }
        };
        check(
            "default_tenant",
            self.dev || self.default_tenant.is_none(),
            "there is a default tenant only under --dev",
        );
        check(
            "public_url",
            (self.public_url.starts_with("http://") || self.public_url.starts_with("https://"))
                && !self.public_url.ends_with('/'),
            "must start with http:// or https://, and not end with a slash",
        );
        check("issuer", !self.issuer.is_empty(), "must not be empty");
        check("token_ttl", self.token_ttl >= Duration::from_secs(60), "must be at least a minute");
        check("token_ttl", self.token_ttl <= TOKEN_TTL_MAX, "must be at most 366 days");
        check("refresh_ttl", self.refresh_ttl > self.token_ttl, "must be longer than token_ttl");
        check("reset_ttl", self.reset_ttl >= Duration::from_secs(60), "must be at least a minute");
        check("password_memory_kib", self.password_memory_kib >= 8, "must be at least 8: argon2's bound");
        check("passwords_at_once", self.passwords_at_once > 0, "must be at least 1");
        check("request_timeout", self.request_timeout > Duration::from_secs(10), "must be longer than 10 s");
        check("connections_max", self.connections_max > 0, "must be at least 1");
        check("connections_per_address_max", self.connections_per_address_max > 0, "must be at least 1");
        check("live_per_address_max", self.live_per_address_max > 0, "must be at least 1");
        check("idle_timeout", self.idle_timeout >= Duration::from_secs(1), "must be at least a second");
        check("shipping_flat", (0..=engine::money::AMOUNT_MAX).contains(&self.shipping_flat), "must not be negative");
        check("tax_basis_points", self.tax_basis_points <= 10_000, "must be at most 10000, which is 100 %");
        check("guest_cart_ttl", self.guest_cart_ttl >= CART_TTL_MIN, "must be at least a day");
        check("contact_ttl", self.contact_ttl >= CONTACT_TTL_MIN, "must be at least three days");
        check("metrics_token", self.metrics_token.as_deref() != Some(""), "must not be empty");
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_have_no_fault_and_faults_come_all_at_once() {
        assert_eq!(Settings::default().faults(), []);
        let odd = Settings { issuer: String::new(), connections_max: 0, ..Settings::default() };
        assert_eq!(odd.faults().len(), 2);
    }
}
