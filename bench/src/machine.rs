//! The machine that the figures come from, and whether it is quiet enough to measure on.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use jiff::Timestamp;

use crate::{
    error::{BenchError, Doing, Result},
    process::busiest,
};

/// The highest one-minute load average for each core at which anything is measured.
const LOAD_PER_CORE_MAX: f64 = 0.35;
/// The number of syncs from which the floor is computed.
const SYNCS: usize = 300;
/// File systems in memory, on which a sync costs nothing and a durable answer means nothing.
const IN_MEMORY: [&str; 2] = ["tmpfs", "ramfs"];

/// The information that a reader needs to judge or repeat a figure.
#[derive(Debug)]
pub(crate) struct Machine {
    /// The date and time, in UTC.
    pub(crate) date: String,
    /// The commit of the repository, and whether its files differ from it.
    pub(crate) commit: String,
    /// The processor's model.
    pub(crate) cpu: String,
    /// The number of cores available to this process.
    pub(crate) cores: usize,
    /// The size of the memory.
    pub(crate) memory_bytes: u64,
    /// The kernel.
    pub(crate) kernel: String,
    /// The distribution.
    pub(crate) system: String,
    /// The file system under the data folders, and its device.
    pub(crate) file_system: String,
    /// `fdatasync` after appending 4 KiB there: p50 and p99, in milliseconds.
    pub(crate) sync_ms: (f64, f64),
    /// The one-minute load average at the start.
    pub(crate) load: f64,
    /// Whether the machine was busy, and measured anyway.
    pub(crate) forced: bool,
}

impl Machine {
    /// Describes the machine. `load` comes from [`wait_until_calm`].
    pub(crate) fn describe(repository: &Path, work_dir: &Path, load: f64, forced: bool) -> Result<Self> {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let field = |text: &str, name: &str, separator: char| {
            let value = text.lines().find_map(|line| line.strip_prefix(name)?.split_once(separator).map(|(_, v)| v));
            value.map(|value| value.trim().trim_matches('"').to_owned())
        };
        let memory = field(&read("/proc/meminfo"), "MemTotal", ':');
        let memory_kib = memory.and_then(|value| value.split_ascii_whitespace().next()?.parse::<u64>().ok());
        Ok(Self {
            date: Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string(),
            commit: commit(repository),
            cpu: field(&read("/proc/cpuinfo"), "model name", ':').unwrap_or_else(|| "unknown".to_owned()),
            cores: cores(),
            memory_bytes: memory_kib.unwrap_or(0) * 1024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            system: field(&read("/etc/os-release"), "PRETTY_NAME", '=').unwrap_or_else(|| "unknown".to_owned()),
            file_system: file_system(work_dir).join(" on "),
            sync_ms: sync_floor(work_dir)?,
            load,
            forced,
        })
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn commit(repository: &Path) -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").arg("-C").arg(repository).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(hash) = git(&["rev-parse", "--short=12", "HEAD"]) else { return "none yet".to_owned() };
    // The results themselves do not count as a change.
    let changed = git(&["status", "--porcelain", "--", ".", ":!bench/RESULTS.md"]).is_some_and(|list| !list.is_empty());
    if changed { format!("{hash} with uncommitted changes") } else { hash }
}

/// The type and the source of the file system that `folder` is on (`proc_pid_mountinfo(5)`).
fn file_system(folder: &Path) -> [String; 2] {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mut best: (usize, [String; 2]) = (0, ["unknown".to_owned(), "unknown".to_owned()]);
    for line in mounts.lines() {
        let Some((front, back)) = line.split_once(" - ") else { continue };
        let Some(at) = front.split(' ').nth(4).filter(|at| folder.starts_with(at)) else { continue };
        let mut back = back.split(' ').map(str::to_owned);
        if at.len() >= best.0 {
            best = (at.len(), [back.next().unwrap_or_default(), back.next().unwrap_or_default()]);
        }
    }
    best.1
}

/// The folder below which data is created. It is on a disk, so that a sync has its real cost.
pub(crate) fn work_dir(wanted: Option<&PathBuf>) -> Result<PathBuf> {
    let on_disk = |folder: &Path| folder.is_dir() && !IN_MEMORY.contains(&file_system(folder)[0].as_str());
    if let Some(folder) = wanted {
        if on_disk(folder) {
            return Ok(folder.clone());
        }
        let kind = &file_system(folder)[0];
        return Err(BenchError::Setup(format!("--work-dir {}: not a folder on a disk ({kind})", folder.display())));
    }
    let candidates = [std::env::temp_dir(), PathBuf::from("/tmp"), PathBuf::from("/var/tmp")];
    candidates.into_iter().find(|folder| on_disk(folder)).ok_or_else(|| {
        BenchError::Setup("temporary folders are all in memory: name one on a disk with --work-dir".to_owned())
    })
}

fn sync_floor(work_dir: &Path) -> Result<(f64, f64)> {
    let mut file = tempfile::tempfile_in(work_dir).doing(format!("writing in {}", work_dir.display()))?;
    let mut took_ms = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let start = Instant::now();
        sync_once(&mut file).doing(format!("syncing in {}", work_dir.display()))?;
        took_ms.push(start.elapsed().as_secs_f64() * 1e3);
    }
    took_ms.sort_by(f64::total_cmp);
    Ok((took_ms[SYNCS / 2], took_ms[SYNCS * 99 / 100]))
}

fn sync_once(file: &mut File) -> std::io::Result<()> {
    file.write_all(&[0x5a; 4_096])?;
    file.sync_data()
}

fn load_average() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_ascii_whitespace().next().and_then(|load| load.parse().ok()).unwrap_or(f64::INFINITY)
}

/// Waits until the load average allows a measurement (the load of a build takes a minute to fade), and fails if it does
/// not within `wait_max`. `force` neither waits nor fails; the second value is true if it made a difference.
pub(crate) fn wait_until_calm(wait_max: Duration, force: bool) -> Result<(f64, bool)> {
    let allowed = LOAD_PER_CORE_MAX * cores() as f64;
    let start = Instant::now();
    let mut is_reported = false;
    loop {
        let load = load_average();
        if load <= allowed {
            return Ok((load, false));
        }
        if force {
            eprintln!("the machine is busy (load average {load:.2}, allowed {allowed:.2}): measuring anyway (--force)");
            return Ok((load, true));
        }
        if start.elapsed() >= wait_max {
            return Err(BenchError::Busy { load, allowed, busiest: busiest() });
        }
        if !is_reported {
            let seconds = wait_max.as_secs();
            eprintln!("load average {load:.2}, waiting at most {seconds} s until it is {allowed:.2}");
            is_reported = true;
        }
        std::thread::sleep(Duration::from_secs(2));
    }
}
