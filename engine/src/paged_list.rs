//! A list that grows at its end and can be frozen quickly at any length.

use std::{ops::Index, sync::Arc};

/// The number of entries in a page. A page that a frozen copy shares is copied before it changes: at 128 bytes an
/// entry, 64 KiB in about 10 µs.
const PAGE_ENTRIES: usize = 512;

/// An append-mostly list in pages that are shared with its frozen copies.
///
/// `clone` copies one pointer for each page: 2,000 for a million entries. For the measurements against a persistent
/// map, see `docs/adr/0006-frozen-pages.md`.
#[derive(Debug, Clone)]
pub struct PagedList<T> {
    pages: Vec<Arc<Vec<T>>>,
}

impl<T> Default for PagedList<T> {
    fn default() -> Self {
        Self { pages: Vec::new() }
    }
}

impl<T: Clone> PagedList<T> {
    /// The number of entries.
    pub fn len(&self) -> usize {
        self.pages.last().map_or(0, |last| (self.pages.len() - 1) * PAGE_ENTRIES + last.len())
    }

    /// Whether the list has no entries.
    pub fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    /// Appends an entry and returns its index.
    pub fn push(&mut self, entry: T) -> u32 {
        let index = self.len();
        match self.pages.last_mut() {
            Some(last) if last.len() < PAGE_ENTRIES => Arc::make_mut(last).push(entry),
            _ => {
                let mut page = Vec::with_capacity(PAGE_ENTRIES);
                page.push(entry);
                self.pages.push(Arc::new(page));
            }
        }
        u32::try_from(index).expect("bounded far below 2^32 by its owner")
    }

    /// The entry at `index`, mutable. Copies the page if a frozen copy shares it.
    pub fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        let index = index as usize;
        Arc::make_mut(self.pages.get_mut(index / PAGE_ENTRIES)?).get_mut(index % PAGE_ENTRIES)
    }

    /// The entry at `index`.
    pub fn get(&self, index: u32) -> Option<&T> {
        let index = index as usize;
        self.pages.get(index / PAGE_ENTRIES)?.get(index % PAGE_ENTRIES)
    }

    /// All entries, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.pages.iter().flat_map(|page| page.iter())
    }

    /// The pages, for encoding.
    pub fn pages(&self) -> &[Arc<Vec<T>>] {
        &self.pages
    }

    /// Builds the list from the entries of `pages`.
    pub fn from_pages(pages: Vec<Vec<T>>) -> Self {
        let mut paged_list = Self::default();
        for entry in pages.into_iter().flatten() {
            paged_list.push(entry);
        }
        paged_list
    }
}

impl<T: Clone> Index<u32> for PagedList<T> {
    type Output = T;

    fn index(&self, index: u32) -> &T {
        self.get(index).expect("an index of this list")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frozen_copy_does_not_change() {
        let mut paged_list = PagedList::default();
        for entry in 0..2_000u32 {
            assert_eq!(paged_list.push(entry), entry);
        }
        let frozen = paged_list.clone();
        *paged_list.get_mut(700).unwrap() = 0;
        paged_list.push(2_000);
        assert_eq!((frozen[700], frozen.len()), (700, 2_000));
        assert_eq!((paged_list[700], paged_list.len()), (0, 2_001));
        assert_eq!(paged_list.iter().count(), 2_001);
    }
}
