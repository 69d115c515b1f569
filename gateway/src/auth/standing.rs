//! What a subject is by now.

use std::{
    collections::HashMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use engine::{
    drop::Buyer,
    id::{SubjectId, TenantId},
    time::Timestamp,
};
use parking_lot::{Mutex, RwLock};
use persistence::sql::{ReadSide, StoreError};

/// What a subject is by now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Who it is: itself, or the account that it has signed in to.
    pub subject: SubjectId,
    /// The guests that the account was before: what is theirs is its own.
    pub former: Vec<SubjectId>,
    /// Whether it has an account.
    pub customer: bool,
    /// Whether its owner has shown that mail reaches them at the account's address.
    pub verified: bool,
    /// Whether the account was erased: nothing is left to be done in its name.
    pub erased: bool,
    /// Tokens that were given out before this instant are worthless: the password was reset then, or what was kept of the
    /// subject erased.
    pub tokens_from: Option<Timestamp>,
}

impl Standing {
    /// A guest.
    pub fn guest(subject: SubjectId) -> Self {
        Self { subject, former: Vec::new(), customer: false, verified: false, erased: false, tokens_from: None }
    }

    /// The buyer as the engine knows one.
    pub fn buyer(&self) -> Buyer {
        Buyer { subject: self.subject, former: self.former.clone(), customer: self.customer }
    }
}

/// The standing of one subject, shared by all who hold its tokens.
#[derive(Debug)]
pub(crate) struct Cell {
    standing: RwLock<Arc<Standing>>,
    /// Tokens that were given out before this instant, in milliseconds, are worthless.
    tokens_from: AtomicU64,
}

impl Cell {
    pub(crate) fn of(standing: Standing) -> Arc<Self> {
        Arc::new(Self { standing: RwLock::new(Arc::new(standing)), tokens_from: AtomicU64::new(0) })
    }

    /// Whether the tokens that were given out at this instant have been ended.
    pub(crate) fn has_ended(&self, issued_at: Timestamp) -> bool {
        issued_at.0 < self.tokens_from.load(Ordering::Acquire)
    }

    pub(crate) fn standing(&self) -> Arc<Standing> {
        self.standing.read().clone()
    }
}

type Cells = HashMap<(TenantId, SubjectId), Weak<Cell>>;

/// Every cell that a known token holds.
#[derive(Debug, Default)]
pub(crate) struct Standings {
    cells: Mutex<Cells>,
    /// Counts changes: what was read from the database before a change must not be kept after it.
    changes: AtomicU64,
}

impl Standings {
    /// The cell of a guest that was made just now, and that nobody else knows yet.
    pub(crate) fn new_guest(&self, tenant: &TenantId, subject: SubjectId) -> Arc<Cell> {
        let cell = Cell::of(Standing::guest(subject));
        self.cells.lock().insert((tenant.clone(), subject), Arc::downgrade(&cell));
        cell
    }

    /// The cell of a subject.
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
            let standing = read(read_side, tenant, subject).await?;
            let mut cells = self.cells.lock();
            if let Some(cell) = cells.get(&name).and_then(Weak::upgrade) {
                return Ok(cell);
            }
            if self.changes.load(Ordering::Acquire) == before {
                let cell = Cell::of(standing);
                cells.insert(name, Arc::downgrade(&cell));
                return Ok(cell);
            }
        }
    }

    /// Tells every cell concerned that what the account is has changed, once the change is durable.
    pub(crate) async fn changed(
        &self,
        read_side: &ReadSide,
        tenant: &TenantId,
        account: SubjectId,
    ) -> Result<Arc<Standing>, StoreError> {
        // Whoever reads from here on reads the change; whoever has read before will notice, and read again.
        let mut seen = self.changes.fetch_add(1, Ordering::AcqRel) + 1;
        loop {
            let standing = Arc::new(read(read_side, tenant, account).await?);
            let cells = self.cells.lock();
            let latest = self.changes.load(Ordering::Acquire);
            if latest != seen {
                seen = latest;
                continue;
            }
            for subject in std::iter::once(standing.subject).chain(standing.former.iter().copied()) {
                if let Some(cell) = cells.get(&(tenant.clone(), subject)).and_then(Weak::upgrade) {
                    *cell.standing.write() = standing.clone();
                }
            }
            return Ok(standing);
        }
    }

    /// Makes the known tokens worthless that a subject was given before `before`.
    pub(crate) fn end_tokens(&self, tenant: &TenantId, subject: SubjectId, before: Timestamp) {
        if let Some(cell) = self.cells.lock().get(&(tenant.clone(), subject)).and_then(Weak::upgrade) {
            cell.tokens_from.fetch_max(before.0, Ordering::AcqRel);
        }
    }

    /// Forgets the cells that no token holds any more.
    pub(crate) fn sweep(&self) {
        self.cells.lock().retain(|_, cell| cell.strong_count() > 0);
    }
}

async fn read(read_side: &ReadSide, tenant: &TenantId, subject: SubjectId) -> Result<Standing, StoreError> {
    let subject = read_side.resolve_subject(tenant, subject).await?;
    match read_side.account(tenant, subject).await? {
        None => {
            let tokens_from = read_side.subject_tokens_from(tenant, subject).await?;
            Ok(Standing { tokens_from, ..Standing::guest(subject) })
        }
        Some(account) => {
            let former = read_side.former_subjects(tenant, subject).await?;
            let (erased, verified) = (account.erased_at.is_some(), account.verified_at.is_some());
            Ok(Standing { subject, former, customer: true, verified, erased, tokens_from: account.tokens_from })
        }
    }
}
