//! Keeps a shard's agenda: wakes entities when their wake times have come.

use std::{sync::Arc, time::Duration};

use crate::leader::{Leader, MailboxError};

/// The pause before a wake that did not reach its entity is tried again.
const WAKE_RETRY_MS: u64 = 100;
/// The maximum number of wakes delivered at once; more wait for the next round.
const WAKES_AT_ONCE: usize = 1_024;

/// Wakes the entities of a leadership, until it ends.
pub(super) async fn keep_agenda(leader: Arc<Leader>) {
    while !leader.has_ended() {
        let (due, next) = leader.agenda.due(leader.now(), WAKES_AT_ONCE);
        for key in &due {
            let woken = match leader.any(key).await {
                Ok(live) => live.wake().is_ok(),
                // A quarantined entity answers nothing until the process restarts. Its wake stays on the agenda for
                // then.
                Err(MailboxError::Quarantined(_)) => continue,
                Err(MailboxError::Gone | MailboxError::Store(_)) => false,
            };
            if !woken && !leader.has_ended() {
                // The entity is leaving memory, or the stores do not answer.
                leader.agenda.retry(key, leader.now().plus_ms(WAKE_RETRY_MS));
            }
        }
        if due.len() == WAKES_AT_ONCE {
            tokio::task::yield_now().await;
            continue;
        }
        match next {
            Some(next) => {
                let pause = Duration::from_millis(next.ms_since(leader.now()).max(1));
                tokio::select! {
                    biased;
                    () = leader.agenda.changed() => {}
                    () = tokio::time::sleep(pause) => {}
                }
            }
            None => leader.agenda.changed().await,
        }
    }
}
