//! An injected pod that changes: the policy's containers stay as they are, and nothing else gets access to them.
//!
//! Kubernetes lets whoever may update a pod change the images of its containers, and whoever may add an ephemeral
//! container mount its volumes and see the processes of a container.

use std::ptr;

use serde_json::value::RawValue;

use super::processes;
use super::reserved;
use crate::names::{self, Names};
use crate::pod::{Container, Processes};
use crate::raw::{self, Members, Text};
use crate::rejection::{Place, Rejection, Warnings, other_type, read};
use crate::settings::Settings;
use crate::words::set;

/// A pod's spec. What has not changed stays text: whoever may update a pod chooses how much is in it.
pub struct Spec<'a> {
    members: Members<'a>,
    containers: Vec<Item<'a>>,
    init_containers: Vec<Item<'a>>,
    ephemeral_containers: Vec<Item<'a>>,
    volumes: Vec<Item<'a>>,
    /// What its containers and volumes are called.
    names: &'static Names,
}

/// A container or volume as it is written.
struct Item<'a> {
    name: Text<'a>,
    text: &'a RawValue,
}

impl<'a> Spec<'a> {
    pub fn read(text: &'a RawValue) -> Result<Self, Rejection> {
        let members: Members<'a> = read(text, "spec")?;
        let items = |list: &str| -> Result<Vec<Item<'a>>, Rejection> {
            let path = format!("spec.{list}");
            let Some(items) = members.get(list) else {
                return Ok(Vec::new());
            };
            let items: Vec<&'a RawValue> = read(items, &path)?;
            let items = items.into_iter().map(|text| {
                let name = raw::member(text, "name").ok_or_else(|| other_type(&path))?;
                let name = read(name, &path)?;
                Ok(Item { name, text })
            });
            items.collect()
        };
        let (containers, init_containers) = (items("containers")?, items("initContainers")?);
        let is_of_agent_injector = |container: &Item<'_>| {
            names::AGENT_INJECTOR.containers.contains(&&*container.name)
                && container.text.get().contains("\"TVSI_AGENT_CONFIG")
        };
        let mut all = containers.iter().chain(&init_containers);
        let names = match all.any(is_of_agent_injector) {
            true => &names::AGENT_INJECTOR,
            false => &names::OWN,
        };
        Ok(Spec {
            names,
            containers,
            init_containers,
            ephemeral_containers: items("ephemeralContainers")?,
            volumes: items("volumes")?,
            members,
        })
    }

    /// The volumes with the secrets that are the policy's by a name that could be the application's.
    fn secrets_volumes(&self) -> Vec<&'static str> {
        let mut volumes = self.volumes.iter();
        // Where ours has another name, those are the application's.
        if volumes.any(|volume| &*volume.name == names::OWN_SECRETS_VOLUME) {
            return Vec::new();
        }
        let has_one_of = |agents: [&str; 2]| {
            let mut all = self.containers.iter().chain(&self.init_containers);
            all.any(|container| agents.contains(&&*container.name))
        };
        // Containers with the names of the others may be the application's, but not those with our own.
        let own = has_one_of([names::OWN.agent, names::OWN.agent_init]);
        let of_agent_injector = ptr::eq(self.names, &names::AGENT_INJECTOR);
        let all = [
            (own, &names::OWN),
            (of_agent_injector, &names::AGENT_INJECTOR),
        ];
        let ours = all.into_iter().filter(|(is_ours, _)| *is_ours);
        ours.map(|(_, names)| names.secrets_volume).collect()
    }

    /// The user that the containers of the policy's run as, if they say.
    fn our_user(&self) -> Result<Option<i64>, Rejection> {
        let all = self.containers.iter().chain(&self.init_containers);
        // A container that has a name of the Agent Injector's may be the application's.
        let mut own = all
            .clone()
            .filter(|container| names::OWN.is_ours(&container.name));
        let mut others = all.filter(|container| self.names.is_ours(&container.name));
        match own.next().or_else(|| others.next()) {
            Some(ours) => Ok(ours.container()?.run_as_user()),
            None => Ok(None),
        }
    }

    /// The volumes of the policy's, as they are written.
    fn our_volumes(&self) -> impl Iterator<Item = &'a str> {
        let ours = self
            .volumes
            .iter()
            .filter(|volume| self.names.is_our_volume(&volume.name));
        ours.map(|volume| volume.text.get())
    }
}

impl<'a> Item<'a> {
    fn container(&self) -> Result<Container<'a>, Rejection> {
        read(self.text, "spec")
    }
}

/// Whether a pod has containers of the policy's.
pub fn is_injected(spec: &Spec<'_>) -> bool {
    let lists = [
        &spec.containers,
        &spec.init_containers,
        &spec.ephemeral_containers,
    ];
    let mut all = lists.into_iter().flatten();
    all.any(|container| spec.names.is_ours(&container.name))
}

/// Rejects a change from `old`, which is injected, to `new`.
pub fn reject_reach(
    old: &Spec<'_>,
    new: &Spec<'_>,
    settings: &Settings,
    warnings: &Warnings,
) -> Result<(), Rejection> {
    let names = old.names;
    let lists = [
        (&old.containers, &new.containers),
        (&old.init_containers, &new.init_containers),
    ];
    for (old, new) in lists {
        reject_other_sidecars(old, new, names)?;
    }
    if !old.our_volumes().eq(new.our_volumes()) {
        return Err(Place::field("spec.volumes").rejected(
            "volumes of the policy cannot change in an injected pod; create the pod again",
        ));
    }
    let known = set(old
        .ephemeral_containers
        .iter()
        .map(|known| known.text.get()));
    let added = new.ephemeral_containers.iter();
    let added = added.filter(|container| !known.contains(container.text.get()));
    let added: Vec<_> = added.map(Item::container).collect::<Result<_, _>>()?;
    let secrets_volumes = old.secrets_volumes();
    for container in &added {
        reject_reach_of(container, None, &secrets_volumes, names)?;
    }
    for (old, new) in lists {
        let is_submitted = |container: &&Item<'_>| !names.is_ours(&container.name);
        let mut before = old.iter().filter(is_submitted);
        for container in new.iter().filter(is_submitted) {
            let before = before.next();
            if before.is_some_and(|before| before.text.get() == container.text.get()) {
                continue;
            }
            let before = before.map(Item::container).transpose()?;
            reject_reach_of(
                &container.container()?,
                before.as_ref(),
                &secrets_volumes,
                names,
            )?;
        }
    }
    match added.is_empty() {
        true => Ok(()),
        false => {
            let pod = Processes::of(&new.members);
            let pod = pod.map_err(|_| other_type("spec"))?;
            processes::check_ephemeral(new.our_user()?, &pod, &added, names, settings, warnings)
        }
    }
}

/// Rejects a list of containers in which those of the policy's are not what they were, resources apart: those can be
/// resized.
fn reject_other_sidecars(
    old: &[Item<'_>],
    new: &[Item<'_>],
    names: &Names,
) -> Result<(), Rejection> {
    let is_ours = |container: &&Item<'_>| names.is_ours(&container.name);
    let mut before = old.iter().filter(is_ours);
    let mut after = new.iter().filter(is_ours);
    loop {
        match (before.next(), after.next()) {
            (None, None) => return Ok(()),
            (Some(old), Some(new)) if is_same(old.text, new.text) => {}
            (Some(container), _) | (None, Some(container)) => {
                return Err(Place::Container(container.name.to_string()).rejected(
                    "belongs to the policy, and only its resources can change in an injected pod; change the settings or annotations, and create the pod again",
                ));
            }
        }
    }
}

/// Whether two containers are the same except for their resources. What is the same has the same text, because the API
/// server writes both.
fn is_same(old: &RawValue, new: &RawValue) -> bool {
    let members = |container| serde_json::from_str::<Members<'_>>(RawValue::get(container));
    match (members(old), members(new)) {
        (Ok(old), Ok(new)) => fixed(&old).eq(fixed(&new)),
        _ => false,
    }
}

/// The members of a container, except those that can be changed in place.
fn fixed<'m>(container: &'m Members<'_>) -> impl Iterator<Item = (&'m str, &'m str)> {
    let members = container.iter();
    let members = members.filter(|(name, _)| !matches!(&***name, "resources" | "resizePolicy"));
    members.map(|(name, value)| (&**name, value.get()))
}

/// Rejects a container of somebody else's that uses what is the policy's, and did not before.
fn reject_reach_of(
    container: &Container<'_>,
    before: Option<&Container<'_>>,
    secrets_volumes: &[&str],
    names: &Names,
) -> Result<(), Rejection> {
    let name = &*container.name;
    if names.is_ours(name) {
        return Err(Place::field("spec.ephemeralContainers").rejected(format!(
            "the name {name} is reserved for the policy; choose another"
        )));
    }
    let Some(before) = before else {
        reserved::reject_uses_of_container(container, names)?;
        let files: Vec<_> = container.file_volumes().collect();
        let mounts = container.volume_mounts.iter().map(|mount| &mount.name);
        let mut used = mounts.chain(&files);
        return match used.find(|volume| secrets_volumes.contains(&&***volume)) {
            Some(volume) => Err(Place::Container(name.to_owned()).rejected(format!(
                "uses volume {}, which a container that is added to an injected pod must not use; remove it from the container",
                &**volume
            ))),
            None => Ok(()),
        };
    };
    let same_mounts = before.volume_mounts == container.volume_mounts
        && before.volume_devices().eq(container.volume_devices())
        && before.has_same_variables(container);
    match same_mounts {
        true => Ok(()),
        false => reserved::reject_uses_of_container(container, names),
    }
}
