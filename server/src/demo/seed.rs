//! Sets up the demo shop through the same API that a merchant uses.

use std::time::Duration;

use actors::{AskError, CommandMeta};
use axum::{
    body::Body,
    http::{HeaderValue, Method, Request, StatusCode, header},
};
use engine::{
    catalogue::{DuplicateSku, Item, Reader},
    id::TenantId,
    money::Currency,
    product::{Handle, Product, ProductCommand, ProductRejection},
    time::Timestamp,
};
use gateway::auth::{KeyError, Role};
use http_body_util::BodyExt;
use persistence::sql::{AccountError, NewAccount, StoreError, Tenant, TenantError};
use serde_json::{Value, json};

use crate::{
    admin_socket::{AdminSocket, TENANT_HEADER, encoded},
    app::Backends,
    config::DEMO_TENANT,
    export::{ExportError, wait_for_read_side},
    import::{Options, fresh_key},
    token::staff,
};

/// The catalogue.
const CATALOGUE: &str = include_str!("catalogue.csv");
/// The lifetime of development tokens.
const TOKEN_TTL: Duration = Duration::from_secs(24 * 3_600);
/// The time until the next drop opens.
const OPENS_IN_MS: u64 = 2 * 60 * 1_000;
/// The duration of a demo drop. Units that are not sold return to stock afterwards.
const DROP_MS: u64 = 6 * 3_600 * 1_000;
/// The number of units of each item of a drop.
const UNITS_EACH: u64 = 30;
/// The name of the subject that runs the demo shop, shared by its token and its account.
const VENDOR: &[u8] = b"vendor";
/// The e-mail address of the vendor's account. The demo shop exists only under `--dev`.
pub(super) const VENDOR_EMAIL: &str = "vendor@demo.example";
/// The password of the vendor's account, which the banner prints.
pub(super) const VENDOR_PASSWORD: &str = "demo-vendor";
/// The maximum number of items (sizes) of a drop.
const ITEMS: usize = 4;
/// How long a claim of a demo drop holds.
const HOLD_SECONDS: u32 = 300;
/// How long the import of the catalogue may take.
const IMPORT_MAX: Duration = Duration::from_secs(60);

/// The demo shop could not be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DemoError {
    /// A request got an unexpected response.
    #[error("setting up the demo shop: {what}: {status} {body}")]
    Unexpected {
        /// The request.
        what: String,
        /// The status code.
        status: StatusCode,
        /// The response body.
        body: String,
    },
    /// The built-in catalogue is invalid.
    #[error("the built-in catalogue: {0}")]
    Catalogue(String),
    /// The tenant could not be created.
    #[error("setting up the demo shop: {0}")]
    Tenant(#[from] TenantError),
    /// The vendor's account could not be created.
    #[error("setting up the demo shop: the vendor's account: {0}")]
    Vendor(String),
    /// The vendor's account could not be stored.
    #[error("setting up the demo shop: the vendor's account: {0}")]
    Account(#[from] AccountError),
    /// A query of the read side failed.
    #[error("setting up the demo shop: {0}")]
    Store(#[from] StoreError),
    /// Tokens cannot be signed.
    #[error("setting up the demo shop: {0}")]
    Keys(#[from] KeyError),
    /// The read side did not catch up.
    #[error("setting up the demo shop: {0}")]
    Lists(#[from] ExportError),
}

/// The demo shop as the banner shows it.
#[derive(Debug)]
pub(crate) struct Demo {
    /// The number of products in the shop, including those that the vendor added.
    pub(super) products: usize,
    /// All open drops, the featured one first.
    pub(super) open_drops: Vec<Value>,
    /// A vendor's token.
    pub(super) vendor: String,
    /// A customer's token.
    pub(super) customer: String,
    /// The featured open drop.
    pub(super) open: Value,
    /// The drop that opens soon.
    pub(super) next: Value,
}

/// Creates what is missing of the demo shop: its catalogue, an open drop, and a drop that opens in two minutes.
pub(crate) async fn set_up(backends: &Backends, api: &AdminSocket) -> Result<Demo, DemoError> {
    let tenant = TenantId::new(DEMO_TENANT).map_err(|error| DemoError::Catalogue(error.to_string()))?;
    let shop = Shop { backends, api, tenant };
    shop.ensure_tenant().await?;
    shop.ensure_catalogue().await?;
    wait_for_read_side(backends).await?;
    let products = shop.products().await?;
    let (open_drops, next) = shop.ensure_drops(&products).await?;
    let open = open_drops.first().cloned().unwrap_or_default();
    let products = products.len();
    shop.ensure_vendor().await?;
    let token = |role: Role, name: &[u8]| {
        let issuer = backends.gateway.sessions.issuer();
        let minted =
            issuer.mint(&shop.tenant, staff(name, &shop.tenant), Some(role), backends.gateway.now(), TOKEN_TTL);
        minted.map(|minted| minted.token)
    };
    let (vendor, customer) = (token(Role::Vendor, VENDOR)?, token(Role::Customer, b"demo customer")?);
    let drop = open["id"].as_str().unwrap_or_default().to_owned();
    // Set only once: a server announces one demo shop.
    let _ = backends.announced.set(drop);
    Ok(Demo { products, open_drops, vendor, customer, open, next })
}

struct Shop<'a> {
    backends: &'a Backends,
    api: &'a AdminSocket,
    tenant: TenantId,
}

impl Shop<'_> {
    async fn ensure_tenant(&self) -> Result<(), DemoError> {
        let tenant = Tenant {
            tenant: self.tenant.clone(),
            currency: Currency::USD,
            hosts: Vec::new(),
            settings: serde_json::Map::new(),
            created_at: self.backends.gateway.now(),
        };
        match self.backends.read_side.create_tenant(&tenant).await {
            Ok(()) | Err(TenantError::NameTaken) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Creates the account for trying out the vendor console.
    async fn ensure_vendor(&self) -> Result<(), DemoError> {
        let read_side = &self.backends.read_side;
        if read_side.account_by_email(&self.tenant, VENDOR_EMAIL).await?.is_some() {
            return Ok(());
        }
        let password =
            crate::users::hash(self.backends, VENDOR_PASSWORD.to_owned()).await.map_err(DemoError::Vendor)?;
        let account = NewAccount {
            subject: staff(VENDOR, &self.tenant),
            email: VENDOR_EMAIL.to_owned(),
            password: Some(password),
            role: crate::cli::Role::Vendor.into(),
            created_at: self.backends.gateway.now(),
        };
        read_side.create_account(&self.tenant, &account).await?;
        Ok(read_side.verify_account(&self.tenant, account.subject, account.created_at).await?)
    }

    /// Imports the catalogue unless all its products exist. Changes that a vendor made since then are kept.
    async fn ensure_catalogue(&self) -> Result<(), DemoError> {
        let handles = handles()?;
        let mut missing = 0;
        for handle in &handles {
            let key = handle.product(&self.tenant).key(&self.tenant);
            let seen =
                self.backends.gateway.commerce.ask::<Product>(&key, ProductCommand::View, CommandMeta::read()).await;
            missing += usize::from(matches!(seen, Err(AskError::Rejected(ProductRejection::NotFound))));
        }
        if missing == 0 {
            return Ok(());
        }
        let path = Options::default().path();
        let mut import = self.call(Method::POST, &path, "text/csv", Body::from(CATALOGUE)).await?;
        let deadline = tokio::time::Instant::now() + IMPORT_MAX;
        while import["state"] == "running" && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(50)).await;
            import = self.get(&format!("/v1/imports/{}", import["id"].as_str().unwrap_or_default())).await?;
        }
        if import["state"] != "completed" || import["counts"]["rows_rejected"] != 0 {
            return Err(DemoError::Catalogue(import.to_string()));
        }
        tracing::info!(products = handles.len(), "demo catalogue imported");
        Ok(())
    }

    /// Returns every active product of the shop.
    async fn products(&self) -> Result<Vec<Value>, DemoError> {
        let (mut products, mut path) = (Vec::new(), "/v1/products?status=active&limit=200".to_owned());
        loop {
            let page = self.get(&path).await?;
            products.extend(page["items"].as_array().cloned().unwrap_or_default());
            let Some(cursor) = page["next_cursor"].as_str() else { return Ok(products) };
            path = format!("/v1/products?status=active&limit=200&cursor={}", encoded(cursor));
        }
    }

    /// Returns the open drops, at least one, and the drop that opens soon. Existing drops are reused. A drop is created
    /// only where none exists, and prefers products that are not in a running drop.
    async fn ensure_drops(&self, products: &[Value]) -> Result<(Vec<Value>, Value), DemoError> {
        let now = self.backends.gateway.now();
        let drops = self.get("/v1/drops?limit=200").await?;
        let drops = drops["items"].as_array().cloned().unwrap_or_default();
        let mut open = open_drops(&drops);
        let soon = drops.iter().find(|drop| drop["state"] == "scheduled" && opens_soon(drop, now));
        if open.is_empty() {
            let product = best_for_a_drop(products, &drops).ok_or_else(no_products)?;
            open.push(self.drop_of(product, None, now).await?);
        }
        let soon = match soon {
            Some(soon) => soon.clone(),
            None => {
                let taken: Vec<Value> = drops.iter().chain(&open).cloned().collect();
                let product = best_for_a_drop(products, &taken).ok_or_else(no_products)?;
                self.drop_of(product, Some(now.plus_ms(OPENS_IN_MS)), now).await?
            }
        };
        Ok((open, soon))
    }

    /// Creates a drop of a product's first variants, at four fifths of their prices.
    async fn drop_of(&self, product: &Value, starts: Option<Timestamp>, now: Timestamp) -> Result<Value, DemoError> {
        let mut items = Vec::new();
        for variant in product["variants"].as_array().into_iter().flatten().take(ITEMS) {
            let sku = variant["sku"].as_str().unwrap_or_default();
            self.ensure_stock(sku, UNITS_EACH).await?;
            let price = variant["price"]["amount"].as_i64().unwrap_or_default();
            let money = |amount: i64| json!({"amount": amount, "currency": variant["price"]["currency"]});
            items.push(json!({
                "sku": sku, "quantity": UNITS_EACH, "price": money(price * 4 / 5), "compare_at_price": money(price),
            }));
        }
        let mut drop = json!({
            "title": product["title"],
            "product_id": product["id"],
            "items": items,
            "per_buyer_max": 2,
            "hold_seconds": HOLD_SECONDS,
            "ends_at": starts.unwrap_or(now).plus_ms(DROP_MS),
        });
        if let Some(starts) = starts {
            drop["starts_at"] = json!(starts);
        }
        self.post("/v1/drops", &drop).await
    }

    /// Adds stock until `units` are available.
    async fn ensure_stock(&self, sku: &str, units: u64) -> Result<(), DemoError> {
        let path = format!("/v1/inventory/{}", encoded(sku));
        let available = self.get(&path).await?["available"].as_u64().unwrap_or_default();
        if available < units {
            let change = json!({"delta": units - available, "reason": "demo drop"});
            self.post(&format!("{path}/adjustments"), &change).await?;
        }
        Ok(())
    }

    async fn get(&self, path: &str) -> Result<Value, DemoError> {
        self.call(Method::GET, path, "application/json", Body::empty()).await
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value, DemoError> {
        self.call(Method::POST, path, "application/json", Body::from(body.to_string())).await
    }

    async fn call(&self, method: Method, path: &str, kind: &'static str, body: Body) -> Result<Value, DemoError> {
        let what = format!("{method} {path}");
        let unexpected = |status, body: String| DemoError::Unexpected { what: what.clone(), status, body };
        let key = HeaderValue::from_str(&fresh_key());
        let key = key.map_err(|error| unexpected(StatusCode::BAD_REQUEST, error.to_string()))?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(TENANT_HEADER, self.tenant.as_str())
            .header(header::CONTENT_TYPE, kind)
            .header("idempotency-key", key)
            .body(body)
            .map_err(|error| unexpected(StatusCode::BAD_REQUEST, error.to_string()))?;
        let response = self.api.answer(request).await;
        let status = response.status();
        let bytes = response.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        match serde_json::from_slice(&bytes) {
            Ok(body) if status.is_success() => Ok(body),
            _ => Err(unexpected(status, String::from_utf8_lossy(&bytes).into_owned())),
        }
    }
}

fn no_products() -> DemoError {
    DemoError::Catalogue("it has no products".into())
}

/// Returns the open drops. Those with available units come first, because the banner's commands claim one.
fn open_drops(drops: &[Value]) -> Vec<Value> {
    let mut open: Vec<Value> = drops.iter().filter(|drop| drop["state"] == "open").cloned().collect();
    open.sort_by_key(|drop| drop["available"].as_u64() == Some(0));
    open
}

/// Returns the product with the most sizes that is in no running drop, or the one with the most sizes if all are.
fn best_for_a_drop<'a>(products: &'a [Value], drops: &[Value]) -> Option<&'a Value> {
    let is_over = |drop: &Value| drop["state"] == "ended" || drop["state"] == "cancelled";
    let is_taken = |product: &Value| drops.iter().any(|drop| !is_over(drop) && drop["product_id"] == product["id"]);
    // The sort is stable: among equals, the first of the list is taken.
    let sizes = |product: &&Value| product["variants"].as_array().map_or(0, Vec::len);
    let mut best: Vec<&Value> = products.iter().collect();
    best.sort_by_key(|product| (is_taken(product), std::cmp::Reverse(sizes(product))));
    best.first().copied()
}

fn opens_soon(drop: &Value, now: Timestamp) -> bool {
    let starts: Option<Timestamp> = drop["starts_at"].as_str().and_then(|at| at.parse().ok());
    starts.is_some_and(|starts| starts > now && starts <= now.plus_ms(OPENS_IN_MS))
}

/// Returns the handles of the built-in catalogue.
fn handles() -> Result<Vec<Handle>, DemoError> {
    let reader = Reader::new(CATALOGUE.as_bytes(), Currency::USD, DuplicateSku::Refuse)
        .map_err(|error| DemoError::Catalogue(error.to_string()))?;
    let mut handles = Vec::new();
    for item in reader {
        match item {
            Ok(Item::Product(product)) => handles.push(product.change.handle),
            Ok(Item::Refused(row)) => return Err(DemoError::Catalogue(format!("line {}: {}", row.line, row.words()))),
            Err(error) => return Err(DemoError::Catalogue(error.to_string())),
        }
    }
    handles.dedup();
    Ok(handles)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_catalogue_has_products_and_no_refused_row() {
        assert!(handles().unwrap().len() >= 10);
    }

    #[test]
    fn a_drop_that_is_open_stays_the_demo_and_no_goods_are_in_two_drops() {
        let drop = |product: &str, state: &str, available: u64| json!({"product_id": product, "state": state, "available": available});
        let drops = [drop("a", "open", 0), drop("b", "open", 3), drop("c", "ended", 0), drop("d", "scheduled", 9)];
        let open = open_drops(&drops);
        assert_eq!(open.iter().map(|drop| drop["product_id"].as_str().unwrap()).collect::<Vec<_>>(), ["b", "a"]);
        let product = |id: &str, sizes: usize| json!({"id": id, "variants": vec![json!({}); sizes]});
        let products = [product("a", 9), product("c", 2), product("b", 8), product("e", 4), product("f", 4)];
        assert_eq!(best_for_a_drop(&products, &drops).unwrap()["id"], "e");
        assert_eq!(best_for_a_drop(&products[..1], &drops).unwrap()["id"], "a", "better twice than no demo");
        assert_eq!(best_for_a_drop(&[], &drops), None);
    }

    #[test]
    fn a_drop_opens_soon_within_two_minutes() {
        let drop = |at: u64| json!({"starts_at": Timestamp(at)});
        let now = Timestamp(1_000_000_000_000);
        assert!(opens_soon(&drop(now.0 + 60_000), now));
        assert!(!opens_soon(&drop(now.0), now) && !opens_soon(&drop(now.0 + 180_000), now));
    }
}
