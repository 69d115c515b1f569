//! Fault injection: breaks one rule at a time, to prove that the tests detect it. Compiled in for tests only.

/// The rules that can be broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// A drop accepts one unit more than it has.
    OversellByOne,
    /// An accepted command is answered before the journal has accepted its events.
    AnswerBeforeAccepted,
    /// A `sold_out` rejection is sent although it depends on state that the journal has not accepted.
    SoldOutFromSpeculation,
    /// An effect is lost when its entity is loaded from a checkpoint.
    EffectLostAfterCheckpoint,
    /// A wake-up requests effects of state that the journal has not accepted.
    EffectOfSpeculation,
    /// The units of a hold that expires after the end of its drop are lost.
    UnitLostAfterEnd,
    /// A snapshot that cannot be read is deleted when the previous one is used instead.
    PassedOverSnapshotForgotten,
}

#[cfg(feature = "fault-injection")]
thread_local! {
    static ENCODING_BROKEN: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
    static BROKEN: std::cell::Cell<Option<Rule>> = const { std::cell::Cell::new(None) };
    static PANICS: std::cell::Cell<Panics> = const { std::cell::Cell::new(Panics { every: 0, asked: 0, left: 0 }) };
}

#[cfg(feature = "fault-injection")]
#[derive(Clone, Copy)]
struct Panics {
    every: u32,
    asked: u32,
    left: u32,
}

/// Makes every `every`-th call of [`panic_if_due`] on this thread panic, at most `at_most` times. 0 disables it.
#[cfg(feature = "fault-injection")]
pub fn panic_every(every: u32, at_most: u32) {
    PANICS.set(Panics { every, asked: 0, left: at_most });
}

/// Panics without a message if a panic is due; see [`panic_every`].
#[cfg(feature = "fault-injection")]
pub fn panic_if_due() {
    let mut panics = PANICS.get();
    if panics.left == 0 || panics.every == 0 {
        return;
    }
    panics.asked += 1;
    let due = panics.asked.is_multiple_of(panics.every);
    panics.left -= u32::from(due);
    PANICS.set(panics);
    if due {
        std::panic::resume_unwind(Box::new("a simulated program error"));
    }
}

/// Does nothing outside tests.
#[cfg(not(feature = "fault-injection"))]
#[inline(always)]
pub const fn panic_if_due() {}

/// Makes the encoding of snapshots fail on this thread, or succeed again.
#[cfg(feature = "fault-injection")]
pub fn break_encoding(broken: bool) {
    ENCODING_BROKEN.set(broken);
}

/// Whether the encoding of snapshots fails on this thread.
#[cfg(feature = "fault-injection")]
pub fn is_encoding_broken() -> bool {
    ENCODING_BROKEN.get()
}

/// Whether the encoding of snapshots fails: never, outside tests.
#[cfg(not(feature = "fault-injection"))]
#[inline(always)]
pub const fn is_encoding_broken() -> bool {
    false
}

/// Breaks `rule` on this thread. `None` restores all rules.
#[cfg(feature = "fault-injection")]
pub fn break_rule(rule: Option<Rule>) {
    BROKEN.set(rule);
}

/// Whether `rule` is broken on this thread.
#[cfg(feature = "fault-injection")]
pub fn is_broken(rule: Rule) -> bool {
    BROKEN.get() == Some(rule)
}

/// Whether a rule is broken: never, outside tests.
#[cfg(not(feature = "fault-injection"))]
#[inline(always)]
pub const fn is_broken(_: Rule) -> bool {
    false
}
