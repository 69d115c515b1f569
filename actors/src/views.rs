//! Views that many clients read: the accepted view of each drop, kept on the node.

use std::{sync::Arc, time::Duration};

use dashmap::DashMap;
use engine::{
    flash_drop::{DropRejection, DropReply, DropView, FlashDrop},
    id::EntityKey,
};
use tokio::{sync::Mutex, time::Instant};
use xxhash_rust::xxh3::Xxh3DefaultBuilder;

use crate::{ask::AskError, mailbox::AskResult};

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
    /// The view of a drop, with everything that was accepted before `not_before`. `read` reads the drop; it runs only if
    /// the view that is kept is older.
    pub(crate) async fn drop_view(
        &self,
        key: &EntityKey,
        not_before: Instant,
        read: impl Future<Output = AskResult<FlashDrop>>,
    ) -> Result<Arc<DropView>, AskError<DropRejection>> {
        let slot = self.drops.entry(key.clone()).or_default().clone();
        // The first caller reads the drop; callers that arrive meanwhile wait for its result.
        let mut seen = slot.lock().await;
        if let Some(seen) = seen.as_ref().filter(|seen| seen.at >= not_before) {
            return Ok(seen.view.clone());
        }
        // Before the read, not after it: the view contains everything that was accepted until now, and perhaps more.
        let asked_at = Instant::now();
        match read.await {
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
                self.drops.remove(key);
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
