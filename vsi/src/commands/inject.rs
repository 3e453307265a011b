//! `vsi inject`: manifests with the sidecars that a cluster would add.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    process::ExitCode,
};

use clap::{Args, ValueEnum};
use policy_host::diff;
use serde_json::Value;

use crate::{
    additions,
    commands::review::ReviewArguments,
    findings::Severity,
    folded::folded,
    manifests::Node,
    printable::{self, Printable},
    report,
    review::{Review, ReviewedDocument},
};

/// Print manifests with the sidecars that the policy would add
///
/// Prints pods and the pod templates of workloads as they would be after admission, without the service
/// account's token, which a cluster mounts automatically. Prints all other documents unchanged and in
/// their order. Documents that change lose their comments and anchors. Warnings go to standard error. If
/// anything is rejected or cannot be read, that is reported on standard error, nothing is printed, and the exit
/// code is 1.
///
/// The policy does not inject a pod again, so the output can be applied or kept in Git.
#[derive(Args)]
#[command(after_help = "\
Examples:
  vsi inject -f app.yaml -o diff
  vsi inject -f app.yaml -o diff --full
  vsi inject -f app.yaml | kubectl apply -f -
  vsi inject -R -f deploy/ --settings policy.yaml -o json | jq .kind
  helm template shop ./chart | vsi inject -n shop -f -")]
pub(crate) struct Arguments {
    #[command(flatten)]
    review: ReviewArguments,

    /// What to print
    #[arg(short, long, value_name = "FORMAT", default_value = "yaml")]
    output: Format,

    /// With -o diff, show scripts and other long texts, which take one line otherwise
    #[arg(long)]
    full: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// All documents, in YAML
    Yaml,
    /// All documents, in JSON, one behind the other
    Json,
    /// A JSON patch (RFC 6902) for each document, which is empty where nothing changes
    Patch,
    /// For each document that changes, a table of what is added to its containers, and a unified diff, in YAML
    Diff,
}

pub(crate) fn execute(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let sources = arguments.review.sources.read()?;
    let review = arguments.review.review(&sources)?;
    let findings = review.findings.iter().cloned();
    // What is good to know is for vsi check.
    let findings: Vec<_> = findings
        .filter(|finding| finding.severity != Severity::Note)
        .collect();
    report::Format::Text.write(&mut anstream::stderr().lock(), &findings)?;
    if review.has_errors() {
        anstream::eprintln!("vsi: nothing is printed, because of the errors above");
        return Ok(ExitCode::FAILURE);
    }
    if review.counts.injected == 0 {
        anstream::eprintln!("vsi: {}", review.counts);
    }
    let text = match arguments.output {
        Format::Yaml => yaml(&review),
        Format::Json => json(&review)?,
        Format::Patch => patches(&review)?,
        Format::Diff => {
            let text = differences(&review, arguments.full);
            anstream::stdout().lock().write_all(text.as_bytes())?;
            return Ok(ExitCode::SUCCESS);
        }
    };
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// Documents that do not change stay as they stand in their file, unless they are JSON that is not valid YAML; of the
/// others, what stands above them does.
fn yaml(review: &Review<'_>) -> String {
    let mut output = String::new();
    for reviewed in &review.documents {
        let document = &reviewed.document;
        let text = match node_and_injected(reviewed) {
            Some((node, injected)) => {
                let content = node.updated(injected).to_yaml();
                format!("{}{content}", document.head())
            }
            None => match &document.content {
                Ok(Some(node)) if !document.is_yaml() => node.to_yaml(),
                _ => document.text.to_owned(),
            },
        };
        if !output.is_empty() {
            if !output.ends_with('\n') {
                output.push('\n');
            }
            if !document.begins_with_separator() {
                output.push_str("---\n");
            }
        }
        output.push_str(&text);
    }
    output
}

fn json(review: &Review<'_>) -> anyhow::Result<String> {
    let mut output = String::new();
    for reviewed in &review.documents {
        let Some(value) = reviewed.injected.clone().or_else(|| submitted(reviewed)) else {
            continue;
        };
        writeln!(output, "{}", printable::json(&value)?)?;
    }
    Ok(output)
}

fn patches(review: &Review<'_>) -> anyhow::Result<String> {
    let mut output = String::new();
    for reviewed in &review.documents {
        let Some(submitted) = submitted(reviewed) else {
            continue;
        };
        let after = reviewed.injected.as_ref().unwrap_or(&submitted);
        let patch = json_patch::diff(&submitted, after);
        writeln!(output, "{}", printable::json(&patch)?)?;
    }
    Ok(output)
}

fn differences(review: &Review<'_>, is_full: bool) -> String {
    let mut output = String::new();
    for reviewed in &review.documents {
        let Some((node, injected)) = node_and_injected(reviewed) else {
            continue;
        };
        let names: Vec<_> = reviewed.names.iter().map(Printable::to_string).collect();
        let name = format!("{} ({})", reviewed.source.name, names.join(", "));
        let names = (name.as_str(), &*format!("{name}, injected"));
        let submitted = node.to_value();
        if let Some(table) = additions::table(&submitted, injected) {
            output.push_str(&table);
        }
        let after = match is_full {
            true => node.updated(injected),
            false => node.updated(&folded(&submitted, injected)),
        };
        let [before, after] = [node, &after].map(|it| printable::lines(&it.to_yaml()));
        output.push_str(&diff::coloured_text(&before, &after, names));
    }
    output
}

/// A document that changes, and what it becomes.
fn node_and_injected<'r>(reviewed: &'r ReviewedDocument<'_>) -> Option<(&'r Node, &'r Value)> {
    let node = reviewed.document.content.as_ref().ok()?.as_ref()?;
    Some((node, reviewed.injected.as_ref()?))
}

/// A document as it is in the file; `None` if it says nothing.
fn submitted(reviewed: &ReviewedDocument<'_>) -> Option<Value> {
    let node = reviewed.document.content.as_ref().ok()?.as_ref()?;
    Some(node.to_value())
}
