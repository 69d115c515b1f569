//! The orders of lists.

use engine::id::TenantId;
use sqlx::{QueryBuilder, Sqlite};

use crate::sql::{List, PageRequest, blob, number};

/// The order of a list: by a value of its rows, then by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sorting {
    /// The number of the order in cursors; 0 is the default order. Never reuse a number.
    pub(super) number: u8,
    /// The value, as SQL.
    pub(super) value: &'static str,
    /// Whether the largest value comes first.
    pub(super) descending: bool,
}

/// The table that a list reads.
pub(super) struct Rows {
    pub(super) list: List,
    pub(super) table: &'static str,
    pub(super) id: &'static str,
}

impl Sorting {
    /// Adds the condition for the beginning of the page.
    pub(super) fn push_place(
        self,
        query: &mut QueryBuilder<Sqlite>,
        rows: &Rows,
        tenant: &TenantId,
        page: PageRequest,
    ) {
        let Some(cursor) = page.after else { return };
        let Self { value, descending, .. } = self;
        let Rows { list, table, id } = rows;
        if (cursor.list, cursor.order) != (*list, self.number) {
            query.push(" AND 0");
            return;
        }
        let comes_after = if descending { "<" } else { ">" };
        query.push(format!(" AND ({value}, {id}) {comes_after} ("));
        if self.number == 0 {
            // Cursors of the default order contain the value, because their item may be deleted.
            query.push_bind(number(cursor.at)).push(", ").push_bind(blob(cursor.id)).push(")");
            return;
        }
        query.push(format!("SELECT {value}, {id} FROM {table} WHERE tenant = "));
        query.push_bind(tenant.as_str().to_owned()).push(format!(" AND {id} = ")).push_bind(blob(cursor.id)).push(")");
    }

    /// Adds the order and the limit.
    pub(super) fn push_order(self, query: &mut QueryBuilder<Sqlite>, rows: &Rows, page: PageRequest) {
        let (value, id) = (self.value, rows.id);
        let direction = if self.descending { "DESC" } else { "ASC" };
        query.push(format!(" ORDER BY {value} {direction}, {id} {direction} LIMIT "));
        query.push_bind(page.limit.with_next());
    }
}

macro_rules! sorts {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $number:literal, $text:literal, $value:literal, $descending:literal;)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub enum $name { $($(#[$doc])* $variant,)* }

        impl $name {
            /// Every order of the list.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            pub(super) fn sorting(self) -> Sorting {
                match self {
                    $(Self::$variant => Sorting { number: $number, value: $value, descending: $descending },)*
                }
            }

            /// Returns the number of the order in cursors.
            pub fn number(self) -> u8 {
                self.sorting().number
            }

            /// Returns the name of the order in requests; the prefix `-` means largest first.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }

        impl std::str::FromStr for $name {
            type Err = ();

            fn from_str(text: &str) -> Result<Self, ()> {
                Self::ALL.iter().copied().find(|sort| sort.name() == text).ok_or(())
            }
        }
    };
}

sorts! {
    /// The order of a list of products.
    ProductSort {
        /// Newest first.
        #[default]
        Newest = 0, "-created_at", "created_at", true;
        /// Oldest first.
        Oldest = 1, "created_at", "created_at", false;
        /// By title, A first. Case does not matter.
        Title = 2, "title", "title_folded", false;
        /// By title, Z first.
        TitleDown = 3, "-title", "title_folded", true;
        /// By the lowest price of their variants, lowest first.
        Price = 4, "price", "price_min", false;
        /// By the lowest price of their variants, highest first.
        PriceDown = 5, "-price", "price_min", true;
        /// Most recently changed first.
        Changed = 6, "-updated_at", "updated_at", true;
        /// Least recently changed first.
        Unchanged = 7, "updated_at", "updated_at", false;
    }
}

sorts! {
    /// The order of a list of drops.
    DropSort {
        /// Newest first.
        #[default]
        Newest = 0, "-created_at", "created_at", true;
        /// Oldest first.
        Oldest = 1, "created_at", "created_at", false;
        /// By start time, or by time of creation while the start is not known.
        Start = 2, "starts_at", "ifnull(starts_at, created_at)", false;
        /// Latest start first.
        StartDown = 3, "-starts_at", "ifnull(starts_at, created_at)", true;
        /// By end time.
        End = 4, "ends_at", "ends_at", false;
        /// Latest end first.
        EndDown = 5, "-ends_at", "ends_at", true;
    }
}

sorts! {
    /// The order of a list of orders.
    OrderSort {
        /// Newest first.
        #[default]
        Newest = 0, "-placed_at", "placed_at", true;
        /// Oldest first.
        Oldest = 1, "placed_at", "placed_at", false;
        /// By their total in minor units, smallest first.
        Total = 2, "total", "total", false;
        /// Largest total first.
        TotalDown = 3, "-total", "total", true;
    }
}
