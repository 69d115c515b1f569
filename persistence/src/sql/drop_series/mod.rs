//! The course of a drop over time: claims, sales, revenue and viewers, by second and in wider intervals further back.
//!
//! ```text
//!   journal ──► Projector (crate::views) ──► drop_series ──┐
//!                                                            ├──► ReadSide::drop_series ──► points
//!   live connections ──► record_viewers ─────► drop_viewers ─┘
//! ```
//!
//! Intervals without an event have no row, so a quiet drop takes no space. The width of an interval depends only on its
//! age, counted back from the newest row. It does not depend on when or in which batches rows were written, so a
//! rebuild produces the same rows.

mod interval;
mod read;
mod viewers;

pub(crate) use self::interval::{COUNTS, roll_up};
pub use self::{
    interval::{DAYS_SECONDS, HOURS_KEPT_SECONDS, MINUTES_KEPT_SECONDS, SECONDS_KEPT_SECONDS},
    read::{DropSeries, SERIES_POINTS_MAX, SeriesPoint},
    viewers::{VIEWER_SAMPLES_MAX, ViewerSample},
};
