//! The table of all settings.

/// A setting that an operator can choose.
#[derive(Debug)]
pub(super) struct Setting {
    /// The key in the file. In the environment it is in capitals after `FUSION_`, as a flag it has hyphens.
    pub(super) name: &'static str,
    /// The placeholder of its value in help texts.
    pub(super) value: &'static str,
    /// The description, with its unit.
    pub(super) help: &'static str,
    /// The default.
    pub(super) default: &'static str,
    /// Which commands have a flag for it.
    pub(super) flag: Flag,
}

/// Which commands have a flag for a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flag {
    /// All commands.
    Everywhere,
    /// All commands but `serve`, which serves every tenant.
    Commands,
    /// `serve` only.
    Serve,
    /// No command: the setting is a secret, and every user of the machine can read command lines.
    Secret,
}

const fn setting(
    flag: Flag,
    name: &'static str,
    value: &'static str,
    default: &'static str,
    help: &'static str,
) -> Setting {
    Setting { name, value, help, default, flag }
}

use Flag::{Commands, Everywhere, Secret, Serve};

/// All settings.
pub(super) const SETTINGS: &[Setting] = &[
    setting(Everywhere, "data_dir", "FOLDER", "./data", "The data folder"),
    setting(Everywhere, "config", "FILE", "none", "A TOML file with any of these settings"),
    setting(Everywhere, "log", "FILTER", super::LOG_DEFAULT, "The log filter: warn, or info,gateway=debug …"),
    setting(Everywhere, "log_format", "FORMAT", "text", "The log format: text or json"),
    setting(Commands, "tenant", "NAME", "demo in a folder of --dev", "The tenant"),
    setting(
        Serve,
        "dev",
        "true|false",
        "false",
        "Development mode: a demo shop, printed tokens, no rate limits for loopback",
    ),
    setting(Everywhere, "listen", "ADDRESS:PORT", "127.0.0.1:8080", "The address to listen on"),
    setting(Serve, "workers", "THREADS", "one for each core, at least 2", "Worker threads"),
    setting(
        Serve,
        "public_url",
        "URL",
        "http:// and the listening address",
        "The shop's public URL, for links in e-mails",
    ),
    setting(
        Serve,
        "default_tenant",
        "NAME",
        "demo under --dev",
        "The tenant of requests that do not identify one; only with --dev",
    ),
    setting(
        Serve,
        "hosts",
        "HOST=TENANT,…",
        "none",
        "Tenants by host name, in addition to `fusion tenants add --host`",
    ),
    setting(
        Serve,
        "trusted_proxies",
        "NETWORK,…",
        "none",
        "Proxies whose X-Forwarded-For header is trusted: 10.0.0.0/8,::1",
    ),
    setting(
        Serve,
        "origins",
        "ORIGIN,…",
        "any for CORS, none for WebSockets",
        "Additional origins for CORS and WebSockets: any, or https://shop.example,…",
    ),
    setting(Serve, "rate_identity", "PER_SECOND/BURST", "50/100", "Rate limit per guest or account"),
    setting(Serve, "rate_staff", "PER_SECOND/BURST", "500/1000", "Rate limit per staff account or integration"),
    setting(Serve, "rate_address", "PER_SECOND/BURST", "500/1000", "Rate limit per IP address"),
    setting(Serve, "rate_sessions", "PER_SECOND/BURST", "5/50", "Rate limit of new sessions per IP address"),
    setting(Serve, "rate_passwords", "PER_SECOND/BURST", "1/10", "Rate limit of password attempts per IP address"),
    setting(Everywhere, "issuer", "NAME", "fusion", "The issuer of tokens (`iss`)"),
    setting(Serve, "token_ttl", "DURATION", "1h", "How long a token is valid"),
    setting(Serve, "refresh_ttl", "DURATION", "30d", "How long a refresh token is valid"),
    setting(Serve, "reset_ttl", "DURATION", "1h", "How long a password reset link is valid"),
    setting(
        Serve,
        "require_verified_email",
        "true|false",
        "false",
        "Whether claims and checkouts require an account with a verified e-mail address",
    ),
    setting(Serve, "password_memory_kib", "KIB", "19456", "Memory for hashing one password"),
    setting(Serve, "passwords_at_once", "COUNT", "2", "Concurrent password checks"),
    setting(Serve, "request_timeout", "DURATION", "30s", "Maximum duration of a request"),
    setting(Serve, "upload_timeout", "DURATION", "10m", "Maximum duration of a catalogue upload"),
    setting(Serve, "upload_bytes_max", "BYTES", "256MiB", "Maximum size of a catalogue file"),
    setting(Serve, "connections_max", "COUNT", "20000", "Maximum number of connections"),
    setting(
        Serve,
        "connections_per_address_max",
        "COUNT",
        "1000",
        "Maximum number of plain HTTP connections per IP address",
    ),
    setting(
        Serve,
        "live_per_address_max",
        "COUNT",
        "1000",
        "Maximum number of WebSockets and event streams per IP address",
    ),
    setting(Serve, "idle_timeout", "DURATION", "75s", "Maximum idle time of a connection"),
    setting(Serve, "drain_timeout", "DURATION", "20s", "How long to wait for running requests when the server stops"),
    setting(Serve, "shipping_flat", "MINOR_UNITS", "0", "Shipping cost of every order"),
    setting(Serve, "tax_basis_points", "HUNDREDTHS_OF_A_PERCENT", "0", "Tax on every order: 1900 is 19 %"),
    setting(Serve, "guest_cart_ttl", "DURATION", "30d", "How long an unchanged guest cart is kept"),
    setting(Serve, "contact_ttl", "DURATION", "7d", "How long an address without an order is kept"),
    setting(Serve, "mail_from", "SENDER", "Fusion <no-reply@localhost>", "The sender of e-mails"),
    setting(
        Secret,
        "smtp_url",
        "URL",
        "e-mails are written to outbox/ in the data folder",
        "A mail server: smtps://user:password@host:465",
    ),
    setting(
        Secret,
        "metrics_token",
        "TOKEN",
        "none",
        "The bearer token for /metrics; without one, /metrics is available only with --dev",
    ),
    setting(
        Serve,
        "sandbox_payments",
        "true|false",
        "true under --dev",
        "Whether to enable the sandbox payment provider, which moves no money",
    ),
    setting(
        Serve,
        "provider_timeout",
        "DURATION",
        "30s",
        "How long to wait for a payment provider before the outcome counts as unknown",
    ),
    setting(
        Serve,
        "rewitness",
        "true|false",
        "false",
        "Accept a journal whose witness file is missing; set once, after you have examined it",
    ),
    setting(
        Serve,
        "checkpoint_tail_bytes",
        "BYTES",
        "16MiB",
        "Journal per shard to replay at the next start, before a checkpoint is due",
    ),
    setting(
        Serve,
        "entities_max",
        "COUNT",
        "50000",
        "Maximum number of entities in memory, at about 8 KB each plus their state",
    ),
    setting(Serve, "idle_after", "DURATION", "5m", "How long an idle entity stays in memory"),
];

/// Whether a setting of this name exists.
pub(crate) fn is_setting(name: &str) -> bool {
    find(name).is_some()
}

/// Returns the setting of this name.
pub(super) fn find(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

impl Setting {
    /// The name of the flag, without `--`.
    pub(super) fn long(&self) -> String {
        self.name.replace('_', "-")
    }

    /// The name of the environment variable, `FUSION_ITS_NAME`.
    pub(super) fn variable(&self) -> String {
        format!("FUSION_{}", self.name.to_ascii_uppercase())
    }
}
