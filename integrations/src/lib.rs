//! The outside world: payment providers and mail. It implements what [`actors::ports`] asks for.
//!
//! ```text
//!   payment ─ Request::Provider ─▶ World ─▶ Providers ─▶ a PaymentProvider (the sandbox …)
//!   order   ─ Request::Mail ─────▶   │  ─▶ Correspondence (who, about what) ─▶ PostOffice (SMTP, or the outbox)
//!                                    └─ an answer that is definite, or OutcomeUnknown: the runtime asks again
//! ```

pub mod amount;
pub mod mail;
pub mod mail_log;
pub mod order_mail;
mod outbox;
pub mod outside;
pub mod payments;
pub mod sandbox;
