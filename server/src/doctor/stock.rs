//! Checks that every unit is accounted for: in stock, in a drop, or sold.

use std::collections::BTreeMap;

use engine::{
    flash_drop::{DropView, Totals},
    id::{DropId, EntityKey, Sku, TenantId},
    stock::StockLevels,
};

use super::{Check, fold::StockFigures};

/// The stock as stock items and drops report it.
#[derive(Default)]
pub(super) struct Stock {
    shards: BTreeMap<(TenantId, Sku), Shard>,
    drops: BTreeMap<(TenantId, DropId), (Box<DropView>, bool)>,
}

struct Shard {
    levels: StockLevels,
    drops: BTreeMap<DropId, (u64, Totals)>,
}

impl Stock {
    pub(super) fn note(&mut self, key: &EntityKey, figures: StockFigures) {
        match figures {
            StockFigures::Nothing => {}
            StockFigures::StockItem { levels, drops } => {
                let name = std::str::from_utf8(key.id()).ok().and_then(|name| Sku::new(name).ok());
                if let Some(sku) = name {
                    self.shards.insert((key.tenant(), sku), Shard { levels, drops });
                }
            }
            StockFigures::Drop { view, settled } => drop(self.drops.insert((key.tenant(), view.id), (view, settled))),
        }
    }

    pub(super) fn check(&self) -> Check {
        let mut check = Check::new("stock");
        let units: u64 = self.shards.values().map(|shard| shard.levels.on_hand).sum();
        check.found = format!("{units} units of {} skus, {} drops", self.shards.len(), self.drops.len());
        for ((tenant, sku), Shard { levels, drops }) in &self.shards {
            if levels.on_hand != levels.available + levels.held + levels.allocated {
                check.problem(format!("{tenant} {sku}: on_hand is not available + held + allocated: {levels:?}"));
            }
            let with_drops: i128 = drops.values().map(|(total, booked)| outstanding(*total, booked)).sum();
            if with_drops != i128::from(levels.allocated) {
                check.problem(format!("{tenant} {sku}: {} allocated, but drops have {with_drops}", levels.allocated));
            }
            for (drop, (total, _)) in drops.iter().filter(|(_, (total, _))| *total > 0) {
                if !self.drops.contains_key(&(tenant.clone(), *drop)) {
                    check.problem(format!(
                        "{tenant} {sku}: {total} units were allocated to drop {drop}, which does not exist"
                    ));
                }
            }
        }
        for ((tenant, id), (view, settled)) in &self.drops {
            self.check_drop(tenant, *id, view, *settled, &mut check);
        }
        check
    }

    fn check_drop(&self, tenant: &TenantId, id: DropId, view: &DropView, settled: bool, check: &mut Check) {
        if matches!(view.state, engine::flash_drop::DropState::Draft) {
            return;
        }
        for item in &view.items {
            let (sku, parts) = (&item.sku, item.available + item.held + item.sold + item.returned);
            if item.quantity != parts {
                let quantity = item.quantity;
                check.problem(format!("{tenant} drop {id} {sku}: received {quantity} units, but accounts for {parts}"));
            }
            let shard = self.shards.get(&(tenant.clone(), sku.clone()));
            let (total, booked) = shard.and_then(|shard| shard.drops.get(&id)).copied().unwrap_or_default();
            // Units in transit to the drop have already left the stock item. None may arrive without having left.
            if total < item.quantity || (settled && total != item.quantity) {
                check.problem(format!(
                    "{tenant} drop {id} {sku}: received {} units, but {total} were allocated",
                    item.quantity
                ));
            }
            let sold = i128::from(booked.sold) - i128::from(booked.returned);
            if settled && (sold != i128::from(item.sold) || booked.unsold != item.returned) {
                check.problem(format!(
                    "{tenant} drop {id} {sku}: sold {} and returned {}, but the stock item has {sold} and {}",
                    item.sold, item.returned, booked.unsold
                ));
            }
        }
    }
}

/// Returns the units of an allocation that still count as the drop's.
fn outstanding(total: u64, booked: &Totals) -> i128 {
    i128::from(total) + i128::from(booked.returned) - i128::from(booked.sold) - i128::from(booked.unsold)
}
