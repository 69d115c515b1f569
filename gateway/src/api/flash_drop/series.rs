//! `/v1/drops/{id}/series`: a drop's figures over time, for the vendor's dashboard.

use axum::{extract::State, response::Response};
use engine::{
    id::DropId,
    money::{AMOUNT_MAX, Currency, Money},
    time::Timestamp,
};
use persistence::sql::drop_series::SeriesPoint;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::{
    Gateway, Problem,
    auth::Vendor,
    edge::{Arrival, FromQuery, Parameters, Path, Query},
    problem::Faults,
    wire::{IdSchema, MoneyWire, ok, read_time},
};

/// From when on.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "the field describes the parameter")]
pub(crate) struct SeriesQuery {
    /// Where to begin: `next` of the answer before, or any time. The first point is the one whose interval this time is
    /// in, so it may begin earlier. Left out: at the drop's first event.
    #[param(value_type = Option<String>, format = DateTime, nullable = false)]
    from: Option<Timestamp>,
}

impl FromQuery for SeriesQuery {
    const NAMES: &'static [&'static str] = &["from"];

    fn read(parameters: &Parameters, faults: &mut Faults) -> Option<Self> {
        Some(Self { from: parameters.text("from").and_then(|text| read_time(text, "?from", faults)) })
    }
}

/// A drop over time.
#[derive(Serialize, ToSchema)]
#[schema(as = DropSeries)]
pub(crate) struct SeriesWire {
    /// Intervals in which something happened, oldest first. They do not overlap.
    #[schema(max_items = 1000)]
    points: Vec<PointWire>,
    /// The time of the drop's newest event that is in the series. Everything before it is in it too.
    #[schema(value_type = String, format = DateTime)]
    as_of: Timestamp,
    /// What to send as `from` for the points that follow; null at the end.
    #[schema(value_type = Option<String>, format = DateTime)]
    next: Option<Timestamp>,
}

/// What happened to a drop in an interval, and how it was at its end.
#[derive(Serialize, ToSchema)]
#[schema(as = DropSeriesPoint)]
struct PointWire {
    /// When the interval begins.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// Its length: a second for the last hour of the series, a minute for the last day, an hour for the last year, then a
    /// day.
    #[schema(minimum = 1, maximum = 86400)]
    resolution_seconds: u64,
    /// Units claimed in the interval.
    claims: u64,
    /// Units given back, or whose hold expired, in the interval.
    released: u64,
    /// Units sold in the interval, less those whose sale was taken back: it may be negative.
    sold: i64,
    /// The price of `sold`, as it was claimed: without shipping and tax, and before refunds.
    revenue: MoneyWire,
    /// Units held at the interval's end.
    held: u64,
    /// Units sold until the interval's end.
    sold_total: u64,
    /// Revenue until the interval's end.
    revenue_total: MoneyWire,
    /// How many watched at the interval's end. Absent where nobody counted: long before the drop opens, after it ended, and
    /// while the server was down.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    viewers: Option<u64>,
}

impl PointWire {
    fn of(point: SeriesPoint, currency: Currency) -> Self {
        let money = |amount: i64| MoneyWire::from(Money { amount: amount.clamp(-AMOUNT_MAX, AMOUNT_MAX), currency });
        let SeriesPoint { at, seconds, claims, released, sold, held, sold_total, viewers, .. } = point;
        Self {
            at,
            resolution_seconds: seconds,
            claims,
            released,
            sold,
            revenue: money(point.revenue),
            held,
            sold_total,
            revenue_total: money(point.revenue_total),
            viewers,
        }
    }
}

/// A drop over time
///
/// Claims, sales, revenue, held units and viewers, for a chart. Only intervals in which something happened have a point, at
/// most 1,000 in an answer. To follow a drop, ask again from the earlier of the last point's `at` and the last answer's
/// `as_of`, and replace the points from there on by those of the answer. An event is in the series some tens of
/// milliseconds after it was accepted, later in a rush.
#[utoipa::path(get, path = "/v1/drops/{id}/series", operation_id = "get_drop_series", tag = "drops",
    security(("bearer" = ["vendor"])), params(("id" = IdSchema, Path, description = "The drop."), SeriesQuery),
    responses((status = 200, description = "Points of the series", body = SeriesWire)))]
pub(crate) async fn get_drop_series(
    State(gateway): State<Gateway>,
    arrival: Arrival,
    vendor: Vendor,
    Path(drop): Path<DropId>,
    Query(query): Query<SeriesQuery>,
) -> Result<Response, Problem> {
    let _turn = gateway.listing.take(arrival.address).await?;
    let tenant = vendor.0.tenant();
    let view = gateway.commerce.drop_view(tenant, drop).await?;
    let series = gateway.read_side.drop_series(tenant, drop, query.from).await?;
    let currency = view.terms.currency;
    Ok(ok(&SeriesWire {
        points: series.points.into_iter().map(|point| PointWire::of(point, currency)).collect(),
        as_of: series.as_of.unwrap_or(view.created_at),
        next: series.next,
    }))
}
