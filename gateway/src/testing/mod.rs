//! The fixture of the gateway's tests: a complete shop, and clients of it.

#![allow(clippy::unwrap_used, reason = "tests")]

mod answer;
mod external_services;

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use actors::{
    Clock, Node, NodeOptions, SystemClock,
    node::Tuning,
    projector::{Accepted, Projection, ProjectionError, Reached},
};
use axum::{
    body::Body,
    http::{Request, request::Builder},
};
use engine::{
    id::{ContactId, SubjectId, TenantId},
    money::Currency,
};
use futures::future::BoxFuture;
use metrics_exporter_prometheus::PrometheusHandle;
use parking_lot::Mutex;
use persistence::{
    snapshots::MemorySnapshots,
    sql::{ReadSide, Tenant},
    views::{ProjectError, Projector, Record, RecordRange},
};
use serde_json::{Value, json};
use streaming::{Journal, memory::MemoryJournal};

pub(crate) use self::answer::Answer;
use crate::{
    Gateway, GatewayOptions, PublicApi, Settings,
    auth::{Keys, Mail, MailError, Mailer, Role},
};

/// An address that is not loopback, so that limits apply to it.
pub(crate) const AWAY: &str = "203.0.113.9:40000";
const HERE: &str = "127.0.0.1:40000";

/// The end of sales that never end during a test.
pub(crate) const FAR: &str = "2099-01-01T00:00:00.000Z";

/// A shop named `acme` and another named `bolt`, behind one API.
pub(crate) struct Shop {
    pub(crate) api: PublicApi,
    pub(crate) gateway: Gateway,
    pub(crate) mails: Arc<Outbox>,
    pub(crate) journal: Arc<dyn Journal>,
    _node: Node,
    _folder: tempfile::TempDir,
}

/// The mails that were sent, and the contacts whose mails were to be forgotten.
#[derive(Default)]
pub(crate) struct Outbox(pub(crate) Mutex<Vec<Mail>>, pub(crate) Mutex<Vec<ContactId>>);

impl Mailer for Outbox {
    fn send(&self, mail: Mail) -> BoxFuture<'_, Result<(), MailError>> {
        self.0.lock().push(mail);
        Box::pin(async { Ok(()) })
    }

    fn forget<'a>(
        &'a self,
        tenant: &'a TenantId,
        subjects: &'a [SubjectId],
        contacts: &'a [ContactId],
    ) -> BoxFuture<'a, Result<(), MailError>> {
        self.0.lock().retain(|mail| mail.tenant != *tenant || !subjects.contains(&mail.recipient));
        self.1.lock().extend(contacts);
        Box::pin(async { Ok(()) })
    }
}

/// The settings of tests: a developer's machine, where limits apply to addresses other than loopback, and cheap
/// passwords.
pub(crate) fn settings() -> Settings {
    let tenant = TenantId::new("acme").unwrap();
    let payment_providers = vec!["sandbox".to_owned()];
    Settings {
        dev: true,
        default_tenant: Some(tenant),
        password_memory_kib: 8,
        payment_providers,
        ..Settings::default()
    }
}

impl Shop {
    pub(crate) async fn open() -> Self {
        Self::open_with(settings()).await
    }

    pub(crate) async fn open_with(settings: Settings) -> Self {
        Self::open_on(Arc::new(MemoryJournal::new(2)), settings, Tuning::default(), crate::ops::metrics::detached())
            .await
    }

    pub(crate) async fn open_on(
        journal: Arc<dyn Journal>,
        settings: Settings,
        tuning: Tuning,
        metrics: PrometheusHandle,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let read_side = ReadSide::open(&folder.path().join("fusion.sqlite")).await.unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        for name in ["acme", "bolt"] {
            let tenant = Tenant {
                tenant: TenantId::new(name).unwrap(),
                currency: Currency::USD,
                hosts: vec![format!("{name}.example")],
                settings: serde_json::Map::new(),
                created_at: clock.now(),
            };
            read_side.create_tenant(&tenant).await.unwrap();
        }
        let projector = Projector::open(read_side.clone()).await.unwrap();
        let node = Node::start(NodeOptions {
            name: "test".to_owned(),
            journal: journal.clone(),
            snapshots: Arc::new(MemorySnapshots::new()),
            external_services: external_services::world(folder.path(), clock.clone()),
            clock: clock.clone(),
            projection: Some(Arc::new(ReadSideProjection(tokio::sync::Mutex::new((projector, BTreeMap::new()))))),
            tuning,
        })
        .await
        .unwrap();
        let mails = Arc::new(Outbox::default());
        let gateway = Gateway::new(GatewayOptions {
            commerce: node.commerce(),
            read_side,
            settings,
            keys: Keys::open(&folder.path().join("keys")).unwrap(),
            mailer: mails.clone(),
            clock,
            metrics,
        })
        .unwrap();
        Self { api: PublicApi::new(gateway.clone()), gateway, mails, journal, _node: node, _folder: folder }
    }

    /// Replaces the gateway, as a restart does: everything that it had in memory is lost.
    pub(crate) fn restart_gateway(&mut self) {
        self.restart_gateway_with(self.gateway.settings.clone());
    }

    pub(crate) fn restart_gateway_with(&mut self, settings: Settings) {
        self.gateway = Gateway::new(GatewayOptions {
            commerce: self.gateway.commerce.clone(),
            read_side: self.gateway.read_side.clone(),
            settings,
            keys: Keys::open(&self._folder.path().join("keys")).unwrap(),
            mailer: self.mails.clone(),
            clock: self.gateway.clock(),
            metrics: crate::ops::metrics::detached(),
        })
        .unwrap();
        self.api = PublicApi::new(self.gateway.clone());
    }

    /// Sends a request unchanged.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        self.send_from(HERE, request).await
    }

    pub(crate) async fn send_from(&self, peer: &str, request: Request<Body>) -> Answer {
        let peer: SocketAddr = peer.parse().unwrap();
        Answer::read(self.api.answer(request, peer).await).await
    }

    /// A client with a token.
    pub(crate) fn with(&self, token: &str) -> Visitor<'_> {
        Visitor { shop: self, token: Some(token.to_owned()) }
    }

    /// A client without a token.
    pub(crate) fn nobody(&self) -> Visitor<'_> {
        Visitor { shop: self, token: None }
    }

    /// A new guest.
    pub(crate) async fn guest(&self) -> Visitor<'_> {
        let session = self.nobody().post("/v1/sessions", "", json!({})).await.has(201);
        self.with(session.text("/token"))
    }

    /// A member of staff of `acme`.
    pub(crate) fn staff(&self, role: Role) -> Visitor<'_> {
        self.staff_of("acme", role)
    }

    pub(crate) fn vendor(&self) -> Visitor<'_> {
        self.staff(Role::Vendor)
    }

    pub(crate) fn staff_of(&self, tenant: &str, role: Role) -> Visitor<'_> {
        let subject = SubjectId::derive(&[b"staff", tenant.as_bytes(), role.as_str().as_bytes()]);
        let issuer = self.gateway.sessions.issuer();
        let tenant = TenantId::new(tenant).unwrap();
        let minted = issuer.mint(&tenant, subject, Some(role), self.gateway.now(), Duration::from_secs(3_600));
        self.with(&minted.unwrap().token)
    }

    /// Adds `units` of each SKU to the stock, each SKU as a product of its own.
    pub(crate) async fn stock(&self, units: u64, skus: &[&str]) {
        use engine::{
            id::{ProductId, Sku, VariantId},
            stock::{StockChange, StockCommand, StockItem},
        };
        let tenant = TenantId::new("acme").unwrap();
        for name in skus {
            let sku = Sku::new(name).unwrap();
            let (product, variant) = (ProductId::derive(&[name.as_bytes()]), VariantId::derive(&[name.as_bytes()]));
            let adopt = StockCommand::Adopt { tenant: tenant.clone(), sku: sku.clone(), product, variant };
            let meta = actors::CommandMeta::read;
            self.gateway.commerce.ask::<StockItem>(&sku.key(&tenant), adopt, meta()).await.unwrap();
            let set = StockCommand::Adjust { change: StockChange::First(units), reason: "test".into() };
            self.gateway.commerce.ask::<StockItem>(&sku.key(&tenant), set, meta()).await.unwrap();
        }
    }

    /// An open drop of `units` of SKU `S`, with a limit of two per buyer.
    pub(crate) async fn open_drop(&self, units: u64) -> String {
        self.stock(units, &["S"]).await;
        self.open_drop_of("S", units, "make").await
    }

    /// An open drop of `units` of a SKU with stock, with a limit of two per buyer.
    pub(crate) async fn open_drop_of(&self, sku: &str, units: u64, key: &str) -> String {
        let body = json!({"title": "Sale", "sku": sku, "quantity": units, "price": {"amount": 1999, "currency": "USD"},
            "per_buyer_max": 2, "hold_seconds": 300, "ends_at": FAR});
        self.vendor().post("/v1/drops", key, body).await.has(201).text("/id").to_owned()
    }
}

/// A client.
#[derive(Clone)]
pub(crate) struct Visitor<'a> {
    shop: &'a Shop,
    pub(crate) token: Option<String>,
}

impl Visitor<'_> {
    /// The client's token.
    pub(crate) fn token(&self) -> &str {
        self.token.as_deref().unwrap_or_default()
    }

    fn request(&self, method: &str, path: &str) -> Builder {
        let builder = Request::builder().method(method).uri(path);
        match &self.token {
            Some(token) => builder.header("authorization", format!("Bearer {token}")),
            None => builder,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.shop.send(self.request("GET", path).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn get_unless(&self, path: &str, etag: &str) -> Answer {
        self.shop.send(self.request("GET", path).header("if-none-match", etag).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.shop.send(self.request("DELETE", path).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn delete_with(&self, path: &str, body: Value) -> Answer {
        let builder = self.request("DELETE", path).header("content-type", "application/json");
        self.shop.send(builder.body(Body::from(body.to_string())).unwrap()).await
    }

    /// Posts with an idempotency key, unless the key is empty.
    pub(crate) async fn post(&self, path: &str, key: &str, body: Value) -> Answer {
        self.post_text(path, key, body.to_string()).await
    }

    /// Posts JSON text unchanged.
    pub(crate) async fn post_text(&self, path: &str, key: &str, body: String) -> Answer {
        let builder = self.request("POST", path).header("content-type", "application/json");
        let builder = if key.is_empty() { builder } else { builder.header("idempotency-key", key) };
        self.shop.send(builder.body(Body::from(body)).unwrap()).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        let builder = self.request("PUT", path).header("content-type", "application/json");
        self.shop.send(builder.body(Body::from(body.to_string())).unwrap()).await
    }

    pub(crate) async fn patch(&self, path: &str, version: &str, body: Value) -> Answer {
        let builder = self.request("PATCH", path).header("content-type", "application/json");
        let builder = if version.is_empty() { builder } else { builder.header("if-match", version) };
        self.shop.send(builder.body(Body::from(body.to_string())).unwrap()).await
    }
}

/// The read side as a projection of the runtime; `server` has the production one.
struct ReadSideProjection(tokio::sync::Mutex<(Projector, BTreeMap<u16, u64>)>);

impl Projection for ReadSideProjection {
    fn reached(&self) -> BoxFuture<'_, Result<Vec<Reached>, String>> {
        Box::pin(async {
            let mut inner = self.0.lock().await;
            inner.1 = inner.0.positions().await.map_err(|error| error.to_string())?;
            Ok(inner.1.iter().map(|(&shard, &next)| Reached { shard, next }).collect())
        })
    }

    fn project(&self, records: Vec<Accepted>, reached: Vec<Reached>) -> BoxFuture<'_, Result<(), ProjectionError>> {
        Box::pin(async move {
            let (projector, next) = &mut *self.0.lock().await;
            let ranges: Vec<RecordRange<'_>> = reached
                .iter()
                .map(|&Reached { shard, next: end }| RecordRange {
                    shard,
                    first: next.get(&shard).copied().unwrap_or_default(),
                    end,
                    records: records
                        .iter()
                        .filter(|one| one.shard == shard)
                        .map(|one| Record {
                            position: one.position,
                            key: one.key.clone(),
                            at: one.at,
                            events: &one.events,
                        })
                        .collect(),
                })
                .collect();
            let refused = |error: ProjectError| ProjectionError { entry: None, why: error.to_string() };
            projector.apply(&ranges).await.map_err(refused)?;
            next.extend(reached.iter().map(|reached| (reached.shard, reached.next)));
            Ok(())
        })
    }
}

/// A checkout of `what`, paid with the sandbox's `token`.
pub(crate) fn payment(token: &str, what: Value) -> Value {
    let mut body = json!({"payment": {"provider": "sandbox", "token": token}, "email": "ann@example.com",
        "shipping_address": {"name": "Ann", "line1": "1 Main St", "city": "Springfield", "region": "IL",
            "postal_code": "62701", "country": "US"}});
    body.as_object_mut().unwrap().extend(what.as_object().unwrap().clone());
    body
}

/// Repeats a request until its response fits: lists lag behind.
pub(crate) async fn eventually<F: Future<Output = Answer>>(
    ask: impl Fn() -> F,
    fits: impl Fn(&Answer) -> bool,
) -> Answer {
    for _ in 0..500 {
        let answer = ask().await;
        if fits(&answer) {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not within five seconds; the last answer was {:?}", ask().await);
}
