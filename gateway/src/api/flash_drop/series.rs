//! `/v1/drops/{id}/series`: a drop's figures over time, for the vendor's dashboard.

use axum::{extract::State, response::Response};
use engine::{
    flash_drop::FlashDrop,
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
    /// The start: `next` of the previous response, or any time. The first point is the interval that contains this
    /// time, so it may begin earlier. The default is the drop's first event.
    #[param(value_type = Option<String>, format = DateTime, nullable = false)]
    from: Option<Timestamp>,
}

impl FromQuery for SeriesQuery {
    const NAMES: &'static [&'static str] = &["from"];

    fn read(parameters: &Parameters, faults: &mut Faults) -> Option<Self> {
        Some(Self { from: parameters.text("from").and_then(|text| read_time(text, "?from", faults)) })
    }
}

/// The time series of a drop.
#[derive(Serialize, ToSchema)]
#[schema(as = DropSeries)]
pub(crate) struct SeriesWire {
    /// Intervals with activity, oldest first. They do not overlap.
    #[schema(max_items = 1000)]
    points: Vec<PointWire>,
    /// The time of the newest event in the series. All earlier events are included.
    #[schema(value_type = String, format = DateTime)]
    as_of: Timestamp,
    /// The `from` of the next request. Null at the end.
    #[schema(value_type = Option<String>, format = DateTime)]
    next: Option<Timestamp>,
}

/// The activity of a drop in an interval, and its state at the end.
#[derive(Serialize, ToSchema)]
#[schema(as = DropSeriesPoint)]
struct PointWire {
    /// The start of the interval.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// The length of the interval: a second for the last hour of the series, a minute for the last day, an hour for the
    /// last year, a day before that.
    #[schema(minimum = 1, maximum = 86400)]
    resolution_seconds: u64,
    /// Units claimed in the interval.
    claims: u64,
    /// Units released in the interval, by the buyer or by expiry.
    released: u64,
    /// Units sold in the interval, minus reversed sales. May be negative.
    sold: i64,
    /// The revenue of `sold` at the claimed prices, without shipping and tax, before refunds.
    revenue: MoneyWire,
    /// Units held at the end of the interval.
    held: u64,
    /// Units sold up to the end of the interval.
    sold_total: u64,
    /// The revenue up to the end of the interval.
    revenue_total: MoneyWire,
    /// Viewers at the end of the interval. Absent if they were not counted: long before the drop opens, after it has
    /// ended, and while the server was down.
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

/// Get the time series of a drop
///
/// Claims, sales, revenue, held units and viewers, for charts. Only intervals with activity have a point; a response
/// has at most 1,000. To follow a drop, repeat the request from the earlier of the last point's `at` and the last
/// response's `as_of`, and replace the points from there on. An event appears in the series some tens of milliseconds
/// after it was accepted, later under high load.
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
    let view = gateway.commerce.view::<FlashDrop>(&drop.key(tenant)).await?;
    let series = gateway.read_side.drop_series(tenant, drop, query.from).await?;
    let currency = view.terms.currency;
    Ok(ok(&SeriesWire {
        points: series.points.into_iter().map(|point| PointWire::of(point, currency)).collect(),
        as_of: series.as_of.unwrap_or(view.created_at),
        next: series.next,
    }))
}
