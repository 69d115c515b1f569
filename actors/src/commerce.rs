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
    ask::{AskError, Call},
    changes::{Ear, Interest, Listening},
    gate::{Permit, Refused},
    mailbox::{Asked, Live, Message, Undecided},
    node::{Ailing, NodeShared},
    ports::Outside,
    shard::{Leading, MailboxError},
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

/// Why an entity was not asked, or did not answer.
#[derive(Clone, Copy)]
enum Unanswered {
    Overloaded,
    Unavailable,
    Parked,
    Unknown,
}

impl<J> From<Unanswered> for AskError<J> {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::Overloaded => AskError::Overloaded { retry_after: OVERLOADED_RETRY },
            Unanswered::Unavailable => AskError::Unavailable { retry_after: UNAVAILABLE_RETRY },
            Unanswered::Parked => AskError::Parked,
            Unanswered::Unknown => AskError::Unknown,
        }
    }
}

/// The places that a message takes among those that wait for an entity.
#[derive(Clone, Copy)]
enum Places {
    /// Of so many callers' commands.
    Callers(usize),
    /// One of those that are kept for effects.
    Reserved,
}

enum Obstacle {
    Again,
    Final(Unanswered),
}

impl Commerce {
    pub(crate) fn new(node: Arc<NodeShared>) -> Self {
        Self { node }
    }

    /// Gives a command to the entity with this key, and waits for the answer: at most `call.timeout`, after which the
    /// outcome is unknown.
    pub async fn ask<A: Aggregate>(&self, key: &EntityKey, command: A::Command, call: Call) -> Asked<A> {
        let asked = self.ask_within::<A>(key, command, call, false).await;
        self.node.counters.count(A::KIND, &asked);
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
        let places = if reserved { Places::Reserved } else { Places::Callers(1) };
        let message = |reply, permit| Message::Command { command: command.clone(), call: call.clone(), reply, permit };
        self.exchange::<A, _>(key, Instant::now() + call.timeout, places, message).await?
    }

    /// Gives commands to the entity with this key as one message, and waits for all the answers, which come in the same
    /// order: at most as long as the first command's `timeout`. They are decided in order, but each for itself: one that
    /// is refused is no hindrance to the next. At most [`ENTITY_CALLERS_MAX`](crate::gate::ENTITY_CALLERS_MAX).
    pub async fn ask_many<A: Aggregate>(&self, key: &EntityKey, commands: Vec<(A::Command, Call)>) -> Vec<Asked<A>> {
        let Some((_, first)) = commands.first() else { return Vec::new() };
        let (deadline, places) = (Instant::now() + first.timeout, Places::Callers(commands.len()));
        let commands = Arc::new(commands);
        let message = |reply, permit| Message::Commands { commands: commands.clone(), reply, permit };
        let mut answers = Vec::with_capacity(commands.len());
        match self.exchange::<A, _>(key, deadline, places, message).await {
            Err(unanswered) => answers.extend(commands.iter().map(|_| Err(unanswered.into()))),
            Ok(heard) => {
                for (heard, (command, call)) in heard.into_iter().zip(commands.iter()) {
                    answers.push(match heard {
                        Ok(answer) => answer,
                        Err(Undecided) => {
                            let call =
                                Call { timeout: deadline.saturating_duration_since(Instant::now()), ..call.clone() };
                            Box::pin(self.ask_within::<A>(key, command.clone(), call, false)).await
                        }
                    });
                }
            }
        }
        answers.iter().for_each(|answer| self.node.counters.count(A::KIND, answer));
        answers
    }

    /// Gives a message to the entity with this key until it is answered.
    async fn exchange<A: Aggregate, T>(
        &self,
        key: &EntityKey,
        deadline: Instant,
        places: Places,
        message: impl Fn(oneshot::Sender<Result<T, Undecided>>, Permit) -> Message<A>,
    ) -> Result<T, Unanswered> {
        debug_assert_eq!(key.kind(), A::KIND, "the key of another kind");
        if self.node.is_stopping() && !matches!(places, Places::Reserved) {
            return Err(Unanswered::Unavailable);
        }
        loop {
            let leading = self.leading(key, deadline).await?;
            let (reply, heard) = oneshot::channel();
            match self.hand_over::<A>(&leading, key, places, |permit| message(reply, permit)).await {
                Ok(()) => {}
                Err(Obstacle::Final(why)) => return Err(why),
                Err(Obstacle::Again) if Instant::now() >= deadline => return Err(Unanswered::Unavailable),
                Err(Obstacle::Again) => {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    continue;
                }
            }
            match tokio::time::timeout_at(deadline, heard).await {
                Ok(Ok(Ok(answer))) => return Ok(answer),
                Ok(Ok(Err(Undecided))) => tokio::task::yield_now().await,
                Ok(Err(_)) | Err(_) => return Err(Unanswered::Unknown),
            }
        }
    }

    /// The leadership that answers for a key, waiting for one if there is none now.
    async fn leading(&self, key: &EntityKey, deadline: Instant) -> Result<Arc<Leading>, Unanswered> {
        let current = &self.node.shard_of(key).current;
        if let Some(leading) = current.get_going() {
            return Ok(leading);
        }
        // On the heap, as everything is that a command seldom needs: a caller's future is moved several times.
        let led = Box::pin(tokio::time::timeout_at(deadline, current.led())).await;
        led.map_err(|_| Unanswered::Unavailable)
    }

    async fn hand_over<A: Aggregate>(
        &self,
        leading: &Arc<Leading>,
        key: &EntityKey,
        places: Places,
        message: impl FnOnce(Permit) -> Message<A>,
    ) -> Result<(), Obstacle> {
        let mailbox = match leading.mailbox_in_memory::<A>(key) {
            Some(mailbox) => mailbox,
            None => Box::pin(leading.mailbox::<A>(key)).await,
        };
        let mailbox = mailbox.map_err(|error| match error {
            MailboxError::Gone | MailboxError::Store(_) => Obstacle::Again,
            MailboxError::Parked(_) => Obstacle::Final(Unanswered::Parked),
        })?;
        let permit = match places {
            Places::Callers(count) => mailbox.gate().caller(&self.node.gate, count),
            Places::Reserved => mailbox.gate().reserved(),
        };
        let permit = permit.map_err(|refused| match refused {
            Refused::Full => Obstacle::Final(Unanswered::Overloaded),
            Refused::Closed => Obstacle::Again,
        })?;
        mailbox.gate().touch(self.node.clock.now().0);
        mailbox.ask(message(permit)).map_err(|_| Obstacle::Again)
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

    /// How many entities this node has in memory.
    pub fn entities_in_memory(&self) -> usize {
        self.node.shards().iter().filter_map(|shard| shard.current.get()).map(|leading| leading.entities()).sum()
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
