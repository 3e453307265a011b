//! The postStart hook that waits for a container's secrets files.

use super::{Refusal, scripts};
use crate::annotations::Key;
use crate::intent::SecretFile;
use crate::pod::{Container, PostStart};
use crate::settings::Settings;

/// The hook's command: the wait for the files in `directory`, and then the container's own hook with its
/// own arguments.
///
/// Kubernetes expands nothing in hooks: no `$` is doubled.
pub fn command(
    container: &Container<'_>,
    directory: &str,
    files: &[SecretFile],
    settings: &Settings,
) -> Result<Vec<String>, Refusal> {
    let own = match &container.post_start {
        PostStart::None => None,
        PostStart::Exec(command) => Some(command),
        PostStart::Other => {
            return Err(Refusal::HookTaken {
                annotation: settings.annotations.name(Key::SecretsHook),
                container: container.name.to_string(),
            });
        }
    };
    let timeout = settings.secrets.hook_timeout_seconds.to_string();
    let mut command: Vec<String> = [
        "/bin/sh",
        "-c",
        scripts::WAIT_FOR_SECRETS,
        "tvsi-secrets-hook",
        &timeout,
    ]
    .map(str::to_owned)
    .to_vec();
    let files = files.iter();
    command.extend(files.map(|file| format!("{directory}/{}", file.destination)));
    if let Some(own) = own {
        command.push("--".to_owned());
        command.extend(own.iter().cloned());
    }
    Ok(command)
}
