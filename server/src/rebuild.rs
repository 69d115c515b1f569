//! `fusion rebuild`: rebuilds the read side from the journal.

use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use persistence::{
    sql::{OpenError, ReadSide},
    views::{ProjectError, Projector},
};
use streaming::{
    Journal, JournalError,
    embedded::{DataFolder, EmbeddedJournal, EmbeddedOptions, FolderError},
};

use crate::{
    app::READ_SIDE_FILE,
    config::{Config, SHARDS},
    replay::{ReplayError, ends, replay},
};

/// A rebuild that failed. Running it again starts from the beginning.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RebuildError {
    /// A server uses the folder.
    #[error("{0}: stop it first")]
    Folder(#[from] FolderError),
    /// The journal cannot be opened.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The read side cannot be opened.
    #[error(transparent)]
    Sql(#[from] OpenError),
    /// The tables cannot be emptied.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// The journal cannot be replayed.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// A blocking task panicked or was cancelled.
    #[error("a thread failed: {0}")]
    Thread(#[from] tokio::task::JoinError),
}

/// `fusion rebuild`.
pub(crate) async fn run(config: &Config) -> Result<(), RebuildError> {
    let began = Instant::now();
    let folder = DataFolder::lock(&config.data_dir)?;
    let opening = folder.clone();
    let journal =
        tokio::task::spawn_blocking(move || EmbeddedJournal::open(opening, EmbeddedOptions::new(SHARDS))).await??;
    let read_side = ReadSide::open(&config.data_dir.join(READ_SIDE_FILE)).await?;
    let mut projector = Projector::open(read_side.clone()).await?;
    projector.clear_for_rebuild().await?;

    let journal: &dyn Journal = &journal;
    let until = ends(journal).await?;
    let bar = ProgressBar::new(until.values().sum::<u64>().max(1));
    let style = ProgressStyle::with_template("rebuilding {wide_bar} {human_pos}/{human_len} {elapsed}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let replayed = replay(journal, &mut projector, &until, |positions| bar.inc(positions)).await;
    bar.finish_and_clear();
    read_side.close().await;
    replayed?;
    let positions: u64 = until.values().sum();
    println!("the read side is rebuilt up to the end of the journal: {positions} positions in {:.1?}", began.elapsed());
    Ok(())
}
