//! Commands that create an entity and are repeated by a buyer who was a guest when they were sent first.

use actors::{AskError, CommandMeta};
use engine::{
    id::{CommandId, EntityKey},
    kinds::Entity,
};
use futures::{Stream, StreamExt, stream};

use crate::{Gateway, Problem};

/// The number of former ids that are queried concurrently. An account has at most
/// [`ALIASES_MAX`](persistence::sql::ALIASES_MAX).
const FORMER_AT_ONCE: usize = 16;

/// Returns the id of a command that creates an entity: its own, or the one from when its caller was a guest, if the
/// entity exists under that id.
///
/// A new entity may only be created if every id is definitely not found. While the existence of one of them is unknown,
/// creating another could execute the command twice. Therefore any other error fails the whole request.
pub(super) async fn known_former<A: Entity>(
    gateway: &Gateway,
    meta: &CommandMeta,
    key: impl Fn(CommandId) -> EntityKey + Send,
    view: A::Command,
    not_found: A::Rejection,
) -> Result<CommandId, Problem>
where
    Problem: From<AskError<A::Rejection>>,
{
    if meta.former_ids.is_empty() {
        return Ok(meta.command_id);
    }
    let ids = std::iter::once(meta.command_id).chain(meta.former_ids.iter().copied());
    let looks = ids.map(|id| {
        let (key, view) = (key(id), view.clone());
        async move { (id, gateway.commerce.ask::<A>(&key, view, CommandMeta::read()).await.map(drop)) }
    });
    let found = first_found(stream::iter(looks).buffered(FORMER_AT_ONCE), &not_found).await?;
    Ok(found.unwrap_or(meta.command_id))
}

/// Returns the first id that exists, or `None` if each is definitely not found.
pub(super) async fn first_found<J: PartialEq>(
    looks: impl Stream<Item = (CommandId, Result<(), AskError<J>>)>,
    not_found: &J,
) -> Result<Option<CommandId>, Problem>
where
    Problem: From<AskError<J>>,
{
    let mut looks = std::pin::pin!(looks);
    while let Some((id, look)) = looks.next().await {
        match look {
            Ok(()) => return Ok(Some(id)),
            Err(AskError::Rejected(rejection)) if rejection == *not_found => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}
