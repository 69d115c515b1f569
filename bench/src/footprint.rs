//! The memory of each further idle cart, and the journal bytes of each further reservation.

use std::time::Duration;

use serde_json::Value;

use crate::{
    claims::Claims,
    driver::{Driver, Verdict},
    error::{BenchError, Result},
    http::{Http, Work, judge, write_request},
    options::{FootprintOptions, Options},
    pace::Plan,
    process::{disk_use, resident_bytes},
    reserve::{SKU, UNITS_PER_BUYER_MAX},
    scratch::Scratch,
    server::Server,
    shop::{Guests, Keys, Shop},
};

/// Lets the server finish its work after the last answer, before its memory or disk is read.
const SETTLE: Duration = Duration::from_secs(3);
/// Carts created before the first reading, so that pools, caches and arenas exist already.
const WARM_UP_CARTS: u64 = 1_000;

/// The results.
#[derive(Debug)]
pub(crate) struct Footprint {
    /// Carts created between the readings.
    pub(crate) carts: u64,
    /// The server's memory before any of them.
    pub(crate) base_bytes: u64,
    /// Additional memory for each cart without lines.
    pub(crate) empty_cart_bytes: f64,
    /// Additional memory for each cart with one line.
    pub(crate) cart_bytes: f64,
    /// Reservations made.
    pub(crate) reservations: u64,
    /// Growth of the journal's files for each reservation, by length.
    pub(crate) journal_length_bytes: f64,
    /// Growth of the journal's files for each reservation, as allocated on disk.
    pub(crate) journal_allocated_bytes: f64,
    /// Growth for each reservation by the server's own count of appended bytes.
    pub(crate) journal_appended_bytes: Option<f64>,
    /// The measured folder, relative to the data folder.
    pub(crate) journal_folder: &'static str,
}

/// Measures the footprint.
pub(crate) fn footprint(options: &Options, wanted: &FootprintOptions) -> Result<Footprint> {
    let carts = u64::from(wanted.carts.unwrap_or(options.either(20_000, 2_000)));
    let reservations = u64::from(wanted.reservations.unwrap_or(options.either(200_000, 20_000)));
    let scratch = Scratch::new(&options.work_dir)?;
    let server = Server::start(&options.binary, &scratch.path().join("data"))?;
    let mut shop = Shop::open(&server)?;
    shop.product(SKU)?;
    let guests_wanted = (reservations.div_ceil(UNITS_PER_BUYER_MAX) * 2).max(carts / 10) + options.clients as u64 * 8;
    let guests = shop.guests(guests_wanted as usize, options.clients)?;
    shop.stock(SKU, carts + WARM_UP_CARTS)?;

    let drive = |work: &mut Carts<'_>| -> Result<()> {
        let mut driver = Driver::connect(shop.address(), options.clients)?;
        let window = driver.run(&mut Http { work }, &Plan::all_of_it(), server.pid())?;
        std::thread::sleep(SETTLE);
        if window.refused > 0 {
            return Err(BenchError::Setup(format!("{} carts were refused", window.refused)));
        }
        Ok(())
    };
    eprintln!("footprint: {carts} carts");
    let mut warm_up = Carts::new(&guests, WARM_UP_CARTS, 1);
    drive(&mut warm_up)?;
    warm_up.add_lines(2);
    drive(&mut warm_up)?;
    let base_bytes = resident_bytes(server.pid())?;
    let mut work = Carts::new(&guests, carts, 3);
    drive(&mut work)?;
    let empty_bytes = resident_bytes(server.pid())?;
    work.add_lines(4);
    drive(&mut work)?;
    let filled_bytes = resident_bytes(server.pid())?;
    let each = |bytes: u64| bytes.saturating_sub(base_bytes) as f64 / carts.max(1) as f64;

    eprintln!("footprint: {reservations} reservations");
    let units = guests_wanted * UNITS_PER_BUYER_MAX;
    shop.stock(SKU, units)?;
    let drop = shop.open_drop(SKU, units, UNITS_PER_BUYER_MAX)?;
    std::thread::sleep(SETTLE);
    let folder = ["journal", "."].into_iter().find(|name| server.data_dir().join(name).is_dir()).unwrap_or(".");
    let journal = || (disk_use(&server.data_dir().join(folder)), server.metrics());
    let (disk_before, metrics_before) = journal();
    let mut claims = Claims::new(&drop, SKU, &guests, options.clients, 5, Some(reservations));
    let mut driver = Driver::connect(shop.address(), options.clients)?;
    let made = driver.run(&mut Http { work: &mut claims }, &Plan::all_of_it(), server.pid())?.done_in_all;
    let (disk_after, metrics_after) = journal();
    const APPENDED: &str = "fusion_journal_bytes_total";
    let appended = (metrics_before?.sum(APPENDED), metrics_after?.sum(APPENDED));
    let for_each = |bytes: f64| bytes / made.max(1) as f64;
    Ok(Footprint {
        carts,
        base_bytes,
        empty_cart_bytes: each(empty_bytes),
        cart_bytes: each(filled_bytes),
        reservations: made,
        journal_length_bytes: for_each(disk_after.length_bytes as f64 - disk_before.length_bytes as f64),
        journal_allocated_bytes: for_each(disk_after.allocated_bytes as f64 - disk_before.allocated_bytes as f64),
        journal_appended_bytes: appended.1.map(|after| for_each(after - appended.0.unwrap_or(0.0))),
        journal_folder: if folder == "." { "the whole data folder" } else { folder },
    })
}

/// Creates carts, then adds one line to each of them.
struct Carts<'a> {
    guests: &'a Guests,
    keys: Keys,
    left: u64,
    /// The carts that were created, each with its guest.
    made: Vec<(String, usize)>,
    sent: u64,
    adding: bool,
    /// The guest whose request is in flight on each connection.
    in_flight: Vec<usize>,
}

impl<'a> Carts<'a> {
    fn new(guests: &'a Guests, count: u64, family: u16) -> Self {
        let (made, in_flight) = (Vec::with_capacity(count as usize), Vec::new());
        Self { guests, keys: Keys::new(family), left: count, made, sent: 0, adding: false, in_flight }
    }

    fn add_lines(&mut self, family: u16) {
        (self.adding, self.left, self.sent) = (true, self.made.len() as u64, 0);
        self.keys = Keys::new(family);
    }
}

impl Work for Carts<'_> {
    fn ask(&mut self, connection: usize, out: &mut Vec<u8>) -> bool {
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        let index = self.sent as usize;
        self.sent += 1;
        let cart = self.made.get(index).filter(|_| self.adding);
        let guest = cart.map_or(index % self.guests.tokens.len(), |(_, guest)| *guest);
        if self.in_flight.len() <= connection {
            self.in_flight.resize(connection + 1, 0);
        }
        self.in_flight[connection] = guest;
        let headers = bearer(&self.guests.tokens[guest], &mut self.keys);
        match cart {
            None => write_request(out, "POST", "/v1/carts", &headers, Some(b"{}")),
            Some((cart, _)) => {
                let body = format!("{{\"sku\":\"{SKU}\",\"quantity\":1}}");
                write_request(out, "POST", &format!("/v1/carts/{cart}/lines"), &headers, Some(body.as_bytes()));
            }
        }
        true
    }

    fn answered(&mut self, connection: usize, status: u16, body: &[u8]) -> Result<Verdict> {
        let what = if self.adding { "POST /v1/carts/{id}/lines" } else { "POST /v1/carts" };
        let verdict = judge(what, made_or_done(status), status, body)?;
        if !self.adding && verdict == Verdict::Done {
            self.made.push((id_of(what, status, body)?, self.in_flight[connection]));
        }
        Ok(verdict)
    }
}

/// The headers of a guest's POST.
pub(crate) fn bearer(token: &str, keys: &mut Keys) -> Vec<u8> {
    let mut headers = Vec::with_capacity(512);
    for part in [b"Authorization: Bearer ".as_slice(), token.as_bytes(), b"\r\nIdempotency-Key: "] {
        headers.extend_from_slice(part);
    }
    keys.write(&mut headers);
    headers.extend_from_slice(b"\r\n");
    headers
}

/// The cart endpoints may answer 200 (the cart as it is now) or 201 (created).
pub(crate) fn made_or_done(status: u16) -> u16 {
    if status == 200 { 200 } else { 201 }
}

/// The `id` of what was created.
pub(crate) fn id_of(what: &str, status: u16, body: &[u8]) -> Result<String> {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let id = value.get("id").and_then(Value::as_str).map(str::to_owned);
    id.ok_or_else(|| BenchError::unexpected(format!("{what} (no id)"), status, body))
}
