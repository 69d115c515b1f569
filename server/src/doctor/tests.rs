#![allow(clippy::unwrap_used)]
use bytes::Bytes;
use engine::{
    aggregate::Aggregate,
    flash_drop::{DropEvent, ItemTerms, Terms},
    id::{CommandId, Fingerprint, ProductId, Sku, TenantId, VariantId},
    money::Currency,
    processed_commands::ProcessedCommand,
    quantity::Quantity,
    snapshot::Persist,
    stock::{StockEvent, StockItem},
    time::Timestamp,
};
use persistence::{
    snapshots::{Checkpoint, MemorySnapshots, Snapshot},
    views::Projector,
};
use streaming::{Entry, ShardId, memory::MemoryJournal};

use super::*;
use crate::replay::{ends, replay};

/// A shop whose single-shard journal is written by the tests.
struct Shop {
    journal: MemoryJournal,
    snapshots: MemorySnapshots,
    tenant: TenantId,
    sku: Sku,
    folder: tempfile::TempDir,
}

const DROP: engine::id::DropId = engine::id::DropId(77);

fn processed(command: u128) -> ProcessedCommand {
    ProcessedCommand { command_id: CommandId(command), fingerprint: Fingerprint(0), at: Timestamp(1_000) }
}

fn entry<E: minicbor::Encode<()>>(key: &engine::id::EntityKey, version: u64, events: &[E]) -> Entry {
    let mut bytes = Vec::new();
    for event in events {
        minicbor::encode(event, &mut bytes).unwrap();
    }
    Entry {
        key: Bytes::copy_from_slice(key.as_bytes()),
        version,
        at_ms: 1_000,
        wake_at_ms: None,
        command_id: 0,
        request_id: 0,
        events: bytes.into(),
    }
}

impl Shop {
    fn new() -> Self {
        Self {
            journal: MemoryJournal::new(1),
            snapshots: MemorySnapshots::new(),
            tenant: TenantId::new("demo").unwrap(),
            sku: Sku::new("SHIRT-S").unwrap(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// Events of a SKU with ten units.
    fn stock(&self) -> Vec<StockEvent> {
        vec![
            StockEvent::Adopted {
                tenant: self.tenant.clone(),
                sku: self.sku.clone(),
                product: ProductId(1),
                variant: VariantId(2),
            },
            StockEvent::Adjusted { delta: 10, reason: "import".into(), processed: processed(1) },
        ]
    }

    fn allocated(&self, total: u64) -> StockEvent {
        StockEvent::Allocated { drop: DROP, total }
    }

    fn inventory(&self, version: u64, events: &[StockEvent]) -> Entry {
        entry(&self.sku.key(&self.tenant), version, events)
    }

    /// An entry of a drop that has received four units.
    fn drop_of_four(&self) -> Entry {
        let terms = Terms {
            title: "Drop".into(),
            product: None,
            per_buyer_max: Quantity::ONE,
            hold_seconds: 60,
            starts_at: None,
            ends_at: Timestamp(10_000_000),
            audience: engine::flash_drop::Audience::Anyone,
            currency: Currency::USD,
            network_limit: None,
        };
        let items = vec![ItemTerms {
            sku: self.sku.clone(),
            quantity: Quantity::new(4).unwrap(),
            price: 100,
            compare_at: None,
        }];
        let created = DropEvent::Created {
            tenant: self.tenant.clone(),
            drop: DROP,
            terms,
            items,
            draft: false,
            processed: processed(2),
        };
        let asked = DropEvent::UnitsAsked { processed: processed(2), edit: None, units: vec![(0, 4)] };
        let came = DropEvent::UnitsCame { item: 0, at: Timestamp(1_000) };
        let published = DropEvent::Published { at: Timestamp(1_000) };
        entry(&DROP.key(&self.tenant), 1, &[created, asked, came, published])
    }

    async fn append(&self, entries: Vec<Entry>) {
        let mut leadership = self.journal.acquire_leadership(ShardId(0), "test").await.unwrap();
        leadership.append(engine::RULES_VERSION, entries).await.unwrap();
    }

    async fn snapshot(&self, version: u64, position: u64, events: &[StockEvent]) {
        let mut state = StockItem::default();
        events.iter().for_each(|event| state.apply(event));
        let snapshot = Snapshot {
            key: Bytes::copy_from_slice(self.sku.key(&self.tenant).as_bytes()),
            version,
            position,
            rules: engine::RULES_VERSION,
            format: StockItem::SNAPSHOT_FORMAT,
            bytes: state.to_snapshot().unwrap().into(),
        };
        self.snapshots.put(snapshot).await.unwrap();
    }

    async fn examine(&self, read_side: Option<&ReadSide>) -> Report {
        let found = Examined {
            journal: &self.journal,
            snapshots: Some(&self.snapshots),
            read_side,
            scratch: &self.folder.path().join("scratch"),
        };
        Report { checks: examine(&found).await }
    }

    async fn problems(&self) -> Vec<String> {
        self.examine(None).await.checks.into_iter().flat_map(|check| check.problems).collect()
    }
}

#[tokio::test]
async fn a_sound_shop_is_sound() {
    let shop = Shop::new();
    let stock = shop.stock();
    let mut with_drop = stock.clone();
    with_drop.push(shop.allocated(4));
    shop.append(vec![shop.inventory(1, &stock), shop.inventory(2, &[shop.allocated(4)]), shop.drop_of_four()]).await;
    shop.snapshot(2, 2, &with_drop).await;
    let report = shop.examine(None).await;
    assert!(report.is_sound(), "{}", report.show());
    assert!(report.show().contains("1 compared with the journal"), "{}", report.show());
    assert!(report.show().contains("10 units of 1 skus, 1 drops"), "{}", report.show());
}

#[tokio::test]
async fn a_snapshot_that_differs_from_the_journal_is_reported() {
    let shop = Shop::new();
    shop.append(vec![shop.inventory(1, &shop.stock())]).await;
    let mut other = shop.stock();
    other.push(StockEvent::Adjusted { delta: 1, reason: "theft".into(), processed: processed(9) });
    shop.snapshot(1, 1, &other).await;
    let problems = shop.problems().await;
    assert!(
        matches!(&problems[..], [problem] if problem.contains("SHIRT-S") && problem.contains("differs from the journal")),
        "{problems:?}"
    );
}

/// The problem reported for rules that this program does not know.
fn newer_rules() -> String {
    format!("has rules of version {}", engine::RULES_VERSION + 1)
}

#[tokio::test]
async fn an_unreadable_snapshot_is_reported() {
    let shop = Shop::new();
    shop.append(vec![shop.inventory(1, &shop.stock())]).await;
    shop.snapshot(1, 1, &shop.stock()).await;
    let sound = shop.snapshots.snapshots().remove(0);
    let half = sound.bytes.slice(..sound.bytes.len() / 2);
    for (spoilt, words) in [
        (Snapshot { format: sound.format + 1, ..sound.clone() }, "does not decode: format 2 is unknown"),
        (Snapshot { bytes: half, ..sound.clone() }, "does not decode"),
        (Snapshot { bytes: Bytes::new(), ..sound.clone() }, "does not decode"),
        (Snapshot { rules: engine::RULES_VERSION + 1, ..sound.clone() }, &*newer_rules()),
    ] {
        shop.snapshots.replace(&spoilt).unwrap();
        let problems = shop.problems().await;
        assert!(matches!(&problems[..], [problem] if problem.contains(words)), "{problems:?}");
    }
    shop.snapshots.damage(&sound.key, 1);
    let problems = shop.problems().await;
    assert!(matches!(&problems[..], [problem] if problem.contains("damaged")), "{problems:?}");
}

#[tokio::test]
async fn an_unusable_checkpoint_is_reported() {
    let shop = Shop::new();
    shop.append(vec![shop.inventory(1, &shop.stock())]).await;
    let checkpoint = |position, rules, format| Checkpoint { position, rules, format, bytes: Bytes::new() };
    for (position, rules, format) in [(0, 1, 0), (1, engine::RULES_VERSION + 1, 0), (2, 1, 7)] {
        shop.snapshots.put_checkpoint(0, checkpoint(position, rules, format)).await.unwrap();
    }
    let newer = newer_rules();
    let expected = ["it has format 7", &*newer, "it does not decode"];
    let problems = shop.problems().await;
    assert_eq!(problems.len(), expected.len(), "{problems:?}");
    assert!(problems.iter().zip(expected).all(|(problem, words)| problem.contains(words)), "{problems:?}");
    shop.snapshots.damage_checkpoint(0, 2);
    let problems = shop.problems().await;
    assert_eq!(problems.len(), expected.len(), "{problems:?}");
    assert!(problems[0].contains("checkpoint of shard 0 is damaged"), "{problems:?}");
}

#[tokio::test]
async fn a_snapshot_beyond_the_journal_is_reported() {
    let shop = Shop::new();
    shop.append(vec![shop.inventory(1, &shop.stock())]).await;
    shop.snapshot(5, 1, &shop.stock()).await;
    let problems = shop.problems().await;
    assert!(
        matches!(&problems[..], [problem] if problem.contains("version 5, but the journal ends at 1")),
        "{problems:?}"
    );
}

#[tokio::test]
async fn a_missing_entry_is_reported() {
    let shop = Shop::new();
    shop.append(vec![shop.inventory(1, &shop.stock()), shop.inventory(3, &[shop.allocated(0)])]).await;
    let problems = shop.problems().await;
    assert!(matches!(&problems[..], [problem] if problem.contains("has entry 3 after 1")), "{problems:?}");
}

#[tokio::test]
async fn an_unreadable_event_is_reported() {
    let shop = Shop::new();
    let odd = Entry { events: Bytes::from_static(&[0x82, 0x18, 0x63, 0x80]), ..shop.inventory(1, &[]) };
    shop.append(vec![odd]).await;
    assert_eq!(shop.problems().await.len(), 1);
}

#[tokio::test]
async fn units_without_a_drop_are_reported() {
    let shop = Shop::new();
    shop.append(vec![shop.inventory(1, &shop.stock()), shop.inventory(2, &[shop.allocated(4)])]).await;
    let problems = shop.problems().await;
    assert!(matches!(&problems[..], [problem] if problem.contains("4 units were allocated to drop")), "{problems:?}");
}

#[tokio::test]
async fn units_of_unknown_origin_are_reported() {
    let shop = Shop::new();
    shop.append(vec![shop.inventory(1, &shop.stock()), shop.inventory(2, &[shop.allocated(3)]), shop.drop_of_four()])
        .await;
    let problems = shop.problems().await;
    assert!(
        matches!(&problems[..], [problem] if problem.contains("received 4 units, but 3 were allocated")),
        "{problems:?}"
    );
}

#[tokio::test]
async fn a_differing_read_side_is_reported() {
    let shop = Shop::new();
    shop.append(vec![shop.inventory(1, &shop.stock())]).await;
    let read_side = ReadSide::open(&shop.folder.path().join("fusion.sqlite")).await.unwrap();
    let mut projector = Projector::open(read_side.clone()).await.unwrap();
    assert!(shop.examine(Some(&read_side)).await.is_sound(), "behind is not wrong");

    let other = Shop::new();
    let less = [shop.stock(), vec![StockEvent::Adjusted { delta: -1, reason: "lost".into(), processed: processed(3) }]]
        .concat();
    other.append(vec![other.inventory(1, &less)]).await;
    replay(&other.journal, &mut projector, &ends(&other.journal).await.unwrap(), |_| {}).await.unwrap();
    let problems: Vec<_> =
        shop.examine(Some(&read_side)).await.checks.into_iter().flat_map(|check| check.problems).collect();
    assert!(matches!(&problems[..], [problem] if problem.contains("stock of SHIRT-S")), "{problems:?}");

    other.append(vec![other.inventory(2, &[other.allocated(0)])]).await;
    replay(&other.journal, &mut projector, &ends(&other.journal).await.unwrap(), |_| {}).await.unwrap();
    let problems: Vec<_> =
        shop.examine(Some(&read_side)).await.checks.into_iter().flat_map(|check| check.problems).collect();
    assert!(problems.iter().any(|problem| problem.contains("but the journal ends at")), "{problems:?}");
}

#[test]
fn problems_that_pass_are_none() {
    let check = |problems: &[&str]| Check {
        problems: problems.iter().map(|problem| (*problem).to_owned()).collect(),
        ..Check::new("stock")
    };
    let mut first = Report { checks: vec![check(&["passing", "staying"])] };
    first.keep_what_stays(&Report { checks: vec![check(&["staying", "new"])] });
    assert_eq!(first.checks[0].problems, ["staying"]);
}
