//! `fusion doctor`: whether journal, snapshots and read side agree, and whether every unit is where it should be.
//!
//! | looked at | must be |
//! |---|---|
//! | journal | positions without gaps, entries of each entity in order, every event readable |
//! | snapshots | each equal to the fold of the journal up to its version; no checkpoint beyond the journal |
//! | stock | on_hand = available + held + allocated; a drop's allocated = available + held + sold + returned; both sides agree once settled |
//! | read side | the same rows as the journal makes in a new database |
//! | mail | nothing waits for longer than an hour, and nothing was given up within a week |
//!
//! It changes nothing. A stopped folder is copied first, because opening it may repair it.

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

use actors::{Ailing, Clock, SystemClock};
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
    cli::Doctor,
    config::{Config, SHARDS},
    local::{SOCKET_FILE, Way, WayError},
    wiring::{READ_SIDE_FILE, Rooms},
};

/// Problems of one kind that are told; more are counted.
const PROBLEMS_TOLD_MAX: usize = 20;

/// When a running server is looked at again before anything is called wrong: sales settle within a second.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(3);

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// What was looked at, and what it has.
    pub(crate) checks: Vec<Check>,
}

/// What was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Check {
    /// What.
    pub(crate) name: String,
    /// How much of it there is.
    pub(crate) found: String,
    /// What is wrong with it.
    pub(crate) problems: Vec<String>,
    /// Problems that are not told.
    pub(crate) more: u64,
}

impl Report {
    /// Whether nothing is wrong.
    pub(crate) fn is_sound(&self) -> bool {
        self.checks.iter().all(|check| check.problems.is_empty())
    }

    /// Keeps the problems that a second look found too.
    fn keep_what_stays(&mut self, again: &Report) {
        for check in &mut self.checks {
            let other = again.checks.iter().find(|other| other.name == check.name);
            check.problems.retain(|problem| other.is_some_and(|other| other.problems.contains(problem)));
            if check.problems.is_empty() {
                check.more = 0;
            }
        }
    }

    /// For people.
    fn show(&self) -> String {
        let mut table = Table::new();
        table.load_preset(UTF8_BORDERS_ONLY).set_header(["", "Looked at", "Found"]);
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

/// Something that kept the doctor from looking.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DoctorError {
    /// There is nothing to look at.
    #[error("there is no data folder {}", .0.display())]
    NoFolder(PathBuf),
    /// The server that has the folder was not reached.
    #[error(transparent)]
    Way(#[from] WayError),
    /// Someone else has the folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The folder cannot be copied.
    #[error("copying to {}: {why}", .to.display())]
    Copy {
        /// Where to.
        to: PathBuf,
        /// What the system says.
        why: std::io::Error,
    },
    /// A thread of ours ended before its work was done.
    #[error("a thread failed: {0}")]
    Thread(#[from] tokio::task::JoinError),
}

/// `fusion doctor`.
pub(crate) async fn run(doctor: &Doctor, config: &Config) -> Result<ExitCode, DoctorError> {
    if !config.data_dir.is_dir() {
        return Err(DoctorError::NoFolder(config.data_dir.clone()));
    }
    let report = match running(&config.data_dir).await {
        Some(way) => {
            println!("looking at the running server of {}", config.data_dir.display());
            way.get(None, "/local/doctor").await?
        }
        None => examine_stopped(&config.data_dir, doctor.scratch.as_deref()).await?,
    };
    println!("{}", report.show());
    let sound = report.is_sound();
    println!("{}", if sound { "everything agrees" } else { "something disagrees" });
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The server that has the folder, if one answers.
async fn running(data_dir: &Path) -> Option<Way> {
    let socket = data_dir.join(SOCKET_FILE);
    tokio::net::UnixStream::connect(&socket).await.ok().map(|_| Way::Socket(socket))
}

/// Looks at a folder that nobody uses, through a copy.
pub(crate) async fn examine_stopped(data_dir: &Path, scratch: Option<&Path>) -> Result<Report, DoctorError> {
    let name = format!("doctor-{}", std::process::id());
    let scratch = match scratch {
        Some(folder) => folder.join(name),
        None => data_dir.join(name),
    };
    // Nobody may start while it is copied; the lock file is all that is touched.
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

/// Looks at a running server, from inside.
pub(crate) async fn examine_running(rooms: &Rooms) -> Report {
    // Two at once would only be in each other's way.
    static ONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let _one = ONE.lock().await;
    let scratch = rooms.data_dir.join(format!("doctor-{}", std::process::id()));
    let removed = copy::Scratch::new(scratch.clone());
    let found = Examined {
        journal: rooms.journal.as_ref(),
        snapshots: Some(rooms.snapshots.as_ref()),
        read_side: Some(&rooms.read_side),
        scratch: &scratch.join("read-side"),
    };
    let mut report = Report { checks: examine(&found).await };
    report.checks.push(entities_check(&rooms.gateway.commerce.ailing()));
    report.checks.push(mail::check(&rooms.read_side, rooms.gateway.now()).await);
    if !report.is_sound() {
        // Shards are read one after the other while they go on: what is wrong only in passing is not wrong.
        tokio::time::sleep(LOOK_AGAIN_AFTER).await;
        let mut again = Report { checks: examine(&found).await };
        again.checks.push(entities_check(&rooms.gateway.commerce.ailing()));
        again.checks.push(mail::check(&rooms.read_side, rooms.gateway.now()).await);
        report.keep_what_stays(&again);
    }
    drop(removed);
    report
}

/// Entities that failed since the server started.
fn entities_check(ailing: &[Ailing]) -> Check {
    let mut check = Check::new("entities");
    let parked = ailing.iter().filter(|ailing| ailing.parked).count();
    check.found = format!("{parked} put aside, {} failures since the start", ailing.len() - parked);
    for Ailing { key, why, parked } in ailing {
        let what = if *parked { "is put aside until the server starts anew" } else { "failed, and went on" };
        check.problem(format!("{key} {what}: {why}"));
    }
    check
}

/// What is looked at.
pub(crate) struct Examined<'a> {
    pub(crate) journal: &'a dyn Journal,
    pub(crate) snapshots: Option<&'a dyn SnapshotStore>,
    pub(crate) read_side: Option<&'a ReadSide>,
    /// A folder for a read side of one's own. It need not exist.
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
