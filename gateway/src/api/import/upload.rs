//! Receives an uploaded file. It is stored on disk first, because the command's fingerprint needs its hash before the
//! import starts.

use std::{
    fs::File,
    io::{self, BufReader, Seek, Write},
};

use axum::extract::Request;
use bytes::Bytes;
use http_body_util::BodyExt;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use crate::{
    Problem,
    edge::{broken, stream},
};

/// The maximum number of chunks waiting to be written. When it is reached, reading from the network waits.
const PIECES_MAX: usize = 8;

/// A received file. It is unlinked, so the system removes it once it is closed.
pub(super) struct Upload {
    /// The content, from the start.
    pub(super) content: BufReader<File>,
    /// The SHA-256 hash of the content.
    pub(super) hash: [u8; 32],
}

/// Receives a body of at most `bytes_max` bytes.
pub(super) async fn receive(request: Request, bytes_max: usize) -> Result<Upload, Problem> {
    let mut body = stream(request, bytes_max)?;
    let (pieces, written) = mpsc::channel(PIECES_MAX);
    let writing = tokio::task::spawn_blocking(move || write(written));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| broken(&error, bytes_max))?;
        let Ok(piece) = frame.into_data() else { continue };
        if pieces.send(piece).await.is_err() {
            break;
        }
    }
    drop(pieces);
    let written = writing.await.map_err(|error| Problem::internal("upload", &error))?;
    written.map_err(|error| Problem::internal("upload", &error))
}

fn write(mut pieces: mpsc::Receiver<Bytes>) -> io::Result<Upload> {
    let mut file = tempfile::tempfile()?;
    let mut hasher = Sha256::new();
    while let Some(piece) = pieces.blocking_recv() {
        hasher.update(&piece);
        file.write_all(&piece)?;
    }
    file.rewind()?;
    Ok(Upload { content: BufReader::with_capacity(64 * 1024, file), hash: hasher.finalize().into() })
}
