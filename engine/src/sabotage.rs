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
    /// A hold that expires after its drop's end goes nowhere.
    UnitLostAfterEnd,
}

#[cfg(feature = "sabotage")]
thread_local! {
    static BROKEN: std::cell::Cell<Option<Rule>> = const { std::cell::Cell::new(None) };
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
