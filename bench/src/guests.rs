//! The choice of the guest that makes the next request of a connection.

/// The number of guests that take turns on one connection: enough active guests that the server's token cache is
/// exercised.
const TURNS: u64 = 8;

/// Distributes the guests over the connections, each guest to one connection. On each connection eight guests take
/// turns until they have reached their caps, then the next eight.
#[derive(Debug)]
pub(crate) struct Walk {
    guests: u64,
    connections: u64,
    each: u64,
    made: Vec<u64>,
}

impl Walk {
    /// Creates a walk with `each` requests of every guest.
    pub(crate) fn new(guests: usize, connections: usize, each: u64) -> Self {
        Self { guests: guests as u64, connections: connections as u64, each, made: vec![0; connections] }
    }

    /// The guest whose request is next on `connection`. `None` if its guests have reached their caps.
    pub(crate) fn next(&mut self, connection: usize) -> Option<usize> {
        let made = self.made[connection];
        let ordinal = made / (TURNS * self.each) * TURNS + made % TURNS;
        let guest = ordinal * self.connections + connection as u64;
        if guest >= self.guests {
            // The last group may be short: missing members are skipped, the others still have requests left.
            let first_of_group = (ordinal - made % TURNS) * self.connections + connection as u64;
            if first_of_group >= self.guests {
                return None;
            }
            self.made[connection] += TURNS - made % TURNS;
            return self.next(connection);
        }
        self.made[connection] += 1;
        Some(guest as usize)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn every_guest_claims_up_to_the_limit_on_one_connection_only() {
        for (guests, connections) in [(1, 1), (7, 3), (100, 3), (256, 16), (1_000, 7)] {
            let mut walk = Walk::new(guests, connections, 5);
            let mut uses: HashMap<usize, (usize, u64)> = HashMap::new();
            for connection in 0..connections {
                while let Some(guest) = walk.next(connection) {
                    let (on, count) = uses.entry(guest).or_insert((connection, 0));
                    assert_eq!(*on, connection);
                    *count += 1;
                }
                assert_eq!(walk.next(connection), None, "stays at its end");
            }
            assert_eq!(uses.len(), guests);
            assert!(uses.values().all(|(_, count)| *count == 5), "{guests} guests on {connections} connections");
        }
    }
}
