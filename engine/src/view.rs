//! The contract of a public view: how the events of an entity change what lists show of it.

/// The public view of an entity, or the part of it that a list shows.
///
/// A view is folded from events by one piece of code. The aggregate applies its events with that code, and so does the
/// projection that writes the view to SQL: a list cannot differ from the entity itself, except by its lag. A view
/// therefore depends on events only, never on the state of the aggregate.
pub trait View: Sized {
    /// The events of the aggregate.
    type Event: std::fmt::Debug;

    /// Whether the event can change the view. A projection skips all other events without keeping them.
    fn concerns(event: &Self::Event) -> bool;

    /// Applies an event. The view is `None` until the event that creates the entity, and any other event leaves it so.
    fn fold(view: &mut Option<Self>, event: &Self::Event);
}
