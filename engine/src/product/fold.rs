//! Applies the events of a product to its state, and derives the effects that they cause on stock items.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{Adoption, Change, Creation, ImportedVariant, ProductEvent, details::Details};
use crate::{
    effect::{Effect, Slots, effects},
    id::{CommandId, ProductId, Sku, TenantId, VariantId},
    processed_commands::{ProcessedCommand, ProcessedCommands},
    stock::{StockCommand, StockItem, StockRejection},
};

/// A product of the catalogue. `Default` is a product that does not exist yet.
#[derive(Debug, Default)]
pub struct Product {
    pub(super) details: Option<Arc<Details>>,
    /// Every SKU that the product has, requests or releases, by the slot of its effects. A slot is never reused.
    pub(super) grips: BTreeMap<u64, Grip>,
    pub(super) next_slot: u64,
    pub(super) pending: Option<Pending>,
    pub(super) refused: Option<RefusedSku>,
    pub(super) processed_commands: ProcessedCommands<Left>,
    /// The slots whose effect has no answer yet. Derived from the grips, and not in snapshots.
    pub(super) open: BTreeSet<u64>,
}

/// The product's claim to one SKU for one variant.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Grip {
    pub(super) sku: Sku,
    pub(super) variant: VariantId,
    pub(super) stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// An earlier grip is still giving up the same SKU: the stock item is asked when it has released the SKU.
    Waiting,
    /// The stock item was asked to adopt the SKU for the variant.
    Asked,
    /// The stock item refused: another product has the SKU.
    Refused(Option<ProductId>),
    /// The SKU belongs to the variant.
    Held,
    /// The stock item was asked to release the SKU.
    Disowning,
}

/// A change that waits for its SKUs.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pending {
    pub(super) creation: Option<Creation>,
    pub(super) change: Change,
    pub(super) imported: Option<Vec<ImportedVariant>>,
    pub(super) processed: ProcessedCommand,
    /// The first slot of the change: this grip and all later ones belong to it.
    pub(super) first_slot: u64,
    /// The number of its grips without an answer.
    pub(super) unanswered: u64,
}

/// The last command that failed because of a refused SKU, kept for the deferred reply to it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RefusedSku {
    pub(super) command_id: CommandId,
    pub(super) sku: Sku,
    pub(super) product: Option<ProductId>,
}

/// The result of an accepted command, kept to answer duplicates.
#[derive(Debug, Clone)]
pub(super) struct Left {
    pub(super) details: Arc<Details>,
    pub(super) imported: Option<Arc<Vec<ImportedVariant>>>,
}

effects! {
    ProductEffect, ProductOutcome:
    /// The adoption of the SKU with this slot, and later its release.
    Sku(slot: u64) = Slots::from(0) => StockItem;
}

/// The generations of a slot: its SKU is adopted first, and disowned later.
const ADOPT: u64 = 0;
const DISOWN: u64 = 1;

impl Product {
    pub(super) fn fold(&mut self, event: &ProductEvent) {
        match event {
            ProductEvent::Asked { creation, change, imported, adoptions, processed } => {
                self.pending = Some(Pending {
                    creation: creation.clone(),
                    change: change.clone(),
                    imported: imported.clone(),
                    processed: *processed,
                    first_slot: self.next_slot,
                    unanswered: adoptions.len() as u64,
                });
                for Adoption { sku, variant } in adoptions {
                    // Adopt only after the release. Until then, the stock item would refuse another variant, and a late
                    // release would take the SKU from the same variant again.
                    let busy = self.grips.values().any(|grip| grip.stage == Stage::Disowning && grip.sku == *sku);
                    let stage = if busy { Stage::Waiting } else { Stage::Asked };
                    self.set_grip(self.next_slot, Grip { sku: sku.clone(), variant: *variant, stage });
                    self.next_slot += 1;
                }
            }
            ProductEvent::SkuAdopted { slot } => self.answered(*slot, Stage::Held),
            ProductEvent::SkuRefused { slot, product } => self.answered(*slot, Stage::Refused(*product)),
            ProductEvent::Created { creation, change, imported, processed } => {
                let details = Details::blank(creation, processed.at).with(change, processed.at);
                self.changed(details, imported.as_deref(), *processed);
            }
            ProductEvent::Changed { change, imported, disown, processed } => {
                // Unreachable for journals that this code wrote: `Changed` always follows `Created`.
                let Some(details) = self.details.as_ref().map(|details| details.with(change, processed.at)) else {
                    return;
                };
                disown.iter().for_each(|&slot| self.set_stage(slot, Stage::Disowning));
                self.changed(details, imported.as_deref(), *processed);
            }
            ProductEvent::Refused { disown } => {
                let Some(pending) = self.pending.take() else { return };
                self.refused = self.refusal(&pending);
                self.grips.retain(|_, grip| !matches!(grip.stage, Stage::Refused(_)));
                disown.iter().for_each(|&slot| self.set_stage(slot, Stage::Disowning));
            }
            ProductEvent::SkuDisowned { slot, sku } => {
                self.grips.remove(slot);
                self.open.remove(slot);
                let waiting = self.grips.iter().find(|(_, grip)| grip.stage == Stage::Waiting && grip.sku == *sku);
                if let Some(slot) = waiting.map(|(&slot, _)| slot) {
                    self.set_stage(slot, Stage::Asked);
                }
            }
        }
    }

    fn changed(&mut self, details: Details, imported: Option<&[ImportedVariant]>, processed: ProcessedCommand) {
        let details = Arc::new(details);
        self.pending = None;
        self.details = Some(Arc::clone(&details));
        self.processed_commands
            .keep(processed, Left { details, imported: imported.map(|list| Arc::new(list.to_vec())) });
    }

    fn answered(&mut self, slot: u64, stage: Stage) {
        self.set_stage(slot, stage);
        if let Some(pending) = &mut self.pending {
            pending.unanswered = pending.unanswered.saturating_sub(1);
        }
    }

    fn set_stage(&mut self, slot: u64, stage: Stage) {
        if let Some(grip) = self.grips.get(&slot).cloned() {
            self.set_grip(slot, Grip { stage, ..grip });
        }
    }

    /// Stores a grip and keeps `open` consistent with it.
    pub(super) fn set_grip(&mut self, slot: u64, grip: Grip) {
        match grip.stage {
            Stage::Asked | Stage::Disowning => self.open.insert(slot),
            Stage::Waiting | Stage::Refused(_) | Stage::Held => self.open.remove(&slot),
        };
        self.grips.insert(slot, grip);
    }

    fn refusal(&self, pending: &Pending) -> Option<RefusedSku> {
        self.grips.range(pending.first_slot..).find_map(|(_, grip)| match grip.stage {
            Stage::Refused(product) => {
                Some(RefusedSku { command_id: pending.processed.command_id, sku: grip.sku.clone(), product })
            }
            _ => None,
        })
    }

    pub(super) fn on_inventory(&self, generation: u64, outcome: ProductOutcome) -> Vec<ProductEvent> {
        let ProductOutcome::Sku(slot, answer) = outcome;
        let Some(grip) = self.grips.get(&slot) else { return Vec::new() };
        match (grip.stage, generation) {
            (Stage::Asked, ADOPT) => {
                let adopted = answer.is_ok();
                let event = match answer {
                    Ok(_) => ProductEvent::SkuAdopted { slot },
                    Err(StockRejection::SkuTaken { product }) => {
                        ProductEvent::SkuRefused { slot, product: Some(product) }
                    }
                    Err(_) => ProductEvent::SkuRefused { slot, product: None },
                };
                let end = self.pending.as_ref().and_then(|pending| self.end(pending, slot, adopted));
                std::iter::once(event).chain(end).collect()
            }
            // Also on an error: in either case the stock item no longer counts the SKU for this variant.
            (Stage::Disowning, DISOWN) => vec![ProductEvent::SkuDisowned { slot, sku: grip.sku.clone() }],
            _ => Vec::new(),
        }
    }

    /// Ends the pending change with its last answer: either the whole change is made, or none of it.
    fn end(&self, pending: &Pending, slot: u64, adopted: bool) -> Option<ProductEvent> {
        if pending.unanswered > 1 {
            return None;
        }
        let own = || self.grips.range(pending.first_slot..);
        if !adopted || own().any(|(_, grip)| matches!(grip.stage, Stage::Refused(_))) {
            let held = own().filter(|(own, grip)| grip.stage == Stage::Held || (adopted && **own == slot));
            return Some(ProductEvent::Refused { disown: held.map(|(&slot, _)| slot).collect() });
        }
        let Pending { creation, change, imported, processed, .. } = pending.clone();
        match (creation, &self.details) {
            (Some(creation), _) => Some(ProductEvent::Created { creation, change, imported, processed }),
            (None, Some(details)) => {
                let disown = self.lost(&details.with(&change, processed.at));
                Some(ProductEvent::Changed { change, imported, disown, processed })
            }
            (None, None) => None,
        }
    }

    /// Returns the slots of the SKUs that the product has and `next` does not.
    pub(super) fn lost(&self, next: &Details) -> Vec<u64> {
        let wanted: BTreeSet<(&Sku, VariantId)> =
            next.variants.iter().map(|variant| (&variant.sku, variant.id)).collect();
        let lost = self
            .grips
            .iter()
            .filter(|(_, grip)| grip.stage == Stage::Held && !wanted.contains(&(&grip.sku, grip.variant)));
        lost.map(|(&slot, _)| slot).collect()
    }

    fn owner(&self) -> Option<(&TenantId, ProductId)> {
        let creation = self.pending.as_ref().and_then(|pending| pending.creation.as_ref());
        let made = self.details.as_ref().map(|details| (&details.tenant, details.product));
        made.or(creation.map(|creation| (&creation.tenant, creation.product)))
    }

    fn effect(&self, slot: u64) -> Option<Effect> {
        let Grip { sku, variant, stage } = self.grips.get(&slot)?.clone();
        let (generation, command) = match stage {
            Stage::Asked => {
                let (tenant, product) = self.owner()?;
                (ADOPT, StockCommand::Adopt { tenant: tenant.clone(), sku: sku.clone(), product, variant })
            }
            Stage::Disowning => (DISOWN, StockCommand::Disown { variant }),
            Stage::Waiting | Stage::Refused(_) | Stage::Held => return None,
        };
        Some(ProductEffect::Sku(slot, (sku, command)).with(generation))
    }

    pub(super) fn effects_of(&self, event: &ProductEvent) -> Vec<Effect> {
        let in_stage = |slot: &u64, stage| self.grips.get(slot).is_some_and(|grip| grip.stage == stage);
        match event {
            ProductEvent::Asked { .. } => {
                let Some(pending) = &self.pending else { return Vec::new() };
                self.open.range(pending.first_slot..).filter_map(|&slot| self.effect(slot)).collect()
            }
            ProductEvent::Changed { disown, .. } | ProductEvent::Refused { disown } => {
                let told = disown.iter().filter(|slot| in_stage(slot, Stage::Disowning));
                told.filter_map(|&slot| self.effect(slot)).collect()
            }
            ProductEvent::SkuDisowned { sku, .. } => {
                let next = self.open.iter().filter(|slot| in_stage(slot, Stage::Asked) && self.grips[slot].sku == *sku);
                next.filter_map(|&slot| self.effect(slot)).collect()
            }
            ProductEvent::SkuAdopted { .. } | ProductEvent::SkuRefused { .. } | ProductEvent::Created { .. } => {
                Vec::new()
            }
        }
    }

    pub(super) fn outstanding_effects(&self) -> Vec<Effect> {
        self.open.iter().filter_map(|&slot| self.effect(slot)).collect()
    }

    /// Asserts what must hold when no effect is open: the product has the SKUs of its variants, and no others.
    pub fn assert_settled(&self) {
        assert!(
            self.open.is_empty() && self.pending.is_none(),
            "something is under way: {:?} {:?}",
            self.open,
            self.pending
        );
        let held: BTreeSet<_> = self.grips.values().map(|grip| (&grip.sku, grip.variant)).collect();
        let variants = self.details.iter().flat_map(|details| &details.variants);
        let wanted: BTreeSet<_> = variants.map(|variant| (&variant.sku, variant.id)).collect();
        assert_eq!(held, wanted, "skus held and skus of variants differ");
    }
}
