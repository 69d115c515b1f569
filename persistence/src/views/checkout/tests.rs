#![allow(clippy::unwrap_used)]

use engine::{
    checkout::{CheckoutProblem, CheckoutStatus, CheckoutTerms, Details as Beginning, Source, Totals},
    id::{CartId, CommandId, ContactId, EmailHash, Fingerprint},
    money::{Currency, Money},
    processed_commands::ProcessedCommand,
};

use super::{super::testing::World, *};
use crate::sql::{
    Limit, PageRequest,
    testing::{subject, tenant},
};

fn processed(at: u64) -> ProcessedCommand {
    ProcessedCommand { command_id: CommandId(1), fingerprint: Fingerprint(1), at: Timestamp(at) }
}

fn started(tenant_name: &str, n: u128, buyer: &str, at: u64) -> CheckoutEvent {
    CheckoutEvent::Started {
        details: Box::new(Beginning {
            tenant: tenant(tenant_name),
            checkout: CheckoutId(n),
            attempt: 1,
            buyer: subject(buyer),
            former: Vec::new(),
            customer: false,
            source: Source::Cart(CartId(1)),
            contact: ContactId(1),
            email: EmailHash(1),
            provider: "sandbox".to_owned(),
            token: "tok_approve".to_owned(),
            expected_total: None,
            terms: CheckoutTerms::default(),
            processed: processed(at),
            variants: None,
        }),
    }
}

fn totals(amount: i64) -> Totals {
    let usd = |amount| Money { amount, currency: Currency::USD };
    Totals { subtotal: usd(amount), shipping: usd(0), tax: usd(0), total: usd(amount) }
}

async fn states(world: &World, state: Option<CheckoutStatus>) -> Vec<(u128, CheckoutStatus)> {
    let page = world.read_side().checkouts(&tenant("acme"), None, state, PageRequest::default()).await.unwrap();
    page.items.into_iter().map(|checkout| (checkout.id.0, checkout.state)).collect()
}

#[tokio::test]
async fn a_row_follows_a_checkout_to_its_end() {
    use CheckoutStatus::{Completed, Failed, Pending, Refused, RequiresAction};
    let at = Timestamp(20);
    let challenge = CheckoutEvent::ActionRequired { url: "https://bank.example".to_owned(), expires_at: at, at };
    let steps = [
        (started("acme", 1, "ada", 10), Pending),
        (CheckoutEvent::QuotesAsked, Pending),
        (CheckoutEvent::HoldsAsked { totals: totals(900), at }, Pending),
        (CheckoutEvent::AuthorisationAsked { totals: totals(900), at }, Pending),
        (challenge.clone(), RequiresAction),
        (CheckoutEvent::ConfirmationAsked { processed: processed(20) }, Pending),
        (challenge.clone(), RequiresAction),
        (CheckoutEvent::Stopped { problem: CheckoutProblem::Cancelled, processed: None, at }, Pending),
        (challenge, RequiresAction),
        (CheckoutEvent::SaleAsked { at }, Pending),
        (CheckoutEvent::Completed { order: OrderId(5), at }, Completed),
        // The order of these events is not realistic, but sufficient here.
        (CheckoutEvent::Failed { problem: CheckoutProblem::Expired, at }, Failed),
        (CheckoutEvent::Refused { problem: CheckoutProblem::CartEmpty, at }, Refused),
        (started("acme", 1, "ada", 30), Pending),
    ];
    let mut world = World::new().await;
    let key = CheckoutId(1).key(&tenant("acme"));
    for (event, state) in steps {
        world.journal.append(&key, at, std::slice::from_ref(&event));
        world.project().await.unwrap();
        let shown = if state == Refused { vec![] } else { vec![(1, state)] };
        assert_eq!(states(&world, None).await, shown, "after {event:?}");
        assert_eq!(states(&world, Some(state)).await, shown, "after {event:?}");
        let page = world.read_side().checkouts(&tenant("acme"), None, None, PageRequest::default()).await.unwrap();
        if let (Some(checkout), Failed) = (page.items.first(), state) {
            assert_eq!(checkout.problem.as_deref(), Some("expired"));
            assert_eq!((checkout.order, checkout.total), (Some(OrderId(5)), Some(totals(900).total)));
        }
    }
    let page = world.read_side().checkouts(&tenant("acme"), None, None, PageRequest::default()).await.unwrap();
    let again = &page.items[0];
    assert_eq!((again.started_at, again.total, &again.problem), (Timestamp(30), None, &None), "a new attempt is new");
}

#[tokio::test]
async fn checkouts_are_their_buyers_and_their_tenants() {
    let mut world = World::new().await;
    let begun = [("acme", 1, "ada", 10), ("acme", 2, "guest", 20), ("acme", 3, "eve", 30), ("bolt", 4, "ada", 40)];
    for (shop, n, buyer, at) in begun {
        let key = CheckoutId(n).key(&tenant(shop));
        world.journal.append(&key, Timestamp(at), &[started(shop, n, buyer, at)]);
    }
    world.project().await.unwrap();
    let (acme, mine) = (tenant("acme"), [subject("ada"), subject("guest")]);
    let pending = Some(CheckoutStatus::Pending);
    let mut page = PageRequest { limit: Limit::new(1).unwrap(), after: None };
    let mut seen = Vec::new();
    loop {
        let found = world.read_side().checkouts(&acme, Some(&mine), pending, page).await.unwrap();
        seen.extend(found.items.into_iter().map(|checkout| checkout.id.0));
        page.after = found.next;
        if page.after.is_none() {
            break;
        }
    }
    assert_eq!(seen, [2, 1]);
    assert_eq!(states(&world, pending).await.len(), 3);
    let elsewhere = world.read_side().checkouts(&tenant("bolt"), Some(&mine), None, PageRequest::default()).await;
    assert_eq!(elsewhere.unwrap().items.into_iter().map(|checkout| checkout.id.0).collect::<Vec<_>>(), [4]);
}
