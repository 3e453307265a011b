//! The command line tool as its users run it.

mod command_line;
#[path = "../../../host/tests/host/guests.rs"]
mod guests;
