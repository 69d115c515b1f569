//! Ordinary shopping: lines added to carts, and whole checkouts with the sandbox payment provider.

use serde_json::Value;

use crate::{
    driver::{Driver, Verdict, Window},
    error::{BenchError, Result},
    footprint::{bearer, id_of, made_or_done},
    http::{Http, Work, judge, write_request},
    options::Options,
    pace::{Pace, Plan},
    reserve::Row,
    scratch::Scratch,
    server::Server,
    shop::{Guests, Keys, Shop},
};

/// The number of products: a cart gets one line of each before the next cart is created.
const PRODUCTS: u64 = 20;
/// The units of each product: more than any run sells.
const UNITS: u64 = 4_000_000;

const ADDRESS: &str = r#"{"name":"Bench Buyer","line1":"1 Loopback Road","city":"Springfield","region":"IL","postal_code":"62701","country":"US"}"#;

/// Measures both, in a closed loop; one row each.
pub(crate) fn checkout(options: &Options) -> Result<Vec<Row>> {
    let scratch = Scratch::new(&options.work_dir)?;
    let server = Server::start(&options.binary, &scratch.path().join("data"))?;
    let mut shop = Shop::open(&server)?;
    stock(&mut shop)?;
    let mut guests = shop.guests(options.guests, options.clients)?;
    let mut rows = [("add to cart", true), ("cart, line and checkout", false)]
        .map(|(name, adding)| (adding, Row { name: name.to_owned(), rate: None, rounds: Vec::new() }));
    let plan = Plan { pace: Pace::Closed, warm_up: options.warm_up(), measure: Some(options.seconds) };
    let mut family = 0;
    for round in 1..=options.rounds {
        for (adding, row) in &mut rows {
            if !guests.last() {
                guests = shop.guests(options.guests, options.clients)?;
            }
            family += 1;
            let mut shopping = Shopping::new(&guests, options.clients, family, *adding);
            let mut driver = Driver::connect(shop.address(), options.clients)?;
            let window: Window = driver.run(&mut Http { work: &mut shopping }, &plan, server.pid())?;
            eprintln!(
                "round {round} of {}: {}: {:.0}/s, p50 {:.2} ms, p99 {:.2} ms, {} refused, {} polls of pending ones",
                options.rounds,
                row.name,
                window.per_second(),
                window.latency_ms(50.0),
                window.latency_ms(99.0),
                window.refused,
                shopping.looks,
            );
            row.rounds.push(window);
        }
    }
    Ok(rows.map(|(_, row)| row).into())
}

fn stock(shop: &mut Shop) -> Result<()> {
    for product in 0..PRODUCTS {
        shop.product(&sku(product))?;
        shop.stock(&sku(product), UNITS)?;
    }
    Ok(())
}

/// Makes `count` purchases in an empty shop, and waits until every order is paid.
pub(crate) fn paid_orders(shop: &mut Shop, server: &Server, count: usize, clients: usize) -> Result<Vec<String>> {
    stock(shop)?;
    let guests = shop.guests(clients, clients)?;
    let mut shopping = Shopping::new(&guests, clients, 1, false);
    shopping.left = count;
    Driver::connect(shop.address(), clients)?.run(
        &mut Http { work: &mut shopping },
        &Plan::all_of_it(),
        server.pid(),
    )?;
    if shopping.bought.len() != count {
        let bought = shopping.bought.len();
        return Err(BenchError::Setup(format!("only {bought} of {count} orders were made")));
    }
    // The capture of the last ones may still be under way.
    for order in &shopping.bought {
        shop.expect_paid(order)?;
    }
    Ok(shopping.bought)
}

fn sku(product: u64) -> String {
    format!("BENCH-{product:02}")
}

/// The progress of a connection's guest.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    /// Has no cart.
    Outside,
    /// Has a cart with this number of lines.
    Cart { id: String, lines: u64 },
    /// Pays for a cart.
    Paying { id: String },
    /// Waits for a pending checkout.
    Pending { checkout: String },
}

/// The actions of each connection's guests: they add lines, or make purchases, without end.
struct Shopping<'a> {
    guests: &'a Guests,
    keys: Keys,
    adding: bool,
    stages: Vec<(Stage, usize)>,
    orders: u64,
    looks: u64,
    /// The number of carts that may still be created.
    left: usize,
    /// The orders that resulted.
    bought: Vec<String>,
}

impl<'a> Shopping<'a> {
    fn new(guests: &'a Guests, connections: usize, family: u16, adding: bool) -> Self {
        let count = guests.tokens.len();
        let stages = (0..connections).map(|connection| (Stage::Outside, connection % count)).collect();
        let orders = u64::from(family) << 32;
        Self { guests, keys: Keys::new(family), adding, stages, orders, looks: 0, left: usize::MAX, bought: Vec::new() }
    }

    /// Continues with the connection's next guest.
    fn next_guest(&mut self, connection: usize) {
        let (stage, guest) = &mut self.stages[connection];
        *stage = Stage::Outside;
        *guest = (*guest + self.guests.tokens.len().min(257)) % self.guests.tokens.len();
    }
}

impl Work for Shopping<'_> {
    fn ask(&mut self, connection: usize, out: &mut Vec<u8>) -> bool {
        let (stage, guest) = &self.stages[connection];
        let headers = bearer(&self.guests.tokens[*guest], &mut self.keys);
        match stage {
            Stage::Outside => {
                let Some(left) = self.left.checked_sub(1) else { return false };
                self.left = left;
                write_request(out, "POST", "/v1/carts", &headers, Some(b"{}"));
            }
            Stage::Cart { id, lines } => {
                let product = if self.adding { *lines } else { connection as u64 % PRODUCTS };
                let body = format!("{{\"sku\":\"{}\",\"quantity\":1}}", sku(product));
                write_request(out, "POST", &format!("/v1/carts/{id}/lines"), &headers, Some(body.as_bytes()));
            }
            Stage::Paying { id } => {
                self.orders += 1;
                let body = format!(
                    "{{\"cart_id\":\"{id}\",\"payment\":{{\"provider\":\"sandbox\",\"token\":\"tok_approve\"}},\
                     \"email\":\"buyer-{}@example.com\",\"shipping_address\":{ADDRESS}}}",
                    self.orders
                );
                write_request(out, "POST", "/v1/checkouts", &headers, Some(body.as_bytes()));
            }
            Stage::Pending { checkout } => {
                self.looks += 1;
                write_request(out, "GET", &format!("/v1/checkouts/{checkout}"), &headers, None);
            }
        }
        true
    }

    fn answered(&mut self, connection: usize, status: u16, body: &[u8]) -> Result<Verdict> {
        let stage = self.stages[connection].0.clone();
        let (what, expected) = match &stage {
            Stage::Outside => ("POST /v1/carts", made_or_done(status)),
            Stage::Cart { .. } => ("POST /v1/carts/{id}/lines", made_or_done(status)),
            Stage::Paying { .. } => ("POST /v1/checkouts", 201),
            Stage::Pending { .. } => ("GET /v1/checkouts/{id}", 200),
        };
        if judge(what, expected, status, body)? == Verdict::Refused {
            self.next_guest(connection);
            return Ok(Verdict::Refused);
        }
        let (next, verdict) = match stage {
            // The creation of the cart is part of the latency of its first line.
            Stage::Outside => (Stage::Cart { id: id_of(what, status, body)?, lines: 0 }, Verdict::Step),
            Stage::Cart { id, lines } if self.adding && lines + 1 < PRODUCTS => {
                (Stage::Cart { id, lines: lines + 1 }, Verdict::Done)
            }
            Stage::Cart { .. } if self.adding => (Stage::Outside, Verdict::Done),
            Stage::Cart { id, .. } => (Stage::Paying { id }, Verdict::Step),
            Stage::Paying { .. } | Stage::Pending { .. } => {
                let value: Value = serde_json::from_slice(body).unwrap_or_default();
                match value.get("state").and_then(Value::as_str) {
                    Some("completed") => {
                        let order = value.get("order_id").and_then(Value::as_str);
                        self.bought.extend(order.map(str::to_owned));
                        (Stage::Outside, Verdict::Done)
                    }
                    Some("pending") => (Stage::Pending { checkout: id_of(what, status, body)? }, Verdict::Step),
                    _ => return Err(BenchError::unexpected(what, status, body)),
                }
            }
        };
        if next == Stage::Outside {
            self.next_guest(connection);
        } else {
            self.stages[connection].0 = next;
        }
        Ok(verdict)
    }
}
