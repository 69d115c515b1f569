//! Pages of lists: limits and cursors.

use std::fmt;

use data_encoding::BASE32_DNSSEC;
use engine::time::Timestamp;

/// The default number of items on a page.
pub const LIMIT_DEFAULT: u32 = 50;
/// The maximum number of items on a page.
pub const LIMIT_MAX: u32 = 200;

/// The number of items on a page: 1 to [`LIMIT_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(u32);

/// A limit that is not within 1 to [`LIMIT_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a limit is 1 to {LIMIT_MAX}")]
pub struct InvalidLimit;

impl Limit {
    /// Returns the limit if it is within bounds.
    pub fn new(limit: u32) -> Result<Self, InvalidLimit> {
        if (1..=LIMIT_MAX).contains(&limit) { Ok(Self(limit)) } else { Err(InvalidLimit) }
    }

    /// Returns the number.
    pub fn get(self) -> u32 {
        self.0
    }

    /// Returns the limit plus one: an additional item shows that there is another page.
    pub(super) fn with_next(self) -> i64 {
        i64::from(self.0) + 1
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(LIMIT_DEFAULT)
    }
}

/// The place after the last item of a page, in terms of the list's order. Opaque to clients.
///
/// A list continues from the same place, whatever was added or removed in the meantime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    pub(super) list: List,
    /// The number of the list's order, 0 to [`ORDERS_MAX`]; 0 is the default order.
    pub(super) order: u8,
    pub(super) at: u64,
    pub(super) id: u128,
}

/// The list that a cursor belongs to. Clients keep cursors, and cursors contain these numbers: never reuse one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum List {
    /// [`ReadSide::products`](super::ReadSide::products).
    Products = 1,
    /// [`ReadSide::drops`](super::ReadSide::drops).
    Drops = 2,
    /// [`ReadSide::checkouts`](super::ReadSide::checkouts).
    Checkouts = 3,
    /// [`ReadSide::orders`](super::ReadSide::orders).
    Orders = 4,
    /// [`ReadSide::accounts`](super::ReadSide::accounts).
    Accounts = 5,
    /// [`ReadSide::rejected_rows`](super::ReadSide::rejected_rows).
    RejectedRows = 6,
    /// [`ReadSide::imports`](super::ReadSide::imports).
    Imports = 7,
    /// [`ReadSide::carts`](super::ReadSide::carts).
    Carts = 8,
}

/// The maximum number of an order: an order has four bits of a cursor.
pub(super) const ORDERS_MAX: u8 = 15;

/// The maximum number of lines of all orders, carts or checkouts of a page: each line takes some 400 bytes in a
/// response, and one entity may have a hundred lines. A page always has at least one entity.
pub const PAGE_LINES_MAX: usize = 1_000;

/// A text that is not a cursor of this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a valid cursor for this list")]
pub struct InvalidCursor;

/// List, instant and id: 25 bytes, which are exactly 40 characters.
const CURSOR_BYTES: usize = 1 + 8 + 16;
const CURSOR_CHARS: usize = CURSOR_BYTES * 8 / 5;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [0u8; CURSOR_BYTES];
        debug_assert!(self.order <= ORDERS_MAX, "an order has four bits");
        bytes[0] = self.list as u8 | self.order << 4;
        bytes[1..9].copy_from_slice(&self.at.to_be_bytes());
        bytes[9..].copy_from_slice(&self.id.to_be_bytes());
        // RFC 4648's "base32hex", section 7, in lower case and without padding: safe in a URL.
        BASE32_DNSSEC.encode_display(&bytes).fmt(f)
    }
}

impl Cursor {
    /// Parses a cursor from a page of `list` in the default order.
    pub fn read(list: List, text: &str) -> Result<Self, InvalidCursor> {
        Self::read_sorted(list, 0, text)
    }

    /// Parses a cursor from a page of `list` in the order with this number.
    pub fn read_sorted(list: List, order: u8, text: &str) -> Result<Self, InvalidCursor> {
        // The encoding also decodes upper case, but a cursor has exactly one text form.
        if text.len() != CURSOR_CHARS || text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(InvalidCursor);
        }
        let bytes = BASE32_DNSSEC.decode(text.as_bytes()).map_err(|_| InvalidCursor)?;
        if bytes[0] != list as u8 | order << 4 {
            return Err(InvalidCursor);
        }
        let at = bytes[1..9].try_into().map_err(|_| InvalidCursor)?;
        let id = bytes[9..].try_into().map_err(|_| InvalidCursor)?;
        Ok(Self { list, order, at: u64::from_be_bytes(at), id: u128::from_be_bytes(id) })
    }
}

/// A requested page.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PageRequest {
    /// The maximum number of items.
    pub limit: Limit,
    /// The place to continue from; `None` for the first page. A cursor of another list matches nothing.
    pub after: Option<Cursor>,
}

impl PageRequest {
    /// Returns the instant and the id before which a page of `list` begins, for lists that are newest first. Without a
    /// cursor, everything is after the place; with a cursor of another list, nothing is.
    pub(super) fn newest_first(&self, list: List) -> (i64, Vec<u8>) {
        match self.after {
            None => (i64::MAX, vec![0xff; 17]),
            Some(cursor) if cursor.list == list => (super::number(cursor.at), super::blob(cursor.id)),
            Some(_) => (-1, Vec::new()),
        }
    }

    /// Returns the number after which a page of `list` begins, for lists that count their items from 1.
    pub(super) fn oldest_first(&self, list: List) -> i64 {
        match self.after {
            None => 0,
            Some(cursor) if cursor.list == list => super::number(cursor.at),
            Some(_) => i64::MAX,
        }
    }
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// The place of the next page; `None` if this is the last.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// Cuts a page of `limit` items from a result that was queried with one additional item.
    pub(super) fn cut(items: Vec<T>, limit: Limit, list: List, place: impl Fn(&T) -> (Timestamp, u128)) -> Self {
        Self::cut_sorted(items, limit, list, 0, place)
    }

    /// Shortens the page to as many of its first items as weigh at most `max` together, but at least one. The next page
    /// continues after them.
    pub fn bounded(
        mut self,
        list: List,
        order: u8,
        max: usize,
        weight: impl Fn(&T) -> usize,
        place: impl Fn(&T) -> (Timestamp, u128),
    ) -> Self {
        let mut left = max;
        let fits = |item: &T| {
            let fitting = left.checked_sub(weight(item));
            left = fitting.unwrap_or_default();
            fitting.is_some()
        };
        let count = self.items.iter().map(fits).position(|fits| !fits).unwrap_or(self.items.len()).max(1);
        if count < self.items.len() {
            self.items.truncate(count);
            self.next = self.items.last().map(|last| {
                let (at, id) = place(last);
                Cursor { list, order, at: at.0, id }
            });
        }
        self
    }

    /// Like `cut`, for a list in the order with this number.
    pub(super) fn cut_sorted(
        mut items: Vec<T>,
        limit: Limit,
        list: List,
        order: u8,
        place: impl Fn(&T) -> (Timestamp, u128),
    ) -> Self {
        let more = items.len() > limit.0 as usize;
        items.truncate(limit.0 as usize);
        let next = items.last().filter(|_| more).map(|last| {
            let (at, id) = place(last);
            Cursor { list, order, at: at.0, id }
        });
        Self { items, next }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_has_edges() {
        assert!(Limit::new(0).is_err() && Limit::new(LIMIT_MAX + 1).is_err());
        assert!(Limit::new(1).is_ok() && Limit::new(LIMIT_MAX).is_ok());
        assert_eq!(Limit::default().get(), LIMIT_DEFAULT);
    }

    #[test]
    fn a_page_is_cut_where_it_weighs_too_much_and_goes_on_there() {
        let place = |weight: &usize| (Timestamp(7), *weight as u128);
        let end = Cursor { list: List::Drops, order: 0, at: 1, id: 1 };
        let cut = |items: &[usize], max| {
            let page = Page { items: items.to_vec(), next: Some(end) };
            let page = page.bounded(List::Drops, 0, max, |weight| *weight, place);
            (page.items, page.next.map(|next| next.id))
        };
        assert_eq!(cut(&[1, 2, 3], 6), (vec![1, 2, 3], Some(1)));
        assert_eq!(cut(&[1, 2, 3], 5), (vec![1, 2], Some(2)));
        assert_eq!(cut(&[9, 1], 5), (vec![9], Some(9)), "one is always there");
        assert_eq!(cut(&[9], 5), (vec![9], Some(1)));
        assert_eq!(cut(&[], 5), (vec![], Some(1)));
    }

    #[test]
    fn a_cursor_reads_back_and_nothing_else_does() {
        let cursor = Cursor { list: List::Orders, order: 0, at: 1_700_000_000_123, id: u128::MAX / 7 };
        let text = cursor.to_string();
        assert_eq!(text, "0g0000cbpvimgup4i94i94i94i94i94i94i94i94", "clients may keep cursors");
        assert_eq!(Cursor::read(List::Orders, &text), Ok(cursor));
        assert_eq!(Cursor::read(List::Drops, &text), Err(InvalidCursor));
        assert_eq!(Cursor::read_sorted(List::Orders, 3, &text), Err(InvalidCursor), "of another order");
        let sorted = Cursor { order: ORDERS_MAX, ..cursor };
        assert_eq!(Cursor::read_sorted(List::Orders, ORDERS_MAX, &sorted.to_string()), Ok(sorted));
        assert_eq!(text.len(), CURSOR_CHARS);
        for wrong in ["", "x", &text[1..], &text.to_uppercase(), &format!("{text}0"), &"0".repeat(40), &"é".repeat(20)]
        {
            assert_eq!(Cursor::read(List::Orders, wrong), Err(InvalidCursor), "{wrong}");
        }
    }

    #[test]
    fn a_page_goes_on_only_when_there_is_more() {
        let limit = Limit::new(2).unwrap();
        let place = |n: &u64| (Timestamp(*n), u128::from(*n));
        assert_eq!(Page::cut(vec![3, 2], limit, List::Drops, place).next, None);
        let page = Page::cut(vec![3, 2, 1], limit, List::Drops, place);
        assert_eq!((page.items, page.next.map(|cursor| cursor.id)), (vec![3, 2], Some(2)));
    }
}
