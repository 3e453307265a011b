//! `vsi settings`: whether settings are valid, and what they come to.

use std::{
    fmt,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
};

use clap::{Args, Subcommand, ValueEnum};
use policy_host::{HostError, NoImages};
use serde_json::{Value, json};
use vault_sidecar_injector::{settings_problems, settings_warnings};

use crate::{
    inputs::{LoadedPolicy, PolicyFile},
    printable::{self, Printable},
    reference::effective::Effective,
    settings_file::{self, Given, Unusable},
};

/// Validate settings of the policy, or show the resulting settings
#[derive(Subcommand)]
#[command(after_help = "\
Examples:
  vsi settings validate settings.yaml
  vsi settings show --documented > settings.yaml")]
pub(crate) enum Command {
    Validate(ValidateArguments),
    Show(ShowArguments),
}

/// Report everything that is wrong with settings
///
/// FILE has settings in YAML or JSON, or policies (ClusterAdmissionPolicy, AdmissionPolicy), of which
/// it reads `spec.settings`; it ignores other objects. Prints a line for each
/// problem, or the answer of the module that --policy names. Warns on standard error of a policy that could not
/// inject, because it cannot change pods or has conditions on another annotation.
#[derive(Args)]
#[command(after_help = "\
Examples:
  vsi settings validate settings.yaml
  vsi settings validate deploy/overlays/production/settings.yaml
  kubectl get clusteradmissionpolicy vault-sidecar-injector -o yaml | vsi settings validate -

Exit codes:
  0  all settings are valid
  1  some are not
  2  the command line is wrong, or the file cannot be read or has no settings")]
pub(crate) struct ValidateArguments {
    /// The settings, or a file with policies ("-" reads standard input)
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

    #[command(flatten)]
    policy: PolicyFile,
}

/// Show the resulting settings: the defaults, replaced by those of a file
///
/// FILE is as for `vsi settings validate`, with one policy at most; without it, prints the defaults.
/// All settings are there, in the order of the documentation. What is printed means the same to the
/// policy as what was given.
#[derive(Args)]
#[command(after_help = "\
Examples:
  vsi settings show --documented > settings.yaml
  vsi settings show settings.yaml
  vsi settings show deploy/overlays/production/settings.yaml -o json | jq .vault

Exit codes:
  0  done
  1  the settings are not valid
  2  the command line is wrong, or the file cannot be read or has no settings")]
pub(crate) struct ShowArguments {
    /// The settings, or a file with a policy ("-" reads standard input)
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,

    /// What to print
    #[arg(short, long, value_name = "FORMAT", default_value = "yaml")]
    output: Format,

    /// Print above each setting what it means
    #[arg(long)]
    documented: bool,

    #[command(flatten)]
    policy: PolicyFile,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Format {
    Yaml,
    Json,
}

pub(crate) fn execute(command: &Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Validate(arguments) => validate(arguments),
        Command::Show(arguments) => show(arguments),
    }
}

fn validate(arguments: &ValidateArguments) -> anyhow::Result<ExitCode> {
    let policy = arguments.policy.load(Arc::new(NoImages))?;
    let mut output = anstream::stdout().lock();
    let mut code = ExitCode::SUCCESS;
    for path in &arguments.files {
        let all = match settings_file::read(path) {
            Ok(all) => all,
            Err(malformed @ Unusable::Malformed { .. }) => {
                writeln!(output, "{malformed}")?;
                code = ExitCode::FAILURE;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        for given in &all {
            let name = given.policy.iter().map(|policy| format!(" {policy}:"));
            let name = name.collect::<String>();
            for doubt in &given.doubts {
                anstream::eprintln!("vsi: warning: {}:{name} {doubt}", given.file);
            }
            for (setting, warning) in warnings(&policy, &given.settings) {
                let warning = Printable::from(warning);
                anstream::eprintln!("vsi: warning: {}: {warning}", place(given, setting));
            }
            let problems = problems(&policy, &given.settings)?;
            if problems.is_empty() {
                writeln!(output, "{}:{name} valid", given.file)?;
            } else {
                code = ExitCode::FAILURE;
            }
            for problem in problems {
                writeln!(output, "{}: {problem}", place(given, &problem.path))?;
            }
        }
    }
    Ok(code)
}

fn show(arguments: &ShowArguments) -> anyhow::Result<ExitCode> {
    if arguments.documented && arguments.output == Format::Json {
        anyhow::bail!("--documented needs YAML: JSON has no comments");
    }
    let mut settings = json!({});
    if let Some(path) = &arguments.file {
        let given = match settings_file::read_only(path) {
            Ok(given) => given,
            Err(malformed @ Unusable::Malformed { .. }) => {
                anstream::eprintln!("{malformed}");
                return Ok(ExitCode::FAILURE);
            }
            Err(error) => return Err(error.into()),
        };
        let policy = arguments.policy.load(Arc::new(NoImages))?;
        let problems = problems(&policy, &given.settings)?;
        if !problems.is_empty() {
            for problem in problems {
                anstream::eprintln!("{}: {problem}", place(&given, &problem.path));
            }
            return Ok(ExitCode::FAILURE);
        }
        settings = given.settings;
    }
    let effective = Effective::new(&settings);
    let text = match arguments.output {
        Format::Yaml => effective.yaml(arguments.documented),
        Format::Json => format!("{}\n", printable::json(&effective)?),
    };
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// Where a setting is: file, line, and the policy if there is one.
fn place(given: &Given, setting: &str) -> String {
    let policy = given.policy.iter().map(|policy| format!(": {policy}"));
    let line = given.line_of(setting);
    format!("{}:{line}{}", given.file, policy.collect::<String>())
}

/// One problem of settings, in a line.
#[derive(Debug, PartialEq)]
struct Problem {
    /// `vault.address`; empty for the settings as a whole.
    path: String,
    message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(formatter, "{}: ", Printable::from(&self.path))?;
        }
        Printable::from(&self.message).fmt(formatter)
    }
}

/// What is wrong with the settings. A module reports all problems in one message, the policy in `vsi` one by one.
fn problems(policy: &LoadedPolicy, settings: &Value) -> Result<Vec<Problem>, HostError> {
    let whole = |message: String| {
        vec![Problem {
            path: String::new(),
            message,
        }]
    };
    let answer = match policy.guest().validate_settings(settings) {
        Ok(answer) => answer,
        Err(error @ HostError::Settings(_)) => return Ok(whole(error.to_string())),
        Err(error) => return Err(error),
    };
    Ok(match policy {
        _ if answer.valid => Vec::new(),
        LoadedPolicy::Module(_) => whole(answer.message.unwrap_or_default()),
        LoadedPolicy::Native(_) => settings_problems(settings.to_string().as_bytes())
            .into_iter()
            .map(|(path, message)| Problem { path, message })
            .collect(),
    })
}

/// What in settings does not do what it seems to, as far as that is known of the policy.
fn warnings(policy: &LoadedPolicy, settings: &Value) -> Vec<(&'static str, String)> {
    match policy {
        LoadedPolicy::Module(_) => Vec::new(),
        LoadedPolicy::Native(_) => settings_warnings(settings.to_string().as_bytes()),
    }
}
