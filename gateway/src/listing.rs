//! Turns for lists of the catalogue and of drops: one list costs as much as hundreds of claims, and must not keep the cores
//! from them.

use std::{net::IpAddr, sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    Problem,
    edge::{AddressPlace, PerAddress},
    problem::Code,
};

/// The most lists at once, however many cores there are: as many as the database has readers.
const AT_ONCE_MAX: usize = 4;
/// Lists of one address that may wait for their turns, some milliseconds each: a carrier's crowd that opens the shop at the
/// same instant.
const WAITING_PER_ADDRESS_MAX: usize = 64;
/// When to ask again.
const WAIT: Duration = Duration::from_secs(1);

/// Turns for lists.
#[derive(Debug)]
pub(crate) struct Listing {
    turns: Arc<Semaphore>,
    waiting: Arc<PerAddress>,
}

/// A list's turn. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    _turn: OwnedSemaphorePermit,
    _place: AddressPlace,
}

impl Listing {
    /// Half of the cores are for lists, one at the least.
    pub(crate) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::with((cores / 2).clamp(1, AT_ONCE_MAX))
    }

    fn with(at_once: usize) -> Self {
        Self { turns: Arc::new(Semaphore::new(at_once)), waiting: Arc::new(PerAddress::new(WAITING_PER_ADDRESS_MAX)) }
    }

    /// Waits for a turn. Overloaded: too many lists of this address wait already.
    pub(crate) async fn take(&self, address: IpAddr) -> Result<Turn, Problem> {
        let full = || Problem::new(Code::Overloaded).with_detail("too many lists at once").retry_after(WAIT);
        let place = self.waiting.take(address, false).ok_or_else(full)?;
        let turn = self.turns.clone().acquire_owned().await.map_err(|error| Problem::internal("listing", &error))?;
        Ok(Turn { _turn: turn, _place: place })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use futures::FutureExt;

    use super::*;

    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 1));
    const TWO: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 2));

    #[tokio::test]
    async fn lists_have_turns_and_an_address_a_bound_of_those_that_wait() {
        let listing = Listing::with(1);
        let first = listing.take(ONE).await.unwrap();
        let mut waiting: Vec<_> = (1..WAITING_PER_ADDRESS_MAX).map(|_| Box::pin(listing.take(ONE))).collect();
        assert!(waiting.iter_mut().all(|waiting| waiting.now_or_never().is_none()));
        let refused = listing.take(ONE).now_or_never().unwrap().unwrap_err();
        assert_eq!(refused.code(), Code::Overloaded);
        let mut other = Box::pin(listing.take(TWO));
        assert!((&mut other).now_or_never().is_none(), "another address waits for its turn");
        drop(first);
        drop(waiting);
        assert!(other.now_or_never().unwrap().is_ok());
        assert_eq!(listing.waiting.taken(), 0);
    }
}
