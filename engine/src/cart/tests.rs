#![allow(clippy::unwrap_used)]

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{id::CommandId, processed_commands::PROCESSED_COMMANDS_KEPT_MS, quantity::QUANTITY_MAX, testing::History};

type Shop = History<Cart>;

const DEADLINE: Timestamp = Timestamp(1_030_000);

fn dollars(amount: i64) -> Money {
    Money::new(amount, Currency::USD).unwrap()
}

fn buyer() -> Buyer {
    Buyer { subject: SubjectId(1), former: Vec::new(), customer: false }
}

fn create() -> CartCommand {
    let tenant = TenantId::new("demo").unwrap();
    CartCommand::Create { tenant, cart: CartId(7), buyer: buyer(), currency: None }
}

fn add(sku: &str, units: i64, price: Money) -> CartCommand {
    CartCommand::AddLine {
        buyer: buyer(),
        sku: Sku::new(sku).unwrap(),
        product: ProductId(9),
        variant: VariantId(8),
        title: sku.to_lowercase(),
        options: sizes(sku),
        quantity: Quantity::new(units).unwrap(),
        price,
    }
}

/// The options of a SKU: `SHIRT-S` has the size `S`.
fn sizes(sku: &str) -> Vec<OptionValue> {
    let size = sku.split_once('-').map(|(_, size)| OptionValue { name: "Size".to_owned(), value: size.to_owned() });
    size.into_iter().collect()
}

fn begin(checkout: u128, attempt: u32) -> CartCommand {
    CartCommand::BeginCheckout { buyer: buyer(), checkout: CheckoutId(checkout), attempt, deadline: DEADLINE }
}

fn end(checkout: u128, attempt: u32, sold: bool) -> CartCommand {
    let checkout = CheckoutId(checkout);
    CartCommand::EndCheckout { checkout, attempt, sold, prices: Vec::new(), deadline: DEADLINE }
}

fn given_shirts() -> Shop {
    let mut shop = Shop::default();
    answered(shop.ask(create()));
    answered(shop.ask(add("SHIRT", 2, dollars(1_500))));
    shop
}

fn answered(answer: Option<Result<CartReply, CartRejection>>) -> Arc<CartView> {
    match answer {
        Some(Ok(CartReply::Cart(cart))) => cart,
        other => panic!("not a cart: {other:?}"),
    }
}

fn view(shop: &mut Shop) -> Arc<CartView> {
    answered(shop.ask(CartCommand::View { buyer: None }))
}

fn contents(shop: &mut Shop) -> Vec<(String, u64, i64)> {
    let line = |line: &Arc<CartLine>| (line.sku.to_string(), line.quantity.units(), line.price.amount);
    view(shop).lines.iter().map(line).collect()
}

#[test]
fn a_new_cart_is_empty() {
    let mut shop = Shop::default();
    assert_eq!(shop.ask(CartCommand::View { buyer: Some(buyer()) }), Some(Err(CartRejection::NotFound)));
    let cart = answered(shop.ask(create()));
    assert_eq!((cart.lines.len(), cart.subtotal, cart.currency), (0, None, None));
    shop.repeat_all();
}

#[test]
fn a_repeated_sku_adds_to_its_line_at_the_current_price() {
    let mut shop = given_shirts();
    let first = view(&mut shop).lines[0].id;
    answered(shop.ask(add("SHIRT", 3, dollars(1_400))));
    assert_eq!(contents(&mut shop), [("SHIRT".to_owned(), 5, 1_400)]);
    assert_eq!(view(&mut shop).lines[0].id, first);
    assert_eq!(view(&mut shop).subtotal, Some(dollars(7_000)));
    shop.repeat_all();
}

#[test]
fn lines_keep_the_options_of_their_variants() {
    let mut shop = given_shirts();
    answered(shop.ask(add("SHIRT-S", 1, dollars(1_500))));
    let options = |shop: &mut Shop| view(shop).lines.iter().map(|line| line.options.clone()).collect::<Vec<_>>();
    assert_eq!(options(&mut shop), [None, Some(sizes("SHIRT-S"))]);
    let line = view(&mut shop).lines[1].id;
    answered(shop.ask(CartCommand::ChangeLine { buyer: buyer(), line, quantity: Quantity::new(3).unwrap() }));
    assert_eq!(options(&mut shop), [None, Some(sizes("SHIRT-S"))]);
    shop.repeat_all();
}

#[test]
fn lines_are_changed_and_taken_out() {
    let mut shop = given_shirts();
    answered(shop.ask(add("SOCKS", 1, dollars(500))));
    let (shirt, socks) = (view(&mut shop).lines[0].id, view(&mut shop).lines[1].id);
    answered(shop.ask(CartCommand::ChangeLine { buyer: buyer(), line: shirt, quantity: Quantity::ONE }));
    answered(shop.ask(CartCommand::RemoveLine { buyer: buyer(), line: socks }));
    assert_eq!(contents(&mut shop), [("SHIRT".to_owned(), 1, 1_500)]);
    let gone = shop.ask(CartCommand::RemoveLine { buyer: buyer(), line: socks });
    assert_eq!(gone, Some(Err(CartRejection::LineNotFound)));
    shop.repeat_all();
}

#[test]
fn a_cart_is_its_owners_also_after_signing_in() {
    let mut shop = given_shirts();
    let stranger = Buyer { subject: SubjectId(2), former: Vec::new(), customer: true };
    assert_eq!(shop.ask(CartCommand::View { buyer: Some(stranger.clone()) }), Some(Err(CartRejection::NotFound)));
    assert_eq!(shop.ask(CartCommand::Delete { buyer: stranger }), Some(Err(CartRejection::NotFound)));
    let signed_in = Buyer { subject: SubjectId(2), former: vec![SubjectId(1)], customer: true };
    assert_eq!(answered(shop.ask(CartCommand::View { buyer: Some(signed_in) })).lines.len(), 1, "no line is lost");
}

#[test]
fn a_cart_has_edges() {
    let mut shop = Shop::default();
    answered(shop.ask(create()));
    for number in 0..LINES_MAX {
        answered(shop.ask(add(&format!("SKU-{number}"), 1, dollars(1))));
    }
    assert_eq!(shop.ask(add("ONE-MORE", 1, dollars(1))), Some(Err(CartRejection::TooManyLines)));
    assert!(shop.ask(add("SKU-0", 1, dollars(1))).unwrap().is_ok(), "more of a line it has");
    let most = i64::from(QUANTITY_MAX);
    let too_much = Some(Err(CartRejection::Invalid {
        pointer: "/quantity".into(),
        why: "exceeds the maximum total of a cart".into(),
    }));
    assert_eq!(shop.ask(add("SKU-0", most, dollars(1))), too_much);
    assert_eq!(shop.ask(add("SKU-1", most - 1, dollars(crate::money::AMOUNT_MAX))), too_much);
    let euros = Money::new(1, Currency::new("EUR").unwrap()).unwrap();
    assert_eq!(shop.ask(add("SKU-1", 1, euros)), Some(Err(CartRejection::OtherCurrency { currency: Currency::USD })));
}

#[test]
fn changes_are_bounded_within_a_day() {
    let mut shop = Shop::default();
    answered(shop.ask(create()));
    let line = |shop: &mut Shop| view(shop).lines[0].id;
    answered(shop.ask(add("SHIRT", 1, dollars(1))));
    // `History` checks all invariants after each step, which is too slow for a thousand steps. Apply these events
    // directly.
    let line = line(&mut shop);
    for number in 2..CHANGES_MAX as u128 {
        let processed = ProcessedCommand {
            command_id: CommandId(1_000_000 + number),
            fingerprint: crate::id::Fingerprint(1),
            at: shop.now,
        };
        shop.events.push(CartEvent::LineChanged { line, quantity: Quantity::ONE, processed });
        crate::aggregate::Aggregate::apply(&mut shop.state, shop.events.last().unwrap());
    }
    let change = CartCommand::ChangeLine { buyer: buyer(), line, quantity: Quantity::ONE };
    assert_eq!(shop.ask(change.clone()), Some(Err(CartRejection::TooManyChanges)));
    shop.now = shop.now.plus_ms(PROCESSED_COMMANDS_KEPT_MS + 1);
    answered(shop.ask(change));
    assert_eq!(shop.state.answers.len(), 1, "older ones are forgotten");
}

#[test]
fn a_cart_is_in_one_checkout_at_a_time() {
    let mut shop = given_shirts();
    let locked = answered(shop.ask(begin(1, 1)));
    assert_eq!(locked.checkout, Some(CheckoutId(1)));
    assert_eq!(answered(shop.ask(begin(1, 1))), locked, "asked twice");
    let in_progress = Some(Err(CartRejection::CheckoutInProgress { checkout: CheckoutId(1) }));
    assert_eq!(shop.ask(begin(2, 1)), in_progress);
    assert_eq!(shop.ask(add("SOCKS", 1, dollars(1))), in_progress, "its lines do not change meanwhile");
    assert_eq!(shop.ask(CartCommand::Delete { buyer: buyer() }), in_progress);
    assert_eq!(shop.ask(end(1, 1, false)), Some(Ok(CartReply::Done)));
    assert_eq!(contents(&mut shop).len(), 1, "what was not sold stays");
    assert_eq!(answered(shop.ask(begin(2, 1))).checkout, Some(CheckoutId(2)));
}

#[test]
fn sold_units_are_subtracted_once() {
    let mut shop = given_shirts();
    answered(shop.ask(begin(1, 1)));
    assert_eq!(shop.ask(end(1, 1, true)), Some(Ok(CartReply::Done)));
    assert_eq!(contents(&mut shop), []);
    answered(shop.ask(add("SOCKS", 1, dollars(500))));
    assert_eq!(shop.ask(end(1, 1, true)), Some(Ok(CartReply::Done)), "a late copy");
    shop.now = DEADLINE.plus_ms(1);
    assert_eq!(shop.ask(end(1, 1, true)), Some(Ok(CartReply::Done)), "a very late copy");
    assert_eq!(contents(&mut shop).len(), 1, "empties nothing that came later");
}

#[test]
fn a_beginning_that_its_end_has_overtaken_is_refused() {
    let mut shop = given_shirts();
    assert_eq!(shop.ask(end(1, 1, false)), Some(Ok(CartReply::Done)));
    assert_eq!(shop.ask(begin(1, 1)), Some(Err(CartRejection::TooLate)));
    assert!(shop.ask(begin(1, 2)).unwrap().is_ok(), "the next attempt is another one");
    shop.ask(end(1, 2, false));
    shop.now = DEADLINE.plus_ms(1);
    assert_eq!(shop.ask(begin(3, 1)), Some(Err(CartRejection::TooLate)));
}

#[test]
fn checkouts_in_a_row_are_bounded() {
    let mut shop = given_shirts();
    for checkout in 0..ENDED_CHECKOUTS_MAX as u128 {
        answered(shop.ask(begin(checkout, 1)));
        shop.ask(end(checkout, 1, false));
    }
    assert_eq!(shop.ask(begin(1_000, 1)), Some(Err(CartRejection::TooManyChanges)));
    assert_eq!(shop.ask(end(1_000, 1, false)), Some(Ok(CartReply::Done)));
    assert!(shop.state.ended.len() <= ENDED_CHECKOUTS_MAX + 1);
}

#[test]
fn a_checkout_brings_new_prices() {
    let mut shop = given_shirts();
    answered(shop.ask(begin(1, 1)));
    let prices = vec![NewPrice { sku: Sku::new("SHIRT").unwrap(), price: dollars(1_600) }];
    let (checkout, deadline) = (CheckoutId(1), DEADLINE);
    shop.ask(CartCommand::EndCheckout { checkout, attempt: 1, sold: false, prices, deadline });
    assert_eq!(contents(&mut shop), [("SHIRT".to_owned(), 2, 1_600)]);
}

#[test]
fn an_empty_cart_is_not_checked_out() {
    let mut shop = Shop::default();
    assert_eq!(shop.ask(begin(1, 1)), Some(Err(CartRejection::NotFound)));
    answered(shop.ask(create()));
    assert_eq!(shop.ask(begin(1, 1)), Some(Err(CartRejection::Empty)));
}

#[test]
fn a_deleted_cart_is_not_found() {
    let mut shop = given_shirts();
    assert_eq!(shop.ask(CartCommand::Delete { buyer: buyer() }), Some(Ok(CartReply::Done)));
    assert_eq!(shop.ask(CartCommand::Delete { buyer: buyer() }), Some(Ok(CartReply::Done)));
    assert_eq!(shop.ask(CartCommand::View { buyer: None }), Some(Err(CartRejection::NotFound)));
    assert_eq!(shop.ask(begin(1, 1)), Some(Err(CartRejection::NotFound)));
    shop.repeat_all();
}

#[test]
fn an_unchanged_cart_expires_unless_it_is_in_a_checkout() {
    let mut shop = Shop::default();
    assert_eq!(shop.ask(CartCommand::Expire { unchanged_since: shop.now }), Some(Err(CartRejection::NotFound)));
    answered(shop.ask(create()));
    answered(shop.ask(add("MUG", 1, dollars(5))));
    let changed_at = view(&mut shop).updated_at;
    let expire = |shop: &mut Shop, unchanged_since| shop.ask(CartCommand::Expire { unchanged_since });
    assert_eq!(expire(&mut shop, Timestamp(changed_at.0 - 1)), Some(Ok(CartReply::Done)));
    assert_eq!(view(&mut shop).lines.len(), 1, "changed after that instant");
    answered(shop.ask(begin(1, 1)));
    assert_eq!(expire(&mut shop, changed_at), Some(Ok(CartReply::Done)));
    assert_eq!(view(&mut shop).lines.len(), 1, "a checkout has hold of it");
    assert_eq!(shop.ask(end(1, 1, false)), Some(Ok(CartReply::Done)));
    assert_eq!(expire(&mut shop, changed_at), Some(Ok(CartReply::Done)));
    assert_eq!(shop.ask(CartCommand::View { buyer: None }), Some(Err(CartRejection::NotFound)));
    assert_eq!(shop.ask(begin(2, 1)), Some(Err(CartRejection::NotFound)));
    assert_eq!(expire(&mut shop, changed_at), Some(Ok(CartReply::Done)), "once more is the same");
    let summary = shop.folded::<CartSummary>().unwrap();
    assert_eq!((summary.deleted, summary.updated_at), (true, changed_at), "an expiry is not the buyer's change");
}

fn commands() -> impl Strategy<Value = Vec<CartCommand>> {
    let command = prop_oneof![
        (0..4u8, 1..5i64, 1..3i64).prop_map(|(sku, units, price)| add(&format!("S{sku}"), units, dollars(price))),
        (0..6u128, 1..5i64).prop_map(|(line, units)| CartCommand::ChangeLine {
            buyer: buyer(),
            line: LineId(line + 2),
            quantity: Quantity::new(units).unwrap(),
        }),
        (0..6u128).prop_map(|line| CartCommand::RemoveLine { buyer: buyer(), line: LineId(line + 2) }),
        (0..3u128, 1..3u32).prop_map(|(checkout, attempt)| begin(checkout, attempt)),
        (0..3u128, 1..3u32, any::<bool>()).prop_map(|(checkout, attempt, sold)| end(checkout, attempt, sold)),
    ];
    vec(command, 0..40)
}

proptest! {
    #[test]
    fn whatever_is_asked_a_cart_adds_up_and_repeats_itself(commands in commands()) {
        let mut shop = Shop::default();
        answered(shop.ask(create()));
        for command in commands {
            shop.now = shop.now.plus_ms(10);
            shop.ask(command);
            let cart = view(&mut shop);
            let summary = CartSummary {
                buyer: cart.buyer,
                deleted: false,
                created_at: cart.created_at,
                updated_at: cart.updated_at,
            };
            prop_assert_eq!(shop.folded::<CartSummary>(), Some(summary), "the events alone give the summary");
            let sum: i64 = cart.lines.iter().map(|line| line.price.amount * line.quantity.units() as i64).sum();
            prop_assert_eq!(cart.subtotal.map_or(0, |subtotal| subtotal.amount), sum);
            let mut skus: Vec<_> = cart.lines.iter().map(|line| line.sku.clone()).collect();
            skus.sort();
            skus.dedup();
            prop_assert_eq!(skus.len(), cart.lines.len());
            shop.reload();
        }
    }
}
