//! How a cart decides, applies events.

use super::{Cart, CartCommand, CartEvent, CartRejection, CartReply};
use crate::aggregate::{Aggregate, Context, Decision};

impl Aggregate for Cart {
    type Command = CartCommand;
    type Event = CartEvent;
    type Reply = CartReply;
    type Rejection = CartRejection;

    fn decide(
        &self,
        command: &CartCommand,
        context: &Context,
    ) -> Result<Decision<CartEvent, CartReply>, CartRejection> {
        self.decide_command(command, context)
    }

    fn apply(&mut self, event: &CartEvent) {
        self.fold(event);
    }
}
