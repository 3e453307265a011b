//! The golden cases of `test_data`: what each submits, and what becomes of it. `test_data/README.md` says how they are
//! written.

mod case;
mod container;
mod file;
mod injected;
mod json;
mod standard;
mod submitted;
mod texts;
mod yaml;

pub use case::{Case, Outcome, Verdict};
pub use standard::scripts;
