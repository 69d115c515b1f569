//! `fusion doctor`: checks that journal, snapshots and read side agree, and that no unit of stock is missing.
//!
//! | part | invariant |
//! |---|---|
//! | journal | positions without gaps, entries of each entity in order, every event readable |
//! | snapshots | each equal to the fold of the journal up to its version; no checkpoint beyond the journal |
//! | stock items | on_hand = available + held + allocated |
//! | drops | allocated = available + held + sold + returned; stock items and drops agree once settled |
//! | read side | the same rows as the journal makes in a new database |
//! | mail | no mail waits for longer than an hour, and none failed within the last week |
//!
//! It changes nothing. The folder of a stopped server is copied first, because opening it may repair it.

mod copy;
mod fold;
mod mail;
mod read_side;
mod stock;
#[cfg(test)]
mod tests;
mod walk;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use actors::{Clock, Failing, SystemClock};
use comfy_table::{Table, presets::UTF8_BORDERS_ONLY};
use persistence::{
    snapshots::{EmbeddedSnapshots, SnapshotStore},
    sql::ReadSide,
};
use serde::{Deserialize, Serialize};
use streaming::{
    Journal, JournalError,
    embedded::{DataFolder, EmbeddedJournal, EmbeddedOptions, FolderError},
};

use crate::{
    admin_socket::{SOCKET_FILE, ShopAccess, ShopAccessError},
    app::{Backends, READ_SIDE_FILE},
    cli::Doctor,
    config::{Config, SHARDS},
};

/// The maximum number of problems listed for each check. Further ones are only counted.
const PROBLEMS_TOLD_MAX: usize = 20;

/// How long to wait before the checks of a running server are repeated, which confirms problems. Sales settle within a
/// second.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(3);

/// The result of all checks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// The checks.
    pub(crate) checks: Vec<Check>,
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Check {
    /// The name of the check.
    pub(crate) name: String,
    /// How much was checked.
    pub(crate) found: String,
    /// The problems found.
    pub(crate) problems: Vec<String>,
    /// The number of problems that are not listed.
    pub(crate) more: u64,
}

impl Report {
    /// Whether no check has a problem.
    pub(crate) fn is_sound(&self) -> bool {
        self.checks.iter().all(|check| check.problems.is_empty())
    }

    /// Keeps only the problems that the second check also found.
    fn keep_what_stays(&mut self, again: &Report) {
        for check in &mut self.checks {
            let other = again.checks.iter().find(|other| other.name == check.name);
            check.problems.retain(|problem| other.is_some_and(|other| other.problems.contains(problem)));
            if check.problems.is_empty() {
                check.more = 0;
            }
        }
    }

    /// Formats the report for a terminal.
    fn show(&self) -> String {
        let mut table = Table::new();
        table.load_preset(UTF8_BORDERS_ONLY).set_header(["", "Checked", "Result"]);
        for check in &self.checks {
            let mark = if check.problems.is_empty() { "✓" } else { "✗" };
            table.add_row([mark, &check.name, &check.found]);
        }
        let mut text = table.to_string();
        for check in &self.checks {
            for problem in &check.problems {
                text.push_str(&format!("\n✗ {}: {problem}", check.name));
            }
            if check.more > 0 {
                text.push_str(&format!("\n✗ {}: and {} more", check.name, check.more));
            }
        }
        text
    }
}

impl Check {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), found: String::new(), problems: Vec::new(), more: 0 }
    }

    pub(crate) fn problem(&mut self, problem: impl Into<String>) {
        match self.problems.len() < PROBLEMS_TOLD_MAX {
            true => self.problems.push(problem.into()),
            false => self.more += 1,
        }
    }
}

/// An error that prevented the checks.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DoctorError {
    /// The data folder does not exist.
    #[error("the data folder {} does not exist: use --data-dir", .0.display())]
    NoFolder(PathBuf),
    /// The server that uses the folder was not reached.
    #[error(transparent)]
    ShopAccess(#[from] ShopAccessError),
    /// Another process uses the folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The folder cannot be copied.
    #[error("copying to {}: {why}", .to.display())]
    Copy {
        /// The target folder.
        to: PathBuf,
        /// The system's error.
        why: std::io::Error,
    },
    /// A blocking task panicked or was cancelled.
    #[error("a thread failed: {0}")]
    Thread(#[from] tokio::task::JoinError),
}

/// `fusion doctor`.
pub(crate) async fn run(doctor: &Doctor, config: &Config) -> Result<ExitCode, DoctorError> {
    if !config.data_dir.is_dir() {
        return Err(DoctorError::NoFolder(config.data_dir.clone()));
    }
    let report = match running(&config.data_dir).await {
        Some(access) => {
            println!("checking the running server of {}", config.data_dir.display());
            access.get(None, "/local/doctor").await?
        }
        None => examine_stopped(&config.data_dir, doctor.scratch.as_deref()).await?,
    };
    println!("{}", report.show());
    let sound = report.is_sound();
    println!("{}", if sound { "everything agrees" } else { "something disagrees" });
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Returns the connection to the server that uses the folder, if it responds.
async fn running(data_dir: &Path) -> Option<ShopAccess> {
    let socket = data_dir.join(SOCKET_FILE);
    tokio::net::UnixStream::connect(&socket).await.ok().map(|_| ShopAccess::Socket(socket))
}

/// Checks the folder of a stopped server, in a copy.
pub(crate) async fn examine_stopped(data_dir: &Path, scratch: Option<&Path>) -> Result<Report, DoctorError> {
    let name = format!("doctor-{}", std::process::id());
    let scratch = match scratch {
        Some(folder) => folder.join(name),
        None => data_dir.join(name),
    };
    // No server may start while the folder is copied. Only the lock file is touched.
    let folder = DataFolder::lock(data_dir)?;
    let removed = copy::Scratch::new(scratch.clone());
    let (from, to) = (data_dir.to_owned(), scratch.join("copy"));
    let copied = tokio::task::spawn_blocking(move || copy::copy_folder(&from, &to)).await?;
    copied.map_err(|why| DoctorError::Copy { to: scratch.clone(), why })?;
    drop(folder);
    let report = examine_copy(&scratch).await;
    drop(removed);
    report
}

async fn examine_copy(scratch: &Path) -> Result<Report, DoctorError> {
    let copy = scratch.join("copy");
    let mut report = Report::default();
    let (data, aside) = (copy.clone(), scratch.join("journal"));
    // Scanned before the journal is opened: opening repairs files, which would hide their faults.
    let scanned = tokio::task::spawn_blocking(move || streaming::embedded::scan(&data, &aside)).await?;
    let files = scan_check(scanned);
    let sound = files.problems.is_empty();
    report.checks.push(files);
    if !sound {
        return Ok(report);
    }
    let data = copy.clone();
    let opened = tokio::task::spawn_blocking(move || {
        let folder = DataFolder::lock(&data).map_err(JournalError::from)?;
        EmbeddedJournal::open(folder, EmbeddedOptions::new(SHARDS))
    });
    let journal = match opened.await? {
        Ok(journal) => journal,
        Err(error) => {
            let mut check = Check::new("journal");
            check.problem(error.to_string());
            report.checks.push(check);
            return Ok(report);
        }
    };
    let data = copy.clone();
    let snapshots = match tokio::task::spawn_blocking(move || EmbeddedSnapshots::open(&data)).await? {
        Ok(snapshots) => Some(Arc::new(snapshots) as Arc<dyn SnapshotStore>),
        Err(error) => {
            let mut check = Check::new("snapshots");
            check.problem(error.to_string());
            report.checks.push(check);
            None
        }
    };
    let read_side = match ReadSide::open(&copy.join(READ_SIDE_FILE)).await {
        Ok(read_side) => Some(read_side),
        Err(error) => {
            let mut check = Check::new("read side");
            check.problem(error.to_string());
            report.checks.push(check);
            None
        }
    };
    let found = Examined {
        journal: &journal,
        snapshots: snapshots.as_deref(),
        read_side: read_side.as_ref(),
        scratch: &scratch.join("read-side"),
    };
    report.checks.extend(examine(&found).await);
    if let Some(read_side) = read_side {
        report.checks.push(mail::check(&read_side, SystemClock.now()).await);
        read_side.close().await;
    }
    Ok(report)
}

fn scan_check(scanned: Result<streaming::embedded::JournalReport, JournalError>) -> Check {
    let mut check = Check::new("journal files");
    match scanned {
        Err(error) => check.problem(error.to_string()),
        Ok(report) => {
            let (batches, bytes) = (
                report.shards.iter().map(|s| s.batches).sum::<u64>(),
                report.shards.iter().map(|s| s.bytes).sum::<u64>(),
            );
            check.found = format!("{batches} batches, {} KiB", bytes.div_ceil(1 << 10));
            report.problems.into_iter().for_each(|problem| check.problem(problem));
            for (shard, report) in report.shards.into_iter().enumerate() {
                report.problems.into_iter().for_each(|problem| check.problem(format!("shard {shard}: {problem}")));
            }
        }
    }
    check
}

/// Checks a running server from within.
pub(crate) async fn examine_running(backends: &Backends) -> Report {
    // Two checks at the same time would only slow each other down.
    static ONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let _one = ONE.lock().await;
    let scratch = backends.data_dir.join(format!("doctor-{}", std::process::id()));
    let removed = copy::Scratch::new(scratch.clone());
    let found = Examined {
        journal: backends.journal.as_ref(),
        snapshots: Some(backends.snapshots.as_ref()),
        read_side: Some(&backends.read_side),
        scratch: &scratch.join("read-side"),
    };
    let mut report = Report { checks: examine(&found).await };
    report.checks.push(entities_check(&backends.gateway.commerce.failing()));
    report.checks.push(mail::check(&backends.read_side, backends.gateway.now()).await);
    if !report.is_sound() {
        // Shards are read one after the other while they change, so a problem counts only if it persists.
        tokio::time::sleep(LOOK_AGAIN_AFTER).await;
        let mut again = Report { checks: examine(&found).await };
        again.checks.push(entities_check(&backends.gateway.commerce.failing()));
        again.checks.push(mail::check(&backends.read_side, backends.gateway.now()).await);
        report.keep_what_stays(&again);
    }
    drop(removed);
    report
}

/// Reports entities that failed since the server started.
fn entities_check(failing: &[Failing]) -> Check {
    let mut check = Check::new("entities");
    let quarantined = failing.iter().filter(|failing| failing.quarantined).count();
    check.found = format!("{quarantined} quarantined, {} failures since the start", failing.len() - quarantined);
    for Failing { key, why, quarantined } in failing {
        let what = if *quarantined { "is quarantined until the server restarts" } else { "failed and was reloaded" };
        check.problem(format!("{key} {what}: {why}"));
    }
    check
}

/// The data to check.
pub(crate) struct Examined<'a> {
    pub(crate) journal: &'a dyn Journal,
    pub(crate) snapshots: Option<&'a dyn SnapshotStore>,
    pub(crate) read_side: Option<&'a ReadSide>,
    /// A folder for the rebuilt read side. It need not exist.
    pub(crate) scratch: &'a Path,
}

pub(crate) async fn examine(found: &Examined<'_>) -> Vec<Check> {
    let walked = walk::walk(found.journal, found.snapshots).await;
    let mut checks = vec![walked.journal, walked.snapshots];
    checks.push(walked.stock.check());
    if let Some(read_side) = found.read_side {
        checks.push(read_side::check(found.journal, read_side, &walked.tenants, found.scratch).await);
    }
    checks
}
