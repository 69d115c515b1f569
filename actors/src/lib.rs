//! The runtime: node → shard → entity. It turns commands into journaled events and effects, and knows no commerce.
//!
//! ```text
//!   Commerce::ask ─► entity (one actor) ─► writer (one a shard) ─► journal
//!        ▲              decide, apply          joins a batch          │
//!        └───────────────── answer ◄────────── accepted ◄─────────────┘
//!                                                 ├─► effects ─► other entities, payment, mail
//!                                                 ├─► agenda (when to wake whom)
//!                                                 └─► projector (the SQL read side)
//! ```

pub mod agenda;
pub mod ask;
pub mod clock;
pub mod commerce;
pub mod effects;
pub mod entity;
pub mod gate;
pub mod kinds;
pub mod node;
pub mod ports;
pub mod projector;
pub mod shard;
pub mod views;

pub use ask::{Answered, AskError, Call};
pub use clock::{Clock, SystemClock};
pub use commerce::Commerce;
pub use node::{Ailing, Node, NodeError, NodeOptions};
