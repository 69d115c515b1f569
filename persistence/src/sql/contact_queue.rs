//! Group commit for contacts: the contacts of many buyers share a transaction and its sync during a rush of checkouts.
//!
//! A caller that finds no running writer task starts one. Contacts that arrive in the meantime form the next
//! transaction.

use engine::id::TenantId;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::{Contact, ContactError, ReadSide, contact::write_contact};

/// The maximum number of contacts in one transaction: some ten milliseconds of the single writer.
pub(super) const CONTACTS_AT_ONCE: usize = 128;

/// The contacts to be written.
#[derive(Debug, Default)]
pub(super) struct ContactQueue(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    contacts: Vec<Queued>,
    writing: bool,
}

#[derive(Debug)]
struct Queued {
    tenant: TenantId,
    contact: Contact,
    tell: oneshot::Sender<Result<(), ContactError>>,
}

impl ReadSide {
    /// Stores a contact. When this call returns, the contact is on disk and an event may refer to it. Idempotent.
    ///
    /// Derive the id from the command *and* from the contents of the contact: a repeated command finds its row, and the
    /// same idempotency key with another address cannot change the contact that an order refers to.
    pub async fn put_contact(&self, tenant: &TenantId, new: &Contact) -> Result<(), ContactError> {
        let (tell, told) = oneshot::channel();
        let starts = {
            let mut waiting = self.contacts.0.lock();
            waiting.contacts.push(Queued { tenant: tenant.clone(), contact: new.clone(), tell });
            !std::mem::replace(&mut waiting.writing, true)
        };
        if starts {
            // A separate task, so that a caller that is cancelled does not stop the writes of others.
            tokio::spawn(Writing { read_side: self.clone(), ended: false }.run());
        }
        match told.await {
            Ok(result) => result,
            // The shared transaction failed as a whole. A transaction for this contact alone returns its own error.
            Err(_) => self.write_together(&[(tenant, new)]).await?.pop().unwrap_or(Ok(())),
        }
    }

    /// Stores contacts in one transaction. On `Err`, none of them is stored.
    async fn write_together(
        &self,
        contacts: &[(&TenantId, &Contact)],
    ) -> Result<Vec<Result<(), ContactError>>, ContactError> {
        let mut tx = self.begin().await?;
        let mut results = Vec::with_capacity(contacts.len());
        for (tenant, contact) in contacts {
            match write_contact(&mut tx, tenant, contact).await {
                Err(error @ ContactError::Store(_)) => return Err(error),
                result => results.push(result),
            }
        }
        tx.commit().await?;
        Ok(results)
    }
}

/// The writer task. If it ends for any reason, the next contact starts another.
struct Writing {
    read_side: ReadSide,
    ended: bool,
}

impl Drop for Writing {
    fn drop(&mut self) {
        if !self.ended {
            self.read_side.contacts.0.lock().writing = false;
        }
    }
}

impl Writing {
    async fn run(mut self) {
        loop {
            let taken = {
                let mut waiting = self.read_side.contacts.0.lock();
                if waiting.contacts.is_empty() {
                    waiting.writing = false;
                    // Dropping this value must not clear the flag a second time: another task may be writing by then.
                    self.ended = true;
                    return;
                }
                let count = waiting.contacts.len().min(CONTACTS_AT_ONCE);
                waiting.contacts.drain(..count).collect::<Vec<_>>()
            };
            let contacts: Vec<_> = taken.iter().map(|queued| (&queued.tenant, &queued.contact)).collect();
            match self.read_side.write_together(&contacts).await {
                Ok(results) => {
                    for (queued, result) in taken.into_iter().zip(results) {
                        let _ = queued.tell.send(result);
                    }
                }
                Err(error) => tracing::warn!(%error, count = taken.len(), "contacts not written together"),
            }
        }
    }
}
