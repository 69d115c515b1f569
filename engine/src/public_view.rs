//! The public view of a kind: what many clients read of an entity.

use crate::{kinds::Entity, time::Timestamp};

/// A kind of entity with a view that many clients read.
///
/// The runtime keeps the accepted view of each entity and serves it without a command to the entity, until a change of
/// the entity is accepted or [`changes_at`](PublicView::changes_at) has come.
pub trait PublicView: Entity {
    /// The view. It says when it was correct: see [`set_as_of`](PublicView::set_as_of).
    type View: Clone + Send + Sync + 'static;

    /// The command that reads the view and changes nothing.
    fn view_command() -> Self::Command;

    /// The view in the reply to [`view_command`](PublicView::view_command). `None` for any other reply.
    fn view_in(reply: Self::Reply) -> Option<Self::View>;

    /// The next time at which the view changes by the clock alone, without an event.
    fn changes_at(view: &Self::View) -> Option<Timestamp>;

    /// Sets the time at which the view was correct. The caller knows that nothing has changed until then.
    fn set_as_of(view: &mut Self::View, as_of: Timestamp);
}
