//! Measurements by programs in other languages: the page in Chromium, and hostile clients beside well-behaved ones.

use std::{fs, path::Path, process::Command};

use comfy_table::Table;
use serde_json::Value;

use crate::{
    error::{BenchError, Doing, Result},
    options::Options,
    report::{digits, mebibytes, numbers, thousands},
};

/// The design's goal for the time until the drop page reacts to a tap, on a phone with a slow connection.
const INTERACTIVE_MS_GOAL: f64 = 1_500.0;
/// The design's goal for the time until a claim is on the screen, while a thousand others claim.
const CLAIM_P99_MS_GOAL: f64 = 50.0;

/// The output of `npm run figures -w app`.
#[derive(Debug)]
pub(crate) struct Page(Value);

/// The output of `gateway/live-checks/run.sh faults`.
#[derive(Debug)]
pub(crate) struct Faults(Value);

/// Measures the drop page in Chromium. Requires Node, Chromium, and the pages' packages (`make test-web` installs
/// them).
pub(crate) fn page(options: &Options) -> Result<Page> {
    eprintln!("the drop page in Chromium");
    let script = options.repository.join("web/app/tests/page-figures.mjs");
    let mut node = Command::new("node");
    node.arg(script).env("FUSION_BIN", &options.binary).current_dir(options.repository.join("web/app"));
    if options.quick {
        node.env("CROWD", "100").env("TAPS", "20");
    }
    let output = run(&mut node, "the drop page in Chromium")?;
    read(&output, "the figures of the page").map(Page)
}

/// Measures well-behaved clients beside hostile ones. Requires python3 with venv.
pub(crate) fn faults(options: &Options) -> Result<Faults> {
    eprintln!("hostile clients");
    let mut checks = Command::new(options.repository.join("gateway/live-checks/run.sh"));
    checks.arg("faults").env("FUSION_BIN", &options.binary);
    run(&mut checks, "hostile clients")?;
    let path = options.repository.join("target/live-checks/faults.json");
    let output = fs::read_to_string(&path).doing(format!("reading {}", path.display()))?;
    read(&output, "the report of hostile clients").map(Faults)
}

fn run(command: &mut Command, what: &str) -> Result<String> {
    let output = command.output().doing(what)?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => {
            let text = [&output.stdout[..], &output.stderr[..]].concat();
            let text = String::from_utf8_lossy(&text).into_owned();
            let last: Vec<&str> = text.lines().rev().take(12).collect();
            let last: Vec<&str> = last.into_iter().rev().collect();
            Err(BenchError::Setup(format!("{what}: {}\n{}", output.status, last.join("\n"))))
        }
    }
}

fn read(output: &str, what: &str) -> Result<Value> {
    serde_json::from_str(output).map_err(|error| BenchError::Setup(format!("{what}: {error}")))
}

fn number(value: &Value, pointer: &str) -> f64 {
    value.pointer(pointer).and_then(Value::as_f64).unwrap_or(f64::NAN)
}

impl Page {
    /// The description of the measurement.
    pub(crate) fn about(&self) -> String {
        format!(
            "The drop page in Chromium {}, served by the binary; interactive: from the start of the navigation until a tap on \
             *claim* does something, nothing cached ({}, CPU {} times slower), median of {}; claim: from the tap until the \
             hold is on the screen, {} buyers claiming beside, {} taps",
            self.0["chromium"].as_str().unwrap_or("?"),
            self.0["interactive"]["line"].as_str().unwrap_or("?"),
            digits(number(&self.0, "/interactive/cpu_slower_by")),
            self.0["interactive"]["loads_ms"].as_array().map_or(0, Vec::len),
            thousands(number(&self.0, "/claims/buyers_beside")),
            thousands(number(&self.0, "/claims/taps")),
        )
    }

    /// The figures.
    pub(crate) fn table(&self, preset: &str) -> Table {
        let ms = |pointer: &str| format!("{} ms", digits(number(&self.0, pointer)));
        let kilobytes = format!("{} KB", digits(number(&self.0, "/interactive/bytes_of_last_load") / 1_000.0));
        let rows = [
            ["interactive", &ms("/interactive/median_ms"), &format!("< {INTERACTIVE_MS_GOAL:.0} ms")],
            ["bytes until then", &kilobytes, ""],
            ["claim, p50", &ms("/claims/p50_ms"), ""],
            ["claim, p99", &ms("/claims/p99_ms"), &format!("< {CLAIM_P99_MS_GOAL:.0} ms")],
            ["claim, longest", &ms("/claims/max_ms"), ""],
        ];
        numbers(preset, &["measured", "value", "goal"], rows.map(|row| row.map(str::to_owned).to_vec()))
    }
}

impl Faults {
    /// The description of the measurement.
    pub(crate) fn about(&self) -> String {
        let mib = |name: &str| mebibytes(number(&self.0, &format!("/memory/{name}")) * 1024.0);
        format!(
            "Twenty clients that claim, read and release over their sockets, with 100 ms between, beside hostile ones; the \
             server's memory was {} before, {} at the most, {} after, where it may grow by {}",
            mib("before_kib"),
            mib("peak_kib"),
            mib("after_kib"),
            mebibytes(number(&self.0, "/growth_kib_max") * 1024.0),
        )
    }

    /// The figures of the twenty well-behaved clients.
    pub(crate) fn table(&self, preset: &str) -> Table {
        let phases = self.0["phases"].as_array().into_iter().flatten();
        let rows = phases.map(|phase| {
            let ms = |name: &str| phase["crowd"][name].as_f64().map_or("-".to_owned(), digits);
            let replies = thousands(number(phase, "/crowd/replies"));
            let name = phase["name"].as_str().unwrap_or_default().to_owned();
            vec![name, replies, ms("p50_ms"), ms("p99_ms"), ms("max_ms")]
        });
        numbers(preset, &["beside", "replies", "p50 ms", "p99 ms", "longest ms"], rows)
    }
}

/// Checks that the requirements of these programs are installed.
pub(crate) fn prepare(repository: &Path) -> Result<()> {
    match repository.join("web/node_modules/playwright-core").is_dir() {
        true => Ok(()),
        false => {
            Err(BenchError::Setup("the pages' packages are not there: make test-web, or npm ci in web/".to_owned()))
        }
    }
}
