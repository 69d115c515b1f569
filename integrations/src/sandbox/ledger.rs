//! The ledger file: lines of JSON, each synced to the disk before its answer is returned.
//!
//! The first task that gets the file writes and syncs everything that has queued, so that many payments share one sync.
//! A line that was cut off by a crash was never answered: it is removed when the file is opened.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::Mutex;
use tokio::sync::Mutex as FileMutex;

use super::books::Line;

/// A ledger that cannot be read or written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LedgerError {
    /// The file cannot be opened, read or truncated.
    #[error("sandbox ledger {path}: {why}")]
    Open {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        why: Arc<io::Error>,
    },
    /// A line other than the last is not what was written.
    #[error("sandbox ledger {path} is damaged on line {line}: {why}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The number of the line, starting at 1.
        line: u64,
        /// What is wrong.
        why: String,
    },
    /// A write or a sync failed, so that the content of the file is not known. Nothing more is written until it is
    /// opened again.
    #[error("sandbox ledger cannot be written: {0}")]
    Write(String),
}

/// The file, and the lines that have queued for it.
#[derive(Debug)]
pub(super) struct Ledger {
    queued: Arc<Mutex<Vec<u8>>>,
    file: Option<Arc<FileMutex<Pen>>>,
}

#[derive(Debug)]
struct Pen {
    file: File,
    failed: Option<LedgerError>,
}

impl Ledger {
    /// Opens the file and passes each of its lines to `each`.
    pub(super) fn open(path: &Path, mut each: impl FnMut(Line)) -> Result<Self, LedgerError> {
        let io = |why: io::Error| LedgerError::Open { path: path.to_owned(), why: Arc::new(why) };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(io)?;
        let (mut reader, mut text, mut whole, mut number) = (BufReader::new(&mut file), String::new(), 0, 0);
        loop {
            text.clear();
            let bytes = reader.read_line(&mut text).map_err(io)?;
            if bytes == 0 || !text.ends_with('\n') {
                break;
            }
            number += 1;
            let damaged = |why: serde_json::Error| LedgerError::Damaged {
                path: path.to_owned(),
                line: number,
                why: why.to_string(),
            };
            each(serde_json::from_str(&text).map_err(damaged)?);
            whole += bytes as u64;
        }
        if file.metadata().map_err(io)?.len() > whole {
            file.set_len(whole).and_then(|()| file.sync_all()).map_err(io)?;
        }
        file.seek(SeekFrom::Start(whole)).map_err(io)?;
        let pen = Pen { file, failed: None };
        Ok(Self { queued: Arc::default(), file: Some(Arc::new(FileMutex::new(pen))) })
    }

    /// Creates a ledger without a file.
    pub(super) fn in_memory() -> Self {
        Self { queued: Arc::default(), file: None }
    }

    /// Writes a line, and returns when it is on the disk.
    pub(super) async fn write(&self, line: &Line) -> Result<(), LedgerError> {
        let text = serde_json::to_vec(line).map_err(|error| LedgerError::Write(error.to_string()))?;
        {
            let mut queued = self.queued.lock();
            queued.extend_from_slice(&text);
            queued.push(b'\n');
        }
        self.settled().await
    }

    /// Returns when every line written so far is on the disk.
    pub(super) async fn settled(&self) -> Result<(), LedgerError> {
        let Some(file) = &self.file else { return Ok(()) };
        // When the lock is acquired, earlier holders have written their lines, and perhaps those of this caller with
        // them.
        let mut pen = file.clone().lock_owned().await;
        let queued = self.queued.clone();
        // The lock moves into the blocking task: a caller that stops waiting does not interrupt the write.
        let written = tokio::task::spawn_blocking(move || pen.write(&mut std::mem::take(&mut *queued.lock())));
        written.await.map_err(|error| LedgerError::Write(error.to_string()))?
    }
}

impl Pen {
    fn write(&mut self, lines: &mut [u8]) -> Result<(), LedgerError> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        if lines.is_empty() {
            return Ok(());
        }
        self.file.write_all(lines).and_then(|()| self.file.sync_data()).map_err(|error| {
            tracing::error!(%error, "sandbox ledger cannot be written");
            self.failed.insert(LedgerError::Write(error.to_string())).clone()
        })
    }
}
