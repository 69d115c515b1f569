//! The one way to ask an entity for something. It neither knows nor cares where the entity lives.

use std::{sync::Arc, time::Duration};

use engine::{
    aggregate::Aggregate,
    drop::{DropRejection, DropView},
    effect::{EffectId, Outcome},
    id::{DropId, EntityKey, TenantId},
};
use tokio::{sync::oneshot, time::Instant};

use crate::{
    ask::{Answered, AskError, Call},
    changes::{Ear, Interest, Listening},
    entity::Undecided,
    gate::Refused,
    node::{Ailing, NodeShared},
    ports::Outside,
    shard::Leading,
};

/// What a caller that is refused for load is told to wait.
const OVERLOADED_RETRY: Duration = Duration::from_secs(1);
/// What a caller is told to wait while a shard starts.
const UNAVAILABLE_RETRY: Duration = Duration::from_secs(1);

/// Asks entities. Cheap to clone.
#[derive(Clone)]
pub struct Commerce {
    node: Arc<NodeShared>,
}

type Asked<A> = Result<Answered<<A as Aggregate>::Reply>, AskError<<A as Aggregate>::Rejection>>;

enum Obstacle {
    Again,
    Overloaded,
    Parked,
}

impl Commerce {
    pub(crate) fn new(node: Arc<NodeShared>) -> Self {
        Self { node }
    }

    /// Gives a command to the entity with this key, and waits for the answer: at most `call.timeout`, after which the
    /// outcome is unknown.
    pub async fn ask<A: Aggregate>(&self, key: &EntityKey, command: A::Command, call: Call) -> Asked<A> {
        let kind = A::KIND;
        if self.node.is_stopping() {
            return Err(AskError::Unavailable { retry_after: UNAVAILABLE_RETRY });
        }
        let asked = self.ask_within::<A>(key, command, call, false).await;
        self.node.counters.count(kind, &asked);
        asked
    }

    /// The same on a place that is kept for effects, so that a flood of callers cannot starve them.
    pub(crate) async fn ask_reserved<A: Aggregate>(
        &self,
        key: &EntityKey,
        command: A::Command,
        call: Call,
    ) -> Asked<A> {
        self.ask_within::<A>(key, command, call, true).await
    }

    async fn ask_within<A: Aggregate>(
        &self,
        key: &EntityKey,
        command: A::Command,
        call: Call,
        reserved: bool,
    ) -> Asked<A> {
        debug_assert_eq!(key.kind(), A::KIND, "the key of another kind");
        let deadline = Instant::now() + call.timeout;
        loop {
            let leading = self.leading(key, deadline).await?;
            let (reply, heard) = oneshot::channel();
            match self.hand_over::<A>(&leading, key, command.clone(), call.clone(), reserved, reply).await {
                Ok(()) => {}
                Err(Obstacle::Overloaded) => return Err(AskError::Overloaded { retry_after: OVERLOADED_RETRY }),
                Err(Obstacle::Parked) => return Err(AskError::Parked),
                Err(Obstacle::Again) if Instant::now() >= deadline => {
                    return Err(AskError::Unavailable { retry_after: UNAVAILABLE_RETRY });
                }
                Err(Obstacle::Again) => {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    continue;
                }
            }
            match tokio::time::timeout_at(deadline, heard).await {
                Ok(Ok(Ok(answer))) => return answer,
                Ok(Ok(Err(Undecided))) => tokio::task::yield_now().await,
                Ok(Err(_)) | Err(_) => return Err(AskError::Unknown),
            }
        }
    }

    /// The leadership that answers for a key, waiting for one if there is none now.
    async fn leading<J>(&self, key: &EntityKey, deadline: Instant) -> Result<Arc<Leading>, AskError<J>> {
        let current = &self.node.shard_of(key).current;
        if let Some(leading) = current.get_going() {
            return Ok(leading);
        }
        // On the heap, as everything is that a command seldom needs: a caller's future is moved several times.
        let led = Box::pin(tokio::time::timeout_at(deadline, current.led())).await;
        led.map_err(|_| AskError::Unavailable { retry_after: UNAVAILABLE_RETRY })
    }

    async fn hand_over<A: Aggregate>(
        &self,
        leading: &Arc<Leading>,
        key: &EntityKey,
        command: A::Command,
        call: Call,
        reserved: bool,
        reply: oneshot::Sender<crate::entity::Heard<A>>,
    ) -> Result<(), Obstacle> {
        use crate::{entity::Live, shard::MailboxError};
        let mailbox = match leading.mailbox_in_memory::<A>(key) {
            Some(mailbox) => mailbox,
            None => Box::pin(leading.mailbox::<A>(key)).await,
        };
        let mailbox = mailbox.map_err(|error| match error {
            MailboxError::Gone | MailboxError::Store(_) => Obstacle::Again,
            MailboxError::Parked(_) => Obstacle::Parked,
        })?;
        let permit = if reserved { mailbox.gate().reserved() } else { mailbox.gate().caller(&self.node.gate) };
        let permit = permit.map_err(|refused| match refused {
            Refused::Full => Obstacle::Overloaded,
            Refused::Closed => Obstacle::Again,
        })?;
        mailbox.gate().touch(self.node.clock.now().0);
        mailbox.command(command, call, reply, permit).map_err(|_| Obstacle::Again)
    }

    /// Delivers what came of an effect. False: not now.
    pub(crate) async fn deliver(&self, key: &EntityKey, effect: EffectId, outcome: Outcome) -> bool {
        match self.node.shard_of(key).current.get_going() {
            Some(leading) => leading.deliver(key, effect, outcome).await.is_ok(),
            None => false,
        }
    }

    /// The outside world.
    pub(crate) fn outside(&self) -> &dyn Outside {
        self.node.outside.as_ref()
    }

    /// A drop as everybody may see it: accepted, and at most [`VIEW_AGE_MAX`](crate::views::VIEW_AGE_MAX) old. However many look, the drop is
    /// asked at most 20 times a second.
    pub async fn drop_view(&self, tenant: &TenantId, drop: DropId) -> Result<Arc<DropView>, AskError<DropRejection>> {
        let now = Instant::now();
        self.drop_view_since(tenant, drop, now.checked_sub(crate::views::VIEW_AGE_MAX).unwrap_or(now)).await
    }

    /// The same, with everything that was accepted before `instant`.
    pub async fn drop_view_since(
        &self,
        tenant: &TenantId,
        drop: DropId,
        instant: Instant,
    ) -> Result<Arc<DropView>, AskError<DropRejection>> {
        self.node.views.drop_view(self, tenant, drop, instant).await
    }

    /// Listens to what is accepted, until what this gives back is dropped.
    pub fn listen(&self, interest: Interest, ear: Ear) -> Listening {
        self.node.changes.listen(interest, ear)
    }

    /// How many callers wait on this node.
    pub fn waiting(&self) -> usize {
        self.node.gate.inside()
    }

    /// Entities that need somebody's eyes.
    pub fn ailing(&self) -> Vec<Ailing> {
        self.node.ailing()
    }

    /// How many effects of this node's entities have no definite outcome yet.
    pub fn effects_under_way(&self) -> usize {
        self.node.effects.len()
    }

    /// Whether every shard is led.
    pub fn is_ready(&self) -> bool {
        !self.node.is_stopping() && self.node.shards().iter().all(|shard| shard.current.get_going().is_some())
    }
}
