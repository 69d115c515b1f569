//! Drives the built program from outside: started like an operator would, and called like a buyer would.

#![allow(dead_code, unused_imports, reason = "each test file uses a part of it")]

mod books;
pub mod checker;
mod client;
mod raw;
pub mod round;
mod shim;
mod shop;

pub use self::{
    books::Books,
    client::{Answer, ApiClient, Buyer, fresh_key, payment},
    raw::RawRequest,
    shim::Shim,
    shop::{Refused, Sale, Shop, assert_no_panic, command},
};

use std::time::Duration;

use engine::time::Timestamp;

/// How long to wait for a condition, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// The interval at which a condition is checked.
pub const LOOK: Duration = Duration::from_millis(10);

/// Returns the present time.
pub fn now() -> Timestamp {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp(now.as_millis() as u64)
}

/// Returns the time in `seconds` from now, in the format of requests.
pub fn in_seconds(seconds: u64) -> String {
    now().plus_seconds(seconds).to_string()
}

/// Waits until `met` returns a value, for at most [`PATIENCE`].
pub async fn until<T>(what: &str, met: impl AsyncFnMut() -> Option<T>) -> T {
    until_within(PATIENCE, what, met).await
}

/// Waits until `met` returns a value, for at most `patience`.
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
