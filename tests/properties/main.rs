//! What holds for every pod and every setting, whatever stands in them.
//!
//! Each property is tried with pods of chance. PROPTEST_CASES says with how many; a failure shows the
//! smallest pod found for which the property does not hold, as JSON, which makes a golden case.

#[path = "../support/mod.rs"]
mod support;

mod additions;
mod annotations;
mod case;
mod expansion;

mod pods;
mod runner;
mod settings;
mod tree;

use std::collections::BTreeSet;

use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use vault_sidecar_injector::Key;

use additions::{own_containers, script, scripts};
use annotations::in_go_literal;
use case::{Answer, Case, HARMLESS, Submission, any_object, any_pod, doubled};
use runner::{Injected, for_all, for_fewer};
use tree::Tree;

/// What stands for a credential in the places where one may be, and which no message may repeat.
const SECRET: &str = "hunter2-s3cr3t";

#[test]
fn a_rejection_has_a_code_and_a_message_and_tells_no_secret() {
    for_all(any_object(), |case| {
        let submission = case.submission();
        let answer = submission.answer();
        let Answer(fields) = &answer;
        let is_pod = submission.object.text_of("kind") == Some("Pod");
        prop_assert!(
            is_pod || answer.injected().is_none(),
            "a workload is changed"
        );
        if answer.is_accepted() {
            prop_assert!(fields.get("code").is_none() && fields.get("message").is_none());
        } else {
            let message = fields.text_of("message").unwrap_or_default();
            prop_assert_eq!(fields.get("code"), Some(&Tree::Literal("422".to_owned())));
            prop_assert!(message.len() > 10, "no message: {message:?}");
            prop_assert!(
                !message.contains(SECRET),
                "a secret is in the message: {message}"
            );
            prop_assert!(!message.contains("a defect of the policy"), "{message}");
        }
        for warning in answer.warnings() {
            let warning = warning.as_text().unwrap_or_default();
            prop_assert!(
                !warning.is_empty() && !warning.contains(SECRET),
                "{warning}"
            );
        }
        Ok(Injected(answer.injected().is_some()))
    });
}

#[test]
fn nothing_submitted_is_lost() {
    for_all(any_pod(), |case| {
        // The host writes no member twice.
        let object = case.submission().object.without_duplicates();
        let submission = case.with_object(object);
        let Some(injected) = submission.injected() else {
            return Ok(Injected(false));
        };
        if let Err(lost) = additions::taken_away(&injected, &submission.object, &case.status()) {
            return Err(TestCaseError::fail(lost));
        }
        Ok(Injected(true))
    });
}

#[test]
fn names_and_mount_paths_stay_unique_and_every_mount_has_its_volume() {
    for_all(any_pod(), |case| {
        let submission = case.submission();
        let Some(injected) = submission.injected() else {
            return Ok(Injected(false));
        };
        let (before, after) = (
            submission.spec(),
            injected.get("spec").cloned().unwrap_or(Tree::EMPTY),
        );
        for (what, names) in [
            ("containers", container_names as fn(&Tree) -> Vec<String>),
            ("volumes", volume_names),
        ] {
            prop_assert!(
                !are_unique(&names(&before)) || are_unique(&names(&after)),
                "{what}: {:?}",
                names(&after)
            );
        }
        for list in ["containers", "initContainers"] {
            for container in after.list_of(list) {
                let submitted = before.list_of(list).iter();
                let submitted =
                    submitted.filter(|known| known.get("name") == container.get("name"));
                prop_assert!(
                    submitted.map(mount_paths).any(|paths| !are_unique(&paths))
                        || are_unique(&mount_paths(container)),
                    "mount paths of {container}"
                );
            }
        }
        let without_volume = |spec: &Tree| -> BTreeSet<String> {
            let volumes = volume_names(spec);
            let mounts = all_containers(spec)
                .flat_map(|container| container.list_of("volumeMounts").to_vec());
            mounts
                .filter_map(|mount| mount.text_of("name").map(str::to_owned))
                .filter(|name| !volumes.contains(name))
                .collect()
        };
        let (before, after) = (without_volume(&before), without_volume(&after));
        prop_assert!(after.is_subset(&before), "no volumes: {after:?}");
        Ok(Injected(true))
    });
}

/// Every volume of the policy's, except `secrets`, which a pod may have and mount.
const OUR_VOLUMES: [&str; 10] = [
    OWN_SECRETS,
    "tvsi-shared",
    "tvsi-config",
    "tvsi-job",
    "tvsi-login-token",
    "tvsi-api-token",
    "tvsi-no-token",
    "tvsi-env",
    "tvsi-approle",
    "tvsi-tls",
];

/// The volume with the secrets, in a pod that has one of another kind under their name.
const OWN_SECRETS: &str = "tvsi-secrets";

/// What the volume with the secrets is called in an injected pod.
fn secrets_volume(submitted: &Tree) -> &'static str {
    let mut volumes = submitted.list_of("volumes").iter();
    let own = volumes.find(|volume| volume.text_of("name") == Some("secrets"));
    let is_other = |name: &str, source: &Tree| name != "name" && !source.is_null();
    match own.filter(|own| own.get("emptyDir").is_none_or(Tree::is_null)) {
        Some(own)
            if own
                .members()
                .iter()
                .any(|(name, source)| is_other(name, source)) =>
        {
            OWN_SECRETS
        }
        _ => "secrets",
    }
}

/// Uses of a name of the policy's, each as members of a container.
fn uses() -> impl Strategy<Value = Tree> {
    let volume = select(OUR_VOLUMES.to_vec());
    let container = select(additions::CONTAINERS.to_vec());
    let mount = (volume.clone(), option::of(select(vec!["a", "a/b"]))).prop_map(|(name, part)| {
        let mut mount = json!({"name": name, "mountPath": "/steal", "readOnly": true});
        if let Some(part) = part {
            mount["subPath"] = json!(part);
        }
        json!({"volumeMounts": [mount]})
    });
    let device = volume
        .prop_map(|name| json!({"volumeDevices": [{"name": name, "devicePath": "/dev/steal"}]}));
    let field = container.clone().prop_map(|name| {
        let field = json!({"containerName": name, "resource": "limits.memory"});
        json!({"env": [{"name": "LIMIT", "valueFrom": {"resourceFieldRef": field}}]})
    });
    let target = container
        .clone()
        .prop_map(|name| json!({"targetContainerName": name}));
    let name = container.prop_map(|name| json!({"name": name}));
    prop_oneof![3 => mount, 1 => device, 1 => field, 1 => target, 1 => name].prop_map(Tree::from)
}

/// Whether the pod declares what it uses makes no difference, nor in which kind of container it does.
#[test]
fn nobody_else_uses_what_is_the_policy_s() {
    let place = (
        select(vec!["containers", "initContainers", "ephemeralContainers"]),
        any::<prop::sample::Index>(),
    );
    for_all((any_pod(), uses(), place), |(case, uses, (list, index))| {
        let submission = case.submission();
        let is_injected = submission.injected().is_some();
        let mut object = submission.object.clone();
        let containers = object.entry("spec").list_entry(list);
        if containers.is_empty() {
            containers.push(Tree::from(json!({"name": "another"})));
        }
        let place = index.index(containers.len());
        for (name, value) in uses.members() {
            match value {
                Tree::List(items) => containers[place]
                    .list_entry(name)
                    .extend(items.iter().cloned()),
                value => *containers[place].entry(name) = value.clone(),
            }
        }
        let thief = case.with_object(object);
        prop_assert!(
            thief.injected().is_none() && (!is_injected || !thief.answer().is_accepted()),
            "{uses} in {list}"
        );
        Ok(Injected(is_injected))
    });
}

#[test]
fn containers_of_the_pod_get_nothing_of_the_policy_s_but_the_shell() {
    for_all(any_pod(), |case| {
        let submission = case.submission();
        let Some(injected) = submission.injected() else {
            return Ok(Injected(false));
        };
        for (container, _) in additions::changed_containers(&injected, &submission.object) {
            for mount in container.list_of("volumeMounts") {
                let name = mount.text_of("name").unwrap_or_default();
                let is_read_only = mount.get("readOnly") == Some(&Tree::Literal("true".into()));
                prop_assert!(
                    !OUR_VOLUMES.contains(&name)
                        || name == secrets_volume(&submission.spec())
                        || (name == "tvsi-env" && is_read_only),
                    "{mount}"
                );
            }
        }
        Ok(Injected(true))
    });
}

/// Whoever can write to the secrets' volume could put a link in the place of a directory.
#[test]
fn files_in_directories_are_nobody_else_s_to_write() {
    for_all(any_pod(), |case| {
        let submission = case.submission();
        let Some(injected) = submission.injected() else {
            return Ok(Injected(false));
        };
        let destination = case.annotation(Key::SecretsDestination).unwrap_or_default();
        if !destination.contains('/') {
            return Ok(Injected(true));
        }
        let volume = secrets_volume(&submission.spec());
        for (container, _) in additions::changed_containers(&injected, &submission.object) {
            for mount in container.list_of("volumeMounts") {
                prop_assert!(
                    mount.text_of("name") != Some(volume)
                        || mount.get("readOnly") == Some(&Tree::Literal("true".into())),
                    "{mount}"
                );
            }
        }
        Ok(Injected(true))
    });
}

#[test]
fn the_order_of_members_makes_no_difference() {
    let both = any_object().prop_perturb(|case, mut random| {
        let object = case.submission().object.without_duplicates();
        let other = object.shuffled(&mut random);
        (case.with_object(object), case.with_object(other))
    });
    for_all(both, |(one, other)| {
        let (Answer(one), Answer(other)) = (one.answer(), other.answer());
        if one.get("code").is_some() && other.get("code").is_some() {
            // Of several mistakes the first is reported.
            return Ok(Injected(false));
        }
        prop_assert_eq!(one.sorted(), other.sorted());
        Ok(Injected(one.get("mutated_object").is_some()))
    });
}

#[test]
fn an_injected_pod_is_accepted_as_it_is() {
    for_all(any_pod(), |case| {
        let Some(injected) = case.submission().injected() else {
            return Ok(Injected(false));
        };
        let Answer(again) = case.with_object(injected).answer();
        prop_assert_eq!(again.to_string(), r#"{"accepted":true}"#);
        Ok(Injected(true))
    });
}

#[test]
fn hostile_text_stays_text() {
    for_all(any_pod(), |case| {
        let submission = case.submission();
        let answer = submission.answer();
        let Some(injected) = answer.injected() else {
            return Ok(Injected(false));
        };
        let harmless = case.harmless().answer();
        let Some(twin) = harmless.injected() else {
            return Err(TestCaseError::fail(format!(
                "the harmless twin is rejected: {harmless:?}"
            )));
        };
        // With harmless text in the place of the hostile, all is the same: names, order, configuration.
        let forms = case.hostile_forms();
        let neutral = |text: &str| {
            forms
                .iter()
                .fold(text.to_owned(), |text, form| text.replace(form, HARMLESS))
        };
        prop_assert_eq!(
            additions::with_configuration_read(injected).map_texts(&neutral),
            additions::with_configuration_read(twin)
        );
        let neutral_warnings: Vec<_> = answer
            .warnings()
            .iter()
            .map(|warning| warning.map_texts(&neutral))
            .collect();
        prop_assert_eq!(&neutral_warnings, harmless.warnings());
        // A path in Vault is a literal of the default template, in which nothing of it ends the literal.
        let paths = case.annotation(Key::SecretsPath).unwrap_or_default();
        if case.annotation(Key::SecretsTemplate).is_none() && !paths.is_empty() {
            let literals = paths.split(',').map(|path| in_go_literal(path.trim()));
            let begins: Vec<_> = literals
                .map(|literal| format!("{{{{ with secret \"{literal}\" }}}}"))
                .collect();
            let configurations = additions::with_configuration_read(injected);
            let templates = own_containers(&configurations)
                .flat_map(|container| container.list_of("env"))
                .filter_map(|variable| variable.get("value"))
                .filter(|configuration| !configuration.list_of("template").is_empty());
            for templates in templates.map(|configuration| configuration.list_of("template")) {
                let contents = templates.iter().filter_map(|file| file.text_of("contents"));
                let mut contents = (1..).zip(contents).zip(&begins);
                let all_begin = contents.all(|((position, contents), begin)| {
                    let comment = format!("{{{{/* {position} */}}}}");
                    let contents = contents.strip_prefix(&comment).unwrap_or(contents);
                    contents.starts_with(begin)
                });
                prop_assert!(
                    templates.len() == begins.len() && all_begin,
                    "{templates:?}"
                );
            }
        }
        // It is in the values that programs read as a whole, and nowhere else.
        let is_hostile = |text: &&str| text.contains("Zq");
        for container in own_containers(injected) {
            let mut rest = container.clone();
            for name in ["env", "command", "args", "startupProbe"] {
                rest.remove(name);
            }
            for mount in rest.list_entry("volumeMounts") {
                // The directory of annotation sa-token.
                mount.remove("mountPath");
            }
            rest.remove("image");
            prop_assert_eq!(rest.texts().into_iter().find(is_hostile), None);
            let names = container
                .list_of("env")
                .iter()
                .filter_map(|variable| variable.text_of("name"));
            prop_assert_eq!(names.clone().find(is_hostile), None);
        }
        Ok(Injected(true))
    });
}

#[test]
fn scripts_are_those_of_the_policy() {
    for_all(any_pod(), |case| {
        let Some(injected) = case.submission().injected() else {
            return Ok(Injected(false));
        };
        for container in own_containers(&injected) {
            let name = container.text_of("name").unwrap_or_default();
            let command = words(container.list_of("command"));
            prop_assert!(
                command.len() > 2 && command.starts_with(&["/bin/sh", "-c"]),
                "{command:?}"
            );
            prop_assert!(
                scripts().contains(&command[2].replace("$$", "$")),
                "{name}: {}",
                command[2]
            );
            prop_assert_eq!(&command[2], &doubled(&command[2].replace("$$", "$")));
            prop_assert_eq!(&command[3..], [name]);
            for variable in container.list_of("env") {
                let value = variable.text_of("value").unwrap_or_default();
                let of_variable = match variable.text_of("name") {
                    Some("TVSI_NOTIFY") => Some("notify.sh"),
                    Some("TVSI_JOB") => Some("job.sh"),
                    Some("TVSI_ENV_SCRIPT") => Some("env.sh"),
                    _ => None,
                };
                if let Some(file) = of_variable {
                    prop_assert_eq!(value, doubled(script(file)));
                }
                if additions::is_configuration(variable) {
                    let config: Value = serde_json::from_str(&value.replace("$$", "$"))
                        .map_err(|error| TestCaseError::fail(format!("{error}: {value}")))?;
                    for command in notifications(&config) {
                        let run = r#"exec /bin/sh -c "$TVSI_NOTIFY" notify "$1""#;
                        let words = command.iter().map(String::as_str).take(4);
                        prop_assert!(words.eq(["/bin/sh", "-c", run, "notify"]), "{command:?}");
                        let all = case.annotation(Key::Notify).unwrap_or_default();
                        prop_assert!(
                            command.len() == 5 && all.contains(&command[4]),
                            "{command:?}"
                        );
                    }
                }
            }
            if let Some(probe) = container.at(&["startupProbe", "exec"]) {
                let command = words(probe.list_of("command"));
                prop_assert!(
                    command.len() > 2 && command.starts_with(&["/bin/sh", "-c"]),
                    "{command:?}"
                );
                prop_assert_eq!(&command[2], &doubled(script("ready.sh")));
            }
        }
        Ok(Injected(true))
    });
}

#[test]
fn no_two_files_of_a_pod_have_the_same_template() {
    for_all(any_pod(), |case| {
        let Some(injected) = case.submission().injected() else {
            return Ok(Injected(false));
        };
        for templates in templates_of(&injected) {
            let contents = templates.iter().filter_map(|file| file.text_of("contents"));
            let contents: Vec<_> = contents.map(str::to_owned).collect();
            prop_assert!(are_unique(&contents), "{contents:?}");
        }
        Ok(Injected(true))
    });
}

#[test]
fn every_dollar_of_ours_is_doubled_where_kubernetes_expands_and_nowhere_else() {
    // Whatever a container is given in its environment, a reference to it would be seen.
    let variables = ["VAULT_ADDR", "HOME", "id", "X", "PASSWORD", "pidof app"];
    let variables = variables
        .map(|name| (name.to_owned(), "EXPANDED".to_owned()))
        .into();
    for_all(any_pod(), |case| {
        let submission = case.submission();
        let Some(injected) = submission.injected() else {
            return Ok(Injected(false));
        };
        let is_literal = |text: &str| {
            expansion::expand(text, &variables) == text.replace("$$", "$")
                && !text.replace("$$", "").contains('$')
        };
        for container in own_containers(&injected) {
            let of_env = container
                .list_of("env")
                .iter()
                .filter_map(|variable| variable.get("value"));
            let of_probe = container
                .at(&["startupProbe", "exec"])
                .map_or(&[][..], |exec| exec.list_of("command"));
            let all = of_env
                .chain(container.list_of("command"))
                .chain(container.list_of("args"))
                .chain(of_probe);
            for text in all.flat_map(Tree::texts) {
                prop_assert!(is_literal(text), "{text:?}");
            }
        }
        let selected = Selected::of(&case, &submission);
        for (list, index, container, submitted) in both(&injected, &submission.object) {
            let destinations = case.destinations();
            let directory = selected.directory(container);
            let files = |is_expanded: bool| -> Vec<String> {
                let paths = destinations
                    .iter()
                    .map(|file| format!("{directory}/{file}"));
                paths
                    .map(|path| if is_expanded { doubled(&path) } else { path })
                    .collect()
            };
            let gets_environment = selected.fills_environment
                && selected.has(list, index, submitted)
                && !additions::words_at(submitted, &["command"]).is_empty();
            for (path, is_expanded) in additions::COMMANDS {
                let own = additions::words_at(submitted, path);
                let ours = words(before(additions::words_at(container, path), own));
                let is_hook = path.contains(&"postStart") && !selected.fills_environment;
                if is_hook {
                    if ours.is_empty() {
                        continue;
                    }
                    let hook = "tvsi-secrets-hook";
                    let wait = ["/bin/sh", "-c", script("wait-for-secrets.sh"), hook];
                    prop_assert!(ours.len() > 5 && ours[..4] == wait, "{ours:?}");
                    let own = submitted.at(&path[..3]);
                    // Also where it has no words.
                    let has_own = own.is_some_and(|exec| !exec.is_null());
                    let end = if has_own { &["--"][..] } else { &[] };
                    let expected = files(false);
                    let expected: Vec<_> = expected.iter().map(String::as_str).collect();
                    prop_assert_eq!(&ours[5..], [&expected, end].concat(), "{}", container);
                    continue;
                }
                let shell = "/opt/talend/tvsi-env/busybox";
                let mut expected = Vec::new();
                if gets_environment && !own.is_empty() {
                    expected = [shell, "sh", "/opt/talend/tvsi-env/env.sh"]
                        .map(str::to_owned)
                        .into();
                    // A variable of the main process that still refers to Vault is an error.
                    if *path == ["command"] {
                        expected.push("-r".to_owned());
                    }
                    expected.extend(files(is_expanded));
                    expected.push("--".to_owned());
                }
                prop_assert_eq!(&ours, &expected, "{:?} of {}", path, container);
                prop_assert!(!is_expanded || ours.iter().all(|text| is_literal(text)));
            }
        }
        Ok(Injected(true))
    });
}

/// Which of the pod's own containers get the secrets, by what was submitted alone.
struct Selected {
    fills_environment: bool,
    volume: &'static str,
    named: Option<Vec<String>>,
    ignored: Vec<String>,
    /// How many init containers come before those of the policy's.
    behind_proxy: usize,
}

impl Selected {
    fn of(case: &Case, submission: &Submission) -> Self {
        let is = |key: Key, value: &str| {
            let given = case.annotation(key).unwrap_or_default();
            given.trim().eq_ignore_ascii_case(value)
        };
        let ignored = match submission.settings["jobs"]["ignoredContainers"].as_array() {
            Some(names) => names.iter().filter_map(Value::as_str).collect(),
            None => vec!["istio-proxy"],
        };
        let named = case.annotation(Key::InjectContainers);
        let spec = submission.spec();
        let behind_proxy = spec
            .list_of("initContainers")
            .iter()
            .rposition(|container| {
                container.text_of("restartPolicy") == Some("Always")
                    && container
                        .text_of("name")
                        .is_some_and(|name| ignored.contains(&name))
            });
        Selected {
            fills_environment: is(Key::SecretsInjectionMethod, "env")
                && is(Key::SecretsType, "static")
                && case.is_in_mode("secrets"),
            volume: secrets_volume(&spec),
            named: named.map(|names| {
                names
                    .split(',')
                    .map(|name| name.trim().to_owned())
                    .collect()
            }),
            ignored: ignored.into_iter().map(str::to_owned).collect(),
            behind_proxy: behind_proxy.map_or(0, |index| index + 1),
        }
    }

    fn has(&self, list: &str, index: usize, container: &Tree) -> bool {
        let name = container.text_of("name").unwrap_or_default().to_owned();
        let is_named = self
            .named
            .as_ref()
            .is_none_or(|named| named.contains(&name));
        let is_early = list == "initContainers" && index < self.behind_proxy;
        is_named && !is_early && !self.ignored.contains(&name)
    }

    /// Where an injected container has the files.
    fn directory<'t>(&self, container: &'t Tree) -> &'t str {
        let is_whole = |mount: &&Tree| {
            let parts =
                ["subPath", "subPathExpr"].map(|part| mount.text_of(part).unwrap_or_default());
            mount.text_of("name") == Some(self.volume) && parts == ["", ""]
        };
        let mut mounts = container.list_of("volumeMounts").iter();
        let path = mounts
            .find(is_whole)
            .and_then(|mount| mount.text_of("mountPath"));
        path.unwrap_or_default().trim_end_matches('/')
    }
}

/// The pod's own containers with their list and their place in it, injected and as submitted.
fn both<'t>(
    injected: &'t Tree,
    submitted: &'t Tree,
) -> impl Iterator<Item = (&'static str, usize, &'t Tree, &'t Tree)> {
    let pairs = additions::changed_containers(injected, submitted);
    let init_containers = submitted.at(&["spec", "initContainers"]);
    let init_containers = init_containers.map_or(0, |list| list.items().len());
    pairs.enumerate().map(move |(index, (container, own))| {
        match index.checked_sub(init_containers) {
            None => ("initContainers", index, container, own),
            Some(index) => ("containers", index, container, own),
        }
    })
}

/// The settings' security context is the default one half of the time.
#[test]
fn no_injected_container_runs_as_root() {
    for_all(any_pod(), |case| {
        let submission = case.submission();
        let Some(injected) = submission.injected() else {
            return Ok(Injected(false));
        };
        let is_default = submission.settings.get("securityContext").is_none();
        for container in own_containers(&injected) {
            let context = container.get("securityContext").cloned();
            let context = context.unwrap_or(Tree::EMPTY);
            let id = |name: &str| number_at(&context, &[name]);
            prop_assert!(id("runAsUser").is_none_or(|user| user > 0), "{context}");
            let group = id("runAsGroup");
            prop_assert!(group.is_none_or(|group| group > 0), "{context}");
            if is_default {
                let is_non_root = context.get("runAsNonRoot");
                prop_assert_eq!(is_non_root, Some(&Tree::Literal("true".to_owned())));
                prop_assert!(id("runAsUser").is_some(), "{context}");
            }
        }
        Ok(Injected(true))
    });
}

/// The user's files are the user's, and the kubelet keeps giving it the pod's tokens.
#[test]
fn injected_containers_run_as_the_user_that_the_pod_wants() {
    for_all(any_pod(), |case| {
        let submission = case.submission();
        let Some(injected) = submission.injected() else {
            return Ok(Injected(false));
        };
        let spec = submission.spec();
        let selected = Selected::of(&case, &submission);
        let as_number = |key: Key| -> Option<i64> { case.annotation(key)?.trim().parse().ok() };
        let (mut user, mut group) = (as_number(Key::RunAsUser), as_number(Key::RunAsGroup));
        let same = case.annotation(Key::RunAsSameUser).unwrap_or_default();
        if same == "true" {
            let mut containers = spec.list_of("containers").iter().enumerate();
            let first = containers.find(|(index, it)| selected.has("containers", *index, it));
            let (_, first) = first.expect("a container gets the secrets");
            let of = |name: &str| {
                let path = ["securityContext", name];
                number_at(first, &path).or(number_at(&spec, &path))
            };
            user = of("runAsUser");
            group = group.or(of("runAsGroup").filter(|group| *group != 0));
            prop_assert!(user.is_some_and(|user| user > 0), "{user:?}");
        }
        for container in own_containers(&injected) {
            for (name, wanted) in [("runAsUser", user), ("runAsGroup", group)] {
                let id = number_at(container, &["securityContext", name]);
                prop_assert!(
                    wanted.is_none() || id == wanted,
                    "{name}: {id:?}, not {wanted:?}"
                );
            }
        }
        Ok(Injected(true))
    });
}

#[test]
fn injected_containers_have_amounts_unless_the_pod_has() {
    for_all(any_pod(), |case| {
        let submission = case.submission();
        let Some(injected) = submission.injected() else {
            return Ok(Injected(false));
        };
        let spec = submission.spec();
        let of_pod = ["requests", "limits"].map(|kind| spec.at(&["resources", kind]));
        let has_amounts = of_pod
            .into_iter()
            .flatten()
            .any(|all| !all.members().is_empty());
        for container in own_containers(&injected) {
            let resources = container.get("resources");
            if has_amounts {
                prop_assert_eq!(resources, None);
                continue;
            }
            let name = container.text_of("name").unwrap_or_default();
            let program = ["vault-agent", "consul-template", "job-babysitter", "env"]
                .into_iter()
                .find(|program| name.starts_with(&format!("tvsi-{program}")));
            let program = match program {
                Some("vault-agent") => "agent",
                Some("env") => "env-shell",
                other => other.unwrap_or_default(),
            };
            for key in Key::ALL {
                let of_program = key.name().strip_prefix(program);
                let of_program =
                    of_program.and_then(|rest| rest.strip_prefix('-')?.split_once('-'));
                let Some((kind @ ("requests" | "limits"), resource)) = of_program else {
                    continue;
                };
                let resource = match resource {
                    "ephemeral" => "ephemeral-storage",
                    other => other,
                };
                if let Some(amount) = case.annotation(*key) {
                    let given = resources.and_then(|all| all.at(&[kind, resource])?.as_text());
                    prop_assert_eq!(given, Some(amount.trim()), "{} of {}", key.name(), name);
                }
            }
        }
        Ok(Injected(true))
    });
}

/// The container runtime could not make the directory to mount at.
#[test]
fn no_mount_is_inside_one_that_is_read_only() {
    for_all(any_pod(), |case| {
        let submission = case.submission();
        let Some(injected) = submission.injected() else {
            return Ok(Injected(false));
        };
        let spec = injected.get("spec").expect("an injected pod has a spec");
        let is_true = |value: Option<&Tree>| value == Some(&Tree::Literal("true".to_owned()));
        let is_read_only = |mount: &Tree| {
            let mut volumes = spec.list_of("volumes").iter();
            let volume = volumes.find(|volume| volume.get("name") == mount.get("name"));
            let of_kind = volume.is_some_and(|volume| {
                READ_ONLY_VOLUMES
                    .iter()
                    .any(|kind| volume.get(kind).is_some())
                    || volume
                        .members()
                        .iter()
                        .any(|(_, source)| is_true(source.get("readOnly")))
            });
            is_true(mount.get("readOnly")) || of_kind
        };
        for (_, _, container, submitted) in both(&injected, &submission.object) {
            let mounts = container.list_of("volumeMounts");
            let (theirs, ours) = mounts.split_at(submitted.list_of("volumeMounts").len());
            let paths = mount_paths(container);
            for (inner, inner_path) in mounts.iter().zip(&paths) {
                let around = mounts.iter().zip(&paths).filter(|(_, outer_path)| {
                    inner_path != *outer_path
                        && (outer_path.is_empty()
                            || inner_path.starts_with(&format!("{outer_path}/")))
                });
                // It is in the innermost one.
                let Some((outer, _)) = around.max_by_key(|(_, path)| path.len()) else {
                    continue;
                };
                let is_ours = ours.contains(inner) || ours.contains(outer);
                prop_assert!(
                    !(is_ours && is_read_only(outer)),
                    "{inner} in {outer}, theirs are {theirs:?}"
                );
            }
        }
        Ok(Injected(true))
    });
}

/// Volumes that nothing can write to.
const READ_ONLY_VOLUMES: [&str; 5] = ["secret", "configMap", "projected", "downwardAPI", "image"];

#[test]
fn only_a_job_has_a_babysitter_and_a_job_can_end() {
    for_all(any_pod(), |case| {
        let submission = case.submission();
        let Some(injected) = submission.injected() else {
            return Ok(Injected(false));
        };
        let has_babysitter = own_containers(&injected).any(|container| {
            let name = container.text_of("name").unwrap_or_default();
            name.starts_with("tvsi-job-babysitter")
        });
        let spec = submission.spec();
        let can_end = matches!(spec.text_of("restartPolicy"), Some("Never" | "OnFailure"));
        let is_said_to_be = case.annotation(Key::Workload).is_some() || case.is_in_mode("job");
        let says_nothing =
            case.annotation(Key::Workload).is_none() && case.annotation(Key::Mode).is_none();
        let is_off = matches!(
            submission.settings["jobs"]["autoDetect"],
            Value::Bool(false)
        );
        prop_assert!(!has_babysitter || can_end);
        prop_assert!(!has_babysitter || is_said_to_be || (says_nothing && !is_off));
        Ok(Injected(true))
    });
}

#[test]
fn files_have_the_delimiters_and_permissions_that_are_given() {
    for_all(any_pod(), |case| {
        let submission = case.submission();
        let Some(injected) = submission.injected() else {
            return Ok(Injected(false));
        };
        let has_template = case.annotation(Key::SecretsTemplate).is_some();
        let delimiter = |key: Key| {
            let given = case.annotation(key).filter(|_| has_template);
            given.map(|given| given.trim().to_owned())
        };
        let left = delimiter(Key::TemplateLeftDelimiter);
        let right = delimiter(Key::TemplateRightDelimiter);
        let permissions = case.annotation(Key::FilePermissions);
        let permissions: Vec<_> = permissions.iter().flat_map(|all| all.split(',')).collect();
        for templates in templates_of(&injected) {
            for (index, template) in templates.iter().enumerate() {
                prop_assert_eq!(template.text_of("left_delimiter"), left.as_deref());
                prop_assert_eq!(template.text_of("right_delimiter"), right.as_deref());
                let given = permissions.get(index).or(permissions.first());
                let given = given.map_or("0644", |given| given.trim());
                prop_assert_eq!(template.text_of("perms"), Some(given));
            }
        }
        Ok(Injected(true))
    });
}

/// Before such a proxy there is no network.
#[test]
fn init_containers_of_ours_come_behind_the_proxy_of_a_mesh() {
    for_all(any_pod(), |case| {
        let submission = case.submission();
        let Some(injected) = submission.injected() else {
            return Ok(Injected(false));
        };
        let selected = Selected::of(&case, &submission);
        let all = injected.at(&["spec", "initContainers"]);
        let all = all.map_or(&[][..], Tree::items);
        let before: Vec<_> = all.iter().take(selected.behind_proxy).collect();
        let spec = submission.spec();
        let own = spec.list_of("initContainers").iter();
        let own: Vec<_> = own
            .take(selected.behind_proxy)
            .map(|it| it.get("name"))
            .collect();
        prop_assert_eq!(
            before.iter().map(|it| it.get("name")).collect::<Vec<_>>(),
            own
        );
        Ok(Injected(true))
    });
}

/// The most bytes of `NAME=value`, with the null byte that ends it, in Linux' `MAX_ARG_STRLEN`.
const LONGEST_STRING: usize = 131_072;

/// The bytes of text that the policy adds to a pod at the most, as src/inject/mod.rs has it.
const MOST_ADDED: usize = 512 * 1024;

#[test]
fn what_is_added_is_bounded() {
    let long = (any_pod(), long_values(), 0..60_usize)
        .prop_map(|(case, values, count)| case.with_files(values).with_containers(count));
    for_fewer(prop_oneof![any_pod(), long], |case| {
        let submission = case.submission();
        let Some(injected) = submission.injected() else {
            return Ok(Injected(false));
        };
        let added = injected.length() - submission.object.length();
        prop_assert!(added <= MOST_ADDED, "{added} bytes are added");
        for container in own_containers(&injected) {
            for variable in container.list_of("env") {
                let name = variable.text_of("name").unwrap_or_default();
                let value = variable
                    .text_of("value")
                    .unwrap_or_default()
                    .replace("$$", "$");
                let length = name.len() + "=".len() + value.len() + "\0".len();
                prop_assert!(length <= LONGEST_STRING, "{name} has {length} bytes");
            }
        }
        let spec = injected.get("spec").expect("an injected pod has a spec");
        let commands = all_containers(spec).flat_map(|container| {
            [container.list_of("command"), container.list_of("args")].concat()
        });
        for word in commands {
            let length = word.as_text().unwrap_or_default().len() + "\0".len();
            prop_assert!(length <= LONGEST_STRING, "a word has {length} bytes");
        }
        Ok(Injected(true))
    });
}

/// Values of any length that Kubernetes takes, or many files.
fn long_values() -> impl Strategy<Value = Vec<(Key, String)>> {
    let keys = vec![
        Key::Role,
        Key::SecretsPath,
        Key::SecretsTemplate,
        Key::Notify,
        Key::VaultNamespace,
        Key::SecretsMountPath,
        Key::SaToken,
        Key::VaultImage,
    ];
    let lengths = vec![100, 1_000, 4_000, 60_000, 90_000, 120_000, 130_000, 200_000];
    let unit = || select(vec!["a", "$", "\"", "é"]);
    let one = (select(keys), select(lengths), unit()).prop_map(|(key, length, unit)| {
        let text = unit.repeat(length / unit.len());
        let text = match key {
            Key::SecretsMountPath => format!("/{text}"),
            Key::SaToken => format!("/tokens/{text}"),
            Key::VaultImage => "a".repeat(length),
            _ => text,
        };
        vec![(key, text)]
    });
    let files = (1..=100_usize, 1..250_usize, unit()).prop_map(|(count, length, unit)| {
        let list =
            |item: &dyn Fn(usize) -> String| (0..count).map(item).collect::<Vec<_>>().join(",");
        let name = unit.repeat(length / unit.len());
        vec![
            (
                Key::SecretsDestination,
                list(&|index| format!("{index}{name}")),
            ),
            (Key::SecretsPath, list(&|index| format!("secret/{index}"))),
        ]
    });
    prop_oneof![one, files]
}

#[test]
fn the_module_answers_as_the_policy_compiled_into_the_test() {
    for_fewer(any_object(), |case| {
        let payload = case.submission().payload();
        let answer = support::evaluate_natively(&payload);
        prop_assert_eq!(&support::evaluate_module(&payload), &answer);
        Ok(Injected(answer.get("mutated_object").is_some()))
    });
}

/// A property over injected pods says little if nothing, or always the same, is injected.
#[test]
fn most_pods_are_injected_and_everything_that_can_be_is() {
    let mut told = BTreeSet::new();
    let mut counts = [0; 3];
    let cases = runner::examples(any_pod(), 600);
    for case in &cases {
        let submission = case.submission();
        let answer = submission.answer();
        let Some(injected) = answer.injected() else {
            counts[if answer.is_accepted() { 1 } else { 2 }] += 1;
            continue;
        };
        counts[0] += 1;
        told.extend(own_containers(injected).filter_map(|container| {
            let name = container.text_of("name")?;
            let is_native = container.get("startupProbe").is_some();
            Some(if is_native {
                format!("native {name}")
            } else {
                name.to_owned()
            })
        }));
        let volumes = volume_names(injected.get("spec").unwrap_or(&Tree::EMPTY));
        told.extend(volumes.into_iter().filter(|name| name.starts_with("tvsi-")));
        for (list, _, container, submitted) in both(injected, &submission.object) {
            let differs = |path: &[&str]| container.at(path) != submitted.at(path);
            let is_in_environment = container.list_of("volumeMounts").iter();
            let is_in_environment = is_in_environment
                .clone()
                .any(|mount| mount.text_of("name") == Some("tvsi-env"));
            for (path, _) in additions::COMMANDS {
                if is_in_environment && differs(path) {
                    let command = path[path.len().saturating_sub(3)];
                    told.insert(format!("{command} of {list}"));
                }
            }
            if !is_in_environment && differs(&["lifecycle"]) {
                let own = submitted.at(&["lifecycle", "postStart", "exec", "command"]);
                told.insert(
                    if own.is_some() {
                        "an own hook"
                    } else {
                        "a hook"
                    }
                    .to_owned(),
                );
            }
        }
    }
    let [injected, untouched, rejected] = counts;
    println!(
        "of {}: {injected} injected, {untouched} untouched, {rejected} rejected",
        cases.len()
    );
    assert!(
        injected * 2 > cases.len(),
        "injected: {injected} of {}",
        cases.len()
    );
    assert!(
        untouched * 100 > cases.len(),
        "untouched: {untouched} of {}",
        cases.len()
    );
    assert!(
        rejected * 20 > cases.len(),
        "rejected: {rejected} of {}",
        cases.len()
    );
    let expected = [
        "a hook",
        "an own hook",
        "command of containers",
        "command of initContainers",
        "livenessProbe of containers",
        "livenessProbe of initContainers",
        "native tvsi-consul-template",
        "native tvsi-vault-agent",
        "postStart of containers",
        "postStart of initContainers",
        "preStop of containers",
        "preStop of initContainers",
        "readinessProbe of containers",
        "readinessProbe of initContainers",
        "startupProbe of containers",
        "startupProbe of initContainers",
        "tvsi-api-token",
        "tvsi-approle",
        "tvsi-config",
        "tvsi-consul-template",
        "tvsi-env",
        "tvsi-env-init",
        "tvsi-job",
        "tvsi-job-babysitter",
        "tvsi-job-babysitter-init",
        "tvsi-login-token",
        "tvsi-no-token",
        "tvsi-secrets",
        "tvsi-shared",
        "tvsi-tls",
        "tvsi-vault-agent",
        "tvsi-vault-agent-init",
    ];
    // What garbage in the place of an annotation adds now and then.
    let by_chance = ["tvsi-cache", "tvsi-configmap", "tvsi-extra", "tvsi-own-tls"];
    let told = told.iter().map(String::as_str);
    let told: Vec<_> = told.filter(|it| !by_chance.contains(it)).collect();
    assert_eq!(told, expected);
}

/// The templates of each container of the policy's that renders files.
fn templates_of(injected: &Tree) -> Vec<Vec<Tree>> {
    let configurations = additions::with_configuration_read(injected);
    let variables = own_containers(&configurations).flat_map(|container| container.list_of("env"));
    let lists = variables.filter_map(|variable| variable.get("value"));
    lists
        .map(|configuration| configuration.list_of("template").to_vec())
        .collect()
}

/// The whole number at a path, if it is one.
fn number_at(tree: &Tree, path: &[&str]) -> Option<i64> {
    match tree.at(path)? {
        Tree::Literal(literal) => literal.parse().ok(),
        _ => None,
    }
}

/// What has been put before the container's own words.
fn before<'t>(words: &'t [Tree], own: &[Tree]) -> &'t [Tree] {
    &words[..words.len().saturating_sub(own.len())]
}

fn all_containers(spec: &Tree) -> impl Iterator<Item = &Tree> {
    spec.list_of("initContainers")
        .iter()
        .chain(spec.list_of("containers"))
}

fn container_names(spec: &Tree) -> Vec<String> {
    names(all_containers(spec))
}

fn volume_names(spec: &Tree) -> Vec<String> {
    names(spec.list_of("volumes").iter())
}

fn names<'t>(items: impl Iterator<Item = &'t Tree>) -> Vec<String> {
    items
        .filter_map(|item| item.text_of("name").map(str::to_owned))
        .collect()
}

/// As directories: `/a//b/` is `/a/b`.
fn mount_paths(container: &Tree) -> Vec<String> {
    let mounts = container.list_of("volumeMounts").iter();
    let paths = mounts.filter_map(|mount| mount.text_of("mountPath"));
    paths
        .map(|path| {
            let mut segments = Vec::new();
            for segment in path.split('/') {
                match segment {
                    "" | "." => {}
                    ".." => drop(segments.pop()),
                    segment => segments.push(segment),
                }
            }
            segments.join("/")
        })
        .collect()
}

fn are_unique(names: &[String]) -> bool {
    names.iter().collect::<BTreeSet<_>>().len() == names.len()
}

fn words(list: &[Tree]) -> Vec<&str> {
    list.iter().filter_map(Tree::as_text).collect()
}

/// The commands that a configuration has run after a file has changed.
fn notifications(config: &Value) -> Vec<Vec<String>> {
    let templates = config["template"].as_array().into_iter().flatten();
    let execs = templates.filter_map(|template| match &template["exec"] {
        Value::Array(blocks) => Some(&blocks[0]["command"]),
        exec => exec.get("command"),
    });
    execs
        .map(|command| {
            serde_json::from_value(command.clone()).expect("a command is a list of texts")
        })
        .collect()
}
