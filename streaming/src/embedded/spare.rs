//! Descriptors kept open, to be given up when the process has none left.
//!
//! fjall flushes and compacts on a thread of its own, and a file that it cannot open there is the end of the database:
//! every later write is refused. So the journal keeps some descriptors that it does not need. Before each group of
//! appends, and with each turn of the witness, it opens one file; when that fails for want of descriptors it closes
//! them all, and fjall finds places.

use std::{
    fs::File,
    io,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

/// Descriptors kept: a flush, a compaction and a turn of fjall's log together open some 30 files at once, and fjall
/// keeps [`CACHED_FILES_MAX`] open.
pub(super) const SPARE_MAX: usize = 64;
/// Files that fjall keeps open for reading. A file that is not among them is opened again, in some microseconds.
pub(super) const CACHED_FILES_MAX: usize = 32;
/// How long after they were given up new ones are taken: what needed them must come first.
const TAKEN_AGAIN_AFTER: Duration = Duration::from_secs(10);
/// The system has too many files open, in the numbers of Linux, macOS and the BSDs.
const ENFILE: i32 = 23;
/// The process has too many files open.
const EMFILE: i32 = 24;
/// What is opened to see whether it is possible.
const PROBED: &str = "/dev/null";

/// The spare descriptors of a journal.
#[derive(Debug, Default)]
pub(super) struct Spare(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    files: Vec<File>,
    given_up_at: Option<Instant>,
}

impl Spare {
    /// As many as there are to have.
    pub(super) fn take() -> Self {
        let files = (0..SPARE_MAX).map_while(|_| File::open(PROBED).ok()).collect();
        Self(Mutex::new(Held { files, given_up_at: None }))
    }

    /// Gives all up if the process has no descriptor left; takes one more if some are missing and there are any.
    pub(super) fn look(&self) {
        let mut held = self.0.lock();
        match File::open(PROBED) {
            Ok(file) => {
                let waits = held.given_up_at.is_some_and(|at| at.elapsed() < TAKEN_AGAIN_AFTER);
                if held.files.len() < SPARE_MAX && !waits {
                    held.files.push(file);
                }
            }
            Err(error) if is_exhausted(&error) => {
                held.given_up_at = Some(Instant::now());
                let given_up = held.files.len();
                held.files.clear();
                drop(held);
                if given_up > 0 {
                    tracing::error!(%error, given_up, "no file descriptors are left; the journal gives up its spare ones");
                }
            }
            // Anything else says nothing about descriptors.
            Err(_) => {}
        }
    }
}

/// Whether the process (EMFILE) or the system (ENFILE) has too many files open.
fn is_exhausted(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(ENFILE | EMFILE))
}
