//! `vsi settings`: whether settings are valid, and what they come to.

use std::{
    fmt, fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Subcommand, ValueEnum};
use policy_host::{HostError, Policy};
use serde::Deserialize;
use serde_json::{Value, json};
use vault_sidecar_injector::settings_problems;

use crate::{embedded::MODULE, reference::effective::Effective};

/// What there is to say about the command line, or about a file that cannot be used.
const USAGE: u8 = 2;

/// Validate settings of the policy, or show what they come to
#[derive(Subcommand)]
#[command(after_help = "\
Examples:
  vsi settings validate settings.yaml
  vsi settings show --documented > settings.yaml")]
pub(crate) enum Command {
    Validate(ValidateArguments),
    Show(ShowArguments),
}

/// Tell everything that is wrong with settings
///
/// FILE has settings in YAML or JSON, or policies (ClusterAdmissionPolicy, AdmissionPolicy), of which
/// those in `spec.settings` are taken; what else there is beside policies is left alone. The policy
/// itself is asked. Prints a line for each problem. A policy without `mutating: true`, which would
/// reject every pod that it should inject into, gets a warning on standard error.
#[derive(Args)]
#[command(after_help = "\
Examples:
  vsi settings validate settings.yaml
  vsi settings validate deploy/cluster-admission-policy.yaml
  kubectl get clusteradmissionpolicy vault-sidecar-injector -o yaml | vsi settings validate -

Exit codes:
  0  all settings are valid
  1  some are not
  2  the command line is wrong, or the file cannot be read or has no settings")]
pub(crate) struct ValidateArguments {
    /// The settings, or a file with policies ("-" reads standard input)
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Show the settings that hold: the defaults, with what a file says in their place
///
/// FILE is as for `vsi settings validate`, with one policy at most; without it, prints the defaults.
/// All settings are there, in the order of the documentation. What is printed means the same to the
/// policy as what was given.
#[derive(Args)]
#[command(after_help = "\
Examples:
  vsi settings show --documented > settings.yaml
  vsi settings show settings.yaml
  vsi settings show deploy/cluster-admission-policy.yaml -o json | jq .vault

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

    /// Say above each setting what it means
    #[arg(long)]
    documented: bool,
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
    let file = displayed(&arguments.file);
    let all = match read(&arguments.file) {
        Ok(all) => all,
        Err(error) => return Ok(unusable(&file, &error)),
    };
    let policy = Policy::from_bytes(MODULE)?;
    let mut output = anstream::stdout().lock();
    let mut code = ExitCode::SUCCESS;
    for given in &all {
        let place = given.place(&file);
        if given.is_never_mutating {
            anstream::eprintln!(
                "vsi: warning: {place}: spec.mutating is not true: every pod that asks for injection would be rejected"
            );
        }
        let problems = problems(&policy, &given.settings)?;
        if problems.is_empty() {
            writeln!(output, "{place}: valid")?;
        } else {
            code = ExitCode::FAILURE;
        }
        for problem in problems {
            writeln!(output, "{place}: {problem}")?;
        }
    }
    Ok(code)
}

fn show(arguments: &ShowArguments) -> anyhow::Result<ExitCode> {
    if arguments.documented && arguments.output == Format::Json {
        anstream::eprintln!("vsi: error: --documented needs YAML: JSON has no comments");
        return Ok(ExitCode::from(USAGE));
    }
    let mut settings = json!({});
    if let Some(path) = &arguments.file {
        let file = displayed(path);
        let given = match read(path).and_then(only) {
            Ok(given) => given,
            Err(error) => return Ok(unusable(&file, &error)),
        };
        let problems = problems(&Policy::from_bytes(MODULE)?, &given.settings)?;
        if !problems.is_empty() {
            for problem in problems {
                anstream::eprintln!("{}: {problem}", given.place(&file));
            }
            return Ok(ExitCode::FAILURE);
        }
        settings = given.settings;
    }
    let effective = Effective::new(&settings);
    let text = match arguments.output {
        Format::Yaml => effective.yaml(arguments.documented),
        Format::Json => format!("{}\n", serde_json::to_string_pretty(&effective)?),
    };
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn unusable(file: &str, error: &Unusable) -> ExitCode {
    anstream::eprintln!("vsi: error: {file}: {error}");
    ExitCode::from(USAGE)
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
        match self.path.as_str() {
            "" => formatter.write_str(&self.message),
            path => write!(formatter, "{path}: {}", self.message),
        }
    }
}

/// What the policy finds wrong. Whether anything is wrong is the module's answer; it tells all of it in one
/// sentence, which the same code, compiled into `vsi`, tells one by one.
fn problems(policy: &Policy, settings: &Value) -> Result<Vec<Problem>, HostError> {
    let whole = |message: String| {
        vec![Problem {
            path: String::new(),
            message,
        }]
    };
    let answer = match policy.validate_settings(settings) {
        Ok(answer) => answer,
        Err(error @ HostError::Settings(_)) => return Ok(whole(error.to_string())),
        Err(error) => return Err(error),
    };
    if answer.valid {
        return Ok(Vec::new());
    }
    let problems: Vec<_> = settings_problems(settings.to_string().as_bytes())
        .into_iter()
        .map(|(path, message)| Problem { path, message })
        .collect();
    Ok(match problems.is_empty() {
        true => whole(answer.message.unwrap_or_default()),
        false => problems,
    })
}

/// Settings, and where they were found.
#[derive(Debug, PartialEq)]
struct Given {
    /// The policy that they are of, if the file does not have the settings alone.
    policy: Option<String>,
    settings: Value,
    /// They are of a policy that may not change anything.
    is_never_mutating: bool,
}

impl Given {
    fn place(&self, file: &str) -> String {
        match &self.policy {
            Some(policy) => format!("{file}: {policy}"),
            None => file.to_owned(),
        }
    }
}

/// Why a file has no settings that could be judged.
#[derive(Debug)]
enum Unusable {
    Unreadable(io::Error),
    NotYaml(yaml_serde::Error),
    /// What the file has in place of settings or a policy: `Deployment apps/v1`.
    AnotherObject(String),
    NoPolicyAmong(usize),
    SeveralPolicies(Vec<String>),
}

impl fmt::Display for Unusable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => write!(formatter, "cannot be read: {error}"),
            Self::NotYaml(error) => write!(formatter, "not valid YAML or JSON: {error}"),
            Self::AnotherObject(object) => write!(
                formatter,
                "has neither settings nor a policy, but {object}; a policy is a ClusterAdmissionPolicy or an AdmissionPolicy of {GROUP}"
            ),
            Self::NoPolicyAmong(documents) => write!(
                formatter,
                "has {documents} documents, and none is a ClusterAdmissionPolicy or an AdmissionPolicy of {GROUP}; plain settings are one document"
            ),
            Self::SeveralPolicies(policies) => write!(
                formatter,
                "has several policies, and the settings of one can be shown: {}",
                policies.join(", ")
            ),
        }
    }
}

const GROUP: &str = "policies.kubewarden.io";

/// The settings in a file: its own, or those of each policy in it.
fn read(path: &Path) -> Result<Vec<Given>, Unusable> {
    find(documents(&text(path).map_err(Unusable::Unreadable)?)?)
}

fn text(path: &Path) -> io::Result<String> {
    if path != Path::new("-") {
        return fs::read_to_string(path);
    }
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    Ok(text)
}

fn displayed(path: &Path) -> String {
    match path == Path::new("-") {
        true => "standard input".to_owned(),
        false => path.display().to_string(),
    }
}

/// The documents of a YAML text, without empty ones, and with the items of lists in the lists' place.
fn documents(text: &str) -> Result<Vec<Value>, Unusable> {
    let mut documents = Vec::new();
    for document in yaml_serde::Deserializer::from_str(text) {
        // Not at once: this type notices keys that are there twice.
        let document = yaml_serde::Value::deserialize(document).map_err(Unusable::NotYaml)?;
        let mut document: Value = yaml_serde::from_value(document).map_err(Unusable::NotYaml)?;
        match (&document["kind"] == "List", document.get_mut("items")) {
            (true, Some(Value::Array(items))) => documents.append(items),
            _ => documents.push(document),
        }
    }
    documents.retain(|document| !document.is_null());
    Ok(documents)
}

fn find(mut documents: Vec<Value>) -> Result<Vec<Given>, Unusable> {
    let policies: Vec<_> = documents.iter().filter_map(of_policy).collect();
    if !policies.is_empty() {
        return Ok(policies);
    }
    let settings = match documents.len() {
        0 => json!({}),
        1 => documents.swap_remove(0),
        several => return Err(Unusable::NoPolicyAmong(several)),
    };
    if let (Some(api_version), Some(kind)) =
        (member(&settings, "apiVersion"), member(&settings, "kind"))
    {
        return Err(Unusable::AnotherObject(format!("a {kind} ({api_version})")));
    }
    Ok(vec![Given {
        policy: None,
        settings,
        is_never_mutating: false,
    }])
}

fn member<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name).and_then(Value::as_str)
}

/// The settings of a policy; `None` for other objects.
fn of_policy(object: &Value) -> Option<Given> {
    let (group, _) = member(object, "apiVersion")?.split_once('/')?;
    let kind = member(object, "kind")?;
    if group != GROUP || !["ClusterAdmissionPolicy", "AdmissionPolicy"].contains(&kind) {
        return None;
    }
    let metadata = &object["metadata"];
    let name = member(metadata, "name").unwrap_or("without a name");
    let policy = match member(metadata, "namespace") {
        Some(namespace) => format!("{kind} {namespace}/{name}"),
        None => format!("{kind} {name}"),
    };
    let spec = &object["spec"];
    Some(Given {
        policy: Some(policy),
        settings: spec["settings"].clone(),
        is_never_mutating: spec["mutating"] != true,
    })
}

/// The settings of a file that should have no more than one policy.
fn only(mut all: Vec<Given>) -> Result<Given, Unusable> {
    if all.len() == 1 {
        return Ok(all.swap_remove(0));
    }
    let policies = all.into_iter().filter_map(|given| given.policy);
    Err(Unusable::SeveralPolicies(policies.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Result<Vec<Given>, String> {
        documents(text)
            .and_then(find)
            .map_err(|error| error.to_string())
    }

    fn plain(settings: Value) -> Given {
        Given {
            policy: None,
            settings,
            is_never_mutating: false,
        }
    }

    #[test]
    fn one_document_that_is_no_object_of_kubernetes_is_settings() {
        for (text, settings) in [
            ("sidecars: native\n", json!({"sidecars": "native"})),
            (
                "---\nsidecars: native\n---\n",
                json!({"sidecars": "native"}),
            ),
            ("{\"sidecars\": \"native\"}", json!({"sidecars": "native"})),
            ("", json!({})),
            ("# Nothing.\n", json!({})),
            ("[]", json!([])),
        ] {
            assert_eq!(found(text), Ok(vec![plain(settings)]), "{text}");
        }
    }

    #[test]
    fn the_settings_of_every_policy_are_taken() {
        let text = "\
apiVersion: policies.kubewarden.io/v1
kind: ClusterAdmissionPolicy
metadata: {name: all}
spec: {mutating: true, settings: {sidecars: native}}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: List
items:
  - apiVersion: policies.kubewarden.io/v1alpha2
    kind: AdmissionPolicy
    metadata: {name: own, namespace: shop}
    spec: {mutating: false}
";
        let expected = [
            Given {
                policy: Some("ClusterAdmissionPolicy all".to_owned()),
                settings: json!({"sidecars": "native"}),
                is_never_mutating: false,
            },
            Given {
                policy: Some("AdmissionPolicy shop/own".to_owned()),
                settings: Value::Null,
                is_never_mutating: true,
            },
        ];
        assert_eq!(found(text).unwrap(), expected);
    }

    #[test]
    fn a_file_without_settings_is_told_what_it_has() {
        for (text, expected) in [
            (
                "a: 1\n---\nb: 2\n",
                "has 2 documents, and none is a ClusterAdmissionPolicy",
            ),
            (
                "apiVersion: apps/v1\nkind: Deployment\n",
                "has neither settings nor a policy, but a Deployment (apps/v1); a policy is",
            ),
            (
                "apiVersion: policies.kubewarden.io/v1\nkind: PolicyServer\n",
                "but a PolicyServer (policies.kubewarden.io/v1);",
            ),
            ("a: [", "not valid YAML or JSON: "),
            ("a: 1\na: 2\n", "duplicate entry with key \"a\""),
        ] {
            let error = found(text).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
