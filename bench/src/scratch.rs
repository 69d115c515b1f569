//! Temporary folders and processes that do not outlive this process, however it ends.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::error::{Doing, Result};

#[derive(Default)]
struct Leftovers {
    folders: Vec<PathBuf>,
    processes: Vec<u32>,
}

static LEFTOVERS: Mutex<Leftovers> = Mutex::new(Leftovers { folders: Vec::new(), processes: Vec::new() });

fn leftovers() -> MutexGuard<'static, Leftovers> {
    LEFTOVERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A folder that is removed when this value is dropped.
#[derive(Debug)]
pub(crate) struct Scratch {
    folder: tempfile::TempDir,
}

impl Scratch {
    /// Creates a folder below `work_dir`.
    pub(crate) fn new(work_dir: &Path) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("fusion-bench.")
            .tempdir_in(work_dir)
            .doing(format!("making a folder in {}", work_dir.display()))?;
        leftovers().folders.push(folder.path().to_owned());
        Ok(Self { folder })
    }

    /// The path of the folder.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        leftovers().folders.retain(|folder| folder != self.folder.path());
    }
}

/// Registers a process that has to be killed if this one is interrupted.
pub(crate) fn started(pid: u32) {
    leftovers().processes.push(pid);
}

/// Unregisters a process that has ended.
pub(crate) fn ended(pid: u32) {
    leftovers().processes.retain(|process| *process != pid);
}

/// Sends `signal`. It is not an error if the process has ended.
pub(crate) fn send(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

/// Installs signal handlers, so that after Ctrl-C or `kill` no folders and processes are left behind.
pub(crate) fn clean_up_on_signals() -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().doing("starting a runtime")?;
    let (mut interrupt, mut terminate) = {
        let _entered = runtime.enter();
        let interrupt = signal(SignalKind::interrupt()).doing("watching SIGINT")?;
        (interrupt, signal(SignalKind::terminate()).doing("watching SIGTERM")?)
    };
    std::thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        });
        let left = leftovers();
        left.processes.iter().for_each(|pid| send(*pid, Signal::KILL));
        // A dying process may still be writing, so the removal is repeated for what it wrote last.
        for _ in 0..2 {
            left.folders.iter().for_each(|folder| drop(std::fs::remove_dir_all(folder)));
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        std::process::exit(130);
    });
    Ok(())
}
