//! The thread that writes the durable watermark, and detects an appender that has stalled.

use std::{io, panic::catch_unwind, sync::Arc, thread::JoinHandle, time::Duration};

use parking_lot::{Condvar, Mutex};

use super::{appender::Watermarks, durable_watermark::DurableWatermark, options::EmbeddedOptions, spare::Spare};

/// A handle to the running thread.
pub(super) struct WatermarkKeeper {
    stop: Arc<Stop>,
    thread: JoinHandle<()>,
}

#[derive(Default)]
struct Stop {
    stopped: Mutex<bool>,
    changed: Condvar,
}

struct Keeper {
    durable_watermark: DurableWatermark,
    watermarks: Arc<Watermarks>,
    spare: Arc<Spare>,
    every: Duration,
    stall_max: Duration,
    on_fatal: Arc<dyn Fn(&str) + Send + Sync>,
}

impl WatermarkKeeper {
    pub(super) fn start(
        durable_watermark: DurableWatermark,
        watermarks: Arc<Watermarks>,
        spare: Arc<Spare>,
        options: &EmbeddedOptions,
    ) -> io::Result<Self> {
        let stop = Arc::<Stop>::default();
        let (every, stall_max) = (options.watermark_every, options.stall_max);
        let keeper =
            Keeper { durable_watermark, watermarks, spare, every, stall_max, on_fatal: Arc::clone(&options.on_fatal) };
        let thread = std::thread::Builder::new().name("journal-witness".into());
        let thread = thread.spawn({
            let stop = Arc::clone(&stop);
            move || keeper.run(&stop)
        })?;
        Ok(Self { stop, thread })
    }

    /// Writes the durable watermark a last time and ends the thread.
    pub(super) fn stop(self) {
        *self.stop.stopped.lock() = true;
        self.stop.changed.notify_one();
        // A panic was reported by the thread that panicked.
        let _ = self.thread.join();
    }
}

impl Keeper {
    fn run(mut self, stop: &Stop) {
        loop {
            let stopped = {
                let mut stopped = stop.stopped.lock();
                if !*stopped {
                    stop.changed.wait_for(&mut stopped, self.every);
                }
                *stopped
            };
            self.spare.look();
            self.write();
            if stopped {
                return;
            }
            let busy_ms = self.watermarks.busy_ms();
            if u128::from(busy_ms) > self.stall_max.as_millis() {
                let why = format!("a write has been stuck for {} s", busy_ms / 1000);
                let _ = catch_unwind(|| tracing::error!(busy_ms, "journal failed: {why}"));
                return (self.on_fatal)(&why);
            }
        }
    }

    fn write(&mut self) {
        // Accepted positions rise only after a sync, so the durable watermark is never ahead of the log.
        let accepted = self.watermarks.all();
        if accepted == self.durable_watermark.newest() {
            return;
        }
        // The journal itself is sound. Only the protection that the durable watermark gives is missing for now.
        if let Err(error) = self.durable_watermark.write(&accepted) {
            tracing::error!(%error, "journal witness could not be written");
        }
    }
}
