//! Limits concurrent list reads of the catalogue and of drops: one list costs as much as hundreds of claims and must
//! not keep the CPU cores from them.

use std::{net::IpAddr, sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    Problem,
    edge::{AddressPlace, PerAddress},
    problem::Code,
};

/// The maximum number of concurrent lists, whatever the number of cores: as many as the database has readers.
const AT_ONCE_MAX: usize = 4;
/// The maximum number of lists that wait per address, some milliseconds each: many buyers behind one carrier's address
/// who open the shop at the same instant.
const WAITING_PER_ADDRESS_MAX: usize = 64;
/// When to retry.
const WAIT: Duration = Duration::from_secs(1);

/// Limits concurrent list reads.
#[derive(Debug)]
pub(crate) struct Listing {
    turns: Arc<Semaphore>,
    waiting: Arc<PerAddress>,
}

/// A permit for one list, released when it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    _turn: OwnedSemaphorePermit,
    _place: AddressPlace,
}

impl Listing {
    /// Half of the cores may read lists, and at least one.
    pub(crate) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::with((cores / 2).clamp(1, AT_ONCE_MAX))
    }

    fn with(at_once: usize) -> Self {
        Self { turns: Arc::new(Semaphore::new(at_once)), waiting: Arc::new(PerAddress::new(WAITING_PER_ADDRESS_MAX)) }
    }

    /// Waits for a permit. Returns `Overloaded` when too many lists of this address wait already.
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
