//! The command line tool as its users run it.

mod check;
mod command_line;
mod examples;
mod explain;
#[path = "../../../host/tests/host/guests.rs"]
#[allow(dead_code, reason = "the host's tests use the others")]
mod guests;
mod images;
mod inject;
mod injected;
mod plugin;
mod printable;
mod progress;
mod settings;
mod stream;
mod support;
