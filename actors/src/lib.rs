//! The runtime: node → shard → entity. It turns commands into journaled events and effects, and knows the
//! kinds of entities only to load them, and to keep what many look at.
//!
//! ```text
//!   Commerce::ask ─► entity (one actor) ─► writer (one a shard) ─► journal
//!        ▲              decide, apply          joins a batch          │
//!        └───────────────── answer ◄────────── accepted ◄─────────────┘
//!                                                 ├─► effects ─► other entities, payment, mail
//!                                                 ├─► agenda (when to wake whom)
//!                                                 ├─► changes (who listens: the live doors)
//!                                                 └─► projector (the SQL read side)
//! ```

pub mod agenda;
pub mod ask;
pub mod changes;
pub mod clock;
pub mod commerce;
pub mod effects;
pub mod entity;
pub mod gate;
pub mod kinds;
pub mod mailbox;
pub mod node;
pub mod ports;
pub mod projector;
pub mod shard;
pub mod views;

pub use ask::{Answered, AskError, Call};
pub use changes::{Change, Interest, Listening};
pub use clock::{Clock, SystemClock};
pub use commerce::Commerce;
pub use node::{Ailing, Node, NodeError, NodeOptions};
