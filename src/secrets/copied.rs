//! The container whose volumes the agent has too, and what of the agent's files is the pod's: templates are read from these.

use crate::annotations::Key;
use crate::path::{below, same_path, segments};
use crate::pod::Container;
use crate::rejection::Rejection;
use crate::subject::Subject;
use crate::words::listed;

/// The most mounts that the agent takes over.
const MOST_COPIED: usize = 64;

/// The container whose volumes the agent is to have too, if the pod names one.
///
/// # Errors
///
/// If the pod has no such container, or it has too many mounts.
pub fn copied_container<'s, 'a>(
    subject: &'s Subject<'a>,
) -> Result<Option<&'s Container<'a>>, Rejection> {
    let annotations = &subject.annotations;
    let Some(name) = annotations.copy_volume_mounts()? else {
        return Ok(None);
    };
    let pod = &subject.pod;
    let mut all = pod.containers.iter().chain(&pod.init_containers);
    let Some(container) = all.find(|container| &*container.name == name.as_str()) else {
        let all = pod.all_containers().map(|container| &*container.name);
        let known = listed(all.collect::<Vec<_>>());
        let problem = format!(
            "{:?} is not a container of this pod; expected one of {known}",
            name.as_str()
        );
        let rejection = annotations.rejected(Key::CopyVolumeMounts, problem);
        return Err(rejection.unless_filled_in());
    };
    match container.volume_mounts.len() {
        ..=MOST_COPIED => Ok(Some(container)),
        count => Err(annotations.rejected(
            Key::CopyVolumeMounts,
            format!("the container has {count} volume mounts; expected at most {MOST_COPIED}"),
        )),
    }
}

/// Whether a file of the agent's container is in a volume of the pod's that the kubelet alone writes. In any other, a link
/// could lead to a file of the agent's own, such as its token.
pub fn is_of_pod(path: &str, subject: &Subject<'_>) -> Result<bool, Rejection> {
    let names = subject.names();
    let mut brought = [&names.extra_secret, &names.config_map].into_iter();
    if brought.any(|mounted| below(path, mounted.directory).is_some()) {
        return Ok(true);
    }
    let container = copied_container(subject)?;
    let mounts = container
        .into_iter()
        .flat_map(|container| &container.volume_mounts);
    let around = mounts.filter(|mount| {
        same_path(path, &mount.mount_path) || below(path, &mount.mount_path).is_some()
    });
    let innermost = around.max_by_key(|mount| segments(&mount.mount_path).count());
    let volume = innermost.and_then(|mount| subject.pod.volume(&mount.name));
    Ok(volume.is_some_and(|volume| volume.source.is_of_kubelet()))
}
