//! The participants of a simulation: a merchant, and buyers that repeat their commands until the outcome is definite.

use std::time::Duration;

use actors::{Answered, AskError, CommandMeta};
use engine::{
    checkout::{Checkout, CheckoutCommand, CheckoutReply, CheckoutState, CheckoutTerms, Source, StartCheckout},
    flash_drop::{
        Audience, Buyer, DropCommand, DropEdit, DropRejection, DropReply, FlashDrop, ItemEdit, ItemTerms, Terms,
    },
    id::{
        CheckoutId, ClaimId, ClaimRef, CommandId, ContactId, EmailHash, Fingerprint, ProductId, SubjectId, VariantId,
    },
    money::Currency,
    quantity::Quantity,
    stock::{StockChange, StockCommand, StockItem},
};

use crate::{
    checker::Heard,
    world::{BEGIN, HOLD_SECONDS, OPEN_SECONDS, World},
};

pub fn call(world: &World, id: u128) -> CommandMeta {
    let timeout = Duration::from_millis(200 + world.dice.below(3_000));
    CommandMeta {
        command_id: CommandId(id),
        former_ids: Vec::new(),
        former_fingerprint: None,
        fingerprint: Fingerprint(id),
        request_id: id,
        timeout,
    }
}

/// Runs the merchant: stocks the items, schedules the drop, sometimes adds units, ends it early, or cancels it.
pub async fn run_shop(world: World) {
    for (index, sku) in world.skus.iter().enumerate() {
        let id = 1_000 + index as u128 * 10;
        let adopt = StockCommand::Adopt {
            tenant: world.tenant.clone(),
            sku: sku.clone(),
            product: ProductId(1),
            variant: VariantId(id),
        };
        let stock = StockCommand::Adjust { change: StockChange::First(world.units * 3), reason: "first".into() };
        for (step, command) in [adopt, stock].into_iter().enumerate() {
            insist::<StockItem>(&world, &sku.key(&world.tenant), command, id + step as u128).await;
        }
    }
    let terms = Terms {
        title: "Simulated".into(),
        product: None,
        per_buyer_max: Quantity::new(3).unwrap(),
        hold_seconds: HOLD_SECONDS,
        starts_at: None,
        ends_at: BEGIN.plus_seconds(OPEN_SECONDS),
        audience: Audience::Anyone,
        currency: Currency::USD,
        network_limit: None,
    };
    let items = world.skus.iter().map(|sku| ItemTerms {
        sku: sku.clone(),
        quantity: Quantity::new(world.units as i64).unwrap(),
        price: 1_000,
        compare_at: None,
    });
    let create = DropCommand::Create {
        tenant: world.tenant.clone(),
        drop: world.drop,
        terms,
        items: items.collect(),
        draft: false,
    };
    let key = world.drop.key(&world.tenant);
    insist::<FlashDrop>(&world, &key, create, 2_000).await;
    tokio::time::sleep(world.dice.ms(OPEN_SECONDS * 500)).await;
    if world.dice.chance(500) {
        more_units(&world).await;
    }
    tokio::time::sleep(world.dice.ms(OPEN_SECONDS * 500)).await;
    match world.dice.below(6) {
        0 => drop(insist::<FlashDrop>(&world, &key, DropCommand::End, 2_002).await),
        1 => drop(insist::<FlashDrop>(&world, &key, DropCommand::Cancel, 2_003).await),
        _ => {}
    }
}

/// Adds units to the drop: as many as the stock item has, or more, in which case the edit is rejected.
async fn more_units(world: &World) {
    let key = world.drop.key(&world.tenant);
    let Some(Ok(DropReply::Drop(view))) = insist::<FlashDrop>(world, &key, DropCommand::View, 0).await else { return };
    let add_quantity = Quantity::new(1 + world.dice.below(world.units * 5 / 2) as i64).ok();
    let sku = world.skus[0].clone();
    let item = ItemEdit { sku, add_quantity, quantity: None, price: None, compare_at: None };
    let edit = DropEdit { items: vec![item], ..DropEdit::default() };
    insist::<FlashDrop>(world, &key, DropCommand::Edit { version: view.version, edit }, 2_001).await;
}

/// Repeats a command, with the same command id each time, until the answer is definite.
pub async fn insist<A: engine::kinds::Entity>(
    world: &World,
    key: &engine::id::EntityKey,
    command: A::Command,
    id: u128,
) -> Option<Result<A::Reply, A::Rejection>> {
    for _ in 0..10_000 {
        match ask::<A>(world, key, command.clone(), id).await {
            Ok(answered) => return Some(Ok(answered.reply)),
            Err(AskError::Rejected(rejection)) => return Some(Err(rejection)),
            Err(AskError::Quarantined) => return None,
            Err(AskError::Unknown) => world.observe(Heard::Unknown),
            Err(_) => {}
        }
        tokio::time::sleep(world.dice.ms(100)).await;
    }
    None
}

/// Sends a command once: alone, or twice in one message, in which case the second is a duplicate of the first.
async fn ask<A: engine::kinds::Entity>(
    world: &World,
    key: &engine::id::EntityKey,
    command: A::Command,
    id: u128,
) -> Result<Answered<A::Reply>, AskError<A::Rejection>> {
    let commerce = world.commerce().await;
    if !world.dice.chance(300) {
        return commerce.ask::<A>(key, command, call(world, id)).await;
    }
    let twice = vec![(command.clone(), call(world, id)), (command, call(world, id))];
    let mut answers = commerce.ask_many::<A>(key, twice).await.into_iter();
    let (Some(first), Some(again), None) = (answers.next(), answers.next(), answers.next()) else {
        panic!("two commands have two answers")
    };
    if let (Ok(first), Ok(again)) = (&first, &again) {
        assert_eq!(first.reply, again.reply, "a command answered differently when it was asked again");
    }
    if again.is_ok() { again } else { first }
}

/// Pays for a claim with a random card, of which some are declined, need a challenge, or cannot be captured.
async fn pay(world: &World, buyer: &Buyer, claim: ClaimRef, id: u128) {
    let checkout = CheckoutId(id);
    let cards = ["tok_approve", "tok_approve", "tok_decline", "tok_challenge", "tok_no_capture"];
    let start = StartCheckout {
        tenant: world.tenant.clone(),
        checkout,
        buyer: buyer.clone(),
        source: Source::Claims(vec![claim]),
        contact: ContactId(id),
        email: EmailHash(buyer.subject.0),
        provider: "sandbox".into(),
        token: cards[world.dice.below(cards.len() as u64) as usize].into(),
        expected_total: None,
        terms: CheckoutTerms::default(),
        variants: Vec::new(),
    };
    let key = checkout.key(&world.tenant);
    let command = CheckoutCommand::Start(Box::new(start));
    let first = insist::<Checkout>(world, &key, command.clone(), id).await;
    if world.dice.chance(300) {
        let again = insist::<Checkout>(world, &key, command, id).await;
        if let (Some(Ok(first)), Some(Ok(again))) = (&first, &again) {
            assert_eq!(first, again, "a checkout answered differently when it was asked again");
        }
    }
    let Some(Ok(CheckoutReply::Checkout(view))) = first else { return };
    world.observe(Heard::CheckedOut { checkout, claim: claim.claim });
    if matches!(view.state, CheckoutState::RequiresAction { .. }) && world.dice.chance(700) {
        insist::<Checkout>(world, &key, CheckoutCommand::Confirm { buyer: buyer.clone() }, id + 700).await;
    }
}

/// Runs a buyer: claims, repeats commands, releases claims, reads the drop, claims again.
pub async fn buy(world: World, number: u64) {
    let buyer = Buyer { subject: SubjectId(u128::from(number) + 1), former: Vec::new(), customer: false };
    let key = world.drop.key(&world.tenant);
    for round in 0..6u64 {
        tokio::time::sleep(world.dice.ms(OPEN_SECONDS * 1_000 / 4)).await;
        let id = 1_000_000 + u128::from(number) * 1_000 + u128::from(round);
        let sku = world.skus[world.dice.below(world.skus.len() as u64) as usize].clone();
        let quantity = Quantity::new(1 + world.dice.below(2) as i64).unwrap();
        let command = DropCommand::Claim {
            claim: ClaimId(id),
            buyer: buyer.clone(),
            sku: Some(sku.clone()),
            quantity,
            network: None,
        };
        let asked_at = world.journal.accepted_now(shard(&world)).0;
        let Some(answer) = insist::<FlashDrop>(&world, &key, command.clone(), id).await else { continue };
        let answered_at = world.journal.accepted_now(shard(&world)).0;
        match answer {
            Ok(DropReply::Claim(view)) => {
                let name = view.id;
                world.observe(Heard::Claimed { view: Box::new(view.clone()), answered_at });
                if world.dice.chance(300) {
                    let again = insist::<FlashDrop>(&world, &key, command, id).await;
                    world.observe(Heard::Again { first: Box::new(view), again: Box::new(again) });
                }
                if world.dice.chance(500) {
                    pay(&world, &buyer, name, id).await;
                } else if world.dice.chance(500) {
                    let release = DropCommand::Release { claim: ClaimId(id), buyer: buyer.clone() };
                    let released = insist::<FlashDrop>(&world, &key, release, id + 500).await;
                    if matches!(released, Some(Ok(_))) {
                        let answered_at = world.journal.accepted_now(shard(&world)).0;
                        world.observe(Heard::Released { claim: ClaimId(id), answered_at });
                    }
                }
            }
            Err(DropRejection::SoldOut { available, may_return }) => {
                let wanted = quantity.units();
                world.observe(Heard::SoldOut { sku, wanted, available, may_return, asked_at, answered_at });
            }
            Ok(other) => panic!("a claim answered {other:?}"),
            Err(_) => {}
        }
        if world.dice.chance(300) {
            let commerce = world.commerce().await;
            if let Ok(answered) = commerce.ask::<FlashDrop>(&key, DropCommand::View, call(&world, 0)).await {
                let answered_at = world.journal.accepted_now(shard(&world)).0;
                if let DropReply::Drop(view) = answered.reply {
                    world.observe(Heard::Viewed { view, answered_at });
                }
            }
        }
    }
}

pub fn shard(world: &World) -> streaming::ShardId {
    streaming::ShardId(world.drop.key(&world.tenant).shard(crate::world::SHARDS))
}
