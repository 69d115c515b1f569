//! The external services: payment providers and mail. This crate implements [`actors::external_services`].
//!
//! ```text
//!   payment ─ a provider request ─▶ external services ─▶ providers ─▶ a payment provider (the sandbox …)
//!   order   ─ a mail request ─────▶         │  ─▶ data of the order and its contact ─▶ mail sender (SMTP or outbox)
//!                                           └─ a definite outcome, or OutcomeUnknown: the runtime tries again
//! ```

pub mod amount;
pub mod external_services;
pub mod mail;
pub mod mail_log;
pub mod order_mail;
mod outbox;
pub mod payments;
pub mod sandbox;
