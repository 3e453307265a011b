//! The job babysitter: ends the other sidecars when the job's own containers have ended for good.

use k8s_openapi::api::core::v1::{
    ConfigMapProjection, Container, DownwardAPIProjection, DownwardAPIVolumeFile, VolumeMount,
};

use super::{Order, overridden, running_script, script};
use crate::kubernetes::{Projection, Volume, env_from_field, field, items, read_only, writable};
use crate::names;
use crate::pod::{self, RestartPolicy, VolumeSource};
use crate::rejection::{Place, Rejection};
use crate::service_account::{self, Found};

/// Builds the sidecar, which names every container of the job and what its end is.
pub fn sidecar(
    of_the_job: &[&pod::Container<'_>],
    order: &mut Order<'_, '_>,
) -> Result<Container, Rejection> {
    let native = order.subject.native_sidecars();
    let mut arguments = vec![names::JOB_SIGNAL_FILE.to_owned()];
    for container in of_the_job {
        let name = container.name.to_string();
        let reject = |problem| Err(Place::Container(name.clone()).rejected(problem));
        if container.has_restart_rules() {
            return reject(format!(
                "has restartPolicyRules, with which mode job cannot determine when it has ended; remove them, or use {native}"
            ));
        }
        let policy = container.restart_policy;
        match policy.unwrap_or(order.subject.pod.restart_policy) {
            RestartPolicy::Never => arguments.push(format!("{name}=Never")),
            RestartPolicy::OnFailure => arguments.push(format!("{name}=OnFailure")),
            RestartPolicy::Always => {
                return reject(format!(
                    "has restartPolicy Always and never ends, and mode job waits for its end; expected Never or OnFailure, or use {native}"
                ));
            }
        }
    }
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let script = script!("job-babysitter.sh");
    let mut container = with_api_token(names::JOB_BABYSITTER, script, &arguments, order)?;
    let mount = writable(names::JOB_VOLUME, names::JOB_DIRECTORY);
    container.volume_mounts.get_or_insert_default().push(mount);
    Ok(container)
}

/// Builds the init container that checks what the babysitter needs, before any work begins.
pub fn init_container(order: &mut Order<'_, '_>) -> Result<Container, Rejection> {
    let script = script!("job-babysitter-check.sh");
    with_api_token(names::JOB_BABYSITTER_INIT, script, &[], order)
}

/// A container that reads its own pod from the API server.
fn with_api_token(
    name: &str,
    script: &str,
    arguments: &[&str],
    order: &mut Order<'_, '_>,
) -> Result<Container, Rejection> {
    let (intent, subject) = (order.intent, order.subject);
    let program = &subject.settings.job_babysitter.program;
    let program = overridden(program, &intent.job_babysitter, subject)?;
    Ok(Container {
        env: Some(vec![
            env_from_field("POD_NAME", "metadata.name"),
            env_from_field("POD_NAMESPACE", "metadata.namespace"),
            env_from_field("POD_SERVICE_ACCOUNT", "spec.serviceAccountName"),
        ]),
        volume_mounts: Some(vec![api_token(order)]),
        ..running_script(name, &program, intent, script, arguments)
    })
}

/// The token for the API server: the pod's, or one of the policy's where the pod has none.
fn api_token(order: &mut Order<'_, '_>) -> VolumeMount {
    let found = Found::find(names::SERVICE_ACCOUNT_TOKEN, order.subject);
    let of_pod = found.filter(|found| {
        let source = &found.volume.source;
        let own = found.own_token();
        found.is_default()
            && found.is_readable(order.intent.user(), order.subject)
            && (own.is_some_and(|token| token.audience.is_none())
                || (matches!(source, VolumeSource::Secret(_)) && found.can_be_token()))
    });
    if let Some(found) = of_pod {
        return read_only(&found.volume.name, names::SERVICE_ACCOUNT_DIRECTORY);
    }
    let certificate = Projection::ConfigMap(ConfigMapProjection {
        name: "kube-root-ca.crt".to_owned(),
        items: items(&[("ca.crt", "ca.crt")]),
        optional: None,
    });
    let namespace = Projection::DownwardApi(DownwardAPIProjection {
        items: Some(vec![DownwardAPIVolumeFile {
            path: "namespace".to_owned(),
            field_ref: Some(field("metadata.namespace")),
            ..DownwardAPIVolumeFile::default()
        }]),
    });
    let sources = vec![service_account::projection(None), certificate, namespace];
    order
        .volumes
        .add(Volume::projected(names::API_TOKEN_VOLUME, sources));
    read_only(names::API_TOKEN_VOLUME, names::SERVICE_ACCOUNT_DIRECTORY)
}
