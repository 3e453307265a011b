//! Waiting for what does not report its changes.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Between two looks.
const POLL: Duration = Duration::from_millis(300);

/// Waits until something is true.
///
/// # Errors
///
/// If it is not within the limit, or a look fails.
pub fn until(what: &str, limit: Duration, mut is_true: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + limit;
    while !is_true()? {
        if Instant::now() > deadline {
            bail!("did not happen: {what}");
        }
        thread::sleep(POLL);
    }
    Ok(())
}
