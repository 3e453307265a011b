//! `vsi completions`: what a shell needs to complete the command line.

use std::{io::Write, process::ExitCode};

use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

/// Print a shell's completions
#[derive(Args)]
#[command(after_help = "\
Examples:
  source <(vsi completions bash)
  vsi completions zsh > \"${fpath[1]}/_vsi\"
  vsi completions fish > ~/.config/fish/completions/vsi.fish")]
pub(crate) struct Arguments {
    shell: Shell,
}

pub(crate) fn execute(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    let mut command = crate::Arguments::command();
    generate(arguments.shell, &mut command, "vsi", &mut script);
    std::io::stdout().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}
