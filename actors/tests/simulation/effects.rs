//! Directed histories of effects and wakes: when an effect may leave the process, and what must not be forgotten.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use actors::{AskError, Commerce, external_services::ExternalServices, external_services::OutcomeUnknown};
use engine::{
    effect::{Outcome, Request},
    fault_injection::{Rule, break_rule, panic_every},
    flash_drop::{DropCommand, DropReply, FlashDrop},
    id::{EntityKey, PaymentId, ProductId, RefundId, Sku, TenantId, VariantId},
    money::{Currency, Money},
    payment::{Payment, PaymentCommand, ProviderAnswer, ProviderOperation},
    stock::{StockCommand, StockItem},
};
use futures::{FutureExt, future::BoxFuture};
use parking_lot::Mutex;
use streaming::{Header, ShardId, memory::Fault, memory::Faults};

use crate::directed::{Scene, ask, claim, live, named};

/// A provider that counts its requests, and answers as the test requires.
#[derive(Clone)]
struct Provider {
    asked: Arc<Mutex<BTreeMap<String, u32>>>,
    /// The number of requests that wait for their answer: those for the amount [`SLOW`].
    waiting: Arc<AtomicUsize>,
    /// The answer to a refund of an amount in minor units. `None`: the refund is made, but the answer is lost.
    refund: fn(i64) -> Option<ProviderAnswer>,
}

/// The amount of a refund, in minor units, that the provider answers only after an hour.
const SLOW: i64 = 3_600;

/// Counts a request while it waits.
struct WaitingRequest(Arc<AtomicUsize>);

impl WaitingRequest {
    fn new(waiting: &Arc<AtomicUsize>) -> Self {
        waiting.fetch_add(1, Ordering::AcqRel);
        Self(waiting.clone())
    }
}

impl Drop for WaitingRequest {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Provider {
    fn new(refund: fn(i64) -> Option<ProviderAnswer>) -> Self {
        Self { asked: Arc::default(), waiting: Arc::default(), refund }
    }

    /// The number of requests that wait for their answer.
    fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Acquire)
    }

    fn asked(&self, operation: &str) -> u32 {
        self.asked.lock().iter().filter(|(key, _)| key.ends_with(operation)).map(|(_, count)| *count).sum()
    }
}

impl ExternalServices for Provider {
    fn perform(&self, _: &TenantId, request: &Request) -> BoxFuture<'_, Result<Outcome, OutcomeUnknown>> {
        let request = request.clone();
        async move {
            let Request::Provider(request) = request else { return Ok(Outcome::Mail) };
            *self.asked.lock().entry(request.key.clone()).or_default() += 1;
            if matches!(request.operation, ProviderOperation::Refund { amount, .. } if amount.amount == SLOW) {
                let _waiting = WaitingRequest::new(&self.waiting);
                tokio::time::sleep(Duration::from_secs(3_600)).await;
            }
            let answer = match request.operation {
                ProviderOperation::Authorise { .. } | ProviderOperation::Confirm => Some(ProviderAnswer::Authorised),
                ProviderOperation::Capture { .. } => Some(ProviderAnswer::Captured),
                ProviderOperation::Void => Some(ProviderAnswer::Voided),
                ProviderOperation::Refund { amount, .. } => (self.refund)(amount.amount),
            };
            answer.map(Outcome::Provider).ok_or_else(|| OutcomeUnknown("no answer".into()))
        }
        .boxed()
    }
}

/// A journal with a scripted fault for each batch. Without one an append takes a millisecond.
#[derive(Clone, Default)]
struct Script(Arc<Mutex<VecDeque<Fault>>>);

impl Faults for Script {
    fn on_append(&self, _: ShardId, _: &Header) -> Fault {
        self.0.lock().pop_front().unwrap_or(Fault::Delay(Duration::from_millis(1)))
    }
}

fn usd(amount: i64) -> Money {
    Money { amount, currency: Currency::USD }
}

fn refund(number: u128, amount: i64) -> PaymentCommand {
    PaymentCommand::Refund { refund: RefundId(number), amount: usd(amount) }
}

fn adopt(scene: &Scene, sku: &Sku) -> StockCommand {
    let (tenant, sku) = (scene.tenant.clone(), sku.clone());
    StockCommand::Adopt { tenant, sku, product: ProductId(1), variant: VariantId(1) }
}

/// Creates a captured payment.
async fn captured(scene: &Scene, commerce: &Commerce) -> EntityKey {
    let (tenant, payment) = (scene.tenant.clone(), PaymentId(1));
    let key = payment.key(&tenant);
    let (provider, token) = ("bank".to_owned(), "tok".to_owned());
    let authorise = PaymentCommand::Authorise { tenant, payment, provider, token, amount: usd(1_000_000) };
    ask::<Payment>(commerce, &key, authorise, 1).await;
    ask::<Payment>(commerce, &key, PaymentCommand::Capture, 2).await;
    key
}

/// Returns how often the provider is asked for each of two refunds, of which the second is lost on its way to the
/// journal.
fn asked_for_refunds(broken: Option<Rule>) -> (u32, u32) {
    live(async {
        let script = Script::default();
        let scene = Scene::with_faults(script.clone(), 1 << 20);
        break_rule(broken);
        // The answer to the first refund never arrives: its entity is woken every ten seconds to ask again.
        let provider = Provider::new(|amount| (amount != 1).then_some(ProviderAnswer::Refunded));
        let node = scene.start_with(provider.clone()).await;
        let (commerce, sku) = (node.commerce(), Sku::new("OTHER").unwrap());
        let key = captured(&scene, &commerce).await;
        let first = tokio::spawn({
            let (commerce, key) = (commerce.clone(), key.clone());
            async move { commerce.ask::<Payment>(&key, refund(1, 1), named(11)).await }
        });
        tokio::time::sleep(Duration::from_millis(9_800)).await;
        // Just before that wake the second refund is proposed after a batch that takes long, and is lost.
        *script.0.lock() = [Fault::Delay(Duration::from_millis(500)), Fault::Lose].into();
        let slow = tokio::spawn({
            let (commerce, key, adopt) = (commerce.clone(), sku.key(&scene.tenant), adopt(&scene, &sku));
            async move { commerce.ask::<StockItem>(&key, adopt, named(20)).await }
        });
        tokio::time::sleep(Duration::from_millis(10)).await;
        let second = commerce.ask::<Payment>(&key, refund(2, 2), named(12));
        let _ = tokio::time::timeout(Duration::from_secs(5), second).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        drop((first, slow));
        node.kill().await;
        let asked = |number| provider.asked(&format!("refund-{}", RefundId(number)));
        (asked(1), asked(2))
    })
}

#[test]
fn a_wake_requests_only_accepted_effects() {
    let (first, second) = asked_for_refunds(None);
    assert!(first > 1, "the first is asked for again");
    assert_eq!(second, 0, "a refund that no state knows of was carried out");
}

#[test]
fn a_too_early_wake_is_detected() {
    let (_, second) = asked_for_refunds(Some(Rule::EffectOfSpeculation));
    assert!(second > 0, "the history does not show the fault that it is about");
}

#[test]
fn an_effect_ends_with_its_leadership_and_the_next_leadership_repeats_it() {
    live(async {
        let script = Script::default();
        let scene = Scene::with_faults(script.clone(), 1 << 20);
        let provider = Provider::new(|_| Some(ProviderAnswer::Refunded));
        let node = scene.start_with(provider.clone()).await;
        let (commerce, sku) = (node.commerce(), Sku::new("OTHER").unwrap());
        let key = captured(&scene, &commerce).await;
        let slow = tokio::spawn({
            let (commerce, key) = (commerce.clone(), key.clone());
            async move { commerce.ask::<Payment>(&key, refund(1, SLOW), named(11)).await }
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
        let asked = || provider.asked(&format!("refund-{}", RefundId(1)));
        assert_eq!((asked(), provider.waiting(), commerce.effects_under_way()), (1, 1, 1));
        // The leadership ends with this append, while the provider has the request.
        *script.0.lock() = [Fault::FailBefore].into();
        let failed = commerce.ask::<StockItem>(&sku.key(&scene.tenant), adopt(&scene, &sku), named(20)).await;
        assert_eq!(failed, Err(AskError::Unknown));
        assert_eq!(
            (asked(), provider.waiting(), commerce.effects_under_way()),
            (1, 0, 0),
            "it outlived its leadership"
        );
        tokio::time::sleep(Duration::from_secs(15)).await;
        assert_eq!(
            (asked(), provider.waiting(), commerce.effects_under_way()),
            (2, 1, 1),
            "it was not asked for again"
        );
        node.kill().await;
        tokio::task::yield_now().await;
        assert_eq!(provider.waiting(), 0, "it outlived its node");
        drop(slow);
    });
}

#[test]
fn events_do_not_postpone_an_open_effect() {
    live(async {
        let scene = Scene::new(Duration::from_millis(1), 1 << 20);
        // An answer that does not settle a refund: it stays open, and only the entity's wake asks again.
        let provider = Provider::new(|amount| match amount {
            1 => Some(ProviderAnswer::Authorised),
            _ => Some(ProviderAnswer::Refunded),
        });
        let node = scene.start_with(provider.clone()).await;
        let commerce = node.commerce();
        let key = captured(&scene, &commerce).await;
        let open = tokio::spawn({
            let (commerce, key) = (commerce.clone(), key.clone());
            async move { commerce.ask::<Payment>(&key, refund(1, 1), named(11)).await }
        });
        for number in 0..120 {
            tokio::time::sleep(Duration::from_secs(5)).await;
            ask::<Payment>(&commerce, &key, refund(100 + number, 2), 100 + number).await;
        }
        let asked = provider.asked(&format!("refund-{}", RefundId(1)));
        assert!((55..=65).contains(&asked), "asked {asked} times in ten minutes, not every ten seconds");
        drop(open);
        node.kill().await;
    });
}

#[test]
fn a_wake_that_dies_with_its_entity_is_not_lost() {
    live(async {
        let scene = Scene::new(Duration::from_millis(1), 1 << 20);
        let node = scene.start().await;
        let (commerce, sku) = (node.commerce(), Sku::new("ONE").unwrap());
        scene.stock(&commerce, &sku, 1, 10).await;
        let key = scene.drop_of(&commerce, &sku, 1).await.key(&scene.tenant);
        ask::<FlashDrop>(&commerce, &key, claim(1), 1).await;
        // The next message of the drop is the wake at the hold's expiry. Nothing else reaches the drop until then.
        panic_every(1, 1);
        tokio::time::sleep(Duration::from_secs(602)).await;
        let DropReply::Drop(view) = ask::<FlashDrop>(&commerce, &key, DropCommand::View, 0).await else { panic!() };
        assert_eq!((view.items[0].held, view.items[0].available), (0, 1), "the hold never ended");
        node.kill().await;
    });
}
