//! `vsi annotate`: a policy's metadata goes into its module, as `kwctl annotate` does it.

use std::{collections::BTreeMap, fs, path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::Args;
use policy_host::{ExecutionMode, Policy, PolicyType, ProtocolVersion, annotate};
use serde::{Deserialize, Serialize};

use crate::printable::Printable;

/// The annotation that holds how the policy is used.
const USAGE: &str = "io.kubewarden.policy.usage";

/// Put a policy's metadata into its module
///
/// Policy servers and registries read there which requests the policy wants, that it changes objects, its version
/// and its usage. The arguments are those of `kwctl annotate`; the rest of the module stays as it is.
#[derive(Args)]
#[command(after_help = "\
Examples:
  vsi annotate -m policy-metadata.yml -u README.md -o annotated-policy.wasm policy.wasm")]
pub(crate) struct Arguments {
    /// Read the metadata from FILE, in YAML
    #[arg(short, long, value_name = "FILE")]
    metadata_path: PathBuf,

    /// Read how the policy is used from FILE, in Markdown
    #[arg(short, long, value_name = "FILE")]
    usage_path: Option<PathBuf>,

    /// Write the module to FILE
    #[arg(short, long, value_name = "FILE")]
    output_path: PathBuf,

    /// The module, which has no metadata yet
    #[arg(value_name = "WASM")]
    wasm_path: PathBuf,
}

/// The metadata of a policy that is run by waPC. A field that is not here is told as a mistake.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Document {
    /// What the module itself says.
    #[serde(skip_deserializing)]
    protocol_version: Option<ProtocolVersion>,
    rules: Vec<Rule>,
    mutating: bool,
    #[serde(default = "yes")]
    background_audit: bool,
    #[serde(default)]
    execution_mode: ExecutionMode,
    #[serde(default)]
    policy_type: PolicyType,
    #[serde(default)]
    context_aware_resources: Vec<ContextAwareResource>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    minimum_kubewarden_version: Option<String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Rule {
    api_groups: Vec<String>,
    api_versions: Vec<String>,
    resources: Vec<String>,
    operations: Vec<Operation>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "UPPERCASE")]
enum Operation {
    Create,
    Update,
    Delete,
    Connect,
    #[serde(rename = "*")]
    All,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ContextAwareResource {
    api_version: String,
    kind: String,
}

fn yes() -> bool {
    true
}

pub(crate) fn execute(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let module = fs::read(&arguments.wasm_path).with_context(|| {
        format!(
            "cannot read the policy {}",
            Printable::from(&arguments.wasm_path)
        )
    })?;
    let metadata = Printable::from(&arguments.metadata_path);
    let text = fs::read_to_string(&arguments.metadata_path)
        .with_context(|| format!("cannot read the metadata {metadata}"))?;
    let mut document: Document = yaml_serde::from_str(&text)
        .with_context(|| format!("the metadata {metadata} is not that of a policy"))?;
    if let Some(path) = &arguments.usage_path {
        let usage = fs::read_to_string(path)
            .with_context(|| format!("cannot read the usage {}", Printable::from(path)))?;
        document.annotations.insert(USAGE.to_owned(), usage);
    }
    document.protocol_version = Some(Policy::from_bytes(&module)?.protocol_version()?);

    let annotated = annotate(&module, &document)?;
    fs::write(&arguments.output_path, annotated)
        .with_context(|| format!("cannot write {}", Printable::from(&arguments.output_path)))?;
    Ok(ExitCode::SUCCESS)
}
