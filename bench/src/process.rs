//! The resources that a process uses: CPU from `/proc/PID/stat`, memory from `/proc/PID/status`, bytes on disk.

use std::{
    collections::HashMap,
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::MetadataExt,
    path::Path,
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::error::{Doing, Result};

/// `USER_HZ`: the unit in which `/proc` counts CPU time. A constant of the Linux ABI on every supported architecture.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU ticks used so far by a server with its children, by this process, and by the whole machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ticks {
    server: u64,
    generator: u64,
    busy: u64,
    all: u64,
}

impl Ticks {
    /// Reads the present values. A server that has ended counts as zero; the caller notices that it no longer answers.
    pub(crate) fn read(server: u32) -> Self {
        let (busy, all) = machine_ticks();
        Self { server: tree_ticks(server), generator: stat(std::process::id()).map_or(0, |s| s.own), busy, all }
    }

    /// The CPU used between `self` and `later`.
    pub(crate) fn until(&self, later: &Self) -> CpuUse {
        let server = later.server.saturating_sub(self.server);
        let generator = later.generator.saturating_sub(self.generator);
        let busy = later.busy.saturating_sub(self.busy);
        let all = later.all.saturating_sub(self.all).max(1);
        CpuUse {
            server_seconds: server as f64 / TICKS_PER_SECOND,
            generator_seconds: generator as f64 / TICKS_PER_SECOND,
            others_share: busy.saturating_sub(server + generator) as f64 / all as f64,
        }
    }
}

/// CPU used over a window.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct CpuUse {
    /// By the server and its children, in user and system mode.
    pub(crate) server_seconds: f64,
    /// By the load generator.
    pub(crate) generator_seconds: f64,
    /// The share of the machine's CPU used by anything else: other programs, the kernel's own threads (those of the
    /// file system among them), interrupts, and the hypervisor.
    pub(crate) others_share: f64,
}

/// CPU time of a process by thread, in nanoseconds: ticks are too coarse for work that takes milliseconds.
#[derive(Debug)]
pub(crate) struct Threads(HashMap<u32, u64>);

impl Threads {
    /// Reads the present values (`/proc/PID/task/TID/schedstat`).
    pub(crate) fn read(pid: u32) -> Self {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        let on_cpu = |task: fs::DirEntry| {
            let line = fs::read_to_string(task.path().join("schedstat")).ok()?;
            Some((task.file_name().to_str()?.parse().ok()?, line.split_ascii_whitespace().next()?.parse().ok()?))
        };
        Self(tasks.filter_map(on_cpu).collect())
    }

    /// Seconds used since `self`. The time of a thread that ended meanwhile is lost; servers keep their threads.
    pub(crate) fn until(&self, later: &Self) -> f64 {
        let used = |(thread, after): (&u32, &u64)| after.saturating_sub(self.0.get(thread).copied().unwrap_or(0));
        later.0.iter().map(used).sum::<u64>() as f64 / 1e9
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Stat {
    parent: u32,
    own: u64,
    with_reaped: u64,
}

fn stat(pid: u32) -> Option<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Parses `proc_pid_stat(5)`. The command may contain anything, so fields are counted from the last parenthesis.
fn parse_stat(line: &str) -> Option<Stat> {
    let fields: Vec<&str> = line[line.rfind(')')? + 1..].split_ascii_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    let own = number(11)? + number(12)?;
    Some(Stat { parent: number(1)? as u32, own, with_reaped: own + number(13)? + number(14)? })
}

/// The ticks of a process, its living descendants, and the children that it has waited for.
fn tree_ticks(root: u32) -> u64 {
    if let Some(children) = children_of(root) {
        let own = stat(root).map_or(0, |stat| stat.with_reaped);
        return own + children.into_iter().map(tree_ticks).sum::<u64>();
    }
    let processes: HashMap<u32, Stat> = pids().filter_map(|pid| Some((pid, stat(pid)?))).collect();
    let descends = |mut pid: u32| {
        while pid != root {
            match processes.get(&pid) {
                Some(stat) if stat.parent != pid => pid = stat.parent,
                _ => return false,
            }
        }
        true
    };
    processes.iter().filter(|(pid, _)| descends(**pid)).map(|(_, stat)| stat.with_reaped).sum()
}

/// The kernel's list of children, if it keeps one (`CONFIG_PROC_CHILDREN`).
fn children_of(pid: u32) -> Option<Vec<u32>> {
    let mut children = Vec::new();
    for thread in fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten() {
        let listed = fs::read_to_string(thread.path().join("children")).ok()?;
        children.extend(listed.split_ascii_whitespace().filter_map(|child| child.parse::<u32>().ok()));
    }
    Some(children)
}

fn pids() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn machine_ticks() -> (u64, u64) {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    parse_machine_ticks(text.lines().next().unwrap_or_default())
}

/// Parses `proc_stat(5)`: user nice system idle iowait irq softirq steal, then guest times that user already contains.
fn parse_machine_ticks(line: &str) -> (u64, u64) {
    let ticks: Vec<u64> = line.split_ascii_whitespace().skip(1).take(8).filter_map(|n| n.parse().ok()).collect();
    let all: u64 = ticks.iter().sum();
    let idle: u64 = ticks.iter().skip(3).take(2).sum();
    (all - idle, all)
}

/// The busiest processes over one second, for the error that refuses to measure.
pub(crate) fn busiest() -> String {
    let sample = || pids().filter_map(|pid| Some((pid, stat(pid)?.own))).collect::<HashMap<u32, u64>>();
    let before = sample();
    std::thread::sleep(std::time::Duration::from_secs(1));
    let mut used: Vec<(u64, u32)> = sample()
        .into_iter()
        .map(|(pid, ticks)| (ticks.saturating_sub(before.get(&pid).copied().unwrap_or(0)), pid))
        .filter(|(ticks, pid)| *ticks > 0 && *pid != std::process::id())
        .collect();
    used.sort_unstable_by(|a, b| b.cmp(a));
    let name = |pid: u32| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned();
    let list: Vec<String> =
        used.iter().take(3).map(|(ticks, pid)| format!("{} (pid {pid}, {ticks} % of a core)", name(*pid))).collect();
    if list.is_empty() { "none at present".to_owned() } else { list.join(", ") }
}

/// `VmRSS` of one process, in bytes.
pub(crate) fn resident_bytes(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/status");
    let file = fs::File::open(&path).doing(format!("reading {path}"))?;
    let line = BufReader::new(file).lines().map_while(std::result::Result::ok).find(|line| line.starts_with("VmRSS:"));
    let kib = line.and_then(|line| line.split_ascii_whitespace().nth(1)?.parse::<u64>().ok());
    Ok(kib.unwrap_or(0) * 1024)
}

/// The number of files and sockets to request for a process, where it may raise its limit.
const OPEN_FILES: u64 = 65_536;
/// The number of those that are not connections: journals, logs, libraries.
const OPEN_FILES_BESIDE: u64 = 512;

/// Raises the limit of connections of this process and those that it starts, and returns it.
pub(crate) fn raise_connections() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let maximum = limit.maximum.unwrap_or(OPEN_FILES);
    // Only root may exceed the hard limit; any process may raise its limit up to it.
    for wanted in [OPEN_FILES.max(maximum), maximum] {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum.map(|_| wanted) });
        if getrlimit(Resource::Nofile).current.is_none_or(|current| current >= wanted) {
            break;
        }
    }
    let current = getrlimit(Resource::Nofile).current.unwrap_or(OPEN_FILES);
    current.saturating_sub(OPEN_FILES_BESIDE) as usize
}

/// The disk space of a folder, including the files below it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct DiskUse {
    /// The sum of the files' lengths.
    pub(crate) length_bytes: u64,
    /// The space that the file system allocated (less for sparse files, more for reserved space).
    pub(crate) allocated_bytes: u64,
}

/// Sums up a folder. Files that vanish meanwhile (compaction) are left out; a missing folder counts as empty.
pub(crate) fn disk_use(folder: &Path) -> DiskUse {
    let mut sum = DiskUse::default();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_dir() {
            let below = disk_use(&entry.path());
            sum.length_bytes += below.length_bytes;
            sum.allocated_bytes += below.allocated_bytes;
        } else {
            sum.length_bytes += metadata.len();
            sum.allocated_bytes += metadata.blocks() * 512;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_with_parentheses_and_blanks_does_not_shift_the_fields() {
        let line = "42 (a) b (c)) S 7 42 42 0 -1 4194560 1 2 3 4 110 22 3 4 20 0 9 0 100";
        let stat = parse_stat(line).expect("parses");
        assert_eq!((stat.parent, stat.own, stat.with_reaped), (7, 132, 139));
    }

    #[test]
    fn idle_and_waiting_for_disks_are_not_busy_and_guests_are_not_counted_twice() {
        assert_eq!(parse_machine_ticks("cpu  10 1 5 100 20 2 3 4 9 9"), (25, 145));
    }

    #[test]
    fn this_process_has_memory_and_uses_cpu() {
        let before = Ticks::read(std::process::id());
        let finely = Threads::read(std::process::id());
        let mut sum = 0_u64;
        let id = std::process::id();
        let enough = || Ticks::read(id).generator >= before.generator + 3 && finely.until(&Threads::read(id)) >= 0.02;
        // Threads of other tests use CPU too, and take their clocks with them: this loop runs until both clocks have
        // seen it.
        while !enough() {
            sum = std::hint::black_box(sum + 1);
        }
        let used = before.until(&Ticks::read(id));
        assert!(used.generator_seconds >= 0.03 && used.server_seconds >= 0.03);
        assert!(resident_bytes(std::process::id()).expect("status") > 100_000);
    }
}
