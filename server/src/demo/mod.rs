//! The demo shop of `--dev`: a catalogue with stock, an open drop, a drop that opens soon, and tokens.

mod banner;
mod seed;

pub(crate) use self::seed::{Demo, DemoError, set_up};
