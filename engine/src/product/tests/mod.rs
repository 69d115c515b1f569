#![allow(clippy::unwrap_used)]

mod creating;
mod editing;
mod importing;
mod life;
mod pictures;
mod selling;

use std::collections::BTreeMap;

use super::*;
use crate::{
    aggregate::{Aggregate, Answer, Context, DeferredReply, Saga},
    effect::{Effect, EffectId, Outcome, Request},
    id::{CommandId, Fingerprint},
    processed_commands::PROCESSED_COMMANDS_KEPT_MS,
    snapshot::Persist,
    stock::{StockCommand, StockRejection, StockReply},
    time::Timestamp,
};

/// A product with a model of the stock items that own its SKUs, and all events since its creation.
#[derive(Default)]
struct Shop {
    product: Product,
    history: Vec<ProductEvent>,
    skus: BTreeMap<String, (ProductId, VariantId)>,
    /// The open effects, by slot: a newer generation replaces an older one.
    asked: BTreeMap<u64, Effect>,
    now: u64,
}

type Answered = Result<ProductReply, ProductRejection>;

impl Shop {
    fn context(&self, command: u128) -> Context {
        let (command_id, fingerprint) = (CommandId(command), Fingerprint(command));
        Context { now: Timestamp(self.now), command_id, former_ids: Vec::new(), former_fingerprint: None, fingerprint }
    }

    fn happen(&mut self, events: Vec<ProductEvent>) {
        for event in events {
            let bytes = minicbor::to_vec(&event).unwrap();
            assert_eq!(minicbor::decode::<ProductEvent>(&bytes).unwrap(), event, "an event reads back");
            self.product.apply(&event);
            for effect in self.product.effects(&event) {
                self.asked.insert(effect.id.slot, effect);
            }
            self.history.push(event);
        }
        let ids = |effects: Vec<Effect>| effects.iter().map(|effect| format!("{effect:?}")).collect::<Vec<_>>();
        assert_eq!(
            ids(self.product.outstanding()),
            ids(self.asked.values().cloned().collect()),
            "outstanding = asked − settled"
        );
        assert_eq!(self.product.has_outstanding(), !self.asked.is_empty());
    }

    /// Decides a command and applies its events, but leaves the effects unanswered.
    fn send(&mut self, command: u128, what: ProductCommand) -> Result<Answer<ProductReply>, ProductRejection> {
        let decision = self.product.decide(&what, &self.context(command))?;
        self.happen(decision.events);
        Ok(decision.answer)
    }

    /// Answers the oldest open effect as its stock item would.
    fn answer_one(&mut self) {
        let Some((_, effect)) = self.asked.first_key_value() else { return };
        let (id, request) = (effect.id, effect.request.clone());
        let Request::Stock(sku, command) = request else { panic!("a product asks the inventory alone") };
        let outcome = self.inventory(sku.as_str(), command);
        self.settle(id, outcome);
    }

    fn settle(&mut self, id: EffectId, outcome: Outcome) {
        let events = self.product.receive_outcome(id, outcome.clone(), Timestamp(self.now)).unwrap();
        assert!(!events.is_empty(), "an answer to what is outstanding counts");
        self.asked.remove(&id.slot);
        self.happen(events);
        assert!(
            self.product.receive_outcome(id, outcome, Timestamp(self.now)).unwrap().is_empty(),
            "a late copy does not"
        );
    }

    fn inventory(&mut self, sku: &str, command: StockCommand) -> Outcome {
        Outcome::Stock(match command {
            StockCommand::Adopt { product, variant, .. } => {
                let holder = *self.skus.entry(sku.to_owned()).or_insert((product, variant));
                if holder == (product, variant) {
                    Ok(StockReply::Done)
                } else {
                    Err(StockRejection::SkuTaken { product: holder.0 })
                }
            }
            StockCommand::Disown { variant } => {
                if self.skus.get(sku).is_some_and(|holder| holder.1 == variant) {
                    self.skus.remove(sku);
                }
                Ok(StockReply::Done)
            }
            other => panic!("a product does not ask for {other:?}"),
        })
    }

    /// Runs a command to its end, with the answers of the stock items.
    fn ask(&mut self, command: u128, what: ProductCommand) -> Answered {
        match self.send(command, what)? {
            Answer::Now(reply) | Answer::Duplicate(reply) => Ok(reply),
            Answer::Deferred(deferred) => {
                while !self.asked.is_empty() {
                    self.answer_one();
                }
                self.product.deferred_reply(&deferred, Timestamp(self.now)).expect("settled when all is answered")
            }
        }
    }

    fn view(&self) -> ProductView {
        let reply = self.product.decide(&ProductCommand::View, &self.context(0)).unwrap().answer;
        let Answer::Now(ProductReply::Product(view)) = reply else { panic!("{reply:?}") };
        (*view).clone()
    }

    fn taken_by_another(mut self, sku: &str) -> Self {
        self.skus.insert(sku.to_owned(), (OTHER, VariantId(7)));
        self
    }

    fn with_shirt() -> Self {
        let mut shop = Self::default();
        shop.ask(1, create(shirt())).unwrap();
        shop
    }

    fn variant(&self, options: &[&str]) -> VariantView {
        self.view().variants.into_iter().find(|variant| variant.options == options).expect("there is such a variant")
    }
}

const OTHER: ProductId = ProductId(99);

fn tenant() -> TenantId {
    TenantId::new("demo").unwrap()
}

fn sku(text: &str) -> Sku {
    Sku::new(text).unwrap()
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

fn new_variant(sku_text: &str, options: &[&str], price: i64) -> NewVariant {
    let sku = (!sku_text.is_empty()).then(|| sku(sku_text));
    NewVariant { sku, options: strings(options), price, compare_at: None }
}

fn shirt() -> NewProduct {
    NewProduct {
        handle: Handle::new("shirt").unwrap(),
        title: "Shirt".into(),
        description: SafeHtml::clean("<p>Soft</p>").unwrap(),
        vendor: "Loom".into(),
        product_type: "Apparel".into(),
        tags: strings(&["cotton", "blue"]),
        images: Vec::new(),
        options: strings(&["Size"]),
        status: Status::Active,
        currency: Currency::USD,
        variants: vec![new_variant("S-1", &["S"], 1_000), new_variant("M-1", &["M"], 1_200)],
    }
}

fn create(new: NewProduct) -> ProductCommand {
    ProductCommand::Create { tenant: tenant(), new: Box::new(new) }
}

fn edit(version: u64, edit: ProductEdit) -> ProductCommand {
    ProductCommand::Edit { version, edit: Box::new(edit) }
}

fn import(change: ImportChange) -> ProductCommand {
    ProductCommand::Import { tenant: tenant(), currency: Currency::USD, change: Box::new(change) }
}

/// An import that repeats the shirt.
fn shirt_file() -> ImportChange {
    let size = |sku_text, value, price| ImportVariant {
        options: strings(&[value]),
        sku: Some(sku(sku_text)),
        price: Some(price),
        compare_at: Some(None),
        image: None,
    };
    ImportChange {
        title: Some("Shirt".into()),
        description: Some(SafeHtml::clean("<p>Soft</p>").unwrap()),
        vendor: Some("Loom".into()),
        product_type: Some("Apparel".into()),
        tags: Some(strings(&["cotton", "blue"])),
        options: Some(strings(&["Size"])),
        status: Some(Status::Active),
        variants: vec![size("S-1", "S", 1_000), size("M-1", "M", 1_200)],
        ..ImportChange::new(Handle::new("shirt").unwrap())
    }
}

fn with_variants(variants: Vec<VariantEdit>) -> ProductEdit {
    ProductEdit { variants, ..ProductEdit::default() }
}

fn imported(reply: ProductReply) -> Imported {
    let ProductReply::Imported(imported) = reply else { panic!("{reply:?}") };
    (*imported).clone()
}

fn invalid_at(answer: Answered) -> String {
    match answer {
        Err(ProductRejection::Invalid { pointer, .. }) => pointer,
        other => panic!("expected an invalid value, got {other:?}"),
    }
}
