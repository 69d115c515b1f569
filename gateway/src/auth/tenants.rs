//! Determines the shop of a request without a token.

use std::time::{Duration, Instant};

use axum::http::{HeaderMap, HeaderName, Uri, header};
use engine::{id::TenantId, money::Currency};
use persistence::sql::ReadSide;
use quick_cache::sync::Cache;

use crate::{
    Settings,
    edge::HOST_BYTES_MAX,
    problem::{Code, Problem},
};

/// The header that names a tenant.
pub(crate) const FUSION_TENANT: HeaderName = HeaderName::from_static("fusion-tenant");
/// How long a lookup in the database is cached: a new shop is visible that much later.
const REMEMBERED: Duration = Duration::from_secs(5);
/// The maximum number of cached names, of at most 255 bytes each: callers choose them. Beyond it the least used are
/// evicted.
const NAMES_MAX: usize = 4_096;

/// The shops of this installation.
#[derive(Debug)]
pub struct Tenants {
    hosts: Cache<String, (Instant, Option<TenantId>)>,
    names: Cache<TenantId, (Instant, Option<KnownTenant>)>,
}

impl Default for Tenants {
    fn default() -> Self {
        Self { hosts: Cache::new(NAMES_MAX), names: Cache::new(NAMES_MAX) }
    }
}

/// The properties of a tenant that requests need.
#[derive(Debug, Clone)]
struct KnownTenant {
    currency: Currency,
    /// The public address of its shop, if it has its own.
    address: Option<Address>,
}

/// The public address of a tenant.
#[derive(Debug, Clone)]
enum Address {
    /// A URL set by the operator.
    Url(String),
    /// A host name; scheme and port are the installation's.
    Host(String),
}

/// The tenant setting with the public address: `https://shop.example`.
pub const PUBLIC_URL_SETTING: &str = "public_url";

/// Whether a text can be a public address: scheme and authority, without a path.
pub fn is_public_url(url: &str) -> bool {
    let is_http = matches!(url.split_once("://"), Some(("http" | "https", _)));
    is_http
        && !url.ends_with('/')
        && url.parse::<Uri>().is_ok_and(|uri| uri.host().is_some_and(|host| !host.is_empty()))
}

impl Tenants {
    /// Returns the shop of a request without a token: by the host name, else by `Fusion-Tenant`, else the default under
    /// `--dev`.
    pub async fn of_request(
        &self,
        read_side: &ReadSide,
        settings: &Settings,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<TenantId, Problem> {
        // RFC 9112, section 3.2.2: the host in the request target takes precedence.
        let host = uri.host().or_else(|| headers.get(header::HOST).and_then(|host| host.to_str().ok()));
        // A longer one is not a host name and must not be cached.
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
                None => Err(Problem::not_found().with_detail("the tenant does not exist")),
            };
        }
        match &settings.default_tenant {
            Some(tenant) if settings.dev => Ok(tenant.clone()),
            _ => Err(Problem::new(Code::TenantRequired)),
        }
    }

    /// Returns the tenant in `Fusion-Tenant`, if the header is present: 400 when its value is not a tenant id.
    pub(super) fn named(headers: &HeaderMap) -> Result<Option<TenantId>, Problem> {
        let Some(value) = headers.get(FUSION_TENANT) else { return Ok(None) };
        let named = value.to_str().ok().and_then(|name| TenantId::new(name).ok());
        named
            .map(Some)
            .ok_or_else(|| Problem::new(Code::TenantRequired).with_detail("Fusion-Tenant is not a valid tenant name"))
    }

    async fn of_host(&self, read_side: &ReadSide, host: &str) -> Result<Option<TenantId>, Problem> {
        if let Some((at, tenant)) = self.hosts.get(host)
            && at.elapsed() < REMEMBERED
        {
            return Ok(tenant);
        }
        let tenant = read_side.tenant_of_host(host).await?;
        self.hosts.insert(host.to_owned(), (Instant::now(), tenant.clone()));
        Ok(tenant)
    }

    /// The default currency of a shop's prices; `None` when there is no such shop.
    pub async fn currency(&self, read_side: &ReadSide, tenant: &TenantId) -> Result<Option<Currency>, Problem> {
        Ok(self.known(read_side, tenant).await?.map(|known| known.currency))
    }

    /// Whether there is such a shop.
    pub async fn exists(&self, read_side: &ReadSide, tenant: &TenantId) -> Result<bool, Problem> {
        Ok(self.known(read_side, tenant).await?.is_some())
    }

    /// Returns the public URL of a shop, for links in mails and responses: its own, else the installation's. A shop's
    /// own comes from its `public_url` setting, else from the first of its host names.
    pub async fn public_url(
        &self,
        read_side: &ReadSide,
        settings: &Settings,
        tenant: &TenantId,
    ) -> Result<String, Problem> {
        let address = self.known(read_side, tenant).await?.and_then(|known| known.address);
        let configured = || settings.hosts.iter().find(|(_, known)| *known == tenant).map(|(host, _)| host.clone());
        Ok(match address.or_else(|| configured().map(Address::Host)) {
            Some(Address::Url(url)) => url,
            Some(Address::Host(host)) => at_host(&settings.public_url, &host),
            None => settings.public_url.clone(),
        })
    }

    async fn known(&self, read_side: &ReadSide, tenant: &TenantId) -> Result<Option<KnownTenant>, Problem> {
        if let Some((at, known)) = self.names.get(tenant)
            && at.elapsed() < REMEMBERED
        {
            return Ok(known);
        }
        let known = read_side.tenant(tenant).await?.map(|tenant| {
            let url =
                tenant.settings.get(PUBLIC_URL_SETTING).and_then(|url| url.as_str()).filter(|url| is_public_url(url));
            let address = url.map(|url| Address::Url(url.to_owned()));
            KnownTenant {
                currency: tenant.currency,
                address: address.or_else(|| tenant.hosts.into_iter().next().map(Address::Host)),
            }
        });
        self.names.insert(tenant.clone(), (Instant::now(), known.clone()));
        Ok(known)
    }
}

/// The installation's URL with another host name.
fn at_host(public_url: &str, host: &str) -> String {
    let (scheme, authority) = public_url.split_once("://").unwrap_or(("http", public_url));
    let port =
        authority.rsplit_once(':').map(|(_, port)| port).filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    match port {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    }
}

/// Normalizes a host name for comparison: lower case, without port and trailing dot.
fn plain_host(host: &str) -> String {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !name.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    name.trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shop_is_reached_as_the_installation_is_under_its_own_host_name() {
        assert_eq!(at_host("https://shops.example", "acme.example"), "https://acme.example");
        assert_eq!(at_host("http://127.0.0.1:8080", "acme.example"), "http://acme.example:8080");
        assert_eq!(at_host("http://[::1]", "acme.example"), "http://acme.example");
        assert_eq!(at_host("http://[::1]:8080", "acme.example"), "http://acme.example:8080");
    }

    #[test]
    fn an_address_has_a_scheme_and_a_host_and_no_path() {
        for good in ["https://shop.example", "http://shop.example:8080", "http://[::1]:8080"] {
            assert!(is_public_url(good), "{good}");
        }
        for odd in [
            "",
            "shop.example",
            "https://",
            "https://shop.example/",
            "ftp://shop.example",
            "javascript://x",
            "https://a b",
        ] {
            assert!(!is_public_url(odd), "{odd}");
        }
    }
}
