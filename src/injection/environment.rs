//! Secrets as environment variables: the init container that brings a shell, and the command of the
//! application's containers that goes through it.

use super::container::{literal, running_script, writable};
use super::{Context, Refusal, names, scripts, service_account};
use crate::annotations::Key;
use crate::intent::SecretFile;
use crate::kubernetes::Container;
use crate::pod;

/// Where the image has its static busybox.
const IMAGE_BUSYBOX: &str = "/bin/busybox";

/// Builds the init container that copies the shell.
pub fn init_container(context: &mut Context<'_, '_>) -> Container {
    let settings = context.settings;
    let mut container = running_script(
        names::ENV_INIT,
        &settings.env_shell.program,
        settings,
        scripts::ENV_INIT,
        &[IMAGE_BUSYBOX, names::ENV_BUSYBOX],
    );
    container.volume_mounts = vec![
        writable(names::ENV_VOLUME, names::ENV_DIRECTORY),
        service_account::none(&mut context.volumes),
    ];
    container
}

/// What comes before the command of `container`, which finds its files in `directory`.
pub fn command(
    container: &pod::Container<'_>,
    directory: &str,
    files: &[SecretFile],
    context: &Context<'_, '_>,
) -> Result<Vec<String>, Refusal> {
    let settings = context.settings;
    if !container.has_command {
        return Err(Refusal::NoCommand {
            annotation: settings.annotations.name(Key::SecretsInjectionMethod),
            container: container.name.to_string(),
        });
    }
    let shell = [
        names::ENV_BUSYBOX,
        "sh",
        "-c",
        scripts::ENV,
        names::ENV_BUSYBOX,
    ];
    let mut command: Vec<String> = shell.into_iter().map(literal).collect();
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
