//! Spare file descriptors, to be released when the process has none left.
//!
//! fjall flushes and compacts on a thread of its own. If that thread cannot open a file, the database fails: every
//! later write is refused. The journal therefore holds some descriptors that it does not need. Before each group of
//! appends, and before each write of the durable watermark, it opens one file. If that fails for lack of descriptors,
//! the journal closes all of its spare ones, so that fjall can open its files.

use std::{
    fs::File,
    io,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

/// The number of spare descriptors. A flush, a compaction and a rotation of fjall's log together open some 30 files at
/// once, and fjall keeps [`CACHED_FILES_MAX`] open.
pub(super) const SPARE_MAX: usize = 64;
/// The number of files that fjall keeps open for reading. Opening any other file again takes some microseconds.
pub(super) const CACHED_FILES_MAX: usize = 32;
/// How long the journal waits before it takes spare descriptors again, so that the code that needs descriptors gets
/// them first.
const TAKEN_AGAIN_AFTER: Duration = Duration::from_secs(10);
/// The error for too many open files in the system, as numbered by Linux, macOS and the BSDs.
const ENFILE: i32 = 23;
/// The error for too many open files in the process.
const EMFILE: i32 = 24;
/// The file that is opened to test whether a descriptor is available.
const PROBED: &str = "/dev/null";

/// The spare descriptors of a journal.
#[derive(Debug, Default)]
pub(super) struct Spare(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    files: Vec<File>,
    released_at: Option<Instant>,
}

impl Spare {
    /// Takes as many spare descriptors as are available, up to the maximum.
    pub(super) fn take() -> Self {
        let files = (0..SPARE_MAX).map_while(|_| File::open(PROBED).ok()).collect();
        Self(Mutex::new(Held { files, released_at: None }))
    }

    /// Releases all spare descriptors if the process has none left. Otherwise takes one more if some are missing.
    pub(super) fn look(&self) {
        let mut held = self.0.lock();
        match File::open(PROBED) {
            Ok(file) => {
                let waits = held.released_at.is_some_and(|at| at.elapsed() < TAKEN_AGAIN_AFTER);
                if held.files.len() < SPARE_MAX && !waits {
                    held.files.push(file);
                }
            }
            Err(error) if is_exhausted(&error) => {
                held.released_at = Some(Instant::now());
                let released = held.files.len();
                held.files.clear();
                drop(held);
                if released > 0 {
                    tracing::error!(%error, released, "no file descriptors are left; the journal releases its spare ones");
                }
            }
            // Any other error gives no information about descriptors.
            Err(_) => {}
        }
    }
}

/// Whether the process (EMFILE) or the system (ENFILE) has too many open files.
fn is_exhausted(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(ENFILE | EMFILE))
}
