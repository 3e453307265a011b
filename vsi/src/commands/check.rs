//! `vsi check`: what a cluster with the policy would report of manifests.

use std::process::ExitCode;

use clap::Args;

use crate::{commands::review::ReviewArguments, printable::Printable, report::Format};

/// Report what the policy rejects or warns of in manifests
///
/// Each finding is a line with file, line, document, object, annotation and message. Correct objects are
/// not reported. The exit code is 1 if anything would be rejected or cannot be read, and 2 if the check
/// cannot be made.
#[derive(Args)]
#[command(after_help = "\
Examples:
  vsi check -f app.yaml
  vsi check -R -f deploy/ --settings policy.yaml
  helm template shop ./chart | vsi check -n shop -f -
  vsi check -f deploy/ --output github                   # in a GitHub workflow
  vsi check -f deploy/ --output sarif > results.sarif    # for code scanning")]
pub(crate) struct Arguments {
    #[command(flatten)]
    review: ReviewArguments,

    /// How to print what is found
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

pub(crate) fn execute(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let sources = arguments.review.sources.read()?;
    let images = arguments.review.images.images()?.assuming_others();
    let review = arguments.review.review_with(&sources, images.clone())?;
    arguments
        .output
        .write(&mut anstream::stdout().lock(), &review.findings)?;
    let assumed = images.assumed();
    if !assumed.is_empty() {
        let assumed: Vec<_> = assumed.into_iter().collect();
        anstream::eprintln!(
            "vsi: not looked up: {}; use --image-lookup, or --image-config",
            Printable::from(&*assumed.join(", "))
        );
    }
    anstream::eprintln!("vsi: {}", review.counts);
    Ok(match review.has_errors() {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}
