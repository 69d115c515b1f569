//! The mailbox of an entity: the messages that it receives, and the answers that it gives.

use std::{any::Any, sync::Arc};

use engine::{
    aggregate::Aggregate,
    effect::{EffectId, Outcome},
    kinds::Entity,
    snapshot::SnapshotError,
};
use futures::{FutureExt, future::BoxFuture};
use parking_lot::Mutex;
use persistence::snapshots::{Snapshot, SnapshotAt};
use ractor::ActorRef;
use tokio::sync::oneshot;

use crate::{
    ask::{Answered, AskError, CommandMeta},
    permits::{Permit, Permits, Refused},
};

/// An entity's answer to a command.
pub type AskResult<A> = Result<Answered<<A as Aggregate>::Reply>, AskError<<A as Aggregate>::Rejection>>;
/// The answer to one command, or the information that nothing was decided and the command has to be sent again.
pub type CallerReply<A> = Result<AskResult<A>, Undecided>;
/// The answers to each of several commands.
pub type CallerReplies<A> = Result<Vec<CallerReply<A>>, Undecided>;

/// The entity left memory with its shard's leadership before it decided anything durable. For one of several commands
/// in one message it also means that its answer takes longer than those of the others. The command has to be sent
/// again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Undecided;

/// The leadership ended before the request was carried out. The next leadership can carry it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the shard's leadership ended")]
pub struct LeadershipEnded;

/// What the snapshot store has of an entity that is in memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoredState {
    /// The newest snapshot that can be read.
    pub newest: Option<SnapshotAt>,
    /// The version that can be loaded again without a new snapshot: that of the newest snapshot, or the one that the
    /// tail of the log, as read at the start of the leadership, leads to.
    pub restorable_version: Option<u64>,
}

/// The reason why there is no snapshot of an entity's state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotFrozen {
    /// The leadership ended before the state was accepted.
    #[error(transparent)]
    LeadershipEnded(#[from] LeadershipEnded),
    /// The state could not be encoded.
    #[error("its state cannot be written: {0}")]
    Unwritable(#[from] SnapshotError),
}

/// A message to an entity.
pub enum Message<A: Entity> {
    /// A command of a caller.
    Command {
        /// The command.
        command: A::Command,
        /// Its identity.
        meta: CommandMeta,
        /// Where the answer is sent.
        reply: oneshot::Sender<CallerReply<A>>,
        /// The caller's permit.
        permit: Permit,
    },
    /// Several commands of one caller, answered together: one message, one wait, and one answer.
    Commands {
        /// The commands with their identities, in the order in which they are decided.
        commands: Arc<Vec<(A::Command, CommandMeta)>>,
        /// Where the answers are sent.
        reply: oneshot::Sender<CallerReplies<A>>,
        /// The caller's permit, for all commands.
        permit: Permit,
    },
    /// The wake time of the entity has come.
    Wake(Permit),
    /// The outcome of an effect.
    Outcome(EffectId, Box<Outcome>, Permit),
    /// Take a snapshot of the state, and return it once the state is accepted.
    Freeze(oneshot::Sender<Result<Snapshot, NotFrozen>>, Permit),
    /// Leave memory, unless a caller waits.
    Passivate(Permit),
}

/// The mailbox of an entity in memory.
pub struct Mailbox<A: Entity> {
    pub(crate) permits: Arc<Permits>,
    pub(crate) actor: ActorRef<Message<A>>,
    pub(crate) kept: Arc<Mutex<StoredState>>,
}

/// A [`Mailbox`] whose aggregate type is not known.
pub trait Live: Send + Sync {
    /// Notifies the entity that its wake time has come.
    fn wake(&self) -> Result<(), Refused>;
    /// Delivers the outcome of an effect.
    fn outcome(&self, effect: EffectId, outcome: Outcome) -> Result<(), Refused>;
    /// Requests a snapshot of the state.
    fn freeze(&self) -> Result<oneshot::Receiver<Result<Snapshot, NotFrozen>>, Refused>;
    /// Requests that the entity leave memory.
    fn passivate(&self);
    /// Stops the entity once its mailbox is empty. Its leadership is over, so it decides nothing more.
    fn stop(&self);
    /// Waits until the entity's actor has ended.
    fn ended(&self) -> BoxFuture<'_, ()>;
    /// The permits of the entity.
    fn permits(&self) -> &Arc<Permits>;
    /// The record of what the snapshot store has of the entity.
    fn kept(&self) -> &Mutex<StoredState>;
    /// The mailbox with its concrete type.
    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

impl<A: Entity> Mailbox<A> {
    /// Sends a message of a caller to the entity. The answer arrives through the message's `reply`.
    pub fn ask(&self, message: Message<A>) -> Result<(), Refused> {
        self.actor.cast(message).map_err(|_| Refused::Closed)
    }

    fn send(&self, message: impl FnOnce(Permit) -> Message<A>) -> Result<(), Refused> {
        // The permit is taken before the cast: the actor's own queue has no bound.
        let permit = self.permits.reserved()?;
        self.actor.cast(message(permit)).map_err(|_| Refused::Closed)
    }
}

impl<A: Entity> Live for Mailbox<A> {
    fn wake(&self) -> Result<(), Refused> {
        self.send(Message::Wake)
    }

    fn outcome(&self, effect: EffectId, outcome: Outcome) -> Result<(), Refused> {
        self.send(|permit| Message::Outcome(effect, Box::new(outcome), permit))
    }

    fn freeze(&self) -> Result<oneshot::Receiver<Result<Snapshot, NotFrozen>>, Refused> {
        let (sender, receiver) = oneshot::channel();
        self.send(|permit| Message::Freeze(sender, permit))?;
        Ok(receiver)
    }

    fn passivate(&self) {
        // Refused if the entity is busy, or is leaving memory already: nothing to do in either case.
        let _ = self.send(Message::Passivate);
    }

    fn stop(&self) {
        // Drained rather than killed, so that each command left in the mailbox is answered: nothing was decided.
        let _ = self.actor.drain();
    }

    fn ended(&self) -> BoxFuture<'_, ()> {
        async {
            let _ = self.actor.wait(None).await;
        }
        .boxed()
    }

    fn permits(&self) -> &Arc<Permits> {
        &self.permits
    }

    fn kept(&self) -> &Mutex<StoredState> {
        &self.kept
    }

    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}
