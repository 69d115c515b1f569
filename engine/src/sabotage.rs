//! A switch that breaks one rule, so that tests can show that they would notice. Compiled in for tests alone.

/// The rules that can be broken, one at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// A drop accepts one unit more than it has.
    OversellByOne,
    /// An acceptance is answered before the journal accepted it.
    AnswerBeforeAccepted,
    /// A `sold_out` is answered from state that the journal has not accepted.
    SoldOutFromSpeculation,
    /// An effect is forgotten when its entity is loaded from a checkpoint.
    EffectLostAfterCheckpoint,
    /// A wake asks for the effects of state that the journal has not accepted.
    EffectOfSpeculation,
    /// A hold that expires after its drop's end goes nowhere.
    UnitLostAfterEnd,
    /// A snapshot that does not read is forgotten when the one before it is taken.
    PassedOverSnapshotForgotten,
}

#[cfg(feature = "sabotage")]
thread_local! {
    static ENCODING_BROKEN: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
    static BROKEN: std::cell::Cell<Option<Rule>> = const { std::cell::Cell::new(None) };
    static PANICS: std::cell::Cell<Panics> = const { std::cell::Cell::new(Panics { every: 0, asked: 0, left: 0 }) };
}

#[cfg(feature = "sabotage")]
#[derive(Clone, Copy)]
struct Panics {
    every: u32,
    asked: u32,
    left: u32,
}

/// From now on every so many calls of [`panic_if_due`] on this thread panic, `at_most` of them. 0: none.
#[cfg(feature = "sabotage")]
pub fn panic_every(every: u32, at_most: u32) {
    PANICS.set(Panics { every, asked: 0, left: at_most });
}

/// Panics, silently, when it is time to; see [`panic_every`].
#[cfg(feature = "sabotage")]
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
        std::panic::resume_unwind(Box::new("a simulated fault of the program"));
    }
}

/// Never, outside tests.
#[cfg(not(feature = "sabotage"))]
#[inline(always)]
pub const fn panic_if_due() {}

/// Makes writing a snapshot fail on this thread, or work again.
#[cfg(feature = "sabotage")]
pub fn break_encoding(broken: bool) {
    ENCODING_BROKEN.set(broken);
}

/// Whether writing a snapshot is made to fail.
#[cfg(feature = "sabotage")]
pub fn is_encoding_broken() -> bool {
    ENCODING_BROKEN.get()
}

/// Whether writing a snapshot is made to fail: never, outside tests.
#[cfg(not(feature = "sabotage"))]
#[inline(always)]
pub const fn is_encoding_broken() -> bool {
    false
}

/// Breaks `rule` on this thread, or none.
#[cfg(feature = "sabotage")]
pub fn break_rule(rule: Option<Rule>) {
    BROKEN.set(rule);
}

/// Whether `rule` is broken on this thread.
#[cfg(feature = "sabotage")]
pub fn is_broken(rule: Rule) -> bool {
    BROKEN.get() == Some(rule)
}

/// Whether `rule` is broken: never, outside tests.
#[cfg(not(feature = "sabotage"))]
#[inline(always)]
pub const fn is_broken(_: Rule) -> bool {
    false
}
