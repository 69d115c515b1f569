//! Logging: events with fields, on standard error. The output of commands goes to standard output.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    io::IsTerminal,
    panic::{self, PanicHookInfo},
};

use tracing_subscriber::{EnvFilter, fmt};

use crate::config::{LogFormat, LogOptions};

/// Starts logging. The filter was validated with the configuration, so parsing it cannot fail here.
pub(crate) fn start(options: &LogOptions) {
    let filter = EnvFilter::try_new(&options.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let ansi = std::io::stderr().is_terminal();
    let log = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(ansi);
    // Reporting that a line could not be written would panic if standard error is a file on a full disk.
    let log = log.log_internal_errors(false);
    // A second start, as in tests, has no effect.
    let _ = match options.format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().flatten_event(true).with_current_span(false).try_init(),
    };
    panic::set_hook(Box::new(panicked));
}

/// Logs a panic as an event, also one that is caught, as fjall may panic when it opens damaged files. The message is
/// a field, because it may have several lines and an event is a single line.
fn panicked(panic: &PanicHookInfo<'_>) {
    let why = panic.payload_as_str().unwrap_or("no reason given");
    let at = panic.location().map(ToString::to_string);
    let stack = Backtrace::capture();
    match stack.status() {
        BacktraceStatus::Captured => tracing::error!(why, at, %stack, "panicked"),
        _ => tracing::error!(why, at, "panicked"),
    }
}
