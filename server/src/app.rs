//! Opens a data folder and starts every part of the server, each after the parts that it depends on.
//!
//! ```text
//!   lock the folder ─► journal, checked ─► snapshots ─► SQL, migrated ─► check: the journal has all that SQL has seen
//!        ─► external services ─► node: leads every shard ─► projector ─► gateway
//! ```

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use actors::{Node, NodeError, NodeOptions, SystemClock, clock::Clock};
use gateway::{
    Gateway, GatewayOptions,
    auth::{KeyError, Keys, sealing::PaymentTokens},
};
use integrations::{
    external_services::Services,
    mail::{MailSender, MailSenderError},
    payments::{OpenToken, Providers},
    sandbox::{self, LedgerError, Sandbox},
};
use metrics_exporter_prometheus::PrometheusHandle;
use persistence::{
    snapshots::{EmbeddedSnapshots, SnapshotStore, SnapshotStoreError, embedded::SNAPSHOTS_FOLDER},
    sql::{OpenError as SqlError, ReadSide, StoreError},
    views::{ProjectError, Projector},
};
use streaming::{
    JournalError, ShardId,
    embedded::{DataFolder, EmbeddedJournal, EmbeddedOptions, FilesError, FolderError, JOURNAL_FOLDER, check_files},
};

pub(crate) use crate::read_side::READ_SIDE_FILE;
use crate::{
    config::{Config, SHARDS},
    fingerprints::{self, FingerprintError},
    mails::{AccountMailer, MailContents, ReadSideMailLog},
    private::{self, PrivacyError},
    projection::ReadSideProjection,
    read_side::{self, MustBe, ReadSideError, ReadSideWatermark},
};

/// The maximum number of snapshot bytes, newest first, that are compared with their checksums at the start: this takes
/// a second for each 2 GiB.
const SNAPSHOT_BYTES_CHECKED_MAX: u64 = 4 << 30;
/// The folder of the installation's secrets.
pub(crate) const KEYS_FOLDER: &str = "keys";
/// The file of the sandbox provider's ledger.
const SANDBOX_FILE: &str = "sandbox.jsonl";
/// The file that marks a folder made under `--dev`, whose tokens were printed to a terminal.
const DEVELOPMENT_FILE: &str = "development";

/// A data folder that cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// Another process uses the folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The folder can be read by users other than its owner.
    #[error(transparent)]
    Privacy(#[from] PrivacyError),
    /// The folder was made under `--dev` and this server runs without it, or the reverse.
    #[error("{0}")]
    Development(String),
    /// A file of the folder cannot be read or written.
    #[error("{path}: {why}")]
    File {
        /// The path of the file.
        path: PathBuf,
        /// The system's error.
        why: std::io::Error,
    },
    /// The journal cannot be opened.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The snapshot store cannot be opened.
    #[error(transparent)]
    Snapshots(#[from] SnapshotStoreError),
    /// The files of the snapshot store cannot be read.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// The read side cannot be opened, or has lost transactions.
    #[error(transparent)]
    ReadSide(#[from] ReadSideError),
    /// A query of the read side failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The projections of the read side cannot be used.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// The secrets cannot be used.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The secrets are not the ones that the folder was made with.
    #[error(transparent)]
    Fingerprints(#[from] FingerprintError),
    /// The mailer cannot be opened.
    #[error(transparent)]
    Post(#[from] MailSenderError),
    /// The sandbox provider's ledger cannot be used.
    #[error(transparent)]
    Sandbox(#[from] LedgerError),
    /// The node does not start.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The gateway does not start.
    #[error(transparent)]
    Gateway(#[from] gateway::StartError),
    /// A blocking task panicked or was cancelled.
    #[error("a thread failed: {0}")]
    Thread(#[from] tokio::task::JoinError),
}

impl OpenError {
    /// Returns what an operator can do about the error, if anything.
    pub(crate) fn advice(&self, data_dir: &Path) -> Option<String> {
        use {ReadSideError as Side, SqlError as Sql};
        let data = data_dir.display();
        match self {
            OpenError::Journal(
                JournalError::Damaged { .. } | JournalError::Truncated { .. } | JournalError::DamagedStore { .. },
            )
            | OpenError::ReadSide(Side::Journal(_)) => {
                let kept = data_dir.join(format!("{JOURNAL_FOLDER}.before-open"));
                let kept = match kept.exists() {
                    true => format!(" (a copy of the original journal is in {})", kept.display()),
                    false => String::new(),
                };
                Some(format!(
                    "nothing was served or lost{kept}: restore all of {data} from one backup; `fusion doctor` shows \
                     what is readable"
                ))
            }
            OpenError::Keys(KeyError::Damaged { .. }) | OpenError::Fingerprints(FingerprintError::Missing(_)) => {
                Some("restore it from a backup: tokens, order numbers and limits by e-mail depend on it".into())
            }
            OpenError::Fingerprints(FingerprintError::Changed(_)) => Some(format!(
                "restore it from a backup: tokens, order numbers and limits by e-mail depend on it; if it was replaced on \
                 purpose, remove {data}/{KEYS_FOLDER}/fingerprints"
            )),
            OpenError::ReadSide(Side::Lost { .. }) => Some(format!(
                "restore {READ_SIDE_FILE} and {READ_SIDE_FILE}-wal together, from one backup; without one, run `fusion \
                 rebuild --data-dir {data}`: the lists are rebuilt from the journal, but accounts and addresses of the missing \
                 transactions are lost"
            )),
            OpenError::ReadSide(Side::Missing(_) | Side::Sql(Sql::Database { .. })) => Some(format!(
                "restore {READ_SIDE_FILE} and {READ_SIDE_FILE}-wal together, from one backup; without one, move both away \
                 and run `fusion rebuild --data-dir {data}`: the lists are rebuilt from the journal, but accounts and addresses \
                 are lost"
            )),
            OpenError::Sandbox(_) => {
                Some("restore it from a backup, or move it away: the sandbox then loses its payments".into())
            }
            _ => None,
        }
    }
}

/// The parts of the server that commands and request handlers use. Cheap to share.
pub(crate) struct Backends {
    /// The data folder.
    pub(crate) data_dir: PathBuf,
    /// The journal.
    pub(crate) journal: Arc<EmbeddedJournal>,
    /// The snapshots.
    pub(crate) snapshots: Arc<dyn SnapshotStore>,
    /// The read side: accounts and lists.
    pub(crate) read_side: ReadSide,
    /// The public API, and through it the entities.
    pub(crate) gateway: Gateway,
    /// The sandbox payment provider, if it is enabled.
    pub(crate) sandbox: Option<Arc<Sandbox>>,
    /// The drop of the demo shop, set once it is announced under `--dev`.
    pub(crate) announced: std::sync::OnceLock<String>,
}

/// An open data folder with a running node.
pub(crate) struct App {
    /// The parts that are shared.
    pub(crate) backends: Arc<Backends>,
    node: Node,
    mails: Arc<MailContents>,
    folder: DataFolder,
}

impl App {
    /// Opens or creates the folder that `config` names, and returns when this node leads every shard.
    pub(crate) async fn open(config: &Config, metrics: PrometheusHandle) -> Result<Self, OpenError> {
        let began = Instant::now();
        // First of all: nothing may be opened or written before the folder is private.
        private::secure(&config.data_dir)?;
        let folder = DataFolder::lock(&config.data_dir)?;
        check_development(&config.data_dir, config.dev)?;
        let journal = Arc::new(open_journal(&folder, config.reset_watermark).await?);
        let in_use = has_history(&journal);
        let keys = open_keys(&config.data_dir, in_use)?;
        let snapshots = open_snapshots(&config.data_dir).await?;
        let read_side = open_read_side(config, &journal, in_use).await?;

        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let ended = read_side.fail_running_imports("the server stopped before the import ended", clock.now()).await?;
        if ended > 0 {
            tracing::warn!(imports = ended, "imports of an earlier run are marked as failed");
        }
        let mails = Arc::new(MailContents::new(read_side.clone(), &config.mail_from));
        let log = ReadSideMailLog::open(read_side.clone(), clock.clone()).await?;
        let mail_sender = Arc::new(MailSender::open(&config.mail_from, &config.mail)?.with_log(Arc::new(log)));
        let sandbox = open_sandbox(config, clock.clone()).await?;
        let tokens = PaymentTokens::new(&keys)?;
        let open_token: OpenToken = Arc::new(move |tenant, token| tokens.open(tenant, token).ok());
        let mut providers = Providers::new(config.provider_timeout).opening_tokens(open_token);
        if let Some(sandbox) = &sandbox {
            providers = providers.with(sandbox::NAME, sandbox.clone());
        }
        // The old watermark goes before the projector opens, which may empty the projections to rebuild them. Otherwise
        // a crash in between would make the next start report lost transactions.
        ReadSideWatermark::retire(&config.data_dir)?;
        let projector = Projector::open(read_side.clone()).await?;
        let durable_watermark = ReadSideWatermark::begin(&config.data_dir, &read_side, SHARDS).await?;
        let node = Node::start(NodeOptions {
            name: format!("fusion-{}", std::process::id()),
            journal: journal.clone(),
            snapshots: snapshots.clone(),
            external_services: Arc::new(Services::new(providers, mail_sender.clone(), mails.clone())),
            clock: clock.clone(),
            projection: Some(Arc::new(ReadSideProjection::new(projector, durable_watermark))),
            tuning: config.tuning.clone(),
        })
        .await?;
        let gateway = Gateway::new(GatewayOptions {
            commerce: node.commerce(),
            read_side: read_side.clone(),
            settings: config.api.clone(),
            keys,
            mailer: Arc::new(AccountMailer(mail_sender)),
            clock,
            metrics,
        })?;
        // The lookup of mails needs the gateway, and the gateway needs the node. Until here, effects that send mails
        // are retried.
        mails.open(gateway.clone());
        let recovery_ms = began.elapsed().as_millis() as u64;
        tracing::info!(path = %config.data_dir.display(), recovery_ms, "data folder open, all shards have a leader");
        let data_dir = config.data_dir.clone();
        Ok(Self {
            backends: Arc::new(Backends {
                data_dir,
                journal,
                snapshots,
                read_side,
                gateway,
                sandbox,
                announced: std::sync::OnceLock::new(),
            }),
            node,
            mails,
            folder,
        })
    }

    /// Waits until a shard fails for good, and returns the reason.
    pub(crate) async fn failed(&mut self) -> String {
        self.node.failed().await.to_string()
    }

    /// Completes the work in progress, takes a checkpoint, and closes the folder.
    pub(crate) async fn close(self, within: Duration) {
        let began = Instant::now();
        // The node stops first: its last checkpoint and projections still need the read side.
        self.node.stop(within).await;
        self.mails.close();
        self.backends.read_side.close().await;
        // The journal closes with its last reference: the one dropped here, when no request is left.
        drop(self.backends);
        drop(self.folder);
        tracing::info!(elapsed_ms = began.elapsed().as_millis() as u64, "data folder closed");
    }
}

async fn open_journal(folder: &DataFolder, reset_watermark: bool) -> Result<EmbeddedJournal, OpenError> {
    let folder = folder.clone();
    let options = EmbeddedOptions { reset_watermark, ..EmbeddedOptions::new(SHARDS) };
    Ok(tokio::task::spawn_blocking(move || EmbeddedJournal::open(folder, options)).await??)
}

async fn open_snapshots(data_dir: &Path) -> Result<Arc<dyn SnapshotStore>, OpenError> {
    let began = Instant::now();
    let data_dir = data_dir.to_owned();
    let opened = tokio::task::spawn_blocking(move || open_or_replace_snapshots(&data_dir)).await??;
    tracing::info!(elapsed_ms = began.elapsed().as_millis() as u64, "snapshots open");
    Ok(Arc::new(opened))
}

/// Opens the snapshot store, or sets a damaged one aside and makes an empty one.
///
/// Snapshots are a cache of the journal: without them, the journal is read from its start.
fn open_or_replace_snapshots(data_dir: &Path) -> Result<EmbeddedSnapshots, OpenError> {
    let why = match check_files(&data_dir.join(SNAPSHOTS_FOLDER), SNAPSHOT_BYTES_CHECKED_MAX) {
        Ok(()) => match EmbeddedSnapshots::open(data_dir) {
            Err(error @ SnapshotStoreError::Damaged { .. }) => error.to_string(),
            opened => return Ok(opened?),
        },
        Err(error @ FilesError::Damaged { .. }) => error.to_string(),
        Err(error @ FilesError::Unreadable { .. }) => return Err(error.into()),
    };
    let path = data_dir.join(SNAPSHOTS_FOLDER);
    let aside = EmbeddedSnapshots::set_aside(data_dir).map_err(|why| OpenError::File { path, why })?;
    tracing::error!(why, aside = %aside.display(), "snapshots are damaged; they are moved aside and rebuilt from the journal");
    Ok(EmbeddedSnapshots::open(data_dir)?)
}

async fn open_read_side(config: &Config, journal: &EmbeddedJournal, in_use: bool) -> Result<ReadSide, OpenError> {
    let began = Instant::now();
    let must_be = if in_use && !config.reset_watermark { MustBe::Whole } else { MustBe::AsItIs };
    let read_side = read_side::open(&config.data_dir, journal, must_be).await?;
    tracing::info!(elapsed_ms = began.elapsed().as_millis() as u64, "read side open and migrated");
    Ok(read_side)
}

/// Whether the journal has an accepted entry. Every other file was made before the first one, so all must exist.
fn has_history(journal: &EmbeddedJournal) -> bool {
    (0..SHARDS).any(|shard| journal.accepted_now(ShardId(shard)).is_ok_and(|end| end.0 > 0))
}

/// Opens the installation's secrets, or creates them in a new folder.
fn open_keys(data_dir: &Path, in_use: bool) -> Result<Keys, OpenError> {
    let folder = data_dir.join(KEYS_FOLDER);
    if in_use {
        fingerprints::expect_all(&folder)?;
    }
    let keys = Keys::open(&folder)?;
    fingerprints::check(&folder, &keys)?;
    Ok(keys)
}

async fn open_sandbox(config: &Config, clock: Arc<dyn Clock>) -> Result<Option<Arc<Sandbox>>, OpenError> {
    if !config.sandbox {
        return Ok(None);
    }
    let (path, url) = (config.data_dir.join(SANDBOX_FILE), config.api.public_url.clone());
    let opened = tokio::task::spawn_blocking(move || Sandbox::open(&path, &url, clock)).await??;
    Ok(Some(Arc::new(opened)))
}

/// Keeps development folders and others apart: the tokens of a development folder were printed to a terminal.
fn check_development(data_dir: &Path, dev: bool) -> Result<(), OpenError> {
    let marker = data_dir.join(DEVELOPMENT_FILE);
    let is_new = !data_dir.join(KEYS_FOLDER).exists();
    let path = data_dir.display();
    match (is_development(data_dir), dev) {
        (true, false) => Err(OpenError::Development(format!(
            "{path} was created with --dev and contains development secrets: use --dev, or another --data-dir"
        ))),
        (false, true) if !is_new => Err(OpenError::Development(format!(
            "{path} was not created with --dev, which prints tokens: omit --dev, or use another --data-dir"
        ))),
        (false, true) => std::fs::write(&marker, "created by fusion serve --dev\n")
            .map_err(|why| OpenError::File { path: marker.clone(), why }),
        _ => Ok(()),
    }
}

/// Whether the sandbox provider was ever enabled for a folder.
pub(crate) fn has_sandbox(data_dir: &Path) -> bool {
    data_dir.join(SANDBOX_FILE).exists()
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
