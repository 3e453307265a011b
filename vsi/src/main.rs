//! `vsi` runs a Kubewarden policy on a laptop: one answer as kwctl prints it, what it does to an object
//! as a diff, and how long it takes.

mod commands;
mod embedded;
mod inputs;
mod reference;

use std::{io, process::ExitCode};

use clap::Parser;

use crate::commands::Command;

/// Run a Kubewarden policy locally, with neither a cluster nor a registry.
///
/// The policy is a WebAssembly module. It is run as Kubewarden's policy-server runs it: a fresh
/// instance for every request, cut off after two seconds, its answer turned into a JSON patch.
#[derive(Parser)]
#[command(name = "vsi", version, arg_required_else_help = true)]
#[command(after_help = "\
Examples:
  vsi run policy.wasm -r request.json
  vsi diff policy.wasm -r request.json --settings-path settings.yaml
  vsi bench policy.wasm -r plain.json -r annotated.json

Exit codes:
  0  done (for `run` also when the policy rejects the request)
  1  something failed, the settings are not valid, or (`diff`) the request is rejected
  2  the command line is wrong")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    match Arguments::parse().command.execute() {
        Ok(code) => code,
        // A reader that has seen enough, such as `head`, is no failure.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("vsi: error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
