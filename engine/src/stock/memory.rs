//! A memory of the newest entries, bounded by their number instead of their age.

use std::collections::{BTreeMap, VecDeque};

/// The newest entries by key. The bound is a number and not an age: after a week of downtime the memory is complete,
/// and callers that retry still find their entries.
#[derive(Debug)]
pub(super) struct Newest<K, V> {
    known: BTreeMap<K, V>,
    oldest_first: VecDeque<K>,
}

impl<K, V> Default for Newest<K, V> {
    fn default() -> Self {
        Self { known: BTreeMap::new(), oldest_first: VecDeque::new() }
    }
}

impl<K: Ord + Copy, V: Copy> Newest<K, V> {
    /// The value of `key`. `None` if it was never kept, or if `max` newer keys have replaced it.
    pub(super) fn get(&self, key: K) -> Option<V> {
        self.known.get(&key).copied()
    }

    /// Sets the value of `key` and forgets the oldest keys while there are more than `max`. A known key keeps its age.
    pub(super) fn keep(&mut self, key: K, value: V, max: usize) {
        if self.known.insert(key, value).is_none() {
            self.oldest_first.push_back(key);
        }
        while self.known.len() > max {
            let Some(oldest) = self.oldest_first.pop_front() else { break };
            self.known.remove(&oldest);
        }
    }

    /// All entries, oldest first, for a snapshot.
    pub(super) fn to_list(&self) -> Vec<(K, V)> {
        self.oldest_first.iter().filter_map(|key| Some((*key, self.get(*key)?))).collect()
    }

    /// Restores the memory from the output of [`to_list`](Newest::to_list).
    pub(super) fn from_list(list: Vec<(K, V)>) -> Self {
        Self { oldest_first: list.iter().map(|(key, _)| *key).collect(), known: list.into_iter().collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten_first_and_a_change_does_not_make_it_newer() {
        let mut newest = Newest::default();
        newest.keep(9, 'a', 2);
        newest.keep(5, 'b', 2);
        newest.keep(9, 'c', 2);
        assert_eq!(newest.to_list(), [(9, 'c'), (5, 'b')]);
        newest.keep(7, 'd', 2);
        assert_eq!((newest.get(9), newest.get(5), newest.get(7)), (None, Some('b'), Some('d')));
        let same = Newest::from_list(newest.to_list());
        assert_eq!(same.to_list(), newest.to_list());
    }
}
