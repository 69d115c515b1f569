//! `fusion migrate`: the tables of the read side, brought to this program's layout.

use persistence::sql::{OpenError, ReadSide};
use streaming::embedded::{DataFolder, FolderError};

use crate::{config::Config, wiring::READ_SIDE_FILE};

/// Tables that were not migrated.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MigrateError {
    /// A server has the folder. It migrates when it starts.
    #[error("{0}: stop it first")]
    Folder(#[from] FolderError),
    /// The read side does not open.
    #[error(transparent)]
    Sql(#[from] OpenError),
}

/// `fusion migrate`.
pub(crate) async fn run(config: &Config) -> Result<(), MigrateError> {
    let folder = DataFolder::lock(&config.data_dir)?;
    let path = config.data_dir.join(READ_SIDE_FILE);
    // Opening migrates.
    let read_side = ReadSide::open(&path).await?;
    read_side.close().await;
    drop(folder);
    println!("{} has this program's layout", path.display());
    Ok(())
}
