//! The command line tool as its users run it.

mod command_line;
mod explain;
#[allow(dead_code, reason = "the host's tests use the rest")]
#[path = "../../../host/tests/host/guests.rs"]
#[allow(dead_code, reason = "the host's tests use the others")]
mod guests;
mod settings;
