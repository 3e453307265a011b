//! `vsi` runs the policy on a laptop or in a pipeline: it shows what a cluster would do to manifests, checks
//! and injects them, and explains annotations and settings.

mod additions;
mod admission;
mod commands;
mod differences;
mod findings;
mod folded;
mod images;
mod inputs;
mod manifests;
mod printable;
mod progress;
mod reference;
mod report;
mod review;
mod settings_file;
mod sources;

use std::{env, ffi::OsString, io, path::Path, process::ExitCode};

use clap::{CommandFactory, FromArgMatches, Parser};

use crate::{commands::Command, printable::Printable};

/// Show, check and make the changes of the Vault sidecar policy to pods, without a cluster
///
/// The policy is compiled into `vsi`. A WebAssembly module that is named in its place is run as Kubewarden's
/// policy-server runs it: a fresh instance for every request, cut off when it takes too long, its answer turned
/// into a JSON patch.
#[derive(Parser)]
#[command(name = "vsi", version, arg_required_else_help = true)]
#[command(after_help = "\
Examples:
  vsi inject -f app.yaml -o diff
  vsi check -R -f deploy/ --settings policy.yaml
  vsi explain secrets-path
  vsi settings show
  vsi run -r request.json

Exit codes:
  0  done (for `run` also when the policy rejects the request)
  1  something is found: manifests that are rejected or cannot be read, settings that are not valid; for
     `run` and `diff` everything that goes wrong
  2  the command line is wrong, or something that it names cannot be used")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    let command = parse().command;
    match command.execute() {
        Ok(code) => code,
        // A reader that has seen enough, such as `head`, is not a failure.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let message = Printable::from(format!("{error:#}"));
            anstream::eprintln!("vsi: error: {message}");
            command.failure()
        }
    }
}

/// Reads the command line; under the name `kubectl-vsi` it is a plugin, which people call by another name.
fn parse() -> Arguments {
    let mut command = Arguments::command();
    let arguments: Vec<_> = env::args_os().collect();
    let program = arguments.first().map(Path::new);
    let name = program.and_then(Path::file_stem);
    if name.is_some_and(|name| name == "kubectl-vsi") {
        command = command.bin_name("kubectl vsi");
    }
    let parsed = command.clone().try_get_matches_from(&arguments);
    let matches = parsed.unwrap_or_else(|error| {
        // clap repeats arguments in its messages: it gets them as they can be shown.
        let shown = arguments
            .iter()
            .map(|argument| OsString::from(Printable::from(argument).to_string()));
        let printable = command.try_get_matches_from(shown).err();
        printable.unwrap_or(error).exit()
    });
    Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
