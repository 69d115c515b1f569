//! What the tests of the doors share.
