//! persistence
pub mod snapshots;
