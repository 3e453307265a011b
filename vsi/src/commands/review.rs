//! The arguments that `inject` and `check` share.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use serde_json::json;

use crate::{
    admission::Cluster,
    images::ImageArguments,
    inputs::PolicyFile,
    reference,
    review::Review,
    settings_file,
    sources::{Source, SourceArguments},
};

#[derive(Args)]
pub(crate) struct ReviewArguments {
    #[command(flatten)]
    pub(crate) sources: SourceArguments,

    /// Take the policy's settings from FILE: settings in YAML or JSON, or a ClusterAdmissionPolicy or
    /// AdmissionPolicy manifest
    #[arg(short, long, value_name = "FILE")]
    settings: Option<PathBuf>,

    /// The namespace of objects that name none
    #[arg(short, long, value_name = "NAMESPACE", default_value = "default")]
    namespace: String,

    #[command(flatten)]
    policy: PolicyFile,

    #[command(flatten)]
    images: ImageArguments,
}

impl ReviewArguments {
    /// Runs all objects of the sources through the policy.
    pub(crate) fn review<'s>(&self, sources: &'s [Source]) -> anyhow::Result<Review<'s>> {
        let settings = match &self.settings {
            Some(path) => settings_file::read_only(path)?.settings,
            None => json!({}),
        };
        let loaded = self.policy.load(self.images.images()?)?;
        let policy = loaded.guest();
        let answer = policy.validate_settings(&settings)?;
        if !answer.valid {
            bail!(
                "the settings are not valid: {}",
                answer.message.unwrap_or_default()
            );
        }
        let words = reference::annotations::Words::with(&settings);
        let cluster = Cluster {
            policy,
            settings: &settings,
            namespace: &self.namespace,
            words: &words,
        };
        Review::of(sources, &cluster)
    }
}
