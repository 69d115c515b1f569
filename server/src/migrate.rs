//! `fusion migrate`: migrates the read side to this program's schema.

use persistence::sql::{OpenError, ReadSide};
use streaming::embedded::{DataFolder, FolderError};

use crate::{app::READ_SIDE_FILE, config::Config};

/// A migration that failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MigrateError {
    /// A server uses the folder. It migrates at its start.
    #[error("{0}: stop it first")]
    Folder(#[from] FolderError),
    /// The read side cannot be opened or migrated.
    #[error(transparent)]
    Sql(#[from] OpenError),
}

/// `fusion migrate`.
pub(crate) async fn run(config: &Config) -> Result<(), MigrateError> {
    let folder = DataFolder::lock(&config.data_dir)?;
    let path = config.data_dir.join(READ_SIDE_FILE);
    // Opening includes migrating.
    let read_side = ReadSide::open(&path).await?;
    read_side.close().await;
    drop(folder);
    println!("{} has the current schema", path.display());
    Ok(())
}
