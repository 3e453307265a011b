//! A line on the terminal that shows how far work is, if it takes longer than a moment.

use std::{
    sync::{
        LazyLock,
        mpsc::{RecvTimeoutError, Sender, channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::printable::Printable;

/// A line for work that ends within it would only flicker.
const MOMENT: Duration = Duration::from_millis(500);

/// There is one terminal, hence one line.
static LINE: LazyLock<ProgressBar> =
    LazyLock::new(|| ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()));

/// Work that goes on. When it ends, the line is cleared before anything else is printed.
#[derive(Default)]
pub(crate) struct Progress {
    /// Shows the line, until the sender is dropped.
    thread: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Progress {
    /// The evaluation of one request.
    pub(crate) fn of_request(name: &Printable) -> Self {
        LINE.set_message(name.to_string());
        Self::begin("vsi: evaluating {wide_msg}")
    }

    /// The review of files with so many bytes.
    pub(crate) fn of_bytes(total: usize) -> Self {
        LINE.set_length(total as u64);
        Self::begin("vsi: {percent:>3}% {wide_msg}")
    }

    fn begin(template: &str) -> Self {
        // Hidden unless standard error is a terminal that can clear a line.
        let target = ProgressDrawTarget::stderr();
        if target.is_hidden() {
            return Self::default();
        }
        LINE.set_style(ProgressStyle::with_template(template).expect("the template is valid"));
        let (stop, stopped) = channel();
        let thread = thread::spawn(move || {
            if stopped.recv_timeout(MOMENT) == Err(RecvTimeoutError::Timeout) {
                LINE.set_draw_target(target);
                LINE.tick();
            }
        });
        Self {
            thread: Some((stop, thread)),
        }
    }

    pub(crate) fn reads(&self, file: &Printable) {
        LINE.set_message(file.to_string());
    }

    pub(crate) fn advance(&self, bytes: usize) {
        LINE.inc(bytes as u64);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.thread.take() {
            drop(stop);
            // It does nothing that can panic, and nothing is lost without the line.
            let _ = thread.join();
        }
        LINE.finish_and_clear();
    }
}

/// Prints to standard error while work goes on.
pub(crate) fn report(message: &str) {
    LINE.suspend(|| anstream::eprintln!("{message}"));
}
