//! The configuration: by flag, by `FUSION_…` in the environment, or by a key in the file, in this order of precedence.
//!
//! Every setting is an entry of `SETTINGS`. All errors are reported in one message before anything starts.

mod settings;
mod sources;
#[cfg(test)]
mod tests;
mod values;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use actors::node::Tuning;
use engine::id::TenantId;
use integrations::mail::MailRoute;

pub(crate) use self::{
    settings::is_setting,
    sources::{ConfigSources, FileValues, FolderSettings, ServeSettings, read_file},
    values::{duration, flag, parse_tenant},
};
use self::{
    sources::Reading,
    values::{bytes, listen_address, origins, positive, rate, tenant_hosts},
};

/// The name of the tenant that `--dev` creates.
pub(crate) const DEMO_TENANT: &str = "demo";
/// The number of shards of an embedded journal. Fixed when a data folder is made.
pub(crate) const SHARDS: u16 = 8;

/// The default log filter of a server: only warnings of the libraries. Commands log warnings by default.
pub(crate) const LOG_DEFAULT: &str = "info,fjall=warn,lsm_tree=warn,ractor=warn";

/// The validated configuration.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// Whether the server runs in development mode.
    pub(crate) dev: bool,
    /// The address to listen on.
    pub(crate) listen: SocketAddr,
    /// The data folder.
    pub(crate) data_dir: PathBuf,
    /// The tenant that a command is for.
    pub(crate) tenant: Option<TenantId>,
    /// The number of worker threads.
    pub(crate) workers: usize,
    /// What is logged, and how.
    pub(crate) log: LogOptions,
    /// The settings of the gateway.
    pub(crate) api: gateway::Settings,
    /// The settings of the runtime.
    pub(crate) tuning: Tuning,
    /// How mails are sent.
    pub(crate) mail: MailRoute,
    /// The sender of mails.
    pub(crate) mail_from: String,
    /// Whether checkouts may pay with the sandbox.
    pub(crate) sandbox: bool,
    /// How long a payment provider may take to respond.
    pub(crate) provider_timeout: Duration,
    /// Whether to open a journal whose watermark file is missing, once, after an operator has checked it.
    pub(crate) reset_watermark: bool,
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogOptions {
    /// The filter: `info`, `warn,gateway=debug` …
    pub(crate) filter: String,
    /// The format of the lines.
    pub(crate) format: LogFormat,
}

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// Text for people.
    Text,
    /// A JSON object on each line.
    Json,
}

/// An invalid configuration, with all its errors.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", list(.0))]
pub(crate) struct ConfigError(Vec<String>);

impl ConfigError {
    /// Creates an error with a single fault.
    pub(crate) fn one(fault: String) -> Self {
        Self(vec![fault])
    }
}

fn list(faults: &[String]) -> String {
    let count = match faults.len() {
        1 => "1 error".to_owned(),
        many => format!("{many} errors"),
    };
    let faults: Vec<_> = faults.iter().map(|fault| format!("  - {fault}")).collect();
    format!("{count} in the configuration:\n{}", faults.join("\n"))
}

impl Config {
    /// Returns the configuration with the actual address: with port 0 the system chooses one, and links must name it.
    pub(crate) fn listening_on(&self, address: SocketAddr) -> Self {
        let mut here = self.clone();
        if here.api.public_url == own_url(self.listen) {
            here.api.public_url = own_url(address);
        }
        here.listen = address;
        here
    }

    /// Reads and validates flags, environment and file.
    pub(crate) fn of(sources: &ConfigSources) -> Result<Self, ConfigError> {
        Self::read(sources, |name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    fn read(sources: &ConfigSources, environment: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut given = Reading::new(sources, environment);
        let dev = given.or("dev", false, flag);
        let listen = given.or("listen", SocketAddr::from(([127, 0, 0, 1], 8080)), listen_address);
        let data_dir = given.or("data_dir", PathBuf::from("./data"), |text| Ok(PathBuf::from(text)));
        let tenant = given.optional("tenant", parse_tenant);
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let workers = given.or("workers", cores.max(2), |text| positive(text).map(|count| count as usize));
        let log = LogOptions {
            filter: given.or("log", if sources.is_for_serve() { LOG_DEFAULT } else { "warn" }.to_owned(), |text| {
                Ok(text.to_owned())
            }),
            format: given.or("log_format", LogFormat::Text, |text| match text {
                "text" => Ok(LogFormat::Text),
                "json" => Ok(LogFormat::Json),
                _ => Err("must be text or json".to_owned()),
            }),
        };
        if let Err(error) = tracing_subscriber::EnvFilter::try_new(&log.filter) {
            given.fault("log", &error.to_string());
        }
        // Outside of development it must be enabled explicitly: orders paid with the sandbox cost nothing.
        let sandbox = given.or("sandbox_payments", dev, flag);
        let api = api(&mut given, dev, listen, sandbox);
        let defaults = Tuning::default();
        let tuning = Tuning {
            checkpoint_tail_bytes: given.or("checkpoint_tail_bytes", defaults.checkpoint_tail_bytes, bytes),
            entities_max: given.or("entities_max", defaults.entities_max, |text| positive(text).map(|n| n as usize)),
            idle_after: given.or("idle_after", defaults.idle_after, duration),
            ..defaults
        };
        let outbox = data_dir.join("outbox");
        let mail = given.optional("smtp_url", |url| Ok(MailRoute::Smtp { url: url.to_owned() }));
        let mail_from = given.or("mail_from", "Fusion <no-reply@localhost>".to_owned(), |text| Ok(text.to_owned()));
        let mail = mail.unwrap_or(MailRoute::Outbox { folder: outbox });
        if let MailRoute::Smtp { .. } = &mail
            && let Err(error) = integrations::mail::MailSender::open(&mail_from, &mail)
        {
            given.fault("smtp_url", &error.to_string());
        }
        let provider_timeout = given.or("provider_timeout", integrations::payments::ANSWER_MAX, duration);
        let reset_watermark = given.or("rewitness", false, flag);
        let faults = given.faults();
        if !faults.is_empty() {
            return Err(ConfigError(faults));
        }
        Ok(Self {
            dev,
            listen,
            data_dir,
            tenant,
            workers,
            log,
            api,
            tuning,
            mail,
            mail_from,
            sandbox,
            provider_timeout,
            reset_watermark,
        })
    }

    /// Returns the tenant that a command is for: the given one, or the demo tenant in a folder of `--dev`.
    pub(crate) fn tenant_or_demo(&self, demo: bool) -> Result<TenantId, NoTenant> {
        match &self.tenant {
            Some(tenant) => Ok(tenant.clone()),
            None if demo => TenantId::new(DEMO_TENANT).map_err(|_| NoTenant),
            None => Err(NoTenant),
        }
    }
}

/// No tenant was given.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the tenant is required: use --tenant NAME or FUSION_TENANT")]
pub(crate) struct NoTenant;

fn api<E: Fn(&str) -> Option<String>>(
    given: &mut Reading<'_, E>,
    dev: bool,
    listen: SocketAddr,
    sandbox: bool,
) -> gateway::Settings {
    let defaults = gateway::Settings::default();
    let demo = TenantId::new(DEMO_TENANT).ok().filter(|_| dev);
    let rates = defaults.rates;
    let settings = gateway::Settings {
        dev,
        default_tenant: given.optional("default_tenant", parse_tenant).or(demo),
        hosts: given.or("hosts", defaults.hosts, tenant_hosts),
        public_url: given.or("public_url", own_url(listen), |text| Ok(text.to_owned())),
        trusted_proxies: given.or("trusted_proxies", defaults.trusted_proxies, |text| {
            let networks = text.split(',').map(str::trim).filter(|network| !network.is_empty());
            networks.map(|network| network.parse().map_err(|error| format!("{network}: {error}"))).collect()
        }),
        origins: given.or("origins", defaults.origins, origins),
        rates: gateway::Rates {
            identity: given.or("rate_identity", rates.identity, rate),
            staff: given.or("rate_staff", rates.staff, rate),
            address: given.or("rate_address", rates.address, rate),
            sessions: given.or("rate_sessions", rates.sessions, rate),
            passwords: given.or("rate_passwords", rates.passwords, rate),
        },
        issuer: given.or("issuer", defaults.issuer, |text| Ok(text.to_owned())),
        token_ttl: given.or("token_ttl", defaults.token_ttl, duration),
        refresh_ttl: given.or("refresh_ttl", defaults.refresh_ttl, duration),
        reset_ttl: given.or("reset_ttl", defaults.reset_ttl, duration),
        require_verified_email: given.or("require_verified_email", defaults.require_verified_email, flag),
        password_memory_kib: given.or("password_memory_kib", defaults.password_memory_kib, |text| {
            positive(text).and_then(|kib| u32::try_from(kib).map_err(|_| "is too large".to_owned()))
        }),
        passwords_at_once: given
            .or("passwords_at_once", defaults.passwords_at_once, |text| positive(text).map(|n| n as usize)),
        request_timeout: given.or("request_timeout", defaults.request_timeout, duration),
        upload_timeout: given.or("upload_timeout", defaults.upload_timeout, duration),
        upload_bytes_max: given
            .or("upload_bytes_max", defaults.upload_bytes_max, |text| bytes(text).map(|n| n as usize)),
        connections_max: given
            .or("connections_max", defaults.connections_max, |text| positive(text).map(|n| n as usize)),
        connections_per_address_max: given.or(
            "connections_per_address_max",
            defaults.connections_per_address_max,
            |text| positive(text).map(|n| n as usize),
        ),
        descriptors_max: defaults.descriptors_max,
        live_per_address_max: given
            .or("live_per_address_max", defaults.live_per_address_max, |text| positive(text).map(|n| n as usize)),
        idle_timeout: given.or("idle_timeout", defaults.idle_timeout, duration),
        drain_timeout: given.or("drain_timeout", defaults.drain_timeout, duration),
        metrics_token: given.optional("metrics_token", |text| Ok(text.to_owned())),
        shipping_flat: given.or("shipping_flat", defaults.shipping_flat, |text| {
            text.parse().map_err(|_| "must be a whole number of minor units".to_owned())
        }),
        tax_basis_points: given.or("tax_basis_points", defaults.tax_basis_points, |text| {
            text.parse().map_err(|_| "must be a whole number: 1900 is 19 %".to_owned())
        }),
        guest_cart_ttl: given.or("guest_cart_ttl", defaults.guest_cart_ttl, duration),
        contact_ttl: given.or("contact_ttl", defaults.contact_ttl, duration),
        payment_providers: sandbox.then(|| integrations::sandbox::NAME.to_owned()).into_iter().collect(),
    };
    for fault in settings.faults() {
        given.fault(fault.setting, fault.why);
    }
    settings
}

/// Returns the default public URL of a server on this machine. A wildcard address is reachable as localhost.
fn own_url(listen: SocketAddr) -> String {
    let ip = match listen {
        _ if !listen.ip().is_unspecified() => listen.ip(),
        SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
    };
    format!("http://{}", SocketAddr::new(ip, listen.port()))
}
