//! Types that requests and responses share: money, times, names, pages, versions.

mod address;
mod conditional;
mod money;
mod names;
mod option;
mod page;
mod reply;
mod time;

pub(crate) use self::{
    address::Address,
    conditional::{IfMatch, IfNoneMatch, etag, fresh},
    money::{AmountSchema, CurrencySchema, MoneyWire, PriceSchema, RecordedCurrencySchema, price_in},
    names::{IdSchema, SkuSchema, read_claim, read_sku},
    option::OptionValueWire,
    page::{PageQuery, PageWire, read_sort},
    reply::{created, done, ok, replayed},
    time::read_time,
};
