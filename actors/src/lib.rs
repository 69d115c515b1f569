//! The runtime: node → shard → entity. It turns commands into journaled events and effects. It runs every kind of
//! entity in the [list of kinds](engine::kinds) and names none of them.
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
//!
//! The modules are in layers. Each uses only those below it, so that no part needs the whole:
//!
//! ```text
//!   node                                       starts the parts and puts them together
//!   projector                                  moves accepted entries into the read side
//!   shard                                      leadership, writer, recovery, checkpoints, the table of shards
//!   effects, requests                          carry out what entities ask for
//!   commerce                                   the caller's side
//!   router, views                              finds out which node serves an entity; what many clients read
//!   loading                                    brings entities into memory
//!   entity                                     decides and applies
//!   leader                                     the state of one leadership
//!   resources                                  stores, clock and limits of the node
//!   mailbox, counters
//!   agenda, ask, change_feed, clock, effects_under_way, external_services, permits
//! ```
//!
//! The effects of one shard go to entities of others, by way of `commerce`: it knows the shards only as a
//! [`Router`](router::Router), which `shard` implements.

pub mod agenda;
pub mod ask;
pub mod change_feed;
pub mod clock;
pub mod commerce;
mod counters;
mod effects;
mod effects_under_way;
pub mod entity;
pub mod external_services;
pub mod leader;
mod loading;
pub mod mailbox;
pub mod node;
pub mod permits;
pub mod projector;
mod requests;
mod resources;
pub mod router;
pub mod shard;
pub mod views;

pub use ask::{Answered, AskError, CommandMeta};
pub use change_feed::{Change, Interest, Subscription};
pub use clock::{Clock, SystemClock};
pub use commerce::{Commerce, Failing};
pub use node::{Node, NodeError, NodeOptions};
