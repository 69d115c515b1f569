//! How the doors are doing, in numbers. Metrics that record on the way of a request are looked up once, here.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use metrics::{Counter, Histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

/// Bounds of the histograms of seconds: from half a millisecond, below which nothing durable is answered, to 10 s, after
/// which an outcome counts as unknown.
const SECONDS: &[f64] =
    &[0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

/// Makes this process count. Once, before anything else: what was looked up earlier counts nothing.
///
/// An error when the process counts already.
pub fn install() -> Result<PrometheusHandle, BuildError> {
    builder()?.install_recorder()
}

/// A handle that shows nothing, for tests of the doors.
pub fn detached() -> PrometheusHandle {
    PrometheusBuilder::new().build_recorder().handle()
}

fn builder() -> Result<PrometheusBuilder, BuildError> {
    PrometheusBuilder::new().set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)
}

/// What is counted for one method at one path.
pub(crate) struct Meter {
    by_class: [Counter; 5],
    seconds: Histogram,
}

impl Meter {
    fn new(method: &str, route: &str) -> Self {
        let (method, route) = (method.to_owned(), route.to_owned());
        let counter = |class: &'static str| metrics::counter!("http_requests_total", "method" => method.clone(), "route" => route.clone(), "status" => class);
        Self {
            by_class: [counter("1xx"), counter("2xx"), counter("3xx"), counter("4xx"), counter("5xx")],
            seconds: metrics::histogram!("http_request_seconds", "method" => method.clone(), "route" => route.clone()),
        }
    }

    pub(crate) fn record(&self, status: StatusCode, took: Duration) {
        let class = usize::from(status.as_u16() / 100).clamp(1, 5) - 1;
        self.by_class[class].increment(1);
        self.seconds.record(took);
    }
}

/// What is counted, by route.
pub(crate) struct Meters {
    paths: matchit::Router<[Option<Box<Meter>>; 7]>,
    other: Meter,
}

impl Meters {
    /// One for every operation of `api`; requests to anything else share one.
    pub(crate) fn of(api: &utoipa::openapi::OpenApi) -> Self {
        let mut paths = matchit::Router::new();
        for (path, item) in &api.paths.paths {
            let documented = [&item.get, &item.get, &item.post, &item.put, &item.patch, &item.delete, &item.options];
            let mut index = 0;
            let meters = documented.map(|operation| {
                let method = METHODS[index].as_str();
                index += 1;
                operation.as_ref().map(|_| Box::new(Meter::new(method, path)))
            });
            // The router of the doors has taken the same paths: they fit.
            let _ = paths.insert(path.clone(), meters);
        }
        Self { paths, other: Meter::new("other", "other") }
    }

    pub(crate) fn of_request(&self, method: &Method, path: &str) -> &Meter {
        let known = self.paths.at(path).ok().and_then(|found| {
            let index = METHODS.iter().position(|known| known == method)?;
            found.value[index].as_deref()
        });
        known.unwrap_or(&self.other)
    }
}
