//! The command line tool as its users run it.

mod command_line;
#[path = "../../../host/tests/host/guests.rs"]
#[allow(dead_code, reason = "the host's tests use the others")]
mod guests;
