//! Which shop a request is for, when no token says so.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use axum::http::{HeaderMap, HeaderName, Uri, header};
use engine::{id::TenantId, money::Currency};
use parking_lot::RwLock;
use persistence::sql::ReadSide;

use crate::{
    Settings,
    edge::HOST_BYTES_MAX,
    problem::{Code, Problem},
};

/// The header that names a tenant.
pub(crate) const FUSION_TENANT: HeaderName = HeaderName::from_static("fusion-tenant");
/// How long the database's word about a name counts: a new shop is seen that much later.
const REMEMBERED: Duration = Duration::from_secs(5);
/// The most names that are remembered, of 255 bytes at the most: callers choose them.
const NAMES_MAX: usize = 4_096;

/// Knows the shops of this installation.
#[derive(Debug, Default)]
pub struct Tenants {
    hosts: RwLock<HashMap<String, (Instant, Option<TenantId>)>>,
    names: RwLock<HashMap<TenantId, (Instant, Option<Currency>)>>,
}

impl Tenants {
    /// The shop that a request without a token is for: by the host name, else by `Fusion-Tenant`, else the default under
    /// `--dev`.
    pub async fn of_request(
        &self,
        read_side: &ReadSide,
        settings: &Settings,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<TenantId, Problem> {
        // RFC 9112, section 3.2.2: what the address itself says counts, where it says something.
        let host = uri.host().or_else(|| headers.get(header::HOST).and_then(|host| host.to_str().ok()));
        // A longer one is no name, and must not be remembered as one.
        if let Some(host) = host.map(plain_host).filter(|host| host.len() <= HOST_BYTES_MAX) {
            if let Some(tenant) = settings.hosts.get(&host) {
                return Ok(tenant.clone());
            }
            if let Some(tenant) = self.of_host(read_side, &host).await? {
                return Ok(tenant);
            }
        }
        if let Some(tenant) = Self::named(headers)? {
            return match self.currency(read_side, &tenant).await? {
                Some(_) => Ok(tenant),
                None => Err(Problem::not_found().with_detail("there is no such tenant")),
            };
        }
        match &settings.default_tenant {
            Some(tenant) if settings.dev => Ok(tenant.clone()),
            _ => Err(Problem::new(Code::TenantRequired)),
        }
    }

    /// The tenant that `Fusion-Tenant` names, if there is one: 400 when what it says names none.
    pub(super) fn named(headers: &HeaderMap) -> Result<Option<TenantId>, Problem> {
        let Some(said) = headers.get(FUSION_TENANT) else { return Ok(None) };
        let named = said.to_str().ok().and_then(|name| TenantId::new(name).ok());
        named.map(Some).ok_or_else(|| Problem::new(Code::TenantRequired).with_detail("Fusion-Tenant names no tenant"))
    }

    async fn of_host(&self, read_side: &ReadSide, host: &str) -> Result<Option<TenantId>, Problem> {
        if let Some((at, tenant)) = self.hosts.read().get(host)
            && at.elapsed() < REMEMBERED
        {
            return Ok(tenant.clone());
        }
        let tenant = read_side.tenant_of_host(host).await?;
        remember(&self.hosts, host.to_owned(), tenant.clone());
        Ok(tenant)
    }

    /// The currency that a shop's prices are said in when nothing else is; `None` when there is no such shop.
    pub async fn currency(&self, read_side: &ReadSide, tenant: &TenantId) -> Result<Option<Currency>, Problem> {
        if let Some((at, currency)) = self.names.read().get(tenant)
            && at.elapsed() < REMEMBERED
        {
            return Ok(*currency);
        }
        let currency = read_side.tenant(tenant).await?.map(|tenant| tenant.currency);
        remember(&self.names, tenant.clone(), currency);
        Ok(currency)
    }
}

fn remember<K: std::hash::Hash + Eq, V>(names: &RwLock<HashMap<K, (Instant, V)>>, name: K, value: V) {
    let mut names = names.write();
    if names.len() >= NAMES_MAX {
        names.retain(|_, (at, _)| at.elapsed() < REMEMBERED);
        if names.len() >= NAMES_MAX {
            names.clear();
        }
    }
    names.insert(name, (Instant::now(), value));
}

/// A host name as it is compared: lower case, without port and closing dot.
fn plain_host(host: &str) -> String {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !name.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    name.trim_end_matches('.').to_ascii_lowercase()
}
