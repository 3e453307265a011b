//! Secrets as environment variables: the init container that brings a shell, and the command of the
//! application's containers that goes through it.

use k8s_openapi::api::core::v1::Container;

use super::{Order, running_script, script};
use crate::annotations::Key;
use crate::kubernetes::{literal, writable};
use crate::names;
use crate::pod;
use crate::rejection::{Place, Rejection};
use crate::secrets::SecretFile;
use crate::service_account;
use crate::subject::Subject;

/// Where the image has its static busybox.
const IMAGE_BUSYBOX: &str = "/bin/busybox";

/// Builds the init container that copies the shell.
pub fn init_container(order: &mut Order<'_, '_>) -> Container {
    let settings = order.subject.settings;
    let program = &settings.env_shell.program;
    let arguments = [IMAGE_BUSYBOX, names::ENV_BUSYBOX];
    Container {
        volume_mounts: Some(vec![
            writable(names::ENV_VOLUME, names::ENV_DIRECTORY),
            service_account::none(order.volumes),
        ]),
        ..running_script(
            names::ENV_INIT,
            program,
            settings,
            script!("env-init.sh"),
            &arguments,
        )
    }
}

/// What comes before the command of `container`, which finds its files in `directory`.
pub fn command(
    container: &pod::Container<'_>,
    directory: &str,
    files: &[SecretFile],
    subject: &Subject<'_>,
) -> Result<Vec<String>, Rejection> {
    let settings = subject.settings;
    if !container.has_command() {
        let annotation = settings.annotations.name(Key::SecretsInjectionMethod);
        return Err(Place::Container(container.name.to_string()).rejected(format!(
            "has no command, and annotation {annotation}: env needs one, because the image's own cannot be determined; add the image's ENTRYPOINT as command"
        )));
    }
    let shell = [
        names::ENV_BUSYBOX,
        "sh",
        "-c",
        script!("env.sh"),
        names::ENV_BUSYBOX,
    ];
    let mut command = shell.map(str::to_owned).to_vec();
    let denied = settings.env_shell.denied_names.iter();
    let denied: Vec<_> = denied.map(|name| name.as_str()).collect();
    if !denied.is_empty() {
        // In one argument: a list of its own would hide the rest of the pod.
        command.push(literal(&denied.join(" ")));
    }
    command.push("--".to_owned());
    let files = files.iter();
    command.extend(files.map(|file| literal(&format!("{directory}/{}", file.destination))));
    command.push("--".to_owned());
    Ok(command)
}
