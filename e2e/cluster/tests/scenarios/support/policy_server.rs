//! The policy server, which scenarios take away for a while.

use std::thread;
use std::time::Duration;

use super::run::run;

/// What the API server answers when a webhook does not.
pub const NO_ANSWER: &str = "failed calling webhook";

/// The policy server away, until this is dropped.
pub struct PolicyServerAway;

impl PolicyServerAway {
    pub fn begin() -> Self {
        // It comes back even if it has not ended as it must.
        let away = Self;
        run().admission.stop().expect("it ends");
        thread::sleep(Duration::from_secs(2));
        away
    }
}

impl Drop for PolicyServerAway {
    fn drop(&mut self) {
        if let Err(error) = run().admission.restore() {
            eprintln!("the policy server stays away: {error:#}");
        }
    }
}
