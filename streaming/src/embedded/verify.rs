//! The checks that a journal must pass before anything is served from it.

use std::time::Instant;

use bytes::Bytes;

use super::store::{RowKey, Store};
use crate::{
    batch::{Batch, BatchError, Content, Header, Position, ShardId},
    fencing::{FencingState, Verdict},
    journal::JournalError,
};

/// How many bytes are read before progress is logged.
const PROGRESS_BYTES: u64 = 1 << 30;

/// The result of verifying one shard's log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Verified {
    /// The state that the next batch is judged by.
    pub(super) tail: FencingState,
    /// The number of batches whose positions were checked.
    pub(super) batches: u64,
    /// The number of bytes that were read and checked.
    pub(super) bytes: u64,
}

/// Checks a shard backwards from its newest batch to its first: each batch must begin where its predecessor ends. The
/// newest `bytes_max` bytes are read in full and judged by the same rules that every reader applies.
pub(super) fn verify(store: &Store, shard: ShardId, bytes_max: u64) -> Result<Verified, JournalError> {
    let began = Instant::now();
    let mut verified = Verified::default();
    let mut newer: Option<Newer> = None;
    let rows = store.rows.range(RowKey::from(shard, Position(0))..=RowKey::upto(shard, Position(u64::MAX)));
    for guard in rows.rev() {
        let expected = newer.as_ref().map(|newer| newer.first);
        let wrong = |at: Option<Position>, why: String| JournalError::Damaged {
            shard,
            position: at.or(expected).unwrap_or_default(),
            why,
        };
        let seen = std::cell::Cell::new(None);
        let full = verified.bytes < bytes_max;
        let value = guard.into_inner_if(|bytes| {
            seen.set(RowKey::decode(bytes));
            full
        });
        let key = seen.get();
        let (_, value) = value.map_err(|error| {
            let why = format!("a row up to here cannot be read: {}", super::store::words(&error));
            wrong(key.map(|key: RowKey| key.first), why)
        })?;
        let key = key.ok_or_else(|| wrong(None, "a row before it has no readable place".into()))?;
        if let Some(expected) = expected.filter(|expected| *expected != key.end()) {
            let why = format!("the batch at position {} ends at {}: a gap", key.first, key.end());
            return Err(wrong(Some(expected), why));
        }
        newer = match value {
            Some(value) => {
                verified.bytes += value.len() as u64;
                let batch = decode(key, value.into()).map_err(|error| wrong(Some(key.first), error.to_string()))?;
                follows(&batch, newer.as_ref()).map_err(|(at, why)| wrong(Some(at), why))?;
                if verified.batches == 0 {
                    verified.tail = after(&batch.header);
                }
                Some(Newer { first: key.first, read: Some((batch.header, kind(batch.content))) })
            }
            None => Some(Newer { first: key.first, read: None }),
        };
        verified.batches += 1;
        if verified.bytes / PROGRESS_BYTES > 0 && verified.batches.is_multiple_of(1 << 16) {
            tracing::info!(%shard, bytes = verified.bytes, at = %key.first, "verifying the journal");
        }
    }
    let first = newer.map(|newer| newer.first).unwrap_or_default();
    if first != Position(0) {
        return Err(JournalError::Damaged { shard, position: Position(0), why: format!("it begins at {first}") });
    }
    let elapsed_ms = began.elapsed().as_millis() as u64;
    tracing::debug!(%shard, end = %verified.tail.next, bytes = verified.bytes, elapsed_ms, "journal shard verified");
    Ok(verified)
}

/// The batch after the current one in the log. The walk is backwards, so this batch was visited before.
struct Newer {
    first: Position,
    /// The header and content. `None` if only the position was checked.
    read: Option<(Header, Content)>,
}

/// Decodes a row, which must hold the batch that its key names.
pub(super) fn decode(key: RowKey, value: Bytes) -> Result<Batch, RowError> {
    let batch = Batch::decode(&value)?;
    match RowKey::of(key.shard, &batch.header) {
        said if said == key => Ok(batch),
        said => Err(RowError::Misplaced { first: said.first, count: said.count }),
    }
}

/// A row that does not match its key.
#[derive(Debug, thiserror::Error)]
pub(super) enum RowError {
    #[error(transparent)]
    Batch(#[from] BatchError),
    #[error("the batch there says that it begins at position {first} and takes {count}")]
    Misplaced { first: Position, count: u32 },
}

/// Checks that `newer` counts after `batch`, and that `batch` itself counts if it is the first of the log.
fn follows(batch: &Batch, newer: Option<&Newer>) -> Result<(), (Position, String)> {
    if batch.header.first == Position(0) {
        let verdict = FencingState::default().judge(&batch.header, &batch.content);
        if verdict != Verdict::Counts {
            return Err((Position(0), format!("the first batch does not count: {verdict:?}")));
        }
    }
    let Some((header, content)) = newer.and_then(|newer| newer.read.as_ref()) else {
        return Ok(());
    };
    match after(&batch.header).judge(header, content) {
        Verdict::Counts => Ok(()),
        verdict => Err((header.first, format!("the batch there does not count: {verdict:?}"))),
    }
}

fn after(header: &Header) -> FencingState {
    FencingState { epoch: header.epoch, nonce: header.nonce, next: header.end() }
}

/// Reduces the content to what a verdict needs.
fn kind(content: Content) -> Content {
    match content {
        Content::Lead { node } => Content::Lead { node },
        Content::Entries(_) => Content::Entries(Vec::new()),
    }
}
