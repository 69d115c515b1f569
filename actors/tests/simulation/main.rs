//! Simulation of the whole runtime on virtual time, with faults everywhere that are drawn from a seed.
//!
//! One history has a merchant, a drop with few units, and many buyers that repeat their commands; appends that fail,
//! land late or have unknown outcomes; entities and providers that panic; crashes and orderly stops at any step. A
//! checker then compares every answer that was given with what the journal accepted.
//!
//! `FUSION_SEEDS=500` runs that many histories; `FUSION_SEED=17` replays one exactly.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod bank;
mod buyers;
mod checker;
mod directed;
mod disk;
mod effects;
mod faults;
mod leadership;
mod money;
mod projections;
mod quarantine;
mod snapshots;
mod views;
mod world;

use engine::fault_injection::{Rule, break_rule};
use world::{Report, simulate};

/// The number of seeds in a run, unless `FUSION_SEEDS` is set.
const SEEDS: u64 = 200;
/// The number of seeds within which a broken rule must be noticed.
const SEEDS_TO_NOTICE: u64 = 60;

fn run(seed: u64) -> Result<Report, String> {
    let outcome = std::panic::catch_unwind(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(simulate(seed))
    });
    match outcome {
        Ok(result) => result,
        Err(panic) => Err(panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_else(|| "panicked".into())),
    }
}

fn seeds() -> Vec<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text: String| text.parse::<u64>().ok());
    match (number("FUSION_SEED"), number("FUSION_SEEDS")) {
        (Some(seed), _) => vec![seed],
        (None, count) => (0..count.unwrap_or(SEEDS)).collect(),
    }
}

#[test]
fn no_history_breaks_a_promise() {
    break_rule(None);
    if std::env::var("FUSION_SEED").is_ok() {
        tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).without_time().init();
    }
    let (mut total, seeds) = (Report::default(), seeds());
    for seed in &seeds {
        match run(*seed) {
            Ok(report) => total.add(&report),
            Err(why) => panic!("seed {seed}: {why}\nreplay it with: make simulate SEED={seed}"),
        }
    }
    println!("{} histories: {total}", seeds.len());
    if seeds.len() as u64 >= SEEDS {
        total.assert_that_it_meant_something();
    }
}

#[test]
fn a_seed_replays_exactly() {
    break_rule(None);
    for seed in [3, 11, 19] {
        let (first, second) = (run(seed).unwrap(), run(seed).unwrap());
        assert_eq!(first, second, "seed {seed} came out differently");
    }
}

fn must_be_noticed(rule: Rule) {
    break_rule(Some(rule));
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let noticed = (0..SEEDS_TO_NOTICE).find_map(|seed| run(seed).err().map(|why| (seed, why)));
    std::panic::set_hook(hook);
    break_rule(None);
    let (seed, why) = noticed.unwrap_or_else(|| panic!("{rule:?} went unnoticed over {SEEDS_TO_NOTICE} histories"));
    println!("{rule:?} noticed by seed {seed}: {why}");
}

#[test]
fn an_oversell_by_one_is_noticed() {
    must_be_noticed(Rule::OversellByOne);
}

#[test]
fn an_answer_before_the_journal_accepted_is_noticed() {
    must_be_noticed(Rule::AnswerBeforeAccepted);
}

#[test]
fn a_sold_out_from_speculation_is_noticed() {
    must_be_noticed(Rule::SoldOutFromSpeculation);
}

#[test]
fn an_effect_lost_after_a_checkpoint_is_noticed() {
    must_be_noticed(Rule::EffectLostAfterCheckpoint);
}

#[test]
fn a_snapshot_that_is_passed_over_and_forgotten_is_noticed() {
    must_be_noticed(Rule::PassedOverSnapshotForgotten);
}

#[test]
fn a_unit_lost_after_the_end_is_noticed() {
    must_be_noticed(Rule::UnitLostAfterEnd);
}
