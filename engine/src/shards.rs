//! A hash map that grows without long pauses.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash},
};

/// The number of parts of a [`ShardedMap`]. A hash map moves all its entries when it grows, which takes about 25 ms at
/// a million entries. With 128 parts, each pause is 0.2 ms.
const PARTS: usize = 128;

/// A hash map in parts that grow independently.
#[derive(Debug)]
pub struct ShardedMap<K, V> {
    parts: Vec<HashMap<K, V, IdHasher>>,
}

/// Hashes ids by combining their bits into 64. Ids are already random or derived by SHA-256.
#[derive(Debug, Clone, Copy, Default)]
pub struct IdHasher;

/// The state of an [`IdHasher`].
#[derive(Debug, Default)]
pub struct IdHash(u64);

impl std::hash::Hasher for IdHash {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u128(&mut self, value: u128) {
        self.0 ^= (value >> 64) as u64 ^ value as u64;
    }
}

impl BuildHasher for IdHasher {
    type Hasher = IdHash;

    fn build_hasher(&self) -> IdHash {
        IdHash::default()
    }
}

impl<K, V> Default for ShardedMap<K, V> {
    fn default() -> Self {
        Self { parts: Vec::new() }
    }
}

impl<K: Hash + Eq, V> ShardedMap<K, V> {
    fn part(key: &K) -> usize {
        (IdHasher.hash_one(key) >> 20) as usize % PARTS
    }

    /// The value of `key`.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.parts.get(Self::part(key))?.get(key)
    }

    /// The value of `key`, inserted with its default if it is missing.
    pub fn entry_or_default(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        self.grow();
        self.parts[Self::part(&key)].entry(key).or_default()
    }

    /// Sets the value of `key`.
    pub fn insert(&mut self, key: K, value: V) {
        self.grow();
        self.parts[Self::part(&key)].insert(key, value);
    }

    /// Removes `key` and returns its value.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        self.parts.get_mut(Self::part(key))?.remove(key)
    }

    fn grow(&mut self) {
        if self.parts.is_empty() {
            self.parts.resize_with(PARTS, HashMap::default);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ClaimId;

    #[test]
    fn written_entries_are_found() {
        let mut map = ShardedMap::default();
        for n in 0..10_000u32 {
            map.insert(ClaimId::derive(&[&n.to_be_bytes()]), n);
        }
        assert!((0..10_000u32).all(|n| map.get(&ClaimId::derive(&[&n.to_be_bytes()])) == Some(&n)));
        assert_eq!(map.get(&ClaimId(0)), None);
    }
}
