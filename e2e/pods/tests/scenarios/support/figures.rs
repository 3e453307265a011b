//! What the scenarios have measured, printed at the end of a run.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::say;

static FIGURES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Notes a number that a scenario has found.
pub fn note(scenario: &str, what: &str, value: impl std::fmt::Display) {
    let mut figures = FIGURES.lock().unwrap_or_else(PoisonError::into_inner);
    figures.push(format!("{scenario}: {what}: {value}"));
}

/// A time in seconds.
pub fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// Prints all of them.
pub fn print() {
    let mut figures = FIGURES.lock().unwrap_or_else(PoisonError::into_inner);
    figures.sort();
    for figure in figures.iter() {
        say(figure);
    }
}
