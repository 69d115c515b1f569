//! What a shard remembers of the newest so many things, however long ago they were.

use std::collections::{BTreeMap, VecDeque};

/// The newest things, each with what is known of it. A number bounds it and not an age: a shop that was closed for a week
/// knows as much as before when those who wait for an answer ask again.
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
    /// What is known of it. `None`: it was never kept, or `max` others have come since.
    pub(super) fn get(&self, key: K) -> Option<V> {
        self.known.get(&key).copied()
    }

    /// Keeps it, or changes what is known of it, and forgets the oldest while there are more than `max`.
    pub(super) fn keep(&mut self, key: K, value: V, max: usize) {
        if self.known.insert(key, value).is_none() {
            self.oldest_first.push_back(key);
        }
        while self.known.len() > max {
            let Some(oldest) = self.oldest_first.pop_front() else { break };
            self.known.remove(&oldest);
        }
    }

    /// All of it, oldest first, for a snapshot.
    pub(super) fn to_list(&self) -> Vec<(K, V)> {
        self.oldest_first.iter().filter_map(|key| Some((*key, self.get(*key)?))).collect()
    }

    /// The memory that [`to_list`](Newest::to_list) wrote down.
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
