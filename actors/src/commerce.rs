//! The handle with which callers send commands to entities. It hides which shard or node an entity is on.

use std::{sync::Arc, time::Duration};

use engine::{id::EntityKey, kinds::Entity, public_view::PublicView};
use tokio::{sync::oneshot, time::Instant};

use crate::{
    ask::{ASK_TIMEOUT, AskError, CommandMeta},
    change_feed::{ChangeFeed, Interest, Subscriber, Subscription},
    leader::{Leader, MailboxError},
    mailbox::{AskResult, Live, Message, Undecided},
    permits::{Permit, Permits, Refused},
    resources::Resources,
    router::{Route, Router},
    views::{AcceptedView, AcceptedViews, oldest_recent},
};

/// The retry time that is given to a caller that is refused because of load.
const OVERLOADED_RETRY: Duration = Duration::from_secs(1);
/// The retry time that is given to a caller while a shard is starting.
const UNAVAILABLE_RETRY: Duration = Duration::from_secs(1);

/// Sends commands to entities. Cheap to clone.
#[derive(Clone)]
pub struct Commerce(Arc<Parts>);

/// What all handles of a node share.
struct Parts {
    router: Arc<dyn Router>,
    resources: Arc<Resources>,
    change_feed: Arc<ChangeFeed>,
    /// Of the callers' commands that wait on this node.
    permits: Arc<Permits>,
    views: AcceptedViews,
}

/// An entity that an operator should look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failing {
    /// The key of the entity.
    pub key: EntityKey,
    /// What happened to it.
    pub why: String,
    /// Whether it is quarantined and answers nothing until the process restarts. If not, it failed once and continued.
    pub quarantined: bool,
}

/// The reason why an entity was not reached, or did not answer.
#[derive(Clone, Copy)]
enum Unanswered {
    Overloaded,
    Unavailable,
    Quarantined,
    Unknown,
}

impl<J> From<Unanswered> for AskError<J> {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::Overloaded => AskError::Overloaded { retry_after: OVERLOADED_RETRY },
            Unanswered::Unavailable => AskError::Unavailable { retry_after: UNAVAILABLE_RETRY },
            Unanswered::Quarantined => AskError::Quarantined,
            Unanswered::Unknown => AskError::Unknown,
        }
    }
}

/// The permits that a message takes.
#[derive(Clone, Copy)]
enum Places {
    /// Those of this many callers' commands.
    Callers(usize),
    /// One of those that are reserved for effects.
    Reserved,
}

/// The reason why a message was not delivered.
enum Obstacle {
    /// The message can be sent again: it was not processed.
    Again,
    Final(Unanswered),
}

impl Commerce {
    pub(crate) fn new(router: Arc<dyn Router>, resources: Arc<Resources>, change_feed: Arc<ChangeFeed>) -> Self {
        Self(Arc::new(Parts {
            router,
            resources,
            change_feed,
            permits: Arc::default(),
            views: AcceptedViews::default(),
        }))
    }

    /// Sends a command to the entity with this key and waits for the answer, for at most `meta.timeout`. After that the
    /// outcome is unknown.
    pub async fn ask<A: Entity>(&self, key: &EntityKey, command: A::Command, meta: CommandMeta) -> AskResult<A> {
        let asked = self.ask_within::<A>(key, command, meta, false).await;
        self.0.resources.counters.count(A::KIND, &asked);
        asked
    }

    /// Sends a command on a reserved permit, so that a flood of callers cannot starve effects.
    pub(crate) async fn ask_reserved<A: Entity>(
        &self,
        key: &EntityKey,
        command: A::Command,
        meta: CommandMeta,
    ) -> AskResult<A> {
        self.ask_within::<A>(key, command, meta, true).await
    }

    async fn ask_within<A: Entity>(
        &self,
        key: &EntityKey,
        command: A::Command,
        meta: CommandMeta,
        reserved: bool,
    ) -> AskResult<A> {
        let places = if reserved { Places::Reserved } else { Places::Callers(1) };
        let message = |reply, permit| Message::Command { command: command.clone(), meta: meta.clone(), reply, permit };
        self.exchange::<A, _>(key, Instant::now() + meta.timeout, places, message).await?
    }

    /// Sends several commands to the entity with this key as one message, and waits for all the answers, which come in
    /// the same order, for at most the `timeout` of the first command. The commands are decided in order and
    /// independently: a rejected command does not affect the next one. At most
    /// [`ENTITY_CALLERS_MAX`](crate::permits::ENTITY_CALLERS_MAX) commands.
    pub async fn ask_many<A: Entity>(
        &self,
        key: &EntityKey,
        commands: Vec<(A::Command, CommandMeta)>,
    ) -> Vec<AskResult<A>> {
        let Some((_, first)) = commands.first() else { return Vec::new() };
        let (deadline, places) = (Instant::now() + first.timeout, Places::Callers(commands.len()));
        let commands = Arc::new(commands);
        let message = |reply, permit| Message::Commands { commands: commands.clone(), reply, permit };
        let mut answers = Vec::with_capacity(commands.len());
        match self.exchange::<A, _>(key, deadline, places, message).await {
            Err(unanswered) => answers.extend(commands.iter().map(|_| Err(unanswered.into()))),
            Ok(received) => {
                for (received, (command, meta)) in received.into_iter().zip(commands.iter()) {
                    answers.push(match received {
                        Ok(answer) => answer,
                        Err(Undecided) => {
                            let meta = CommandMeta {
                                timeout: deadline.saturating_duration_since(Instant::now()),
                                ..meta.clone()
                            };
                            // Alone, so that the answers of the other commands do not depend on it. The command id is
                            // the same, so that a command that was accepted already is not carried out again.
                            Box::pin(self.ask_within::<A>(key, command.clone(), meta, false)).await
                        }
                    });
                }
            }
        }
        answers.iter().for_each(|answer| self.0.resources.counters.count(A::KIND, answer));
        answers
    }

    /// Hands a message over to the entity with this key, again if necessary, until it is answered or the deadline
    /// passes.
    async fn exchange<A: Entity, T>(
        &self,
        key: &EntityKey,
        deadline: Instant,
        places: Places,
        message: impl Fn(oneshot::Sender<Result<T, Undecided>>, Permit) -> Message<A>,
    ) -> Result<T, Unanswered> {
        debug_assert_eq!(key.kind(), A::KIND, "the key of another kind");
        // A node that is stopping refuses new work from callers, but finishes what it accepted, which needs effects.
        if self.0.resources.is_stopping() && !matches!(places, Places::Reserved) {
            return Err(Unanswered::Unavailable);
        }
        loop {
            let leader = self.leader(key, deadline).await?;
            let (reply, received) = oneshot::channel();
            match self.hand_over::<A>(&leader, key, places, |permit| message(reply, permit)).await {
                Ok(()) => {}
                Err(Obstacle::Final(why)) => return Err(why),
                Err(Obstacle::Again) if Instant::now() >= deadline => return Err(Unanswered::Unavailable),
                Err(Obstacle::Again) => {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    continue;
                }
            }
            // `Undecided` is safe to repeat at once. A dropped `reply` is not: the entity failed after it may have
            // proposed events, so the outcome is unknown.
            match tokio::time::timeout_at(deadline, received).await {
                Ok(Ok(Ok(answer))) => return Ok(answer),
                Ok(Ok(Err(Undecided))) => tokio::task::yield_now().await,
                Ok(Err(_)) | Err(_) => return Err(Unanswered::Unknown),
            }
        }
    }

    /// The leadership that is responsible for a key. Waits for one if the node is about to lead the shard.
    async fn leader(&self, key: &EntityKey, deadline: Instant) -> Result<Arc<Leader>, Unanswered> {
        if let Some(leader) = self.0.router.local(key) {
            return Ok(leader);
        }
        // On the heap, like everything that a command seldom needs: a caller's future is moved several times.
        match Box::pin(tokio::time::timeout_at(deadline, self.0.router.route(key))).await {
            Ok(Route::Local(leader)) => Ok(leader),
            Ok(Route::Elsewhere) | Err(_) => Err(Unanswered::Unavailable),
        }
    }

    async fn hand_over<A: Entity>(
        &self,
        leader: &Arc<Leader>,
        key: &EntityKey,
        places: Places,
        message: impl FnOnce(Permit) -> Message<A>,
    ) -> Result<(), Obstacle> {
        let mailbox = match leader.mailbox_in_memory::<A>(key) {
            Some(mailbox) => mailbox,
            None => Box::pin(leader.mailbox::<A>(key)).await,
        };
        let mailbox = mailbox.map_err(|error| match error {
            MailboxError::Gone | MailboxError::Store(_) => Obstacle::Again,
            MailboxError::Quarantined(_) => Obstacle::Final(Unanswered::Quarantined),
        })?;
        // The permit is taken before the cast, because the actor's own queue has no bound. It travels with the message
        // and is returned with the answer.
        let permit = match places {
            Places::Callers(count) => mailbox.permits().caller(&self.0.permits, count),
            Places::Reserved => mailbox.permits().reserved(),
        };
        let permit = permit.map_err(|refused| match refused {
            Refused::Full => Obstacle::Final(Unanswered::Overloaded),
            Refused::Closed => Obstacle::Again,
        })?;
        mailbox.permits().touch(self.0.resources.clock.now().0);
        mailbox.ask(message(permit)).map_err(|_| Obstacle::Again)
    }

    /// The public view of an entity: accepted, and at most [`VIEW_AGE_MAX`](crate::views::VIEW_AGE_MAX) old. However many
    /// clients read it, the entity itself is read only after it has changed, and at most 20 times a second.
    pub async fn view<A: PublicView>(&self, key: &EntityKey) -> Result<AcceptedView<A::View>, AskError<A::Rejection>> {
        self.view_since::<A>(key, oldest_recent()).await
    }

    /// The public view of an entity, with everything that was accepted before `since`.
    pub async fn view_since<A: PublicView>(
        &self,
        key: &EntityKey,
        since: Instant,
    ) -> Result<AcceptedView<A::View>, AskError<A::Rejection>> {
        let leader = async { Ok(self.leader(key, Instant::now() + ASK_TIMEOUT).await?) };
        let read = self.ask::<A>(key, A::view_command(), CommandMeta::read());
        self.0.views.view::<A>(&self.0.change_feed, key, since, leader, read).await
    }

    /// Subscribes to accepted changes, until the returned subscription is dropped.
    pub fn subscribe(&self, interest: Interest, subscriber: Subscriber) -> Subscription {
        self.0.change_feed.subscribe(interest, subscriber)
    }

    /// The number of callers' commands that wait on this node.
    pub fn waiting(&self) -> usize {
        self.0.permits.inside()
    }

    /// The number of entities that this node has in memory.
    pub fn entities_in_memory(&self) -> usize {
        self.0.router.leaders().iter().map(|leader| leader.entities()).sum()
    }

    /// The entities that an operator should look at: the quarantined ones, then failures, the newest last.
    pub fn failing(&self) -> Vec<Failing> {
        let leaders = self.0.router.leaders();
        let quarantined = leaders.iter().flat_map(|leader| leader.quarantined());
        let quarantined = quarantined.map(|(key, why)| Failing { key, why, quarantined: true });
        let failed = self.0.resources.dead_letters.to_list().into_iter();
        quarantined.chain(failed.map(|(key, why)| Failing { key, why, quarantined: false })).collect()
    }

    /// The number of effects of this node's entities that have no definite outcome yet.
    pub fn effects_under_way(&self) -> usize {
        self.0.router.leaders().iter().map(|leader| leader.effects.len()).sum()
    }

    /// Whether every shard has a leader.
    pub fn is_ready(&self) -> bool {
        !self.0.resources.is_stopping() && self.0.router.is_complete()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use engine::{
        id::TenantId,
        stock::{StockCommand, StockItem},
    };
    use futures::{FutureExt, future::BoxFuture};
    use persistence::snapshots::MemorySnapshots;
    use streaming::memory::MemoryJournal;

    use super::*;
    use crate::clock::SystemClock;

    /// A router of a node that leads no shard.
    struct NoShards;

    impl Router for NoShards {
        fn local(&self, _: &EntityKey) -> Option<Arc<Leader>> {
            None
        }

        fn route<'a>(&'a self, _: &'a EntityKey) -> BoxFuture<'a, Route> {
            async { Route::Elsewhere }.boxed()
        }

        fn leaders(&self) -> Vec<Arc<Leader>> {
            Vec::new()
        }

        fn is_complete(&self) -> bool {
            false
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_command_for_another_node_is_refused_at_once_and_takes_no_permit() {
        let (journal, snapshots) = (Arc::new(MemoryJournal::new(1)), Arc::new(MemorySnapshots::new()));
        let resources = Resources::new(
            "test".into(),
            journal,
            snapshots,
            Arc::new(SystemClock),
            crate::resources::Tuning::default(),
        );
        let commerce = Commerce::new(Arc::new(NoShards), Arc::new(resources), Arc::default());
        let (tenant, begin) = (TenantId::new("t").unwrap(), Instant::now());
        let key = engine::id::Sku::new("ONE").unwrap().key(&tenant);
        let asked = commerce.ask::<StockItem>(&key, StockCommand::View, CommandMeta::read()).await;
        assert_eq!(asked, Err(AskError::Unavailable { retry_after: UNAVAILABLE_RETRY }));
        assert_eq!((begin.elapsed(), commerce.waiting()), (Duration::ZERO, 0));
        assert!(!commerce.is_ready());
    }
}
