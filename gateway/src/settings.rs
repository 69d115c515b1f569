//! The operator's settings of the gateway. Every field has a default that works.

use std::{collections::BTreeMap, num::NonZeroU32, time::Duration};

use engine::id::TenantId;

use crate::{
    auth::TOKEN_TTL_MAX,
    edge::{Network, Origins},
};

/// A rate limit: a steady rate and a burst.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Requests per second, on average.
    pub per_second: NonZeroU32,
    /// The maximum burst of requests.
    pub burst: NonZeroU32,
}

impl Rate {
    const fn of(per_second: u32, burst: u32) -> Self {
        match (NonZeroU32::new(per_second), NonZeroU32::new(burst)) {
            (Some(per_second), Some(burst)) => Self { per_second, burst },
            _ => panic!("the rate must not be zero"),
        }
    }
}

/// The rate limits. Loopback addresses are unlimited under [`Settings::dev`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// Requests of one guest or account: a person with a page that polls and a fast finger.
    pub identity: Rate,
    /// Requests of a member of staff or an integration: scripts maintain a catalogue.
    pub staff: Rate,
    /// Requests from one address: a household, an office, or many phones behind one carrier's address.
    pub address: Rate,
    /// New sessions from one address: the caps of drops count sessions.
    pub sessions: Rate,
    /// Password attempts, sign-ups and password resets from one address.
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

/// The minimum time that carts are kept: their changes are deduplicated by idempotency key for a day.
const CART_TTL_MIN: Duration = Duration::from_secs(24 * 3_600);
/// The minimum time that contacts are kept: the outcome of a payment may be unknown for as long as its goods are held,
/// two days.
const CONTACT_TTL_MIN: Duration = Duration::from_secs(3 * 24 * 3_600);

/// The operator's settings of the gateway.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whether this is a developer's machine: it has a default tenant and no limits for loopback.
    pub dev: bool,
    /// The tenant of a request that names none; only under `dev`.
    pub default_tenant: Option<TenantId>,
    /// Tenants by host name, in lower case and without a port, in addition to those in the database.
    pub hosts: BTreeMap<String, TenantId>,
    /// The public URL of the shop, for links in mails: `https://shop.example`. Without a slash at the end.
    pub public_url: String,
    /// The proxies whose `X-Forwarded-For` is trusted. Default: none.
    pub trusted_proxies: Vec<Network>,
    /// The origins whose pages may read responses and open WebSockets. Default: all may read, since no cookie
    /// authenticates a visitor, and only the shop's own may open WebSockets.
    pub origins: Origins,
    /// The rate limits.
    pub rates: Rates,
    /// The issuer of tokens: `iss` of every token.
    pub issuer: String,
    /// The lifetime of a token. A refresh token buys the next one.
    pub token_ttl: Duration,
    /// The lifetime of a refresh token.
    pub refresh_ttl: Duration,
    /// The lifetime of the link in a password mail.
    pub reset_ttl: Duration,
    /// Whether accounts may claim and check out only once their e-mail address is verified. It does not apply to
    /// guests, who have no account: `audience: customers` keeps them out of a drop.
    pub require_verified_email: bool,
    /// The memory that checking one password takes, in KiB: OWASP's argon2id minimum. Tests take less.
    pub password_memory_kib: u32,
    /// The number of passwords that are checked concurrently: each takes `password_memory_kib`, and a core for some 20
    /// ms.
    pub passwords_at_once: usize,
    /// The timeout of a request once its body has arrived. It must be longer than the timeout of entities.
    pub request_timeout: Duration,
    /// The timeout for a catalogue file to arrive and be read.
    pub upload_timeout: Duration,
    /// The maximum size of a catalogue file, in bytes.
    pub upload_bytes_max: usize,
    /// The maximum number of connections. Each idle one costs some 10 KB.
    pub connections_max: usize,
    /// The maximum number of plain HTTP connections from one address, including idle ones: browsers open six each, and
    /// many phones are behind one carrier's address. Does not apply to trusted proxies.
    pub connections_per_address_max: usize,
    /// The first file descriptor that is reserved for files: a connection that would get it or a higher one is refused.
    /// The default reserves none, for callers that have not read the limit of the process.
    pub descriptors_max: u64,
    /// The maximum number of live connections (WebSockets and event streams) from one address: many phones are behind
    /// one carrier's address.
    pub live_per_address_max: usize,
    /// The timeout of an idle connection, and of sending the head of a request.
    pub idle_timeout: Duration,
    /// The time that requests have to finish when the server stops.
    pub drain_timeout: Duration,
    /// The bearer token for `/metrics`. `None`: metrics are served under `dev` only.
    pub metrics_token: Option<String>,
    /// The flat shipping fee, in minor units of the order's currency.
    pub shipping_flat: i64,
    /// The tax rate, in hundredths of a percent of the subtotal.
    pub tax_basis_points: u32,
    /// How long a guest's cart is kept after its last change.
    pub guest_cart_ttl: Duration,
    /// How long the e-mail address and the address of a checkout without an order are kept.
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

/// An invalid setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: {why}")]
pub struct SettingFault {
    /// The name of the setting.
    pub setting: &'static str,
    /// Why it is invalid.
    pub why: &'static str,
}

impl Settings {
    /// Returns all faults of the settings.
    pub fn faults(&self) -> Vec<SettingFault> {
        let mut faults = Vec::new();
        let mut check = |setting, holds: bool, why| {
            if !holds {
                faults.push(SettingFault { setting, why });
            }
        };
        check("default_tenant", self.dev || self.default_tenant.is_none(), "a default tenant requires --dev");
        check(
            "public_url",
            (self.public_url.starts_with("http://") || self.public_url.starts_with("https://"))
                && !self.public_url.ends_with('/'),
            "must start with http:// or https:// and must not end with a slash",
        );
        check("issuer", !self.issuer.is_empty(), "must not be empty");
        check("token_ttl", self.token_ttl >= Duration::from_secs(60), "must be at least a minute");
        check("token_ttl", self.token_ttl <= TOKEN_TTL_MAX, "must be at most 366 days");
        check("refresh_ttl", self.refresh_ttl > self.token_ttl, "must be longer than token_ttl");
        check("reset_ttl", self.reset_ttl >= Duration::from_secs(60), "must be at least a minute");
        check("password_memory_kib", self.password_memory_kib >= 8, "must be at least 8, the minimum of argon2");
        check("passwords_at_once", self.passwords_at_once > 0, "must be at least 1");
        check("request_timeout", self.request_timeout > Duration::from_secs(10), "must be longer than 10 s");
        check("connections_max", self.connections_max > 0, "must be at least 1");
        check("connections_per_address_max", self.connections_per_address_max > 0, "must be at least 1");
        check("live_per_address_max", self.live_per_address_max > 0, "must be at least 1");
        check("idle_timeout", self.idle_timeout >= Duration::from_secs(1), "must be at least a second");
        check("shipping_flat", (0..=engine::money::AMOUNT_MAX).contains(&self.shipping_flat), "must not be negative");
        check("tax_basis_points", self.tax_basis_points <= 10_000, "must be at most 10000 (100 %)");
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
