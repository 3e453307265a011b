//! Tells whether this machine has what the scenarios need: status 0, or 2 and what is missing.

use std::process::ExitCode;

use pod_runner::programs::Programs;

fn main() -> ExitCode {
    match Programs::find() {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(2)
        }
    }
}
