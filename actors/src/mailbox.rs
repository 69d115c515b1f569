//! What reaches an entity, and what comes back: its mailbox, as others see it.

use std::{any::Any, sync::Arc};

use engine::{
    aggregate::{Aggregate, SnapshotError},
    effect::{EffectId, Outcome},
};
use futures::{FutureExt, future::BoxFuture};
use parking_lot::Mutex;
use persistence::snapshots::Snapshot;
use ractor::ActorRef;
use tokio::sync::oneshot;

use crate::{
    ask::{Answered, AskError, Call},
    gate::{Gate, Permit, Refused},
    shard::{Kept, LeadGone},
};

/// An entity's answer to a command.
pub type Asked<A> = Result<Answered<<A as Aggregate>::Reply>, AskError<<A as Aggregate>::Rejection>>;
/// What a caller hears of a command: an answer, or that nothing was decided and it has to be asked again.
pub type Heard<A> = Result<Asked<A>, Undecided>;
/// What a caller hears of each of its commands.
pub type HeardMany<A> = Result<Vec<Heard<A>>, Undecided>;

/// The entity went away with its shard's leadership before it had decided anything durable; of one command of many also
/// that its answer takes longer than that of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Undecided;

/// Why an entity has no snapshot of its state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotFrozen {
    /// The leadership ended before the state was accepted.
    #[error(transparent)]
    LeadGone(#[from] LeadGone),
    /// The state could not be written.
    #[error("its state cannot be written: {0}")]
    Unwritable(#[from] SnapshotError),
}

/// What reaches an entity.
pub enum Message<A: Aggregate> {
    /// A command of a caller.
    Command {
        /// What is asked.
        command: A::Command,
        /// Under which name.
        call: Call,
        /// Where the answer goes.
        reply: oneshot::Sender<Heard<A>>,
        /// The caller's place.
        permit: Permit,
    },
    /// Commands of a caller, who is answered when all of them are: one message, one wait, and one answer.
    Commands {
        /// What is asked, in this order, and under which names.
        commands: Arc<Vec<(A::Command, Call)>>,
        /// Where the answers go.
        reply: oneshot::Sender<HeardMany<A>>,
        /// The caller's places.
        permit: Permit,
    },
    /// Its time has come.
    Wake(Permit),
    /// What came of an effect.
    Outcome(EffectId, Box<Outcome>, Permit),
    /// Write down the state as it is accepted.
    Freeze(oneshot::Sender<Result<Snapshot, NotFrozen>>, Permit),
    /// Leave memory, unless somebody waits.
    Retire(Permit),
}

/// An entity in memory, as others see it.
pub struct Mailbox<A: Aggregate> {
    pub(crate) gate: Arc<Gate>,
    pub(crate) actor: ActorRef<Message<A>>,
    pub(crate) kept: Arc<Mutex<Kept>>,
}

/// A [`Mailbox`] whose kind is not known.
pub trait Live: Send + Sync {
    /// Tells the entity that its time has come.
    fn wake(&self) -> Result<(), Refused>;
    /// Tells it what came of an effect.
    fn outcome(&self, effect: EffectId, outcome: Outcome) -> Result<(), Refused>;
    /// Asks for its accepted state.
    fn freeze(&self) -> Result<oneshot::Receiver<Result<Snapshot, NotFrozen>>, Refused>;
    /// Asks it to leave memory.
    fn retire(&self);
    /// Ends it once its mailbox is empty. Its leadership is over, so it decides nothing more.
    fn stop(&self);
    /// Ends when its actor has ended.
    fn ended(&self) -> BoxFuture<'_, ()>;
    /// Its gate.
    fn gate(&self) -> &Arc<Gate>;
    /// What the store has of it.
    fn kept(&self) -> &Mutex<Kept>;
    /// The mailbox with its type.
    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

impl<A: Aggregate> Mailbox<A> {
    /// Hands a message of a caller over. The answer comes by its `reply`.
    pub fn ask(&self, message: Message<A>) -> Result<(), Refused> {
        self.actor.cast(message).map_err(|_| Refused::Closed)
    }

    fn send(&self, message: impl FnOnce(Permit) -> Message<A>) -> Result<(), Refused> {
        let permit = self.gate.reserved()?;
        self.actor.cast(message(permit)).map_err(|_| Refused::Closed)
    }
}

impl<A: Aggregate> Live for Mailbox<A> {
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

    fn retire(&self) {
        // Refused: somebody uses it, so it stays.
        let _ = self.send(Message::Retire);
    }

    fn stop(&self) {
        // What is in its mailbox hears that nothing was decided.
        let _ = self.actor.drain();
    }

    fn ended(&self) -> BoxFuture<'_, ()> {
        async {
            let _ = self.actor.wait(None).await;
        }
        .boxed()
    }

    fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    fn kept(&self) -> &Mutex<Kept> {
        &self.kept
    }

    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}
