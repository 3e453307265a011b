//! To be written.

use crate::support::entry::Entry;

pub const SCENARIOS: &[Entry] = &[];
