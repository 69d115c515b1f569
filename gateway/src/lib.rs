//! The gateway: the REST and real-time API, authentication, limits, and the OpenAPI document.
//!
//! ```text
//!   serve ─► edge::PublicApi ─► api/<kind> ─► actors::Commerce        (current state)
//!               │                   └───────► persistence::ReadSide   (lists, accounts)
//!               └── auth, limits, idempotency, problem, wire: what all kinds share
//! ```
//!
//! Each kind of resource is a slice `api/<kind>`: its routes, JSON types and tests, and what it adds to the OpenAPI
//! document and to the periodic upkeep.
//!
//! A request is parsed, not validated step by step: [`edge`] turns bytes into typed requests, a route turns them into
//! commands of the engine, and every rejection on the way is a [`problem::Problem`].

mod api;
pub mod auth;
pub mod edge;
pub mod idempotency;
pub mod limits;
mod listing;
pub mod live;
mod notices;
pub mod ops;
pub mod problem;
pub mod settings;
#[cfg(test)]
mod testing;
mod wire;

use std::{
    ops::Deref,
    sync::{Arc, OnceLock},
};

use actors::{Clock, Commerce};
use engine::{id::TenantId, time::Timestamp};
use metrics_exporter_prometheus::PrometheusHandle;
use persistence::sql::ReadSide;

#[cfg(fuzzing)]
pub use crate::api::fuzzing;
use crate::auth::{Issuer, Keys, Mailer, Passwords, Sessions, Tenants, sealing::PaymentTokens};
pub use crate::{
    api::ImportCounts,
    edge::{PublicApi, serve},
    problem::Problem,
    settings::{Rate, Rates, SettingFault, Settings},
};

/// The parts that a gateway is built from.
pub struct GatewayOptions {
    /// The entities.
    pub commerce: Commerce,
    /// Accounts and lists.
    pub read_side: ReadSide,
    /// The operator's settings.
    pub settings: Settings,
    /// The installation's secrets.
    pub keys: Keys,
    /// The mailer.
    pub mailer: Arc<dyn Mailer>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The source of `/metrics`: see [`ops::metrics::install`].
    pub metrics: PrometheusHandle,
}

/// Why a gateway cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Invalid settings; all faults at once.
    #[error("settings: {}", .0.iter().map(SettingFault::to_string).collect::<Vec<_>>().join("; "))]
    Settings(Vec<SettingFault>),
    /// The password settings are outside argon2's bounds.
    #[error(transparent)]
    Password(#[from] auth::password::PasswordError),
    /// A key cannot be derived from the installation's secret.
    #[error(transparent)]
    Keys(#[from] auth::KeyError),
}

/// The state that the routes share. Cheap to clone.
#[derive(Clone)]
pub struct Gateway(Arc<Parts>);

/// The parts of a [`Gateway`].
pub struct Parts {
    /// The entities.
    pub commerce: Commerce,
    /// Accounts and lists.
    pub read_side: ReadSide,
    /// The operator's settings.
    pub settings: Settings,
    /// Accounts and sessions.
    pub sessions: Sessions,
    /// The shops by host and header.
    pub tenants: Tenants,
    /// The rate limits.
    pub limits: limits::Limits,
    /// The mailer.
    pub mailer: Arc<dyn Mailer>,
    /// Sends mails that other people can trigger.
    pub(crate) notices: notices::Notices,
    /// The key of the hashes that stand for e-mail addresses in the journal.
    pub email_key: [u8; 32],
    /// The key that order numbers are encoded with.
    pub order_number_key: [u8; 32],
    pub(crate) skus: api::SkuIndex,
    /// Products that are being created, by the ids of their commands.
    pub(crate) making: idempotency::Turns,
    /// Limits the concurrency of list reads.
    pub(crate) listing: listing::Listing,
    /// Limits how many catalogue files are imported at once.
    pub(crate) imports: Arc<api::ImportPlaces>,
    /// The key of the hashes that stand for the addresses of checkouts in the journal.
    pub(crate) contact_key: [u8; 32],
    /// The key of the hashes that stand for client networks in drops.
    pub(crate) network_key: [u8; 32],
    /// Seals payment tokens before they reach the journal.
    pub payment_tokens: Arc<PaymentTokens>,
    pub(crate) order_access_key: [u8; 32],
    pages: OnceLock<axum::Router<Gateway>>,
    clock: Arc<dyn Clock>,
    metrics: PrometheusHandle,
    /// What `/metrics` showed last, and when.
    pub(crate) rendered_metrics: tokio::sync::Mutex<Option<(std::time::Instant, bytes::Bytes)>>,
}

impl Deref for Gateway {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl Gateway {
    /// Builds a gateway from its parts. It serves nothing yet: see [`serve`].
    pub fn new(options: GatewayOptions) -> Result<Self, StartError> {
        let GatewayOptions { commerce, read_side, settings, keys, mailer, clock, metrics } = options;
        let faults = settings.faults();
        if !faults.is_empty() {
            return Err(StartError::Settings(faults));
        }
        let passwords = Passwords::new(settings.password_memory_kib, settings.passwords_at_once)?;
        let issuer = Issuer::new(&settings.issuer, &keys);
        Ok(Self(Arc::new(Parts {
            sessions: Sessions::new(issuer, &keys, read_side.clone(), passwords, &settings),
            tenants: Tenants::default(),
            skus: api::SkuIndex::default(),
            making: idempotency::Turns::default(),
            listing: listing::Listing::new(),
            limits: limits::Limits::new(&settings.rates, settings.dev),
            email_key: keys.derive("e-mail hashes"),
            order_number_key: keys.derive("order numbers"),
            contact_key: keys.derive("contacts"),
            order_access_key: keys.derive("order links"),
            network_key: keys.derive("networks"),
            payment_tokens: Arc::new(PaymentTokens::new(&keys)?),
            pages: OnceLock::new(),
            imports: Arc::default(),
            commerce,
            read_side,
            settings,
            notices: notices::Notices::new(mailer.clone()),
            mailer,
            clock,
            metrics,
            rendered_metrics: tokio::sync::Mutex::default(),
        })))
    }

    /// Adds pages beside the API, such as a payment provider's. Call it once, before [`serve`]. The pages get the
    /// gateway as their state and must not hold it otherwise, because that would be a reference cycle.
    pub fn add_pages(&self, pages: axum::Router<Gateway>) {
        // A second call would be a mistake in the wiring; the first pages stay.
        let _ = self.0.pages.set(pages);
    }

    /// The pages beside the API.
    pub(crate) fn pages(&self) -> axum::Router<Gateway> {
        self.0.pages.get().cloned().unwrap_or_default()
    }

    /// The current time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }

    /// Returns the public URL of a shop, for links in mails and responses.
    pub async fn shop_url(&self, tenant: &TenantId) -> Result<String, Problem> {
        self.tenants.public_url(&self.read_side, &self.settings, tenant).await
    }

    /// Returns the OpenAPI 3.1 document of everything that is served.
    pub fn openapi() -> serde_json::Value {
        api::document()
    }

    pub(crate) fn metrics(&self) -> &PrometheusHandle {
        &self.metrics
    }
}
