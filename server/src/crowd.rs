//! `fusion demo crowd`: many guests who claim units of the same drop at the same time.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use actors::views::VIEW_AGE_MAX;
use comfy_table::{Table, presets::UTF8_BORDERS_ONLY};
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use tokio::{
    sync::{Barrier, Semaphore},
    task::JoinSet,
};

use crate::{
    admin_socket::{Announced, ShopAccess, encoded},
    app::is_development,
    cli::Crowd,
    config::Config,
    import::fresh_key,
    program,
};

/// The maximum number of simultaneous connections: below the default limit of open files of a shell.
const CONNECTIONS_MAX: usize = 500;
/// The timeout of a request.
const PATIENCE: Duration = Duration::from_secs(30);
/// The maximum number of attempts of a request that the server asks to retry.
const TRIES: usize = 20;

/// The crowd could not run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CrowdError {
    /// The server was not reached.
    #[error("no server responds at {url}: start one with `{} serve --dev`, or use --url", program::name())]
    NoServer {
        /// The URL that was tried.
        url: String,
    },
    /// The URL is invalid.
    #[error("{url:?} is not a valid server URL: use the form http://127.0.0.1:8080")]
    NoAddress {
        /// The given URL.
        url: String,
    },
    /// The connection failed.
    #[error("the connection to the server was lost: {0}")]
    Http(#[from] reqwest::Error),
    /// The server's response violates its contract.
    #[error("{what}: {status} {body}")]
    Unexpected {
        /// The request.
        what: &'static str,
        /// The status code.
        status: StatusCode,
        /// The response body.
        body: String,
    },
    /// No drop is open.
    #[error("no drop is open: `{} serve --dev` opens one at each start, or choose one with --drop", program::name())]
    NoDrop,
    /// No drop has the given id.
    #[error(
        "drop {id:?} does not exist at {url}: omit --drop to use the open drop, or find one with `curl -s \
         {url}/v1/drops`"
    )]
    UnknownDrop {
        /// The given id.
        id: String,
        /// The server's URL.
        url: String,
    },
    /// The given drop takes no claims.
    #[error("the drop {title:?} ({id}) is {state}{when}: omit --drop to use the open drop")]
    NotOpen {
        /// The id of the drop.
        id: String,
        /// The title of the drop.
        title: String,
        /// The state of the drop.
        state: String,
        /// When it opens, with a leading comma, or nothing.
        when: String,
    },
}

/// A client of the shop's API.
#[derive(Clone)]
struct Shop {
    client: Client,
    url: Arc<str>,
    tenant: Option<Arc<str>>,
}

/// The outcome of a buyer's claim.
struct Fared {
    /// The API's code, or `claimed`.
    outcome: String,
    took: Duration,
}

/// `fusion demo crowd`.
pub(crate) async fn run(crowd: &Crowd, config: &Config) -> Result<(), CrowdError> {
    // The server of the data folder knows its own URL and the drop that its banner named.
    let announced: Option<Announced> = ShopAccess::ask_running(&config.data_dir, "/local/announced").await;
    let announced_url = announced.as_ref().map(|announced| announced.url.clone());
    let url = crowd.url.clone().or(announced_url).unwrap_or_else(|| config.api.public_url.clone());
    let url = url.trim_end_matches('/').to_owned();
    let is_its = |announced: &Announced| announced.url.trim_end_matches('/') == url;
    let announced = announced.filter(is_its).and_then(|announced| announced.drop);
    let tenant = config.tenant_or_demo(is_development(&config.data_dir)).ok();
    let shop = Shop {
        client: Client::builder().timeout(PATIENCE).pool_max_idle_per_host(CONNECTIONS_MAX).build()?,
        url: url.as_str().into(),
        tenant: tenant.map(|tenant| tenant.as_str().into()),
    };
    let drop = match &crowd.drop {
        Some(id) => shop.named_drop(id).await?,
        None => shop.open_drop(announced.as_deref()).await?,
    };
    let skus: Vec<String> = texts(&drop["items"], "sku");
    let id = drop["id"].as_str().unwrap_or_default().to_owned();
    let (title, units) = (drop["title"].as_str().unwrap_or("the drop"), &drop["available"]);
    println!("{} buyers for {units} units of {title:?} ({id})", crowd.buyers);

    let tokens = shop.guests(crowd.buyers as usize).await?;
    let began = Instant::now();
    let fared = shop.rush(&id, &skus, crowd.quantity, tokens).await?;
    let elapsed = began.elapsed();
    // The cached view of a drop may be older than the whole run took.
    tokio::time::sleep(VIEW_AGE_MAX).await;
    let after = shop.get(&format!("/v1/drops/{id}")).await?;
    println!("{}", summary(&fared, elapsed));
    println!(
        "the drop now: {} available, {} held, {} sold of {}",
        after["available"], after["held"], after["sold"], after["quantity"]
    );
    Ok(())
}

impl Shop {
    /// Returns the given drop if it takes claims.
    async fn named_drop(&self, id: &str) -> Result<Value, CrowdError> {
        let (status, drop) = self.ask("GET", Method::GET, &drop_path(id), None, &Value::Null).await?;
        match status {
            StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => {
                Err(CrowdError::UnknownDrop { id: id.to_owned(), url: self.url.to_string() })
            }
            status if !status.is_success() => {
                Err(CrowdError::Unexpected { what: "GET /v1/drops", status, body: drop.to_string() })
            }
            _ if takes_claims(&drop) => Ok(drop),
            _ => {
                let text = |name: &str| drop[name].as_str().unwrap_or_default().to_owned();
                let when = match (&*text("state"), drop["starts_at"].as_str()) {
                    ("scheduled", Some(starts)) => format!(" and opens at {starts}"),
                    _ => String::new(),
                };
                Err(CrowdError::NotOpen { id: text("id"), title: text("title"), state: text("state"), when })
            }
        }
    }

    /// Returns the announced drop while it is open, else the newest open one, preferably with available units.
    async fn open_drop(&self, announced: Option<&str>) -> Result<Value, CrowdError> {
        if let Some(id) = announced {
            let (status, drop) = self.ask("GET", Method::GET, &drop_path(id), None, &Value::Null).await?;
            if status.is_success() && takes_claims(&drop) {
                return Ok(drop);
            }
        }
        let drops = self.get("/v1/drops?limit=200").await?;
        let open = || drops["items"].as_array().into_iter().flatten().filter(|drop| drop["state"] == "open");
        let with_units = open().find(|drop| drop["available"].as_u64() > Some(0));
        with_units.or_else(|| open().next()).cloned().ok_or(CrowdError::NoDrop)
    }

    fn unreached(&self, error: reqwest::Error) -> CrowdError {
        match (error.is_builder(), error.is_connect()) {
            (true, _) => CrowdError::NoAddress { url: self.url.to_string() },
            (_, true) => CrowdError::NoServer { url: self.url.to_string() },
            _ => error.into(),
        }
    }

    /// Signs in `count` new guests.
    async fn guests(&self, count: usize) -> Result<Vec<String>, CrowdError> {
        let bar = bar(count, "signing in");
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut coming = JoinSet::new();
        for _ in 0..count {
            let (shop, places, bar) = (self.clone(), places.clone(), bar.clone());
            coming.spawn(async move {
                let _place = places.acquire().await;
                let session = shop.ask("POST /v1/sessions", Method::POST, "/v1/sessions", None, &json!({})).await;
                bar.inc(1);
                session
            });
        }
        let mut tokens = Vec::with_capacity(count);
        while let Some(came) = coming.join_next().await {
            let Ok(came) = came else { continue };
            let (status, body) = came?;
            match body["token"].as_str() {
                Some(token) => tokens.push(token.to_owned()),
                None => {
                    let (what, body) = ("POST /v1/sessions", body.to_string());
                    return Err(CrowdError::Unexpected { what, status, body });
                }
            }
        }
        bar.finish_and_clear();
        Ok(tokens)
    }

    /// Lets all guests start claiming at the same moment, each one of the items.
    async fn rush(
        &self,
        drop: &str,
        skus: &[String],
        quantity: u32,
        tokens: Vec<String>,
    ) -> Result<Vec<Fared>, CrowdError> {
        let bar = bar(tokens.len(), "claiming");
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let gate = Arc::new(Barrier::new(tokens.len().min(CONNECTIONS_MAX)));
        let path: Arc<str> = format!("/v1/drops/{drop}/claims").into();
        let mut claiming = JoinSet::new();
        for (number, token) in tokens.into_iter().enumerate() {
            let sku = skus.get(number % skus.len().max(1)).cloned();
            let (shop, places, gate, bar, path) =
                (self.clone(), places.clone(), gate.clone(), bar.clone(), path.clone());
            claiming.spawn(async move {
                let _place = places.acquire().await;
                if number < CONNECTIONS_MAX {
                    gate.wait().await;
                }
                let fared = shop.claim(&path, &token, sku, quantity).await;
                bar.inc(1);
                fared
            });
        }
        let mut fared = Vec::new();
        while let Some(claimed) = claiming.join_next().await {
            if let Ok(claimed) = claimed {
                fared.push(claimed?);
            }
        }
        bar.finish_and_clear();
        Ok(fared)
    }

    async fn claim(&self, path: &str, token: &str, sku: Option<String>, quantity: u32) -> Result<Fared, CrowdError> {
        let body = match sku {
            Some(sku) => json!({"sku": sku, "quantity": quantity}),
            None => json!({"quantity": quantity}),
        };
        let began = Instant::now();
        let (status, answer) = self.ask("claim", Method::POST, path, Some(token), &body).await?;
        let outcome = match status {
            StatusCode::CREATED => "claimed".to_owned(),
            status => answer["code"].as_str().map_or_else(|| status.to_string(), str::to_owned),
        };
        Ok(Fared { outcome, took: began.elapsed() })
    }

    async fn get(&self, path: &str) -> Result<Value, CrowdError> {
        let (status, body) = self.ask("GET", Method::GET, path, None, &Value::Null).await?;
        match status.is_success() {
            true => Ok(body),
            false => Err(CrowdError::Unexpected { what: "GET /v1/drops", status, body: body.to_string() }),
        }
    }

    /// Sends a request, and repeats it with the same idempotency key when the server asks to retry.
    async fn ask(
        &self,
        what: &'static str,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: &Value,
    ) -> Result<(StatusCode, Value), CrowdError> {
        let key = fresh_key();
        let mut tries = 0;
        loop {
            let mut request = self.client.request(method.clone(), format!("{}{path}", self.url));
            if let Some(tenant) = &self.tenant {
                request = request.header("fusion-tenant", &**tenant);
            }
            if let Some(token) = token {
                request = request.bearer_auth(token).header("idempotency-key", &key);
            }
            if method != Method::GET {
                request = request.json(body);
            }
            let response = request.send().await.map_err(|error| self.unreached(error))?;
            let status = response.status();
            let wait = response.headers().get("retry-after").and_then(|wait| wait.to_str().ok()?.parse().ok());
            let text = response.text().await?;
            tries += 1;
            match wait {
                Some(seconds) if tries < TRIES => tokio::time::sleep(Duration::from_secs(seconds)).await,
                _ => {
                    let read = serde_json::from_str(&text);
                    let read = read.map_err(|_| CrowdError::Unexpected { what, status, body: text })?;
                    return Ok((status, read));
                }
            }
        }
    }
}

fn drop_path(id: &str) -> String {
    format!("/v1/drops/{}", encoded(id))
}

/// Whether the drop takes claims. A sold-out one does: its claims are answered by how many units are left.
fn takes_claims(drop: &Value) -> bool {
    drop["state"] == "open" || drop["state"] == "sold_out"
}

fn texts(items: &Value, name: &str) -> Vec<String> {
    items.as_array().into_iter().flatten().filter_map(|item| item[name].as_str().map(str::to_owned)).collect()
}

fn bar(length: usize, message: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(length as u64);
    let style = ProgressStyle::with_template("{msg:12} {wide_bar} {pos}/{len} {per_sec}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.with_message(message)
}

/// Returns a table of the outcomes with their counts and latencies.
fn summary(fared: &[Fared], elapsed: Duration) -> String {
    let mut by_outcome: BTreeMap<&str, Vec<Duration>> = BTreeMap::new();
    for Fared { outcome, took } in fared {
        by_outcome.entry(outcome).or_default().push(*took);
    }
    let mut table = Table::new();
    table.load_preset(UTF8_BORDERS_ONLY).set_header(["Outcome", "Buyers", "p50", "p99", "Longest"]);
    for (outcome, mut took) in by_outcome {
        took.sort_unstable();
        let row = [
            outcome.replace('_', " "),
            took.len().to_string(),
            ms(quantile(&took, 0.5)),
            ms(quantile(&took, 0.99)),
            ms(quantile(&took, 1.0)),
        ];
        table.add_row(row);
    }
    let per_second = fared.len() as f64 / elapsed.as_secs_f64().max(0.001);
    format!("{table}\n{} answers in {}, {per_second:.0} a second", fared.len(), ms(elapsed))
}

/// Returns the smallest of the sorted `values` that is at least as large as this share of them.
fn quantile(values: &[Duration], part: f64) -> Duration {
    let rank = (values.len() as f64 * part).ceil() as usize;
    values.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

fn ms(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_the_measurements() {
        let values: Vec<_> = (1..=100).map(Duration::from_millis).collect();
        assert_eq!(quantile(&values, 0.5), Duration::from_millis(50));
        assert_eq!(quantile(&values, 0.99), Duration::from_millis(99));
        assert_eq!(quantile(&values, 1.0), Duration::from_millis(100));
        assert_eq!(quantile(&[], 0.5), Duration::ZERO);
    }

    #[test]
    fn the_summary_names_each_outcome() {
        let fared = |outcome: &str| Fared { outcome: outcome.into(), took: Duration::from_millis(3) };
        let text = summary(&[fared("claimed"), fared("sold_out"), fared("sold_out")], Duration::from_secs(1));
        assert!(text.contains("sold out") && text.contains("3 answers"), "{text}");
    }
}
