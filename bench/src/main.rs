//! Measures the built `fusion` over loopback, in turns with Redis and PostgreSQL, and prints the results.
//!
//! `bench/README.md` explains how to run it and how to read the results.

mod checkout;
mod claims;
mod cold_start;
mod driver;
mod error;
mod footprint;
mod guests;
mod http;
mod live;
mod machine;
mod metrics;
mod options;
mod outside;
mod pace;
mod peers;
mod postgres;
mod process;
mod redis;
mod report;
mod reserve;
mod scratch;
mod server;
mod shop;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::Parser;

use crate::{
    error::{BenchError, Doing, Result},
    machine::Machine,
    options::{Cli, Command, Contestant, Options},
    report::Report,
};

fn main() -> ExitCode {
    match measure(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(cli: &Cli) -> Result<()> {
    scratch::clean_up_on_signals()?;
    let work_dir = machine::work_dir(cli.common.work_dir.as_ref())?;
    let options = Options::new(&cli.common, work_dir);
    let without_server =
        matches!(&cli.command, Command::Reserve(reserve) if !reserve.only.contains(&Contestant::Fusion));
    if !without_server && !options.binary.is_file() {
        let binary = options.binary.display();
        return Err(BenchError::Setup(format!("{binary} is not there: cargo build --release -p server, or --binary")));
    }
    if let Command::Run { live, .. } | Command::Live(live) = &cli.command {
        live::prepare(&options, live)?;
    }
    if let Command::Run { .. } | Command::Page = &cli.command {
        outside::prepare(&options.repository)?;
    }
    let (load, forced) = machine::wait_until_calm(Duration::from_secs(cli.common.calm_seconds_max), cli.common.force)?;
    let machine = Machine::describe(&options.repository, &options.work_dir, load, forced)?;
    let mut report = Report::default();
    let mut results: Option<PathBuf> = None;
    match &cli.command {
        Command::Run { reserve, cold_start, footprint, live, results: wanted } => {
            report.reservations = Some(reserve::reserve(&options, reserve)?);
            report.checkout = Some(checkout::checkout(&options)?);
            report.footprint = Some(footprint::footprint(&options, footprint)?);
            report.cold_start = Some(cold_start::cold_start(&options, cold_start)?);
            report.live = Some(live::live(&options, live)?);
            report.page = Some(outside::page(&options)?);
            report.faults = Some(outside::faults(&options)?);
            let usual = (!options.quick).then(|| options.repository.join("bench/RESULTS.md"));
            results = wanted.clone().or(usual);
        }
        Command::Reserve(wanted) => report.reservations = Some(reserve::reserve(&options, wanted)?),
        Command::ColdStart(wanted) => report.cold_start = Some(cold_start::cold_start(&options, wanted)?),
        Command::Footprint(wanted) => report.footprint = Some(footprint::footprint(&options, wanted)?),
        Command::Checkout => report.checkout = Some(checkout::checkout(&options)?),
        Command::Page => report.page = Some(outside::page(&options)?),
        Command::Faults => report.faults = Some(outside::faults(&options)?),
        Command::Live(wanted) => report.live = Some(live::live(&options, wanted)?),
    }
    print!("{}", report.terminal(&machine));
    if let Some(results) = results {
        std::fs::write(&results, report.markdown(&machine)).doing(format!("writing {}", results.display()))?;
        eprintln!("written to {}", results.display());
    }
    Ok(())
}
