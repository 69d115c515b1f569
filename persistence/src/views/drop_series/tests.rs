#![allow(clippy::unwrap_used)]

use engine::{
    aggregate::{Aggregate, Answer, Context, Decision},
    effect::{Effect, Outcome, Request},
    flash_drop::{Audience, Buyer, ClaimLock, DropCommand, DropReply, DropView, FlashDrop, ItemTerms, Terms},
    id::{CheckoutId, CommandId, EmailHash, Fingerprint, OrderId, Sku, SubjectId},
    money::Currency,
    stock::{StockCommand, StockReply},
    time::Timestamp,
};

use super::{
    super::testing::{Actor, Journal, World},
    *,
};
use crate::sql::{
    drop_series::{
        DropSeries, HOURS_KEPT_SECONDS, MINUTES_KEPT_SECONDS, SECONDS_KEPT_SECONDS, SERIES_POINTS_MAX, SeriesPoint,
        VIEWER_SAMPLES_MAX, ViewerSample,
    },
    testing::tenant,
};

/// 2026-11-27T00:00:00Z, the beginning of a day.
const T0: u64 = 1_795_737_600;
const PRICE: i64 = 1_500;

fn at(second: u64) -> Timestamp {
    Timestamp((T0 + second) * 1_000 + 250)
}

fn all_given(effect: &Effect) -> Option<Outcome> {
    match &effect.request {
        Request::Stock(_, StockCommand::Settle { totals, .. }) => {
            Some(Outcome::Stock(Ok(StockReply::Settled(*totals))))
        }
        _ => Some(Outcome::Stock(Ok(StockReply::Done))),
    }
}

fn open_drop(journal: &mut Journal, id: u128) -> Actor<FlashDrop> {
    let (tenant, drop) = (tenant("acme"), DropId(id));
    let terms = Terms {
        title: "Friday".to_owned(),
        product: None,
        per_buyer_max: Quantity::new(10).unwrap(),
        hold_seconds: 60,
        starts_at: None,
        ends_at: at(1_000 * 86_400),
        audience: Audience::Anyone,
        currency: Currency::USD,
        network_limit: None,
    };
    let item = ItemTerms {
        sku: Sku::new("tea").unwrap(),
        quantity: Quantity::new(100_000).unwrap(),
        price: PRICE,
        compare_at: None,
    };
    let mut actor = Actor::new(drop.key(&tenant));
    let command = DropCommand::Create { tenant, drop, terms, items: vec![item], draft: false };
    actor.ask(journal, at(0), &command, all_given).unwrap();
    actor
}

fn buyer(n: u128) -> Buyer {
    Buyer { subject: SubjectId(n), former: Vec::new(), customer: false }
}

impl Actor<FlashDrop> {
    fn claim(&mut self, journal: &mut Journal, second: u64, n: u128, units: i64) {
        let quantity = Quantity::new(units).unwrap();
        let command = DropCommand::Claim { claim: ClaimId(n), buyer: buyer(n), sku: None, quantity, network: None };
        self.ask(journal, at(second), &command, all_given).unwrap();
    }

    fn buy(&mut self, journal: &mut Journal, second: u64, n: u128) {
        let lock = ClaimLock { checkout: CheckoutId(n), attempt: 1 };
        let (claim, email, order) = (ClaimId(n), EmailHash(n), OrderId(n));
        let command = DropCommand::LockClaim { claim, buyer: buyer(n), lock, email, deadline: at(second + 10) };
        self.ask(journal, at(second), &command, all_given).unwrap();
        self.ask(journal, at(second), &DropCommand::Confirm { claim, lock, order }, all_given).unwrap();
    }

    fn give_back(&mut self, journal: &mut Journal, second: u64, n: u128) {
        let command = DropCommand::Release { claim: ClaimId(n), buyer: buyer(n) };
        self.ask(journal, at(second), &command, all_given).unwrap();
    }

    fn take_sale_back(&mut self, journal: &mut Journal, second: u64, n: u128) {
        let command = DropCommand::Unsell { claim: ClaimId(n), order: OrderId(n) };
        self.ask(journal, at(second), &command, all_given).unwrap();
    }

    /// Returns the view of the drop from the aggregate itself.
    fn view(&self) -> DropView {
        let context = Context {
            now: at(0),
            command_id: CommandId(0),
            former_ids: vec![],
            former_fingerprint: None,
            fingerprint: Fingerprint(0),
        };
        match self.state.decide(&DropCommand::View, &context).unwrap() {
            Decision { answer: Answer::Now(DropReply::Drop(view)), .. } => *view,
            other => panic!("{other:?}"),
        }
    }
}

/// Returns a drop in which claims are released, expire and are sold, and one sale is reversed.
fn eventful(journal: &mut Journal) -> Actor<FlashDrop> {
    let mut drop = open_drop(journal, 1);
    drop.claim(journal, 5, 1, 1);
    drop.claim(journal, 5, 2, 2);
    drop.claim(journal, 6, 3, 3);
    drop.claim(journal, 6, 4, 4);
    drop.buy(journal, 8, 2);
    drop.give_back(journal, 8, 1);
    drop.buy(journal, 9, 3);
    drop.take_sale_back(journal, 12, 3);
    drop.wake(journal, at(70));
    drop.claim(journal, 80, 5, 5);
    drop
}

/// Returns the same journal as an earlier version of the program wrote it.
fn as_before(journal: &Journal) -> Journal {
    let mut before = Journal::new(journal.shard);
    for record in journal.all().records {
        let mut decoder = minicbor::Decoder::new(record.events);
        let mut events = Vec::new();
        while decoder.position() < record.events.len() {
            let mut event: DropEvent = decoder.decode().unwrap();
            match &mut event {
                DropEvent::Claimed { number, .. } => *number = None,
                DropEvent::Released { quantity, .. } => *quantity = None,
                DropEvent::Expired { units, .. } => *units = None,
                DropEvent::Sold { sale, .. } | DropEvent::Unsold { sale, .. } => *sale = None,
                _ => {}
            }
            events.push(event);
        }
        before.append(&record.key, record.at, &events);
    }
    before
}

async fn series_of(world: &World, drop: u128) -> DropSeries {
    world.read_side().drop_series(&tenant("acme"), DropId(drop), None).await.unwrap()
}

/// Second, claims, released, sold, revenue, held, total sold, total revenue.
type Numbers = (u64, u64, u64, i64, i64, u64, u64, i64);

fn numbers(points: &[SeriesPoint]) -> Vec<Numbers> {
    let point = |point: &SeriesPoint| {
        let SeriesPoint { at, claims, released, sold, revenue, held, sold_total, revenue_total, .. } = point;
        (at.0 / 1_000 - T0, *claims, *released, *sold, *revenue, *held, *sold_total, *revenue_total)
    };
    points.iter().map(point).collect()
}

#[tokio::test]
async fn each_second_has_claims_releases_and_sales() {
    let mut world = World::new().await;
    let drop = eventful(&mut world.journal);
    world.project().await.unwrap();
    let series = series_of(&world, 1).await;
    let expected = [
        (5, 3, 0, 0, 0, 3, 0, 0),
        (6, 7, 0, 0, 0, 10, 0, 0),
        (8, 0, 1, 2, 2 * PRICE, 7, 2, 2 * PRICE),
        (9, 0, 0, 3, 3 * PRICE, 4, 5, 5 * PRICE),
        (12, 0, 0, -3, -3 * PRICE, 4, 2, 2 * PRICE),
        (70, 0, 4, 0, 0, 0, 2, 2 * PRICE),
        (80, 5, 0, 0, 0, 5, 2, 2 * PRICE),
    ];
    assert_eq!(numbers(&series.points), expected);
    assert!(series.points.iter().all(|point| point.seconds == 1 && point.at.0 % 1_000 == 0));
    assert_eq!((series.as_of, series.next), (Some(at(80)), None));
    let item = &drop.view().items[0];
    let last = series.points.last().unwrap();
    assert_eq!((last.held, last.sold_total), (item.held, item.sold), "as the drop itself says");
    assert_eq!(series_of(&world, 2).await, DropSeries::default(), "another drop has none");
    let elsewhere = world.read_side().drop_series(&tenant("bolt"), DropId(1), None).await.unwrap();
    assert_eq!(elsewhere, DropSeries::default(), "nor has another tenant");
}

#[tokio::test]
async fn journals_of_earlier_versions_give_the_same_series() {
    let mut world = World::new().await;
    eventful(&mut world.journal);
    world.project().await.unwrap();
    let truth = series_of(&world, 1).await;
    for batch in [1, 3, 1_000] {
        let mut earlier = World::new().await;
        earlier.journal = as_before(&world.journal);
        project_in_batches(&mut earlier, batch).await;
        assert_eq!(series_of(&earlier, 1).await, truth, "{batch}");
        let mut tx = earlier.read_side().begin().await.unwrap();
        let kept: Vec<i64> =
            sqlx::query_scalar("SELECT number FROM drop_series_claims ORDER BY 1").fetch_all(&mut *tx).await.unwrap();
        assert_eq!(kept, [1, 4], "those that are sold or held");
    }
}

#[tokio::test]
async fn a_drop_goes_on_after_an_upgrade() {
    let mut world = World::new().await;
    let mut drop = eventful(&mut world.journal);
    world.journal = as_before(&world.journal);
    world.project().await.unwrap();
    drop.claim(&mut world.journal, 90, 6, 1);
    drop.give_back(&mut world.journal, 91, 5);
    drop.wake(&mut world.journal, at(150));
    world.project().await.unwrap();
    let held: Vec<_> = series_of(&world, 1).await.points.iter().map(|point| point.held).collect();
    assert_eq!(held[held.len() - 4..], [5, 6, 1, 0]);
}

async fn project_in_batches(world: &mut World, batch: u64) {
    let end = world.journal.end();
    for first in (0..end).step_by(batch as usize) {
        // Each range is applied twice, as after a crash, and overlaps the previous one.
        for _ in 0..2 {
            let range = world.journal.range(first.saturating_sub(1), (first + batch).min(end));
            world.projector.apply(&[range]).await.unwrap();
        }
    }
}

/// Adds claims at the edges of every width, over more than a year.
fn long_lasting(journal: &mut Journal) -> u64 {
    let mut drop = open_drop(journal, 1);
    let last = 400 * 86_400 + 5_000;
    let hour = last - MINUTES_KEPT_SECONDS - 2_000;
    let minute = last - SECONDS_KEPT_SECONDS - 50;
    let mut seconds = vec![1, 2, 86_399, 86_400, 90_000, last - HOURS_KEPT_SECONDS - 86_400, hour, hour + 1, minute];
    seconds.extend([minute + 1, minute + 61, last - 10, last]);
    for (n, second) in seconds.into_iter().enumerate() {
        drop.claim(journal, second, n as u128 + 1, 1);
        drop.wake(journal, at(second + 60));
    }
    last
}

#[tokio::test]
async fn older_seconds_become_minutes_hours_and_days_and_nothing_is_lost() {
    let mut world = World::new().await;
    let last = long_lasting(&mut world.journal);
    world.project().await.unwrap();
    let series = series_of(&world, 1).await;
    let total = |count: fn(&SeriesPoint) -> u64| series.points.iter().map(count).sum::<u64>();
    assert_eq!((total(|point| point.claims), total(|point| point.released)), (13, 13));
    for pair in series.points.windows(2) {
        assert!(pair[0].at.0 + pair[0].seconds * 1_000 <= pair[1].at.0, "{pair:?}");
    }
    let newest = T0 + last + 60;
    for point in &series.points {
        let age = newest - point.at.0 / 1_000;
        let widths: &[u64] = match point.seconds {
            1 => &[0, SECONDS_KEPT_SECONDS + 60],
            60 => &[SECONDS_KEPT_SECONDS, MINUTES_KEPT_SECONDS + 3_600],
            3_600 => &[MINUTES_KEPT_SECONDS, HOURS_KEPT_SECONDS + 86_400],
            86_400 => &[HOURS_KEPT_SECONDS, u64::MAX],
            other => panic!("{other}"),
        };
        assert!((widths[0]..=widths[1]).contains(&age), "{point:?}");
        assert_eq!(point.at.0 / 1_000 % point.seconds, 0);
    }
    let mut widths: Vec<_> = series.points.iter().map(|point| point.seconds).collect();
    widths.dedup();
    assert_eq!(widths, [86_400, 3_600, 60, 1]);
    let first = &series.points[0];
    assert_eq!(
        (first.claims, first.released, first.held),
        (3, 2, 1),
        "1, 2 and 86,399; the last is still held at midnight"
    );
}

#[tokio::test]
async fn a_rebuild_makes_the_same_series_in_whatever_batches() {
    let mut world = World::new().await;
    long_lasting(&mut world.journal);
    world.project().await.unwrap();
    let truth = series_of(&world, 1).await;
    let sample = ViewerSample { tenant: tenant("acme"), drop: DropId(1), at: at(86_400), viewers: Some(9) };
    world.read_side().record_viewers(&[sample]).await.unwrap();
    for batch in [1, 2, 7] {
        world.projector.clear_for_rebuild().await.unwrap();
        project_in_batches(&mut world, batch).await;
        let rebuilt = series_of(&world, 1).await;
        assert_eq!(numbers(&rebuilt.points), numbers(&truth.points), "{batch}");
        assert_eq!(rebuilt.as_of, truth.as_of);
        assert_eq!(rebuilt.points.last().unwrap().viewers, Some(9), "viewers are not of the journal");
    }
}

#[tokio::test]
async fn rows_stay_bounded_while_a_drop_is_busy_each_second() {
    let mut world = World::new().await;
    let mut drop = open_drop(&mut world.journal, 1);
    let seconds = 3 * SECONDS_KEPT_SECONDS;
    for second in 0..seconds {
        drop.claim(&mut world.journal, second, u128::from(second) + 1, 1);
    }
    world.project().await.unwrap();
    let mut tx = world.read_side().begin().await.unwrap();
    let rows: Vec<(i64, i64, i64)> =
        sqlx::query_as("SELECT seconds, count(*), sum(claims) FROM drop_series GROUP BY seconds ORDER BY 1")
            .fetch_all(&mut *tx)
            .await
            .unwrap();
    let kept = SECONDS_KEPT_SECONDS as i64 + 59;
    let minutes = (seconds as i64 - kept - 1) / 60;
    assert_eq!(rows[0].1 + rows[1].1 * 60, seconds as i64);
    assert!(rows[0].1 <= kept + 1 && rows[1].1 >= minutes, "{rows:?}");
    assert_eq!(rows.iter().map(|(.., claims)| claims).sum::<i64>(), seconds as i64);
}

#[tokio::test]
async fn a_clock_that_was_put_back_changes_no_second_that_is_over() {
    let mut world = World::new().await;
    let mut drop = open_drop(&mut world.journal, 1);
    drop.claim(&mut world.journal, 100, 1, 1);
    drop.claim(&mut world.journal, 40, 2, 2);
    world.project().await.unwrap();
    drop.claim(&mut world.journal, 41, 3, 3);
    world.project().await.unwrap();
    let series = series_of(&world, 1).await;
    assert_eq!(numbers(&series.points), [(100, 6, 0, 0, 0, 6, 0, 0)]);
    assert_eq!(series.as_of, Some(at(100)));
}

#[tokio::test]
async fn a_series_is_read_in_parts_without_gap_or_repeat() {
    let mut world = World::new().await;
    let mut drop = open_drop(&mut world.journal, 1);
    let points = SERIES_POINTS_MAX as u64 + 1;
    for second in 0..points {
        drop.claim(&mut world.journal, second, u128::from(second) + 1, 1);
    }
    world.project().await.unwrap();
    let first = series_of(&world, 1).await;
    assert_eq!(first.points.len(), SERIES_POINTS_MAX);
    assert_eq!(first.next, Some(Timestamp((T0 + points - 1) * 1_000)));
    let rest = world.read_side().drop_series(&tenant("acme"), DropId(1), first.next).await.unwrap();
    assert_eq!((rest.points.len(), rest.next), (1, None));
    assert_eq!(rest.points[0].held, points, "what was before counts");

    drop.wake(&mut world.journal, at(5_000));
    world.project().await.unwrap();
    // 100.9 s is now in the second minute, which is returned as a whole.
    let from = Timestamp((T0 + 100) * 1_000 + 900);
    let later = world.read_side().drop_series(&tenant("acme"), DropId(1), Some(from)).await.unwrap();
    assert_eq!(numbers(&later.points)[0], (60, 60, 0, 0, 0, 120, 0, 0));
    let never = world.read_side().drop_series(&tenant("acme"), DropId(1), Some(at(5_001))).await.unwrap();
    assert_eq!((never.points, never.as_of), (vec![], Some(at(5_000))));
}

#[tokio::test]
async fn viewers_are_recorded_with_claims() {
    let mut world = World::new().await;
    let mut drop = open_drop(&mut world.journal, 1);
    drop.claim(&mut world.journal, 10, 1, 1);
    drop.claim(&mut world.journal, 20, 2, 1);
    world.project().await.unwrap();
    let sample = |second, viewers| ViewerSample { tenant: tenant("acme"), drop: DropId(1), at: at(second), viewers };
    world.read_side().record_viewers(&[sample(5, Some(2)), sample(5, Some(3))]).await.unwrap();
    world.read_side().record_viewers(&[sample(15, Some(7)), sample(12, Some(8)), sample(25, None)]).await.unwrap();
    let viewers = |series: DropSeries| -> Vec<_> {
        series.points.iter().map(|point| (point.at.0 / 1_000 - T0, point.claims, point.viewers)).collect()
    };
    let all = [(5, 0, Some(3)), (10, 1, Some(3)), (15, 0, Some(8)), (20, 1, Some(8)), (25, 0, None)];
    assert_eq!(viewers(series_of(&world, 1).await), all);
    let from = world.read_side().drop_series(&tenant("acme"), DropId(1), Some(at(16))).await.unwrap();
    assert_eq!(viewers(from), all[3..]);
}

#[tokio::test]
async fn viewers_are_bounded_like_the_rest_and_end_with_the_server() {
    let world = World::new().await;
    let sample =
        |second: u64, viewers| ViewerSample { tenant: tenant("acme"), drop: DropId(1), at: at(second), viewers };
    let seconds = 2 * SECONDS_KEPT_SECONDS;
    let samples: Vec<_> = (0..seconds).map(|second| sample(second, Some(second as u32))).collect();
    for samples in samples.chunks(VIEWER_SAMPLES_MAX) {
        world.read_side().record_viewers(samples).await.unwrap();
    }
    let first = series_of(&world, 1).await;
    assert_eq!((first.points[0].seconds, first.points[0].viewers), (60, Some(59)));
    let kept = world.read_side().summary().await.unwrap().kept;
    let rows = kept.iter().find(|(table, _)| *table == "drop_viewers").unwrap().1;
    assert!(rows <= SECONDS_KEPT_SECONDS + 60 + SECONDS_KEPT_SECONDS / 60, "{rows}");

    let over = Timestamp((T0 + 9_000) * 1_000);
    world.read_side().end_viewer_counts(over).await.unwrap();
    world.read_side().end_viewer_counts(over.plus_seconds(5)).await.unwrap();
    let from = world.read_side().drop_series(&tenant("acme"), DropId(1), Some(over)).await.unwrap();
    assert_eq!(from.points.iter().map(|point| (point.at, point.viewers)).collect::<Vec<_>>(), [(over, None)], "once");
}
