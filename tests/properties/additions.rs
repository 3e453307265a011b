//! What of an injected pod is the policy's: to look at it, and to take it away.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::tree::Tree;

/// Every container that the policy may add.
pub const CONTAINERS: [&str; 6] = [
    "tvsi-vault-agent",
    "tvsi-vault-agent-init",
    "tvsi-env-init",
    "tvsi-consul-template",
    "tvsi-job-babysitter",
    "tvsi-job-babysitter-init",
];

fn is_ours(container: &Tree) -> bool {
    let name = container.text_of("name");
    name.is_some_and(|name| CONTAINERS.contains(&name))
}

/// The containers and init containers of the policy's.
pub fn own_containers(pod: &Tree) -> impl Iterator<Item = &Tree> {
    containers(pod).filter(|container| is_ours(container))
}

/// Where a container has commands, and whether Kubernetes expands variables there.
pub const COMMANDS: [(&[&str], bool); 6] = [
    (&["command"], true),
    (&["startupProbe", "exec", "command"], true),
    (&["livenessProbe", "exec", "command"], true),
    (&["readinessProbe", "exec", "command"], true),
    (&["lifecycle", "postStart", "exec", "command"], false),
    (&["lifecycle", "preStop", "exec", "command"], false),
];

/// The words of a container at such a place.
pub fn words_at<'t>(container: &'t Tree, path: &[&str]) -> &'t [Tree] {
    container.at(path).map_or(&[], Tree::items)
}

/// The pod's own containers and init containers, injected and as submitted.
pub fn changed_containers<'t>(
    injected: &'t Tree,
    submitted: &'t Tree,
) -> impl Iterator<Item = (&'t Tree, &'t Tree)> {
    let own = containers(injected).filter(|container| !is_ours(container));
    own.zip(containers(submitted))
}

fn containers(pod: &Tree) -> impl Iterator<Item = &Tree> {
    let spec = pod.get("spec").into_iter();
    spec.flat_map(|spec| {
        spec.list_of("initContainers")
            .iter()
            .chain(spec.list_of("containers"))
    })
}

/// Whether a variable holds a program's configuration.
pub fn is_configuration(variable: &Tree) -> bool {
    let name = variable.text_of("name").unwrap_or_default();
    ["TVSI_AGENT_CONFIG", "TVSI_CONSUL_TEMPLATE_CONFIG"].contains(&name)
}

/// The injected pod with the programs' configuration as what it is, and no text.
pub fn with_configuration_read(pod: &Tree) -> Tree {
    let mut pod = pod.clone();
    for list in ["initContainers", "containers"] {
        if pod.at(&["spec", list]).is_none() {
            continue;
        }
        for container in pod.entry("spec").list_entry(list) {
            if !is_ours(container) || container.get("env").is_none() {
                continue;
            }
            for variable in container.list_entry("env") {
                if is_configuration(variable) {
                    let value = variable
                        .text_of("value")
                        .unwrap_or_default()
                        .replace("$$", "$");
                    *variable.entry("value") = Tree::parse(&value);
                }
            }
        }
    }
    pod
}

/// The shell scripts by their file names.
fn named_scripts() -> &'static BTreeMap<String, String> {
    static SCRIPTS: OnceLock<BTreeMap<String, String>> = OnceLock::new();
    SCRIPTS.get_or_init(golden_cases::scripts)
}

/// The text of every shell script.
pub fn scripts() -> Vec<String> {
    named_scripts().values().cloned().collect()
}

/// The text of one.
pub fn script(name: &str) -> &'static str {
    named_scripts().get(name).expect("the script is there")
}

/// Takes what the policy adds away from `injected`; an error if something else than `submitted` is left.
pub fn taken_away(injected: &Tree, submitted: &Tree, status: &str) -> Result<(), String> {
    let mut pod = injected.clone();
    if let Some(annotations) = pod_annotations(&mut pod) {
        annotations.remove(status);
        let default_container = "kubectl.kubernetes.io/default-container";
        if submitted
            .at(&["metadata", "annotations", default_container])
            .is_none()
        {
            annotations.remove(default_container);
        }
    }
    let spec = pod.entry("spec");
    let none = Tree::EMPTY;
    let own = submitted.get("spec").unwrap_or(&none);
    for list in ["initContainers", "containers"] {
        let containers = own.list_of(list);
        if spec.get(list).is_some_and(|list| !list.is_null()) {
            let list = spec.list_entry(list);
            list.retain(|container| !is_ours(container));
            for (container, own) in list.iter_mut().zip(containers) {
                take_away_from_container(container, own);
            }
        }
        take_away_empty(spec, own, list);
    }
    for list in ["volumes", "imagePullSecrets"] {
        take_away_tail(spec, own, list);
    }
    if own.get("shareProcessNamespace").is_none() {
        spec.remove("shareProcessNamespace");
    } else if own.get("shareProcessNamespace").is_some_and(Tree::is_null) {
        *spec.entry("shareProcessNamespace") = Tree::null();
    }
    match pod.sorted() == submitted.sorted() {
        true => Ok(()),
        false => Err(format!(
            "left of the injected pod: {pod}\nsubmitted: {submitted}"
        )),
    }
}

fn pod_annotations(pod: &mut Tree) -> Option<&mut Tree> {
    pod.at(&["metadata", "annotations"])?;
    Some(pod.entry_at(&["metadata", "annotations"]))
}

fn take_away_from_container(container: &mut Tree, own: &Tree) {
    take_away_tail(container, own, "volumeMounts");
    for (path, _) in COMMANDS {
        let words = words_at(own, path);
        if words_at(container, path).len() > words.len() {
            take_away_words(container, own, path, words);
        }
    }
}

/// Takes away what has been put before the words at `path`.
fn take_away_words(container: &mut Tree, own: &Tree, path: &[&str], words: &[Tree]) {
    // What of the way to the command was not submitted, or was null, has come with it.
    for depth in 1..=path.len() {
        let submitted = own.at(&path[..depth]);
        if submitted.is_some_and(|submitted| !submitted.is_null()) {
            continue;
        }
        let parent = container.entry_at(&path[..depth - 1]);
        match submitted {
            None => parent.remove(path[depth - 1]),
            Some(null) => *parent.entry(path[depth - 1]) = null.clone(),
        }
        return;
    }
    let (last, parents) = path.split_last().expect("a path has an end");
    take_away_head(container.entry_at(parents).list_entry(last), words);
}

/// Leaves of a list what ends it, if that is `own`, whatever the order of members in it.
fn take_away_head(list: &mut Vec<Tree>, own: &[Tree]) {
    let Some(added) = list.len().checked_sub(own.len()) else {
        return;
    };
    let tail = list[added..].iter().map(Tree::sorted);
    if tail.eq(own.iter().map(Tree::sorted)) {
        list.drain(..added);
    }
}

/// Leaves of the list `name` as many items as were submitted.
fn take_away_tail(parent: &mut Tree, own: &Tree, name: &str) {
    if parent.get(name).is_some_and(|list| !list.is_null()) {
        parent.list_entry(name).truncate(own.list_of(name).len());
    }
    take_away_empty(parent, own, name);
}

/// A list that is empty now was not there, or was null, unless it was submitted so.
fn take_away_empty(parent: &mut Tree, own: &Tree, name: &str) {
    if parent
        .get(name)
        .is_some_and(|list| *list == Tree::List(Vec::new()))
    {
        match own.get(name) {
            None => parent.remove(name),
            Some(submitted) => *parent.entry(name) = submitted.clone(),
        }
    }
}
