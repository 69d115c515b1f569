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
    setting(Everywhere, "data_dir", "FOLDER", "./data", "Where everything is kept"),
    setting(Everywhere, "config", "FILE", "none", "A TOML file with any of these settings as keys"),
    setting(Everywhere, "log", "FILTER", super::LOG_DEFAULT, "What is logged: warn, or info,gateway=debug …"),
    setting(Everywhere, "log_format", "FORMAT", "text", "How log lines look: text or json"),
    setting(Commands, "tenant", "NAME", "demo in a folder of --dev", "Whose shop it is about"),
    setting(
        Serve,
        "dev",
        "true|false",
        "false",
        "A developer's machine: a demo shop, tokens on the screen, no limits for loopback",
    ),
    setting(Everywhere, "listen", "ADDRESS:PORT", "127.0.0.1:8080", "Where the server listens"),
    setting(Serve, "workers", "THREADS", "one for each core, at least 2", "Threads that serve"),
    setting(
        Serve,
        "public_url",
        "URL",
        "http:// and the listening address",
        "Where people reach the shop, for links in mails",
    ),
    setting(
        Serve,
        "default_tenant",
        "NAME",
        "demo under --dev",
        "Whose shop a request is for that does not say so; only under --dev",
    ),
    setting(Serve, "hosts", "HOST=TENANT,…", "none", "Shops by host name, beside those of `fusion tenants add --host`"),
    setting(Serve, "trusted_proxies", "NETWORK,…", "none", "Proxies whose X-Forwarded-For counts: 10.0.0.0/8,::1"),
    setting(
        Serve,
        "origins",
        "ORIGIN,…",
        "any, and no WebSockets",
        "Whose pages, beside the shop's own, may read the answers (CORS) and open WebSockets: any, or https://shop.example,…",
    ),
    setting(Serve, "rate_identity", "PER_SECOND/BURST", "50/100", "Requests of one guest or account"),
    setting(Serve, "rate_staff", "PER_SECOND/BURST", "500/1000", "Requests of one member of staff or integration"),
    setting(Serve, "rate_address", "PER_SECOND/BURST", "500/1000", "Requests from one address"),
    setting(Serve, "rate_sessions", "PER_SECOND/BURST", "5/50", "New sessions from one address"),
    setting(Serve, "rate_passwords", "PER_SECOND/BURST", "1/10", "Passwords tried from one address"),
    setting(Everywhere, "issuer", "NAME", "fusion", "Who issues tokens: their `iss`"),
    setting(Serve, "token_ttl", "DURATION", "1h", "How long a token is good for"),
    setting(Serve, "refresh_ttl", "DURATION", "30d", "How long a refresh token is good for"),
    setting(Serve, "reset_ttl", "DURATION", "1h", "How long the link in a password mail is good for"),
    setting(
        Serve,
        "require_verified_email",
        "true|false",
        "false",
        "Whether accounts claim and check out only once their e-mail address is verified by a mailed link",
    ),
    setting(Serve, "password_memory_kib", "KIB", "19456", "Memory that checking one password takes"),
    setting(Serve, "passwords_at_once", "COUNT", "2", "Passwords that are checked at once"),
    setting(Serve, "request_timeout", "DURATION", "30s", "How long a request may take"),
    setting(Serve, "upload_timeout", "DURATION", "10m", "How long a catalogue file may take to arrive and be read"),
    setting(Serve, "upload_bytes_max", "BYTES", "256MiB", "The largest catalogue file"),
    setting(Serve, "connections_max", "COUNT", "20000", "Connections at once"),
    setting(Serve, "connections_per_address_max", "COUNT", "1000", "Plain HTTP connections of one address"),
    setting(Serve, "live_per_address_max", "COUNT", "1000", "WebSockets and event streams of one address"),
    setting(Serve, "idle_timeout", "DURATION", "75s", "How long a connection may be idle"),
    setting(Serve, "drain_timeout", "DURATION", "20s", "How long requests may still take when the server stops"),
    setting(Serve, "shipping_flat", "MINOR_UNITS", "0", "Shipping of every order"),
    setting(Serve, "tax_basis_points", "HUNDREDTHS_OF_A_PERCENT", "0", "Tax on every order: 1900 is 19 %"),
    setting(Serve, "guest_cart_ttl", "DURATION", "30d", "How long a guest's cart is kept that nobody changes"),
    setting(Serve, "contact_ttl", "DURATION", "7d", "How long an address is kept that no order came of"),
    setting(Serve, "mail_from", "SENDER", "Fusion <no-reply@localhost>", "Whom letters are from"),
    setting(
        Secret,
        "smtp_url",
        "URL",
        "letters go to outbox/ in the data folder",
        "A mail server: smtps://user:password@host:465",
    ),
    setting(
        Secret,
        "metrics_token",
        "TOKEN",
        "none",
        "What /metrics wants as a bearer token; without one it is there under --dev alone",
    ),
    setting(
        Serve,
        "sandbox_payments",
        "true|false",
        "true under --dev",
        "Whether checkouts may pay with the sandbox, which moves no money; without it there is no payment provider",
    ),
    setting(
        Serve,
        "provider_timeout",
        "DURATION",
        "30s",
        "How long a payment provider may take before its outcome counts as unknown",
    ),
    setting(
        Serve,
        "rewitness",
        "true|false",
        "false",
        "Open a journal whose witness file is missing, and believe it; once, after you have looked",
    ),
    setting(
        Serve,
        "checkpoint_tail_bytes",
        "BYTES",
        "16MiB",
        "Journal that a shard may always have to read again at the next start",
    ),
    setting(Serve, "entities_max", "COUNT", "50000", "Entities in memory, at some 8 KB each besides their state"),
    setting(Serve, "idle_after", "DURATION", "5m", "How long an entity may be idle in memory"),
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
