//! The house, put together: every room opened in the order in which one relies on the other.
//!
//! ```text
//!   lock the folder ─► journal, checked ─► snapshots ─► SQL, migrated ─► the journal reaches what SQL has seen
//!        ─► the world outside ─► node: every shard led ─► projector ─► gateway
//! ```

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use actors::{Node, NodeError, NodeOptions, SystemClock, clock::Clock};
use gateway::{
    Gateway, GatewayOptions,
    auth::{KeyError, Keys},
};
use integrations::{
    mail::{PostOffice, PostOfficeError},
    outside::World,
    payments::Providers,
    sandbox::{self, LedgerError, Sandbox},
};
use metrics_exporter_prometheus::PrometheusHandle;
use persistence::{
    project::{ProjectError, Projector},
    snapshots::{EmbeddedSnapshots, SnapshotStore, SnapshotStoreError},
    sql::{OpenError as SqlError, ReadSide, StoreError},
};
use streaming::{
    Journal, JournalError, Position, ShardId,
    embedded::{DataFolder, EmbeddedJournal, EmbeddedOptions, FolderError},
};

use crate::{
    config::{Config, SHARDS},
    letters::{DoorPost, Letters},
    projection::ReadSideProjection,
};

/// The read side's file in the data folder.
pub(crate) const READ_SIDE_FILE: &str = "fusion.sqlite";
/// The installation's secrets.
pub(crate) const KEYS_FOLDER: &str = "keys";
/// The sandbox provider's ledger.
const SANDBOX_FILE: &str = "sandbox.jsonl";
/// Marks a folder that was made under `--dev`: its tokens were on a screen.
const DEVELOPMENT_FILE: &str = "development";

/// A data folder that cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// Another process has it.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// It was made under `--dev`, and this is not; or the other way round.
    #[error("{0}")]
    Development(String),
    /// A file of the folder cannot be read or written.
    #[error("{path}: {why}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        why: std::io::Error,
    },
    /// The journal refuses.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The snapshots do not open.
    #[error(transparent)]
    Snapshots(#[from] SnapshotStoreError),
    /// The read side does not open.
    #[error(transparent)]
    Sql(#[from] SqlError),
    /// The read side does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its projections cannot be used.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// The secrets cannot be used.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// Letters cannot be sent.
    #[error(transparent)]
    Post(#[from] PostOfficeError),
    /// The sandbox provider's ledger cannot be used.
    #[error(transparent)]
    Sandbox(#[from] LedgerError),
    /// The node does not start.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The gateway does not start.
    #[error(transparent)]
    Gateway(#[from] gateway::StartError),
    /// A thread of ours ended before its work was done.
    #[error("a thread failed: {0}")]
    Thread(#[from] tokio::task::JoinError),
}

/// What commands and doors look into. Cheap to share.
pub(crate) struct Rooms {
    /// Where everything is kept.
    pub(crate) data_dir: PathBuf,
    /// The journal.
    pub(crate) journal: Arc<EmbeddedJournal>,
    /// The snapshots.
    pub(crate) snapshots: Arc<dyn SnapshotStore>,
    /// Accounts and lists.
    pub(crate) read_side: ReadSide,
    /// The doors, and through them the entities.
    pub(crate) gateway: Gateway,
    /// The sandbox provider, if it may be paid with.
    pub(crate) sandbox: Option<Arc<Sandbox>>,
}

/// An open data folder with a running node.
pub(crate) struct House {
    /// What is in it.
    pub(crate) rooms: Arc<Rooms>,
    node: Node,
    letters: Arc<Letters>,
    folder: DataFolder,
}

impl House {
    /// Opens the folder that `config` names, or makes it, and leads every shard.
    pub(crate) async fn open(config: &Config, metrics: PrometheusHandle) -> Result<Self, OpenError> {
        let began = Instant::now();
        let folder = DataFolder::lock(&config.data_dir)?;
        check_development(&config.data_dir, config.dev)?;
        let keys = Keys::open(&config.data_dir.join(KEYS_FOLDER))?;
        let journal = Arc::new(open_journal(&folder, config.rewitness).await?);
        let snapshots = open_snapshots(&config.data_dir).await?;
        let read_side = open_read_side(&config.data_dir, &journal).await?;

        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let ended = read_side.fail_running_imports("the server stopped before the import ended", clock.now()).await?;
        if ended > 0 {
            tracing::warn!(imports = ended, "imports of an earlier run are marked as failed");
        }
        let letters = Arc::new(Letters::new(read_side.clone()));
        let post = Arc::new(PostOffice::open(&config.mail_from, &config.mail)?);
        let sandbox = open_sandbox(config, clock.clone()).await?;
        let mut providers = Providers::new(config.provider_timeout);
        if let Some(sandbox) = &sandbox {
            providers = providers.with(sandbox::NAME, sandbox.clone());
        }
        let projector = Projector::open(read_side.clone()).await?;
        let node = Node::start(NodeOptions {
            name: format!("fusion-{}", std::process::id()),
            journal: journal.clone(),
            snapshots: snapshots.clone(),
            outside: Arc::new(World::new(providers, post.clone(), letters.clone())),
            clock: clock.clone(),
            projection: Some(Arc::new(ReadSideProjection::new(projector))),
            tuning: config.tuning.clone(),
        })
        .await?;
        let gateway = Gateway::new(GatewayOptions {
            commerce: node.commerce(),
            read_side: read_side.clone(),
            settings: config.doors.clone(),
            keys,
            mailer: Arc::new(DoorPost(post)),
            clock,
            metrics,
        })?;
        letters.open(gateway.clone());
        let recovery_ms = began.elapsed().as_millis() as u64;
        tracing::info!(path = %config.data_dir.display(), recovery_ms, "data folder open, all shards led");
        let data_dir = config.data_dir.clone();
        Ok(Self {
            rooms: Arc::new(Rooms { data_dir, journal, snapshots, read_side, gateway, sandbox }),
            node,
            letters,
            folder,
        })
    }

    /// Waits until a shard cannot go on, and says why.
    pub(crate) async fn failed(&mut self) -> String {
        self.node.failed().await.to_string()
    }

    /// Finishes what was begun, takes a checkpoint, and closes the folder.
    pub(crate) async fn close(self, within: Duration) {
        let began = Instant::now();
        self.node.stop(within).await;
        self.letters.close();
        self.rooms.read_side.close().await;
        // The journal is closed by whoever lets go of it last: here, when no request is left.
        drop(self.rooms);
        drop(self.folder);
        tracing::info!(elapsed_ms = began.elapsed().as_millis() as u64, "data folder closed");
    }
}

async fn open_journal(folder: &DataFolder, rewitness: bool) -> Result<EmbeddedJournal, OpenError> {
    let folder = folder.clone();
    let options = EmbeddedOptions { rewitness, ..EmbeddedOptions::new(SHARDS) };
    Ok(tokio::task::spawn_blocking(move || EmbeddedJournal::open(folder, options)).await??)
}

async fn open_snapshots(data_dir: &Path) -> Result<Arc<dyn SnapshotStore>, OpenError> {
    let began = Instant::now();
    let data_dir = data_dir.to_owned();
    let opened = tokio::task::spawn_blocking(move || EmbeddedSnapshots::open(&data_dir)).await??;
    tracing::info!(elapsed_ms = began.elapsed().as_millis() as u64, "snapshots open");
    Ok(Arc::new(opened))
}

/// Opens and migrates the read side. A journal that ends before what it has seen has lost something.
async fn open_read_side(data_dir: &Path, journal: &EmbeddedJournal) -> Result<ReadSide, OpenError> {
    let began = Instant::now();
    let read_side = ReadSide::open(&data_dir.join(READ_SIDE_FILE)).await?;
    let positions = read_side.positions().await?;
    let seen: Vec<_> =
        positions.iter().map(|(&shard, &next)| (ShardId(shard), Position(next), "the read side")).collect();
    let known = seen.into_iter().filter(|(shard, ..)| shard.0 < journal.shards()).collect::<Vec<_>>();
    journal.check_reaches(&known)?;
    tracing::info!(elapsed_ms = began.elapsed().as_millis() as u64, "read side open and migrated");
    Ok(read_side)
}

async fn open_sandbox(config: &Config, clock: Arc<dyn Clock>) -> Result<Option<Arc<Sandbox>>, OpenError> {
    if !config.sandbox {
        return Ok(None);
    }
    let (path, url) = (config.data_dir.join(SANDBOX_FILE), config.doors.public_url.clone());
    let opened = tokio::task::spawn_blocking(move || Sandbox::open(&path, &url, clock)).await??;
    if !config.dev {
        tracing::warn!("the sandbox payment provider is on: orders can be paid without money (sandbox_payments)");
    }
    Ok(Some(Arc::new(opened)))
}

/// A folder of `--dev` has tokens that were on a screen, and no other folder may get such.
fn check_development(data_dir: &Path, dev: bool) -> Result<(), OpenError> {
    let marker = data_dir.join(DEVELOPMENT_FILE);
    let is_new = !data_dir.join(KEYS_FOLDER).exists();
    let path = data_dir.display();
    match (is_development(data_dir), dev) {
        (true, false) => Err(OpenError::Development(format!(
            "{path} was made under --dev, and its secrets are development secrets: give --dev, or another --data-dir"
        ))),
        (false, true) if !is_new => Err(OpenError::Development(format!(
            "{path} was not made under --dev, which prints tokens for it: leave --dev out, or give another --data-dir"
        ))),
        (false, true) => std::fs::write(&marker, "made by fusion serve --dev\n")
            .map_err(|why| OpenError::File { path: marker.clone(), why }),
        _ => Ok(()),
    }
}

/// Whether a folder was made under `--dev`.
pub(crate) fn is_development(data_dir: &Path) -> bool {
    data_dir.join(DEVELOPMENT_FILE).exists()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn development_and_production_do_not_share_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        check_development(folder.path(), true).unwrap();
        Keys::open(&folder.path().join(KEYS_FOLDER)).unwrap();
        check_development(folder.path(), true).unwrap();
        let refused = check_development(folder.path(), false).unwrap_err().to_string();
        assert!(refused.contains("development secrets") && refused.contains("--data-dir"), "{refused}");

        let folder = tempfile::tempdir().unwrap();
        check_development(folder.path(), false).unwrap();
        Keys::open(&folder.path().join(KEYS_FOLDER)).unwrap();
        assert!(check_development(folder.path(), true).is_err());
        check_development(folder.path(), false).unwrap();
    }
}
