//! `vsi run`: one request in, one AdmissionResponse out, as `kwctl run` does it.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::{Args, ValueEnum};

use crate::{inputs::EvaluationArguments, printable};

/// Evaluate one request and print the AdmissionResponse as one line of JSON
///
/// The arguments and the answer are those of `kwctl run`, as far as they make sense without a
/// registry and a cluster. The settings are validated first, by the policy itself. The exit code is 0
/// whether the policy accepts or rejects the request: look at `allowed` in the answer.
#[derive(Args)]
#[command(after_help = "\
Examples:
  vsi run policy.wasm -r request.json
  vsi run policy.wasm -r request.json --settings-json '{\"vault\": {\"address\": \"https://vault:8200\"}}'
  vsi run \"file://$PWD/policy.wasm\" -r - < request.json | jq .allowed")]
pub(crate) struct Arguments {
    #[command(flatten)]
    evaluation: EvaluationArguments,

    /// Run the policy in this mode whatever its metadata says
    #[arg(short, long, value_name = "MODE")]
    execution_mode: Option<Mode>,

    /// Pass the request on as it is, which can then be any JSON document
    #[arg(long)]
    raw: bool,

    /// Has no effect: nothing is cached here (it is accepted because kwctl has it)
    #[arg(long)]
    disable_wasmtime_cache: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Mode {
    /// A policy made with one of Kubewarden's SDKs
    #[value(alias = "kubewarden-wapc")]
    Kubewarden,
}

pub(crate) fn execute(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let settings = arguments.evaluation.settings.read()?;
    let images = arguments.evaluation.images.images()?;
    let loaded = arguments
        .evaluation
        .policy
        .load(arguments.execution_mode.is_some(), images.clone())?;
    let request = loaded.read_request(&arguments.evaluation.request_path, arguments.raw)?;

    loaded.check_settings(&settings)?;
    let mut response = loaded.guest().validate_request(&request, &settings)?;
    images.explain(&mut response);
    let answer = printable::in_json(&serde_json::to_string(&response)?);
    writeln!(io::stdout(), "{answer}")?;
    Ok(ExitCode::SUCCESS)
}
