//! The job babysitter: ends the other sidecars when the job's own containers have ended for good.

use super::container::{env_from_field, running_script, writable};
use super::{Context, Refusal, names, scripts, service_account};
use crate::kubernetes::Container;
use crate::pod::{self, RestartPolicy};

/// Builds the sidecar, which names every container of the job and what its end is.
pub fn sidecar(
    of_the_job: &[&pod::Container<'_>],
    context: &mut Context<'_, '_>,
) -> Result<Container, Refusal> {
    let mut containers = Vec::new();
    for container in of_the_job {
        let policy = container
            .restart_policy
            .unwrap_or(context.pod.restart_policy);
        let name = container.name.to_string();
        if container.has_restart_rules {
            return Err(Refusal::JobContainerHasRestartRules { container: name });
        }
        match policy {
            RestartPolicy::Never => containers.push(format!("{name}=Never")),
            RestartPolicy::OnFailure => containers.push(format!("{name}=OnFailure")),
            RestartPolicy::Always => {
                return Err(Refusal::JobContainerRestartsAlways { container: name });
            }
        }
    }
    let mut arguments = vec![names::JOB_SIGNAL_FILE];
    arguments.extend(containers.iter().map(String::as_str));
    let mut container = asking(
        names::JOB_BABYSITTER,
        scripts::JOB_BABYSITTER,
        &arguments,
        context,
    );
    container
        .volume_mounts
        .push(writable(names::JOB_VOLUME, names::JOB_DIRECTORY));
    Ok(container)
}

/// Builds the init container that checks what the babysitter needs, before any work begins.
pub fn init_container(context: &mut Context<'_, '_>) -> Container {
    asking(
        names::JOB_BABYSITTER_INIT,
        scripts::JOB_BABYSITTER_CHECK,
        &[],
        context,
    )
}

/// A container that asks the API server for its own pod.
fn asking(
    name: &str,
    script: &str,
    arguments: &[&str],
    context: &mut Context<'_, '_>,
) -> Container {
    let settings = context.settings;
    let mut container = running_script(
        name,
        &settings.job_babysitter.program,
        settings,
        script,
        arguments,
    );
    container.env = vec![
        env_from_field("POD_NAME", "metadata.name"),
        env_from_field("POD_NAMESPACE", "metadata.namespace"),
        env_from_field("POD_SERVICE_ACCOUNT", "spec.serviceAccountName"),
    ];
    container.volume_mounts = vec![service_account::for_api_server(context)];
    container
}
