//! Values that the samples share. They must never change, because they are in the golden files.

use engine::{
    aggregate::Context,
    id::{CommandId, Fingerprint, Sku, TenantId},
    money::{Currency, Money},
    processed_commands::ProcessedCommand,
    quantity::Quantity,
    time::Timestamp,
};

pub(crate) fn tenant() -> TenantId {
    TenantId::new("demo").unwrap()
}

pub(crate) fn sku(name: &str) -> Sku {
    Sku::new(name).unwrap()
}

pub(crate) fn units(units: i64) -> Quantity {
    Quantity::new(units).unwrap()
}

pub(crate) fn dollars(amount: i64) -> Money {
    Money::new(amount, Currency::USD).unwrap()
}

/// The time so many seconds after the start of the history.
pub(crate) fn at(seconds: u64) -> Timestamp {
    Timestamp(1_790_000_000_000).plus_seconds(seconds)
}

/// Returns a 128-bit id in which every byte is set.
pub(crate) fn id(number: u8) -> u128 {
    u128::from_be_bytes([number; 16])
}

pub(crate) fn processed(number: u8, seconds: u64) -> ProcessedCommand {
    ProcessedCommand::of(&Context {
        now: at(seconds),
        command_id: CommandId(id(number)),
        former_ids: Vec::new(),
        former_fingerprint: None,
        fingerprint: Fingerprint(id(number.wrapping_add(100))),
    })
}
