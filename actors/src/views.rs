//! Views that many clients read: the accepted view of each drop, kept on the node.

use std::{sync::Arc, time::Duration};

use dashmap::DashMap;
use engine::{
    flash_drop::{DropCommand, DropRejection, DropReply, DropView, FlashDrop},
    id::{DropId, EntityKey, TenantId},
};
use tokio::{sync::Mutex, time::Instant};
use xxhash_rust::xxh3::Xxh3DefaultBuilder;

use crate::{
    ask::{AskError, CommandMeta},
    commerce::Commerce,
};

/// The maximum age of a view that is returned: the eye follows 20 changes a second.
pub const VIEW_AGE_MAX: Duration = Duration::from_millis(50);
/// The number of views above which those not used lately are dropped.
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
        // The first caller reads the drop; callers that arrive meanwhile wait for its result.
        let mut seen = slot.lock().await;
        if let Some(seen) = seen.as_ref().filter(|seen| seen.at >= not_before) {
            return Ok(seen.view.clone());
        }
        // Before the read, not after it: the view contains everything that was accepted until now, and perhaps more.
        let asked_at = Instant::now();
        match commerce.ask::<FlashDrop>(&key, DropCommand::View, CommandMeta::read()).await {
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
