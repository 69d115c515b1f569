//! The front door: REST, tokens, limits, and the document that describes them.
//!
//! ```text
//!   serve ─► edge::Door ─► routes/* ─► actors::Commerce        (what is true now)
//!               │             └──────► persistence::ReadSide   (lists, accounts)
//!               └── auth, limits, idempotency, problem: what every route shares
//! ```
//!
//! A request's way in is one of parsing: [`edge`] turns bytes into typed requests, a route turns them into commands of
//! the engine, and every refusal on the way is a [`problem::Problem`].

pub mod auth;
pub mod edge;
pub mod idempotency;
pub mod imports;
pub mod limits;
mod listing;
pub mod live;
mod notices;
pub mod ops;
pub mod problem;
mod routes;
pub mod settings;
mod skus;
#[cfg(test)]
mod testing;
mod wire;

use std::{
    ops::Deref,
    sync::{Arc, OnceLock},
};

use actors::{Clock, Commerce};
use engine::{
    id::{OrderId, TenantId},
    time::Timestamp,
};
use metrics_exporter_prometheus::PrometheusHandle;
use persistence::sql::ReadSide;
use subtle::ConstantTimeEq;

use crate::auth::{Issuer, Keys, Mailer, Passwords, Sessions, Tenants, sealing::PaymentTokens};
#[cfg(fuzzing)]
pub use crate::routes::fuzzing;
pub use crate::{
    edge::{Door, serve},
    problem::Problem,
    settings::{Rate, Rates, SettingFault, Settings},
};

/// What a gateway is made of.
pub struct GatewayOptions {
    /// The entities.
    pub commerce: Commerce,
    /// Accounts and lists.
    pub read_side: ReadSide,
    /// What the operator has chosen.
    pub settings: Settings,
    /// The installation's secrets.
    pub keys: Keys,
    /// Who sends mail.
    pub mailer: Arc<dyn Mailer>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// What `/metrics` shows: [`ops::metrics::install`].
    pub metrics: PrometheusHandle,
}

/// A gateway that cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Settings that cannot be; all of them.
    #[error("settings: {}", .0.iter().map(SettingFault::to_string).collect::<Vec<_>>().join("; "))]
    Settings(Vec<SettingFault>),
    /// The password settings are out of argon2's bounds.
    #[error(transparent)]
    Password(#[from] auth::password::PasswordError),
    /// No key can be made of the installation's secret.
    #[error(transparent)]
    Keys(#[from] auth::KeyError),
}

/// Everything that the routes need. Cheap to clone.
#[derive(Clone)]
pub struct Gateway(Arc<Parts>);

/// The parts of a [`Gateway`].
pub struct Parts {
    /// The entities.
    pub commerce: Commerce,
    /// Accounts and lists.
    pub read_side: ReadSide,
    /// What the operator has chosen.
    pub settings: Settings,
    /// Who asks.
    pub sessions: Sessions,
    /// Whose shop it is about.
    pub tenants: Tenants,
    /// How often.
    pub limits: limits::Limits,
    /// Who sends mail.
    pub mailer: Arc<dyn Mailer>,
    /// Sends mails that others can cause.
    pub(crate) notices: notices::Notices,
    /// The key of the hashes that the journal knows e-mail addresses by.
    pub email_key: [u8; 32],
    /// The key that order numbers are spelled with.
    pub order_number_key: [u8; 32],
    pub(crate) skus: skus::SkuIndex,
    /// Products that are being made, by the commands' names.
    pub(crate) making: idempotency::Turns,
    /// Turns for lists.
    pub(crate) listing: listing::Listing,
    /// The catalogue files that may be taken in at once.
    pub(crate) imports: Arc<imports::ImportPlaces>,
    /// The key of what the journal keeps of checkouts' addresses.
    pub(crate) contact_key: [u8; 32],
    /// The key of the hashes that drops know networks by.
    pub(crate) network_key: [u8; 32],
    /// Seals means of payment before the journal has them.
    pub payment_tokens: Arc<PaymentTokens>,
    order_access_key: [u8; 32],
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
    /// A gateway made of these parts. It serves nothing yet: see [`serve`].
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
            skus: skus::SkuIndex::default(),
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

    /// Serves pages that are not the API's beside it: a payment provider's own. Once, and before [`serve`]. They get the
    /// gateway as their state, and must not hold it otherwise: it would hold itself.
    pub fn add_pages(&self, pages: axum::Router<Gateway>) {
        // A second time would be a mistake of the wiring; the first pages stay.
        let _ = self.0.pages.set(pages);
    }

    /// The pages that are not the API's.
    pub(crate) fn pages(&self) -> axum::Router<Gateway> {
        self.0.pages.get().cloned().unwrap_or_default()
    }

    /// The present instant.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }

    /// The page that shows an order to whoever has its address, without what is personal.
    ///
    /// `shop_url` is the shop's own address: see [`shop_url`](Gateway::shop_url).
    pub fn order_access_url(&self, shop_url: &str, tenant: &TenantId, order: OrderId) -> String {
        // In the fragment: it reaches no server's log, and no other site by a Referer.
        format!("{shop_url}/orders/{order}#access={}", self.order_access(tenant, order))
    }

    /// Where people reach a shop, for links in mails and answers.
    pub async fn shop_url(&self, tenant: &TenantId) -> Result<String, Problem> {
        self.tenants.public_url(&self.read_side, &self.settings, tenant).await
    }

    fn order_access(&self, tenant: &TenantId, order: OrderId) -> String {
        let hash = auth::keys::keyed_hash(&self.order_access_key, &[tenant.as_str().as_bytes(), &order.to_bytes()]);
        hash[..16].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether `access` is what an order's [address](Gateway::order_access_url) says.
    pub(crate) fn is_order_access(&self, tenant: &TenantId, order: OrderId, access: &str) -> bool {
        self.order_access(tenant, order).as_bytes().ct_eq(access.as_bytes()).into()
    }

    /// The OpenAPI 3.1 document of everything that is served.
    pub fn openapi() -> serde_json::Value {
        routes::document()
    }

    pub(crate) fn metrics(&self) -> &PrometheusHandle {
        &self.metrics
    }
}
