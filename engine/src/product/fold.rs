//! How a product's events change it, and what they ask of the inventory.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{Adoption, Change, Creation, ImportedVariant, ProductEvent, sheet::Sheet};
use crate::{
    effect::{Effect, EffectId, Outcome, Request},
    id::{CommandId, ProductId, Sku, TenantId, VariantId},
    inventory::{InventoryCommand, InventoryRejection},
    receipts::{Receipt, Receipts},
};

/// A product of the catalogue. `Default` is one that does not exist yet.
#[derive(Debug, Default)]
pub struct Product {
    pub(super) sheet: Option<Arc<Sheet>>,
    /// Every SKU that the product has, wants or gives up, by the slot of its effects. A slot is never used again.
    pub(super) grips: BTreeMap<u64, Grip>,
    pub(super) next_slot: u64,
    pub(super) pending: Option<Pending>,
    pub(super) refused: Option<RefusedSku>,
    pub(super) receipts: Receipts<Left>,
    /// The slots with an effect that is not answered. Derived from the grips, and not in snapshots.
    pub(super) open: BTreeSet<u64>,
}

/// The product's hold on one SKU for one variant.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Grip {
    pub(super) sku: Sku,
    pub(super) variant: VariantId,
    pub(super) stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Its SKU is still being given up by an earlier grip: the shard is asked when that has settled.
    Waiting,
    /// Its shard is asked.
    Asked,
    /// Its shard refused: another product has the SKU.
    Refused(Option<ProductId>),
    /// The SKU is the variant's.
    Held,
    /// Its shard is told that the variant has it no longer.
    Disowning,
}

/// A change that waits for its SKUs.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pending {
    pub(super) creation: Option<Creation>,
    pub(super) change: Change,
    pub(super) imported: Option<Vec<ImportedVariant>>,
    pub(super) receipt: Receipt,
    /// Grips from this slot on are its own.
    pub(super) first_slot: u64,
    /// How many of them are not answered.
    pub(super) unanswered: u64,
}

/// The last command that was refused for a SKU, for the answer to it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RefusedSku {
    pub(super) command_id: CommandId,
    pub(super) sku: Sku,
    pub(super) product: Option<ProductId>,
}

/// What an accepted command left, for answering it again.
#[derive(Debug, Clone)]
pub(super) struct Left {
    pub(super) sheet: Arc<Sheet>,
    pub(super) imported: Option<Arc<Vec<ImportedVariant>>>,
}

/// The turns of a slot: its SKU is adopted, then disowned.
const ADOPT: u64 = 0;
const DISOWN: u64 = 1;

impl Product {
    pub(super) fn fold(&mut self, event: &ProductEvent) {
        match event {
            ProductEvent::Asked { creation, change, imported, adoptions, receipt } => {
                self.pending = Some(Pending {
                    creation: creation.clone(),
                    change: change.clone(),
                    imported: imported.clone(),
                    receipt: *receipt,
                    first_slot: self.next_slot,
                    unanswered: adoptions.len() as u64,
                });
                for Adoption { sku, variant } in adoptions {
                    let busy = self.grips.values().any(|grip| grip.stage == Stage::Disowning && grip.sku == *sku);
                    let stage = if busy { Stage::Waiting } else { Stage::Asked };
                    self.set_grip(self.next_slot, Grip { sku: sku.clone(), variant: *variant, stage });
                    self.next_slot += 1;
                }
            }
            ProductEvent::SkuAdopted { slot } => self.answered(*slot, Stage::Held),
            ProductEvent::SkuRefused { slot, product } => self.answered(*slot, Stage::Refused(*product)),
            ProductEvent::Created { creation, change, imported, receipt } => {
                let sheet = Sheet::blank(creation, receipt.at).with(change, receipt.at);
                self.changed(sheet, imported.as_deref(), *receipt);
            }
            ProductEvent::Changed { change, imported, disown, receipt } => {
                // A change of a product that is not there cannot be in a journal that this code wrote.
                let Some(sheet) = self.sheet.as_ref().map(|sheet| sheet.with(change, receipt.at)) else { return };
                disown.iter().for_each(|&slot| self.set_stage(slot, Stage::Disowning));
                self.changed(sheet, imported.as_deref(), *receipt);
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

    fn changed(&mut self, sheet: Sheet, imported: Option<&[ImportedVariant]>, receipt: Receipt) {
        let sheet = Arc::new(sheet);
        self.pending = None;
        self.sheet = Some(Arc::clone(&sheet));
        self.receipts.keep(receipt, Left { sheet, imported: imported.map(|list| Arc::new(list.to_vec())) });
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

    /// Keeps `open` true to the grips.
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
                Some(RefusedSku { command_id: pending.receipt.command_id, sku: grip.sku.clone(), product })
            }
            _ => None,
        })
    }

    pub(super) fn on_inventory(&self, effect: EffectId, outcome: &Outcome) -> Vec<ProductEvent> {
        let (Some(grip), Outcome::Inventory(answer)) = (self.grips.get(&effect.slot), outcome) else {
            return Vec::new();
        };
        let slot = effect.slot;
        match (grip.stage, effect.turn) {
            (Stage::Asked, ADOPT) => {
                let event = match answer {
                    Ok(_) => ProductEvent::SkuAdopted { slot },
                    Err(InventoryRejection::SkuTaken { product }) => {
                        ProductEvent::SkuRefused { slot, product: Some(*product) }
                    }
                    Err(_) => ProductEvent::SkuRefused { slot, product: None },
                };
                let end = self.pending.as_ref().and_then(|pending| self.end(pending, slot, answer.is_ok()));
                std::iter::once(event).chain(end).collect()
            }
            // Whatever the shard says, it does not count the SKU for this variant any more.
            (Stage::Disowning, DISOWN) => vec![ProductEvent::SkuDisowned { slot, sku: grip.sku.clone() }],
            _ => Vec::new(),
        }
    }

    /// What the last answer comes to: the change is made, or none of it.
    fn end(&self, pending: &Pending, slot: u64, adopted: bool) -> Option<ProductEvent> {
        if pending.unanswered > 1 {
            return None;
        }
        let own = || self.grips.range(pending.first_slot..);
        if !adopted || own().any(|(_, grip)| matches!(grip.stage, Stage::Refused(_))) {
            let held = own().filter(|(own, grip)| grip.stage == Stage::Held || (adopted && **own == slot));
            return Some(ProductEvent::Refused { disown: held.map(|(&slot, _)| slot).collect() });
        }
        let Pending { creation, change, imported, receipt, .. } = pending.clone();
        match (creation, &self.sheet) {
            (Some(creation), _) => Some(ProductEvent::Created { creation, change, imported, receipt }),
            (None, Some(sheet)) => {
                let disown = self.lost(&sheet.with(&change, receipt.at));
                Some(ProductEvent::Changed { change, imported, disown, receipt })
            }
            (None, None) => None,
        }
    }

    /// The slots of the SKUs that the product has and `next` has not.
    pub(super) fn lost(&self, next: &Sheet) -> Vec<u64> {
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
        let made = self.sheet.as_ref().map(|sheet| (&sheet.tenant, sheet.product));
        made.or(creation.map(|creation| (&creation.tenant, creation.product)))
    }

    fn effect(&self, slot: u64) -> Option<Effect> {
        let Grip { sku, variant, stage } = self.grips.get(&slot)?.clone();
        let (turn, command) = match stage {
            Stage::Asked => {
                let (tenant, product) = self.owner()?;
                (ADOPT, InventoryCommand::Adopt { tenant: tenant.clone(), sku: sku.clone(), product, variant })
            }
            Stage::Disowning => (DISOWN, InventoryCommand::Disown { variant }),
            Stage::Waiting | Stage::Refused(_) | Stage::Held => return None,
        };
        Some(Effect { id: EffectId { slot, turn }, request: Request::Inventory(sku, command) })
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

    /// Asserts what must hold when nothing is under way: the product has its variants' SKUs, and no others.
    pub fn assert_settled(&self) {
        assert!(
            self.open.is_empty() && self.pending.is_none(),
            "something is under way: {:?} {:?}",
            self.open,
            self.pending
        );
        let held: BTreeSet<_> = self.grips.values().map(|grip| (&grip.sku, grip.variant)).collect();
        let variants = self.sheet.iter().flat_map(|sheet| &sheet.variants);
        let wanted: BTreeSet<_> = variants.map(|variant| (&variant.sku, variant.id)).collect();
        assert_eq!(held, wanted, "skus held and skus of variants differ");
    }
}
