//! The current status of subjects.

use std::{
    collections::HashMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use engine::{
    flash_drop::Buyer,
    id::{SubjectId, TenantId},
    time::Timestamp,
};
use parking_lot::{Mutex, RwLock};
use persistence::sql::{ReadSide, StoreError};

/// The current status of a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectStatus {
    /// The subject itself, or the account that it has signed in to.
    pub subject: SubjectId,
    /// The guests that the account was before. Their data belongs to the account.
    pub former: Vec<SubjectId>,
    /// Whether it has an account.
    pub customer: bool,
    /// Whether the owner has proved that mail to the account's address reaches them.
    pub verified: bool,
    /// Whether the account was erased: nothing may be done on its behalf any more.
    pub erased: bool,
    /// Tokens issued before this instant are invalid: the password was reset or the subject's data erased then.
    pub tokens_from: Option<Timestamp>,
}

impl SubjectStatus {
    /// The status of a guest.
    pub fn guest(subject: SubjectId) -> Self {
        Self { subject, former: Vec::new(), customer: false, verified: false, erased: false, tokens_from: None }
    }

    /// The buyer for the engine.
    pub fn buyer(&self) -> Buyer {
        Buyer { subject: self.subject, former: self.former.clone(), customer: self.customer }
    }
}

/// The status of one subject, shared by all its cached tokens.
#[derive(Debug)]
pub(crate) struct Cell {
    subject_status: RwLock<Arc<SubjectStatus>>,
    /// Tokens issued before this instant, in milliseconds, are invalid.
    tokens_from: AtomicU64,
}

impl Cell {
    pub(crate) fn of(subject_status: SubjectStatus) -> Arc<Self> {
        Arc::new(Self { subject_status: RwLock::new(Arc::new(subject_status)), tokens_from: AtomicU64::new(0) })
    }

    /// Whether tokens issued at this instant have been ended.
    pub(crate) fn has_ended(&self, issued_at: Timestamp) -> bool {
        issued_at.0 < self.tokens_from.load(Ordering::Acquire)
    }

    pub(crate) fn subject_status(&self) -> Arc<SubjectStatus> {
        self.subject_status.read().clone()
    }
}

type Cells = HashMap<(TenantId, SubjectId), Weak<Cell>>;

/// The cells of all cached tokens.
#[derive(Debug, Default)]
pub(crate) struct SubjectStatuses {
    cells: Mutex<Cells>,
    /// Counts changes: a status read from the database before a change must not be kept after it.
    changes: AtomicU64,
}

impl SubjectStatuses {
    /// Creates the cell of a new guest, whose id no one else knows yet.
    pub(crate) fn new_guest(&self, tenant: &TenantId, subject: SubjectId) -> Arc<Cell> {
        let cell = Cell::of(SubjectStatus::guest(subject));
        self.cells.lock().insert((tenant.clone(), subject), Arc::downgrade(&cell));
        cell
    }

    /// Returns the cell of a subject, and reads its status if it is not cached.
    pub(crate) async fn cell(
        &self,
        read_side: &ReadSide,
        tenant: &TenantId,
        subject: SubjectId,
    ) -> Result<Arc<Cell>, StoreError> {
        let name = (tenant.clone(), subject);
        loop {
            let before = self.changes.load(Ordering::Acquire);
            if let Some(cell) = self.cells.lock().get(&name).and_then(Weak::upgrade) {
                return Ok(cell);
            }
            // The lock is not held during the read. `changes` reveals a change in between; then the read is repeated.
            let subject_status = read(read_side, tenant, subject).await?;
            let mut cells = self.cells.lock();
            if let Some(cell) = cells.get(&name).and_then(Weak::upgrade) {
                return Ok(cell);
            }
            if self.changes.load(Ordering::Acquire) == before {
                let cell = Cell::of(subject_status);
                cells.insert(name, Arc::downgrade(&cell));
                return Ok(cell);
            }
        }
    }

    /// Updates every cell of an account after a change of it is durable.
    pub(crate) async fn changed(
        &self,
        read_side: &ReadSide,
        tenant: &TenantId,
        account: SubjectId,
    ) -> Result<Arc<SubjectStatus>, StoreError> {
        // Reads that start from here on see the change; those that started before see the new count and read again.
        let mut seen = self.changes.fetch_add(1, Ordering::AcqRel) + 1;
        loop {
            let subject_status = Arc::new(read(read_side, tenant, account).await?);
            let cells = self.cells.lock();
            let latest = self.changes.load(Ordering::Acquire);
            if latest != seen {
                seen = latest;
                continue;
            }
            for subject in std::iter::once(subject_status.subject).chain(subject_status.former.iter().copied()) {
                if let Some(cell) = cells.get(&(tenant.clone(), subject)).and_then(Weak::upgrade) {
                    *cell.subject_status.write() = subject_status.clone();
                }
            }
            return Ok(subject_status);
        }
    }

    /// Invalidates cached tokens that were issued to a subject before `before`.
    pub(crate) fn end_tokens(&self, tenant: &TenantId, subject: SubjectId, before: Timestamp) {
        if let Some(cell) = self.cells.lock().get(&(tenant.clone(), subject)).and_then(Weak::upgrade) {
            cell.tokens_from.fetch_max(before.0, Ordering::AcqRel);
        }
    }

    /// Removes the cells that no cached token holds any more.
    pub(crate) fn sweep(&self) {
        self.cells.lock().retain(|_, cell| cell.strong_count() > 0);
    }
}

async fn read(read_side: &ReadSide, tenant: &TenantId, subject: SubjectId) -> Result<SubjectStatus, StoreError> {
    let subject = read_side.resolve_subject(tenant, subject).await?;
    match read_side.account(tenant, subject).await? {
        None => {
            let tokens_from = read_side.subject_tokens_from(tenant, subject).await?;
            Ok(SubjectStatus { tokens_from, ..SubjectStatus::guest(subject) })
        }
        Some(account) => {
            let former = read_side.former_subjects(tenant, subject).await?;
            let (erased, verified) = (account.erased_at.is_some(), account.verified_at.is_some());
            Ok(SubjectStatus { subject, former, customer: true, verified, erased, tokens_from: account.tokens_from })
        }
    }
}
