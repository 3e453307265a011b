//! The arguments that `inject` and `check` share.

use std::{path::PathBuf, sync::Arc};

use anyhow::bail;
use clap::Args;
use serde_json::json;

use crate::{
    admission::Cluster,
    images::{ImageArguments, Sources},
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
    pub(crate) images: ImageArguments,
}

impl ReviewArguments {
    /// Runs all objects of the sources through the policy.
    pub(crate) fn review<'s>(&self, sources: &'s [Source]) -> anyhow::Result<Review<'s>> {
        self.review_with(sources, self.images.images()?)
    }

    /// The same with these images.
    pub(crate) fn review_with<'s>(
        &self,
        sources: &'s [Source],
        images: Arc<Sources>,
    ) -> anyhow::Result<Review<'s>> {
        let settings = match &self.settings {
            Some(path) => settings_file::read_only(path)?.settings,
            None => json!({}),
        };
        let loaded = self.policy.load(images.clone())?;
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
            images: &images,
            namespace: &self.namespace,
            words: &words,
        };
        Review::of(sources, &cluster)
    }
}
