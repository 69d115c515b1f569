//! The public view of a drop.

use super::{DropCommand, DropReply, DropState, DropView, FlashDrop};
use crate::{public_view::PublicView, time::Timestamp};

impl PublicView for FlashDrop {
    type View = DropView;

    fn view_command() -> DropCommand {
        DropCommand::View
    }

    fn view_in(reply: DropReply) -> Option<DropView> {
        match reply {
            DropReply::Drop(view) => Some(*view),
            DropReply::Claim(_) | DropReply::Claims(..) | DropReply::Done => None,
        }
    }

    /// The drop opens and ends by the clock.
    fn changes_at(view: &DropView) -> Option<Timestamp> {
        match view.state {
            DropState::Scheduled => view.starts_at,
            DropState::Open | DropState::SoldOut => Some(view.terms.ends_at),
            DropState::Draft | DropState::Ended | DropState::Cancelled => None,
        }
    }

    fn set_as_of(view: &mut DropView, as_of: Timestamp) {
        view.as_of = as_of;
    }
}
