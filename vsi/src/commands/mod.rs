//! The subcommands of `vsi`, one per file.

mod bench;
mod diff;
mod explain;
mod run;
mod settings;

use std::process::ExitCode;

use clap::Subcommand;

#[derive(Subcommand)]
pub(crate) enum Command {
    Run(run::Arguments),
    Diff(diff::Arguments),
    Bench(bench::Arguments),
    Explain(explain::Arguments),
    #[command(subcommand)]
    Settings(settings::Command),
}

impl Command {
    pub(crate) fn execute(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Run(arguments) => run::execute(&arguments),
            Self::Diff(arguments) => diff::execute(&arguments),
            Self::Bench(arguments) => bench::execute(&arguments),
            Self::Explain(arguments) => explain::execute(&arguments),
            Self::Settings(command) => settings::execute(&command),
        }
    }
}
