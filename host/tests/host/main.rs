//! The library with policies of every temper.

mod guests;
mod policy;
