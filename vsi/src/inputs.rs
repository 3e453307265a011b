//! What the subcommands read from the command line and from files: the policy, its settings, requests.

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, anyhow, bail};
use clap::Args;
use policy_host::{ExecutionMode, Guest, Images, Native, Policy, PolicyType, Request};
use serde_json::Value;
use url::Url;
use vault_sidecar_injector::{validate_settings, validate_with};

use crate::{images::ImageArguments, printable::Printable};

/// The policy that is compiled into `vsi`, with what it looks up.
pub(crate) fn native(images: Arc<dyn Images>) -> Native {
    Native {
        images,
        validate: validate_with,
        validate_settings,
    }
}

/// The policy as kwctl takes it.
#[derive(Args)]
pub(crate) struct PolicyArgument {
    /// The policy: a WebAssembly module, as a path or a file:// URI; without it, the policy that is in `vsi`
    #[arg(value_name = "POLICY")]
    location: Option<String>,
}

/// The policy of the commands that are ours alone.
#[derive(Args)]
pub(crate) struct PolicyFile {
    /// Run the WebAssembly module in FILE (a path or a file:// URI) instead of the policy that is in `vsi`
    #[arg(long = "policy", value_name = "FILE")]
    location: Option<String>,
}

#[derive(Args)]
pub(crate) struct SettingsArguments {
    /// Read the policy's settings from FILE, in YAML or JSON
    #[arg(short, long, value_name = "FILE")]
    settings_path: Option<PathBuf>,

    /// Take the policy's settings from the command line, in JSON
    #[arg(long, value_name = "JSON", conflicts_with = "settings_path")]
    settings_json: Option<String>,
}

/// What one evaluation needs.
#[derive(Args)]
pub(crate) struct EvaluationArguments {
    #[command(flatten)]
    pub(crate) policy: PolicyArgument,

    /// Read the request from FILE, in JSON: an AdmissionReview, or the request inside one ("-" reads
    /// standard input)
    #[arg(short, long, value_name = "FILE")]
    pub(crate) request_path: PathBuf,

    #[command(flatten)]
    pub(crate) settings: SettingsArguments,

    #[command(flatten)]
    pub(crate) images: ImageArguments,
}

/// The policy that evaluates.
pub(crate) enum LoadedPolicy {
    Native(Native),
    Module(Box<Policy>),
}

impl PolicyArgument {
    /// `forced` runs a module as a waPC policy whatever its metadata says.
    pub(crate) fn load(
        &self,
        forced: bool,
        images: Arc<dyn Images>,
    ) -> anyhow::Result<LoadedPolicy> {
        LoadedPolicy::load(self.location.as_deref(), forced, images)
    }
}

impl PolicyFile {
    pub(crate) fn load(&self, images: Arc<dyn Images>) -> anyhow::Result<LoadedPolicy> {
        LoadedPolicy::load(self.location.as_deref(), false, images)
    }
}

fn path_of(location: &str) -> anyhow::Result<PathBuf> {
    let Some((scheme, _)) = location.split_once("://") else {
        return Ok(PathBuf::from(location));
    };
    if scheme != "file" {
        bail!(
            "cannot fetch the policy {location}: only local files can be run here; pull it first and give its path"
        );
    }
    Url::parse(location)
        .ok()
        .and_then(|url| url.to_file_path().ok())
        .ok_or_else(|| {
            anyhow!("the policy's URI {location} is not valid: a file:// URI has an absolute path")
        })
}

impl LoadedPolicy {
    fn load(location: Option<&str>, forced: bool, images: Arc<dyn Images>) -> anyhow::Result<Self> {
        let Some(location) = location else {
            return Ok(Self::Native(native(images)));
        };
        let name = Printable::from(location);
        let bytes = fs::read(path_of(location)?)
            .with_context(|| format!("cannot read the policy {name}"))?;
        let policy = Policy::from_bytes(&bytes)
            .with_context(|| format!("the policy {name} cannot be used"))?;
        if let Some(metadata) = policy.metadata()
            && metadata.execution_mode != ExecutionMode::KubewardenWapc
            && !forced
        {
            bail!(
                "the policy {name} cannot be used: its metadata has the execution mode {}, and only kubewarden-wapc can be run here",
                metadata.execution_mode
            );
        }
        Ok(Self::Module(Box::new(policy.with_images(images))))
    }

    pub(crate) fn guest(&self) -> &dyn Guest {
        match self {
            Self::Native(policy) => policy,
            Self::Module(policy) => &**policy,
        }
    }

    /// Reads a file into the type of request that the policy's metadata names; `raw` makes it a raw
    /// one as well.
    pub(crate) fn read_request(&self, path: &Path, raw: bool) -> anyhow::Result<Request> {
        let metadata = match self {
            Self::Native(_) => None,
            Self::Module(policy) => policy.metadata(),
        };
        let raw = raw || metadata.is_some_and(|metadata| metadata.policy_type == PolicyType::Raw);
        let text = if path == Path::new("-") {
            let mut text = String::new();
            io::stdin()
                .read_to_string(&mut text)
                .context("cannot read the request from standard input")?;
            text
        } else {
            fs::read_to_string(path)
                .with_context(|| format!("cannot read the request {}", Printable::from(path)))?
        };
        let document: Value = serde_json::from_str(&text)
            .with_context(|| format!("the request {} is not valid JSON", Printable::from(path)))?;
        if raw {
            return Ok(Request::Raw(document));
        }
        Request::from_json(&document)
            .with_context(|| format!("the request {} cannot be used", Printable::from(path)))
    }

    /// Ends with an error unless the policy takes the settings.
    pub(crate) fn check_settings(&self, settings: &Value) -> anyhow::Result<()> {
        let answer = self.guest().validate_settings(settings)?;
        if answer.valid {
            return Ok(());
        }
        // The wording is kwctl's, which end-to-end tests of policies look for.
        bail!(
            "Provided settings are not valid: {}",
            answer.message.unwrap_or_default()
        )
    }
}

impl SettingsArguments {
    pub(crate) fn read(&self) -> anyhow::Result<Value> {
        match (&self.settings_path, &self.settings_json) {
            (Some(path), _) => {
                let text = fs::read_to_string(path).with_context(|| {
                    format!("cannot read the settings {}", Printable::from(path))
                })?;
                yaml_serde::from_str(&text).with_context(|| {
                    format!(
                        "the settings {} are not valid YAML or JSON",
                        Printable::from(path)
                    )
                })
            }
            (None, Some(json)) => {
                serde_json::from_str(json).context("--settings-json is not valid JSON")
            }
            (None, None) => Ok(Value::Null),
        }
    }
}
