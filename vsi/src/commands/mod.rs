//! The subcommands of `vsi`, one per file.

mod check;
mod completions;
mod diff;
mod explain;
mod inject;
mod review;
mod run;
mod settings;

use std::process::ExitCode;

use clap::Subcommand;

#[derive(Subcommand)]
pub(crate) enum Command {
    Inject(inject::Arguments),
    Check(check::Arguments),
    Explain(explain::Arguments),
    #[command(subcommand)]
    Settings(settings::Command),
    Run(run::Arguments),
    Diff(diff::Arguments),
    Completions(completions::Arguments),
}

impl Command {
    pub(crate) fn execute(&self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Inject(arguments) => inject::execute(arguments),
            Self::Check(arguments) => check::execute(arguments),
            Self::Explain(arguments) => explain::execute(arguments),
            Self::Settings(arguments) => settings::execute(arguments),
            Self::Run(arguments) => run::execute(arguments),
            Self::Diff(arguments) => diff::execute(arguments),
            Self::Completions(arguments) => completions::execute(arguments),
        }
    }

    /// The exit code when it cannot be done. Those that take a policy as kwctl does end as kwctl does.
    pub(crate) fn failure(&self) -> ExitCode {
        match self {
            Self::Run(_) | Self::Diff(_) => ExitCode::FAILURE,
            _ => ExitCode::from(2),
        }
    }
}
