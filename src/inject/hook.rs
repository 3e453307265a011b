//! The postStart hook that waits for a container's secrets files.

use crate::annotations::Key;
use crate::pod::{Container, PostStart};
use crate::rejection::{Place, Rejection};
use crate::subject::Subject;

/// The hook's command: the wait for the files, and then the container's own hook with its own arguments.
///
/// Kubernetes expands nothing in hooks: no `$` is doubled.
pub fn command(
    container: &Container<'_>,
    files: &[String],
    subject: &Subject<'_>,
) -> Result<Vec<String>, Rejection> {
    let own = match container.post_start() {
        PostStart::None => None,
        PostStart::Exec(command) => Some(command),
        PostStart::Other => {
            let annotation = subject.annotations.name(Key::SecretsHook);
            return Err(Place::Container(container.name.to_string()).rejected(format!(
                "has a postStart hook that is not an exec hook, and only an exec hook can run after the wait for the secrets; change it, or remove annotation {annotation}"
            )));
        }
    };
    let timeout = subject.settings.secrets.hook_timeout_seconds.to_string();
    let script = include_str!(concat!(env!("OUT_DIR"), "/scripts/wait-for-secrets.sh"));
    let mut command: Vec<String> = ["/bin/sh", "-c", script, "tvsi-secrets-hook", &timeout]
        .map(str::to_owned)
        .to_vec();
    command.extend_from_slice(files);
    if let Some(own) = own {
        command.push("--".to_owned());
        command.extend(own.iter().map(|word| word.to_string()));
    }
    Ok(command)
}
