//! The built program, from outside: started as an operator starts it, asked as a buyer asks it.

#![allow(dead_code, unused_imports, reason = "each test file uses a part of it")]

mod books;
pub mod checker;
mod door;
mod raw;
pub mod round;
mod shim;
mod shop;

pub use self::{
    books::Books,
    door::{Answer, Buyer, Door, fresh_key, payment},
    raw::RawRequest,
    shim::Shim,
    shop::{Refused, Sale, Shop, assert_no_panic, command},
};

use std::time::Duration;

use engine::time::Timestamp;

/// How long anything may take to come true, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// How often one looks.
pub const LOOK: Duration = Duration::from_millis(10);

/// What time it is.
pub fn now() -> Timestamp {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp(now.as_millis() as u64)
}

/// `seconds` from now, as requests write it.
pub fn in_seconds(seconds: u64) -> String {
    now().plus_seconds(seconds).to_string()
}

/// Looks until `met` says so.
pub async fn until<T>(what: &str, met: impl AsyncFnMut() -> Option<T>) -> T {
    until_within(PATIENCE, what, met).await
}

/// The same, for as long as that.
pub async fn until_within<T>(patience: Duration, what: &str, mut met: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + patience;
    loop {
        if let Some(value) = met().await {
            return value;
        }
        assert!(tokio::time::Instant::now() < deadline, "in {patience:?} it was not so: {what}");
        tokio::time::sleep(LOOK).await;
    }
}
