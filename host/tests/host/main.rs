//! The host as its users meet it: the library with policies of every temper, and the command line tool.

mod command_line;
mod guests;
mod policy;
