//! What clouds give a pod's containers to log in with, for the agent too: variables, and the volumes of the files in them.

use k8s_openapi::api::core::v1::{EnvVar, VolumeMount};

use crate::kubernetes::read_only;
use crate::names;
use crate::path::below;
use crate::service_account::Found;
use crate::subject::Subject;

/// What webhooks of a cloud add to the containers of pods that may log in with it, by login method.
const CLOUDS: [(&str, &[&str]); 3] = [
    (
        "aws",
        &[
            "AWS_ROLE_ARN",
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
            "AWS_DEFAULT_REGION",
            REGION,
        ],
    ),
    (
        "azure",
        &[
            "AZURE_CLIENT_ID",
            "AZURE_TENANT_ID",
            "AZURE_FEDERATED_TOKEN_FILE",
            "AZURE_AUTHORITY_HOST",
        ],
    ),
    ("gcp", &[CREDENTIALS]),
];

const REGION: &str = "AWS_REGION";
const CREDENTIALS: &str = "GOOGLE_APPLICATION_CREDENTIALS";

/// The only directory of which the pod chooses what is mounted in it: programs and libraries are not below it.
const DIRECTORY: &str = "/var/run/secrets";

/// The variables and mounts for a login with `method`: what the first container of the application has. `region` is that of
/// the login's configuration.
pub fn identity(
    method: &str,
    region: Option<&str>,
    subject: &Subject<'_>,
) -> (Vec<EnvVar>, Vec<VolumeMount>) {
    let cloud = CLOUDS.iter().find(|(cloud, _)| *cloud == method);
    let (mut variables, mut mounts) = (Vec::new(), Vec::<VolumeMount>::new());
    for name in cloud.into_iter().flat_map(|(_, names)| *names) {
        let mut containers = subject.applications();
        let of_pod = containers.find_map(|(_, container)| container.variable(name));
        let given = of_pod.or_else(|| region.filter(|_| *name == REGION).map(str::to_owned));
        let Some(value) = given else { continue };
        if name.ends_with("_FILE") || *name == CREDENTIALS {
            match mount(&value, subject) {
                Some(ours) if mounts.iter().any(|it| it.mount_path == ours.mount_path) => {}
                Some(ours) => mounts.push(ours),
                None => {
                    subject.warnings.add(format!(
                        "environment variable {name}: Vault Agent does not get it, because its file is not in a Secret or projected volume that the application mounts below {DIRECTORY}"
                    ));
                    continue;
                }
            }
        }
        // As the application has it, for Kubernetes to expand.
        variables.push(EnvVar {
            name: (*name).to_owned(),
            value: Some(value),
            value_from: None,
        });
    }
    (variables, mounts)
}

/// Mounts the volume that has the file at `path` of the application's containers where they have it.
fn mount(path: &str, subject: &Subject<'_>) -> Option<VolumeMount> {
    let found = Found::find(path, subject)?;
    let is_default = below(path, names::SERVICE_ACCOUNT_DIRECTORY).is_some();
    let directory = path.strip_suffix(&format!("/{}", found.path))?;
    let may_be_mounted = below(directory, DIRECTORY).is_some_and(|rest| !rest.is_empty());
    let is_written_by_kubelet = found.volume.source.is_written_by_kubelet();
    (may_be_mounted && is_written_by_kubelet && !is_default)
        .then(|| read_only(&found.volume.name, directory))
}
