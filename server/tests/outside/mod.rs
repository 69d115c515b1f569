//! The built program, from outside: started as an operator starts it, asked as a buyer asks it.

#![allow(dead_code, unused_imports, reason = "each test file uses a part of it")]

pub mod checker;
mod door;
mod shop;

pub use self::{
    door::{Answer, Buyer, Door, fresh_key, payment},
    shop::{Sale, Shop, command, expect_refusal},
};

use std::time::Duration;

use engine::time::Timestamp;

/// How long anything may take to come true, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// How often one looks.
pub const LOOK: Duration = Duration::from_millis(10);

/// `seconds` from now, as requests write it.
pub fn in_seconds(seconds: u64) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp(now.as_millis() as u64).plus_seconds(seconds).to_string()
}

/// Looks until `met` says so.
pub async fn until<T>(what: &str, mut met: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(value) = met().await {
            return value;
        }
        assert!(tokio::time::Instant::now() < deadline, "in {PATIENCE:?} it was not so: {what}");
        tokio::time::sleep(LOOK).await;
    }
}
