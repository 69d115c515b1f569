//! What many look at: the accepted view of a drop, kept on the node.

use std::{sync::Arc, time::Duration};

use dashmap::DashMap;
use engine::{
    drop::{Drop, DropCommand, DropRejection, DropReply, DropView},
    id::{DropId, EntityKey, TenantId},
};
use tokio::{sync::Mutex, time::Instant};
use xxhash_rust::xxh3::Xxh3DefaultBuilder;

use crate::{
    ask::{AskError, Call},
    commerce::Commerce,
};

/// The oldest that a view may be when it is given out: 20 a second is what an eye follows.
pub const VIEW_AGE_MAX: Duration = Duration::from_millis(50);
/// Views that are kept; beyond that the ones not asked for lately are dropped.
const VIEWS_MAX: usize = 10_000;

/// The views of a node.
#[derive(Default)]
pub struct Views {
    drops: DashMap<EntityKey, Arc<Mutex<Option<Seen>>>, Xxh3DefaultBuilder>,
}

#[derive(Clone)]
struct Seen {
    at: Instant,
    view: Arc<DropView>,
}

impl Views {
    pub(crate) async fn drop_view(
        &self,
        commerce: &Commerce,
        tenant: &TenantId,
        drop: DropId,
        not_before: Instant,
    ) -> Result<Arc<DropView>, AskError<DropRejection>> {
        let key = drop.key(tenant);
        let slot = self.drops.entry(key.clone()).or_default().clone();
        // One asks; those who come meanwhile wait for what it gets.
        let mut seen = slot.lock().await;
        if let Some(seen) = seen.as_ref().filter(|seen| seen.at >= not_before) {
            return Ok(seen.view.clone());
        }
        let asked_at = Instant::now();
        match commerce.ask::<Drop>(&key, DropCommand::View, Call::read()).await {
            Ok(answered) => match answered.reply {
                DropReply::Drop(view) => {
                    let view: Arc<DropView> = view.into();
                    *seen = Some(Seen { at: asked_at, view: view.clone() });
                    self.forget_old();
                    Ok(view)
                }
                _ => Err(AskError::Unknown),
            },
            Err(error) => {
                std::mem::drop(seen);
                self.drops.remove(&key);
                Err(error)
            }
        }
    }

    fn forget_old(&self) {
        if self.drops.len() > VIEWS_MAX {
            self.drops.retain(|_, slot| match slot.try_lock() {
                Ok(seen) => seen.as_ref().is_some_and(|seen| seen.at.elapsed() < Duration::from_secs(10)),
                Err(_) => true,
            });
        }
    }
}
