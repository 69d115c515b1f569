//! The runtime: node → shard → entity. It turns commands into journaled events and effects. It knows the kinds of
//! entities only in order to load them and to keep the views that many clients read.
//!
//! ```text
//!   Commerce::ask ─► entity (one actor) ─► writer (one a shard) ─► journal
//!        ▲              decide, apply          joins a batch          │
//!        └───────────────── answer ◄────────── accepted ◄─────────────┘
//!                                                 ├─► effects ─► other entities, payment, mail
//!                                                 ├─► agenda (when to wake each entity)
//!                                                 ├─► change feed (subscribers: the gateway's hub)
//!                                                 └─► projector (the SQL read side)
//! ```

pub mod agenda;
pub mod ask;
pub mod change_feed;
pub mod clock;
pub mod commerce;
pub mod effects;
pub mod entity;
pub mod external_services;
pub mod mailbox;
pub mod node;
pub mod permits;
pub mod projector;
mod requests;
pub mod shard;
pub mod views;

pub use ask::{Answered, AskError, CommandMeta};
pub use change_feed::{Change, Interest, Subscription};
pub use clock::{Clock, SystemClock};
pub use commerce::Commerce;
pub use node::{Failing, Node, NodeError, NodeOptions};
