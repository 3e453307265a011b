//! The clock behind the evaluation deadline: wasmtime counts epochs, and somebody has to advance them.

use std::{
    io,
    sync::mpsc::{self, RecvTimeoutError},
    thread::{self, JoinHandle},
    time::Duration,
};

use wasmtime_provider::wasmtime::Engine;

/// Advances the engine's epoch until it is dropped.
///
/// A tick that comes late is not made up for: on a loaded machine that would take from the policy
/// time that it did not have.
pub(crate) struct Ticker {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    pub(crate) fn start(engine: &Engine, period: Duration) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let engine = engine.clone();
        let thread = thread::Builder::new()
            .name("epoch-ticker".to_owned())
            .spawn(move || {
                while stopped.recv_timeout(period) == Err(RecvTimeoutError::Timeout) {
                    engine.increment_epoch();
                }
            })?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It cannot panic, and there would be nothing left to do about it.
            let _ = thread.join();
        }
    }
}
