//! Rate limits.

use std::{
    net::IpAddr,
    num::NonZeroU32,
    time::{Duration, Instant},
};

use aws_lc_rs::rand;
use axum::http::{Method, StatusCode};
use dashmap::DashMap;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter, clock::Clock};
use persistence::sql::LIMIT_MAX;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::{
    auth::Identity,
    edge::{claim_network, subscriber},
    problem::{Code, Problem},
    settings::{Rate, Rates},
};

/// The number of slots of a limiter. Callers are hashed into slots, and beyond a fraction of this number some share
/// one: callers choose their addresses, and memory must not grow with them.
const PLACES: u64 = 1 << 18;

/// The number of items of a list that cost as much as a request: a page of products takes some 20 µs per item.
const ITEMS_PER_REQUEST: u32 = 25;
/// The burst of failed checkouts of one guest or account: a buyer who tries several cards, sizes and addresses.
pub(crate) const FAILED_CHECKOUTS_OF_IDENTITY: u32 = 20;
/// The interval at which one more may fail: far slower than anyone types, and useless for testing stolen cards.
const FAILED_CHECKOUT_OF_IDENTITY_EVERY: Duration = Duration::from_secs(30);
/// The burst of failed checkouts from one address: many buyers behind one carrier's address who want the last units.
const FAILED_CHECKOUTS_OF_ADDRESS: u32 = 500;
/// The interval at which one more may fail.
const FAILED_CHECKOUT_OF_ADDRESS_EVERY: Duration = Duration::from_secs(1);

/// The burst of sign-ups from one address: a household, and some typing errors. Far fewer than passwords, since each
/// response reveals whether an e-mail address has an account already.
pub(crate) const SIGN_UPS_OF_ADDRESS: u32 = 10;
/// The interval at which one more is allowed: 1,440 addresses a day are too few for harvesting.
const SIGN_UP_OF_ADDRESS_EVERY: Duration = Duration::from_secs(60);
/// The burst of sign-ups from one network (an IPv4 /24, an IPv6 /48): an office, or a carrier's customers when a drop
/// opens.
const SIGN_UPS_OF_NETWORK: u32 = 60;
/// The interval at which one more is allowed.
const SIGN_UP_OF_NETWORK_EVERY: Duration = Duration::from_secs(10);

/// The rate limits of this process. Loopback is unlimited under `--dev`.
pub struct Limits {
    loopback_free: bool,
    seed: u64,
    identity: Limiter,
    staff: Limiter,
    address: Limiter,
    sessions: Limiter,
    passwords: Limiter,
    sign_ups_of_address: Limiter,
    sign_ups_of_network: Limiter,
    checkouts_of_identity: FailureLimiter,
    checkouts_of_address: FailureLimiter,
}

/// Limits failures: a slot that has too many of them may not try again until its rate allows another failure.
struct FailureLimiter {
    limiter: Limiter,
    shut: DashMap<u32, Instant>,
}

impl FailureLimiter {
    fn new(at_once: u32, every: Duration) -> Self {
        Self { limiter: Limiter::slow(at_once, every), shut: DashMap::new() }
    }

    fn check(&self, place: u32) -> Result<(), Problem> {
        let until = self.shut.get(&place).map(|until| *until);
        match until.and_then(|until| until.checked_duration_since(Instant::now())).filter(|wait| !wait.is_zero()) {
            Some(wait) => Err(Problem::new(Code::RateLimited).retry_after(wait)),
            None => Ok(()),
        }
    }

    fn failed(&self, place: u32) {
        if let Err(not_until) = self.limiter.0.check_key(&place) {
            let wait = not_until.wait_time_from(self.limiter.0.clock().now());
            self.shut.insert(place, Instant::now() + wait);
        }
    }

    fn sweep(&self) {
        let now = Instant::now();
        self.limiter.sweep();
        self.shut.retain(|_, until| *until > now);
    }
}

/// A checkout attempt. Its failure counts.
pub(crate) struct CheckoutAttempt<'a>(Option<(&'a Limits, u32, u32)>);

impl CheckoutAttempt<'_> {
    /// Counts a failed checkout, unless the failure is the server's or the same request may be retried.
    pub(crate) fn failed_by(&self, problem: &Problem) {
        let is_callers = problem.status().is_client_error() && problem.status() != StatusCode::TOO_MANY_REQUESTS;
        if let (Some((limits, identity, address)), true) = (self.0, is_callers) {
            limits.checkouts_of_identity.failed(identity);
            limits.checkouts_of_address.failed(address);
        }
    }
}

struct Limiter(DefaultKeyedRateLimiter<u32>, NonZeroU32);

impl Limiter {
    fn new(rate: Rate) -> Self {
        let Rate { per_second, burst } = rate;
        Self(RateLimiter::keyed(Quota::per_second(per_second).allow_burst(burst)), burst)
    }

    /// A limiter that allows `at_once` in a burst and then one more per `every`.
    fn slow(at_once: u32, every: Duration) -> Self {
        let at_once = NonZeroU32::new(at_once).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::with_period(every).unwrap_or(Quota::per_second(NonZeroU32::MIN)).allow_burst(at_once);
        Self(RateLimiter::keyed(quota), at_once)
    }

    fn check(&self, place: u32) -> Result<(), Problem> {
        self.check_many(place, NonZeroU32::MIN)
    }

    /// Counts `cost` requests at once, capped at the burst.
    fn check_many(&self, place: u32, cost: NonZeroU32) -> Result<(), Problem> {
        // More than the burst would never be allowed.
        let Ok(checked) = self.0.check_key_n(&place, cost.min(self.1)) else {
            return Err(Problem::internal("limit", &"a cost beyond the burst"));
        };
        checked.map_err(|not_until| {
            let wait = not_until.wait_time_from(self.0.clock().now());
            Problem::new(Code::RateLimited).retry_after(wait.max(Duration::from_millis(1)))
        })
    }

    fn sweep(&self) {
        self.0.retain_recent();
        self.0.shrink_to_fit();
    }
}

impl Limits {
    /// The rate limits with these rates.
    pub fn new(rates: &Rates, loopback_free: bool) -> Self {
        let mut seed = [0; 8];
        // Without randomness callers could choose whom they share a slot with, which is no reason not to start.
        let _ = rand::fill(&mut seed);
        Self {
            loopback_free,
            seed: u64::from_ne_bytes(seed),
            identity: Limiter::new(rates.identity),
            staff: Limiter::new(rates.staff),
            address: Limiter::new(rates.address),
            sessions: Limiter::new(rates.sessions),
            passwords: Limiter::new(rates.passwords),
            sign_ups_of_address: Limiter::slow(SIGN_UPS_OF_ADDRESS, SIGN_UP_OF_ADDRESS_EVERY),
            sign_ups_of_network: Limiter::slow(SIGN_UPS_OF_NETWORK, SIGN_UP_OF_NETWORK_EVERY),
            checkouts_of_identity: FailureLimiter::new(FAILED_CHECKOUTS_OF_IDENTITY, FAILED_CHECKOUT_OF_IDENTITY_EVERY),
            checkouts_of_address: FailureLimiter::new(FAILED_CHECKOUTS_OF_ADDRESS, FAILED_CHECKOUT_OF_ADDRESS_EVERY),
        }
    }

    fn place(&self, key: u128) -> u32 {
        // Below 2¹⁸, so it fits.
        (xxh3_64_with_seed(&key.to_ne_bytes(), self.seed) % PLACES) as u32
    }

    /// Whether an address has no limits.
    pub(crate) fn is_free(&self, address: IpAddr) -> bool {
        self.loopback_free && address.to_canonical().is_loopback()
    }

    fn check_address(&self, limiter: &Limiter, address: IpAddr) -> Result<(), Problem> {
        if self.is_free(address) { Ok(()) } else { limiter.check(self.place(subscriber(address))) }
    }

    /// Counts a request from an address.
    pub(crate) fn address(&self, address: IpAddr) -> Result<(), Problem> {
        self.check_address(&self.address, address)
    }

    /// Counts a request from an address by its cost: a list costs one more for every [`ITEMS_PER_REQUEST`] items.
    pub(crate) fn request(&self, address: IpAddr, method: &Method, query: Option<&str>) -> Result<(), Problem> {
        if self.is_free(address) {
            return Ok(());
        }
        self.address.check_many(self.place(subscriber(address)), cost(method, query))
    }

    /// Counts a new session from an address.
    pub(crate) fn session(&self, address: IpAddr) -> Result<(), Problem> {
        self.check_address(&self.sessions, address)
    }

    /// Counts a password attempt, or a request for a mail, from an address.
    pub(crate) fn password(&self, address: IpAddr) -> Result<(), Problem> {
        self.check_address(&self.passwords, address)
    }

    /// Counts a sign-up.
    pub(crate) fn sign_up(&self, address: IpAddr) -> Result<(), Problem> {
        if self.is_free(address) {
            return Ok(());
        }
        self.sign_ups_of_address.check(self.place(subscriber(address)))?;
        self.sign_ups_of_network.check(self.place(claim_network(address)))
    }

    /// Counts a request of a guest, an account or a member of staff.
    pub(crate) fn identity(&self, identity: &Identity, address: Option<IpAddr>) -> Result<(), Problem> {
        if address.is_some_and(|address| self.is_free(address)) {
            return Ok(());
        }
        let limiter = if identity.is_vendor() { &self.staff } else { &self.identity };
        limiter.check(self.place(identity.subject().0))
    }

    /// Rejects a checkout of a guest or account, or from an address, after too many failed ones.
    pub(crate) fn checkout(&self, identity: &Identity, address: IpAddr) -> Result<CheckoutAttempt<'_>, Problem> {
        if self.is_free(address) {
            return Ok(CheckoutAttempt(None));
        }
        let (identity, address) = (self.place(identity.subject().0), self.place(subscriber(address)));
        self.checkouts_of_identity.check(identity)?;
        self.checkouts_of_address.check(address)?;
        Ok(CheckoutAttempt(Some((self, identity, address))))
    }

    /// Removes the slots of callers that were not active lately.
    pub(crate) fn sweep(&self) {
        [&self.checkouts_of_identity, &self.checkouts_of_address].into_iter().for_each(FailureLimiter::sweep);
        [
            &self.identity,
            &self.staff,
            &self.address,
            &self.sessions,
            &self.passwords,
            &self.sign_ups_of_address,
            &self.sign_ups_of_network,
        ]
        .into_iter()
        .for_each(Limiter::sweep);
    }
}

/// The cost of a request, in requests. The `limit` is taken as given here and validated by the route.
fn cost(method: &Method, query: Option<&str>) -> NonZeroU32 {
    let limits = query.filter(|_| matches!(*method, Method::GET | Method::HEAD)).unwrap_or_default().split('&');
    let items = limits.filter_map(|pair| pair.strip_prefix("limit=")?.parse::<u32>().ok()).max().unwrap_or_default();
    NonZeroU32::MIN.saturating_add(items.min(LIMIT_MAX) / ITEMS_PER_REQUEST)
}

/// A rate of `per_second` and `burst`; zero counts as one.
pub fn rate(per_second: u32, burst: u32) -> Rate {
    let at_least_one = |n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
    Rate { per_second: at_least_one(per_second), burst: at_least_one(burst) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const AWAY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 9));

    #[test]
    fn a_burst_is_accepted_and_the_next_request_gets_a_retry_time() {
        let limits = Limits::new(&Rates { sessions: rate(1, 3), ..Rates::default() }, false);
        assert!((0..3).all(|_| limits.session(AWAY).is_ok()));
        let problem = limits.session(AWAY).unwrap_err();
        assert_eq!(problem.code(), Code::RateLimited);
        assert!(limits.session(HOME).is_ok(), "another address has its own count");
    }

    #[test]
    fn a_list_costs_by_its_page_size() {
        let costs = |query| cost(&Method::GET, query).get();
        let asked = [None, Some("limit=24"), Some("limit=25"), Some("query=x&limit=200"), Some("limit=4000000000")];
        assert_eq!(asked.map(costs), [1, 1, 2, 9, 9]);
        assert_eq!((costs(Some("limit=x")), costs(Some("limit=1&limit=50"))), (1, 3));
        assert_eq!(cost(&Method::POST, Some("limit=200")).get(), 1);
        let limits = Limits::new(&Rates { address: rate(1, 20), ..Rates::default() }, false);
        let list = || limits.request(AWAY, &Method::GET, Some("limit=200"));
        assert!(list().is_ok() && list().is_ok());
        assert_eq!(list().unwrap_err().code(), Code::RateLimited);
        assert!(limits.request(AWAY, &Method::GET, None).is_ok(), "a claim still has its place");
        let narrow = Limits::new(&Rates { address: rate(1, 3), ..Rates::default() }, false);
        assert!(narrow.request(AWAY, &Method::GET, Some("limit=200")).is_ok(), "more than the burst is the burst");
    }

    #[test]
    fn loopback_is_free_only_for_developers() {
        let rates = Rates { address: rate(1, 1), ..Rates::default() };
        let (dev, production) = (Limits::new(&rates, true), Limits::new(&rates, false));
        assert!((0..100).all(|_| dev.address(HOME).is_ok()));
        assert!((0..100).any(|_| production.address(HOME).is_err()));
        assert!((0..100).any(|_| dev.address(AWAY).is_err()));
    }

    #[test]
    fn a_place_that_failed_too_often_may_not_try_for_a_while() {
        let failures = FailureLimiter::new(3, Duration::from_secs(60));
        for _ in 0..3 {
            failures.failed(7);
            assert!(failures.check(7).is_ok());
        }
        failures.failed(7);
        assert_eq!(failures.check(7).unwrap_err().code(), Code::RateLimited);
        assert!(failures.check(8).is_ok(), "another place has its own count");
        failures.sweep();
        assert!(failures.check(7).is_err(), "it is not forgotten before its time");
    }

    #[test]
    fn sign_ups_are_few_for_an_address_and_for_a_network() {
        let limits = Limits::new(&Rates::default(), false);
        let of = |host: u8| IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, host));
        assert!((0..SIGN_UPS_OF_ADDRESS).all(|_| limits.sign_up(of(1)).is_ok()));
        assert_eq!(limits.sign_up(of(1)).unwrap_err().code(), Code::RateLimited);
        let others = (0..SIGN_UPS_OF_NETWORK - SIGN_UPS_OF_ADDRESS).map(|n| of(2 + (n / SIGN_UPS_OF_ADDRESS) as u8));
        assert!(others.into_iter().all(|address| limits.sign_up(address).is_ok()));
        assert!(limits.sign_up(of(200)).is_err(), "the network has had its share");
        assert!(limits.sign_up(IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 1))).is_ok());
    }

    #[test]
    fn memory_does_not_follow_callers() {
        let limits = Limits::new(&Rates::default(), false);
        for n in 0..2 * PLACES {
            let _ = limits.address(IpAddr::V6(std::net::Ipv6Addr::from_bits(u128::from(n) << 64)));
        }
        assert!(limits.address.0.len() as u64 <= PLACES);
    }
}
