//! Pagination of lists.

use persistence::sql::{Cursor, LIMIT_DEFAULT, LIMIT_MAX, Limit, List, PageRequest};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::{
    edge::{FromQuery, Parameters},
    problem::{Faults, FieldCode},
};

/// The maximum length of a cursor in bytes, for all lists.
const CURSOR_BYTES_MAX: usize = 256;

/// Which page of a list.
#[derive(Debug, Clone, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "read by `PageQuery::request`; the fields describe the parameters")]
pub(crate) struct PageQuery {
    /// The maximum number of items.
    #[param(minimum = 1, maximum = 200, default = 50, nullable = false)]
    pub(crate) limit: Option<u32>,
    /// The `next_cursor` of the previous page.
    #[param(max_length = 256, nullable = false)]
    pub(crate) cursor: Option<String>,
}

impl PageQuery {
    /// Returns the requested page of `list`.
    pub(crate) fn request(&self, list: List) -> Result<PageRequest, crate::Problem> {
        self.request_sorted(list, 0)
    }

    /// Returns the requested page of `list`, in the sort order with this number.
    pub(crate) fn request_sorted(&self, list: List, order: u8) -> Result<PageRequest, crate::Problem> {
        let after = match &self.cursor {
            Some(text) => match Cursor::read_sorted(list, order, text) {
                Ok(cursor) => Some(cursor),
                Err(error) => return Err(crate::Problem::out_of_range("?cursor", error.to_string())),
            },
            None => None,
        };
        Ok(PageRequest { limit: Limit::new(self.limit()).unwrap_or_default(), after })
    }

    /// Returns the maximum number of items.
    pub(crate) fn limit(&self) -> u32 {
        self.limit.unwrap_or(LIMIT_DEFAULT)
    }

    /// Reads the maximum number of items.
    pub(crate) fn limit_of(parameters: &Parameters, faults: &mut Faults) -> Option<u32> {
        match parameters.text("limit").map(str::parse::<i128>) {
            None => None,
            Some(Ok(limit)) if (1..=i128::from(LIMIT_MAX)).contains(&limit) => u32::try_from(limit).ok(),
            Some(Ok(_)) => {
                faults.add("?limit", FieldCode::OutOfRange, format!("must be between 1 and {LIMIT_MAX}"));
                None
            }
            Some(Err(_)) => {
                faults.add("?limit", FieldCode::WrongType, "must be an integer");
                None
            }
        }
    }

    /// Reads both parameters.
    pub(crate) fn of(parameters: &Parameters, faults: &mut Faults) -> Self {
        let limit = Self::limit_of(parameters, faults);
        let cursor = parameters.text("cursor").map(str::to_owned);
        let fits = cursor.as_ref().is_none_or(|cursor| (1..=CURSOR_BYTES_MAX).contains(&cursor.len()));
        faults.check("?cursor", fits, "is not a valid cursor for this list");
        Self { limit, cursor }
    }
}

/// Reads `sort`, the name of one of the list's sort orders.
pub(crate) fn read_sort<S: std::str::FromStr + Default>(parameters: &Parameters, faults: &mut Faults) -> S {
    match parameters.text("sort").map(str::parse::<S>) {
        None => S::default(),
        Some(Ok(sort)) => sort,
        Some(Err(_)) => {
            faults.add("?sort", FieldCode::WrongType, "is not a sort order of this list");
            S::default()
        }
    }
}

impl FromQuery for PageQuery {
    const NAMES: &'static [&'static str] = &["limit", "cursor"];

    fn read(parameters: &Parameters, faults: &mut Faults) -> Option<Self> {
        Some(Self::of(parameters, faults))
    }
}

/// Some items of a list, and where it goes on.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct PageWire<T> {
    /// The items.
    pub(crate) items: Vec<T>,
    /// The `cursor` of the next page. Null on the last page.
    pub(crate) next_cursor: Option<String>,
}
