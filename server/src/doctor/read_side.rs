//! Checks the lists: rebuilds a second read side from the journal, and compares both page by page.

use std::{collections::BTreeSet, fmt::Debug, path::Path};

use engine::id::{Sku, TenantId};
use persistence::{
    sql::{
        Cursor, LIMIT_MAX, Limit, Page, PageRequest, ReadSide, StoreError,
        lists::{DropFilter, OrderFilter, ProductFilter},
    },
    views::Projector,
};
use streaming::Journal;

use super::Check;
use crate::replay::{ends, replay};

/// How often the comparison is repeated while a running server changes its data. After that only counts are reported.
const TRIES: usize = 5;

/// Compares the read side with one that is rebuilt from the journal in `scratch`.
pub(super) async fn check(
    journal: &dyn Journal,
    read_side: &ReadSide,
    tenants: &BTreeSet<TenantId>,
    scratch: &Path,
) -> Check {
    let mut check = Check::new("read side");
    if let Err(problem) = compare(journal, read_side, tenants, scratch, &mut check).await {
        check.problem(problem);
    }
    check
}

async fn compare(
    journal: &dyn Journal,
    read_side: &ReadSide,
    tenants: &BTreeSet<TenantId>,
    scratch: &Path,
    check: &mut Check,
) -> Result<(), String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    std::fs::create_dir_all(scratch).map_err(|error| text(&error))?;
    // A file that an earlier check left behind may reach further than this one.
    let file = scratch.join(format!("{}.sqlite", std::process::id()));
    for name in ["sqlite", "sqlite-wal", "sqlite-shm"] {
        let _ = std::fs::remove_file(file.with_extension(name));
    }
    let fresh = ReadSide::open(&file).await.map_err(|error| text(&error))?;
    let compared = compare_with(journal, read_side, &fresh, tenants, check).await;
    fresh.close().await;
    compared
}

async fn compare_with(
    journal: &dyn Journal,
    read_side: &ReadSide,
    fresh: &ReadSide,
    tenants: &BTreeSet<TenantId>,
    check: &mut Check,
) -> Result<(), String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let mut projector = Projector::open(fresh.clone()).await.map_err(|error| text(&error))?;
    for _ in 0..TRIES {
        let before = read_side.positions().await.map_err(|error| text(&error))?;
        let ends = ends(journal).await.map_err(|error| text(&error))?;
        for (shard, next) in &before {
            let end = ends.get(shard).copied().unwrap_or_default();
            if *next > end {
                return Err(format!(
                    "shard {shard}: has applied positions before {next}, but the journal ends at {end}"
                ));
            }
        }
        replay(journal, &mut projector, &before, |_| {}).await.map_err(|error| text(&error))?;
        let mut found = Check::new("read side");
        for tenant in tenants {
            compare_tenant(tenant, read_side, fresh, &mut found).await.map_err(|error| text(&error))?;
        }
        let rows = compare_counts(read_side, fresh, &mut found).await.map_err(|error| text(&error))?;
        let after = read_side.positions().await.map_err(|error| text(&error))?;
        let behind: u64 =
            ends.iter().map(|(shard, end)| end - before.get(shard).copied().unwrap_or_default().min(*end)).sum();
        check.found = format!("{rows} rows, {behind} entries behind the journal");
        // While data changes, a difference may be only temporary.
        if found.problems.is_empty() || before == after {
            check.problems = found.problems;
            check.more = found.more;
            return Ok(());
        }
    }
    check.found.push_str(" (changes too fast to be compared row by row; try again under less load)");
    Ok(())
}

async fn compare_counts(read_side: &ReadSide, fresh: &ReadSide, check: &mut Check) -> Result<u64, StoreError> {
    let (ours, theirs) = (read_side.summary().await?, fresh.summary().await?);
    let mut rows = 0;
    for (ours, theirs) in ours.projections.iter().zip(&theirs.projections) {
        for ((table, ours), (_, theirs)) in ours.rows.iter().zip(&theirs.rows) {
            rows += ours;
            // The generation that holds a buyer depends on how entries were batched, and two may hold the same buyer.
            if ours != theirs && !table.starts_with("drop_buyer") {
                check.problem(format!("{table}: {ours} rows, but {theirs} expected from the journal"));
            }
        }
    }
    Ok(rows)
}

/// Compares a list of both read sides page by page, up to the first difference.
macro_rules! compare_pages {
    ($check:ident, $what:expr, $ours:expr, $theirs:expr, |$side:ident, $page:ident| $read:expr) => {
        let mut after: Option<Cursor> = None;
        loop {
            let $page = PageRequest { limit: limit(), after };
            let ours = {
                let $side = $ours;
                $read.await?
            };
            let theirs = {
                let $side = $theirs;
                $read.await?
            };
            compare_page($what, &ours, &theirs, $check);
            // After a difference the pages no longer line up.
            match theirs.next {
                Some(next) if $check.problems.is_empty() => after = Some(next),
                _ => break,
            }
        }
    };
}

async fn compare_tenant(
    tenant: &TenantId,
    ours: &ReadSide,
    theirs: &ReadSide,
    check: &mut Check,
) -> Result<(), StoreError> {
    let products = ProductFilter::default();
    let orders = OrderFilter::default();
    let drops = DropFilter { with_drafts: true, ..DropFilter::default() };
    compare_pages!(check, "products", ours, theirs, |side, page| side.products(tenant, &products, page));
    compare_pages!(check, "drops", ours, theirs, |side, page| side.drops(tenant, &drops, page));
    compare_pages!(check, "checkouts", ours, theirs, |side, page| side.checkouts(tenant, None, None, page));
    compare_pages!(check, "orders", ours, theirs, |side, page| side.orders(tenant, &orders, page));
    stock(tenant, ours, theirs, check).await
}

fn limit() -> Limit {
    Limit::new(LIMIT_MAX).unwrap_or_default()
}

fn compare_page<T: PartialEq + Debug>(list: &str, ours: &Page<T>, theirs: &Page<T>, check: &mut Check) {
    for (index, expected) in theirs.items.iter().enumerate() {
        match ours.items.get(index) {
            Some(found) if found == expected => {}
            Some(found) => check.problem(format!("{list}: {found:?} should be {expected:?}")),
            None => check.problem(format!("{list}: {expected:?} is missing")),
        }
    }
    if ours.items.len() > theirs.items.len() {
        let more = ours.items.len() - theirs.items.len();
        check.problem(format!("{list}: {more} more than expected from the journal"));
    }
}

async fn stock(tenant: &TenantId, read_side: &ReadSide, fresh: &ReadSide, check: &mut Check) -> Result<(), StoreError> {
    let mut after: Option<Sku> = None;
    loop {
        let ours = read_side.stock_after(tenant, after.as_ref(), limit()).await?;
        let theirs = fresh.stock_after(tenant, after.as_ref(), limit()).await?;
        for expected in &theirs {
            if !ours.contains(expected) {
                let found = ours.iter().find(|found| found.sku == expected.sku);
                check.problem(format!("{tenant} stock of {}: {found:?} should be {expected:?}", expected.sku));
            }
        }
        for odd in ours.iter().filter(|ours| !theirs.iter().any(|theirs| theirs.sku == ours.sku)) {
            check.problem(format!("{tenant} stock of {}: not in the journal", odd.sku));
        }
        match theirs.last() {
            Some(last) if check.problems.is_empty() => after = Some(last.sku.clone()),
            _ => return Ok(()),
        }
    }
}
