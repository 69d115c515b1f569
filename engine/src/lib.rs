//! The business rules of commerce as pure functions: no I/O, no clock, no randomness, no async.
//!
//! Each kind of entity is an [`Aggregate`](aggregate::Aggregate): it takes commands, emits events, and its state is the
//! fold of its events. The [list of kinds](for_each_kind) declares their folders.

#[macro_use]
pub mod kinds;

pub mod address;
pub mod aggregate;
pub mod catalogue;
mod codec;
pub mod effect;
pub mod fault_injection;
pub mod id;
pub mod mail;
pub mod money;
pub mod paged_list;
pub mod pricing;
pub mod processed_commands;
pub mod public_view;
pub mod quantity;
pub mod shards;
pub mod snapshot;
#[cfg(test)]
mod testing;
pub mod text;
pub mod time;
pub mod view;

/// Declares the folder of each kind.
macro_rules! folders_of_kinds {
    (() $($number:literal, $variant:ident, $name:literal, $module:ident::$aggregate:ident, $ids:ident::$id:ident, $traits:tt;)*) => {
        $(pub mod $module;)*
    };
}

for_each_kind!([folders_of_kinds]);

/// The version of the rules, written into batches and snapshots. A node that reads a newer version fails with an error
/// instead of skipping the data.
pub const RULES_VERSION: u16 = 2;
