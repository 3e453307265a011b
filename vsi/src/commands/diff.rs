//! `vsi diff`: shows what a policy does to an object, for people.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use anyhow::Context;
use clap::{Args, ValueEnum};
use policy_host::{AdmissionResponse, diff};
use serde_json::Value;

use crate::{
    findings::name_of,
    folded::folded,
    inputs::EvaluationArguments,
    manifests::Node,
    printable::{self, Printable},
    progress::Progress,
};

/// Show what the policy does to the request's object
///
/// Prints the difference between the object as submitted and as the API server would store it, in
/// YAML. Warnings go to standard error; so does the reason of a rejection, and then the exit code is
/// 1. Colours are used on a terminal; NO_COLOR turns them off and CLICOLOR_FORCE=1 on.
#[derive(Args)]
#[command(after_help = "\
Examples:
  vsi diff policy.wasm -r request.json
  vsi diff policy.wasm -r request.json -s settings.yaml -o patch
  CLICOLOR_FORCE=1 vsi diff policy.wasm -r request.json | less -R")]
pub(crate) struct Arguments {
    #[command(flatten)]
    evaluation: EvaluationArguments,

    /// What to print
    #[arg(short, long, value_name = "FORMAT", default_value = "diff")]
    output: Format,

    /// With -o diff, show scripts and other long texts, which take one line otherwise
    #[arg(long)]
    full: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// A unified diff of the object's YAML
    Diff,
    /// The JSON patch (RFC 6902)
    Patch,
    /// The resulting object, in YAML
    Yaml,
}

pub(crate) fn execute(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let settings = arguments.evaluation.settings.read()?;
    let loaded = arguments
        .evaluation
        .policy
        .load(false, arguments.evaluation.images.images()?)?;
    let request = loaded.read_request(&arguments.evaluation.request_path, false)?;
    let submitted = request
        .object()
        .context("the request has no object that could be shown: it is null on DELETE")?;

    loaded.check_settings(&settings)?;
    let progress = Progress::of_request(&Printable::from(&*arguments.evaluation.request_path));
    let response = loaded.guest().validate_request(&request, &settings)?;
    drop(progress);
    for warning in response.warnings.iter().flatten() {
        anstream::eprintln!("vsi: warning: {}", Printable::from(warning));
    }
    if !response.allowed {
        anstream::eprintln!("vsi: rejected{}", reason(&response));
        return Ok(ExitCode::FAILURE);
    }

    let admitted = response.apply_to(submitted)?;
    if response.patch.is_none() {
        anstream::eprintln!("vsi: accepted; the policy changes nothing");
    }
    let mut output = io::stdout();
    match arguments.output {
        Format::Diff => {
            let name = name_of(submitted);
            let names = (
                &*format!("{name} as submitted"),
                &*format!("{name} as admitted"),
            );
            if *submitted != admitted {
                let admitted = match arguments.full {
                    true => admitted,
                    false => folded(submitted, &admitted),
                };
                let [before, after] = [submitted, &admitted].map(|it| printable::lines(&yaml(it)));
                let text = diff::coloured_text(&before, &after, names);
                anstream::stdout().lock().write_all(text.as_bytes())?;
            }
        }
        Format::Patch => {
            let patch = response.json_patch()?.unwrap_or_default();
            writeln!(output, "{}", printable::json(&patch)?)?;
        }
        Format::Yaml => output.write_all(yaml(&admitted).as_bytes())?,
    }
    Ok(ExitCode::SUCCESS)
}

fn reason(response: &AdmissionResponse) -> String {
    let Some(status) = &response.status else {
        return " without a message".to_owned();
    };
    let code = status
        .code
        .map(|code| format!(" (code {code})"))
        .unwrap_or_default();
    let message = status.message.as_deref().unwrap_or("no message");
    format!("{code}: {}", Printable::from(message))
}

fn yaml(object: &Value) -> String {
    Node::from_value(object).to_yaml()
}

#[cfg(test)]
mod tests {
    use policy_host::Status;

    use super::*;

    #[test]
    fn a_rejection_is_reported_with_what_there_is() {
        let response = |status| AdmissionResponse {
            status,
            ..AdmissionResponse::default()
        };
        let status = |message: Option<&str>, code| {
            Some(Status {
                message: message.map(str::to_owned),
                code,
            })
        };
        for (status, expected) in [
            (status(Some("no"), Some(422)), " (code 422): no"),
            (status(Some("no"), None), ": no"),
            (status(None, Some(422)), " (code 422): no message"),
            (None, " without a message"),
        ] {
            assert_eq!(reason(&response(status)), expected);
        }
    }
}
