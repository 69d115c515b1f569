//! The demo shop of `--dev`: a catalogue with stock, a drop that is open, one that opens soon, and tokens.

mod banner;
mod seed;

pub(crate) use self::seed::{Demo, DemoError, set_up};
