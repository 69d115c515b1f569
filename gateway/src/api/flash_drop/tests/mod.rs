//! Tests of drops through the HTTP interface.

mod lifecycle;
mod series;
