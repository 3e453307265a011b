//! Pods as people and controllers write them, and as nobody should.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};
use serde_json::{Value, json};

use super::SECRET;
use super::tree::Tree;

/// A number as the host writes it.
fn odd_number() -> impl Strategy<Value = Tree> {
    let numbers = ["0", "-7", "1.5", "100.0", "18446744073709551615", "1.0"];
    select(numbers.to_vec()).prop_map(|number| Tree::Literal(number.to_owned()))
}

/// Text of a user's: what Kubernetes expands, a credential, anything.
fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        select(vec![
            "/bin/app", "-c", "$(HOME)", "$$HOME", "$é", "a b", "--", "é", ""
        ])
        .prop_map(str::to_owned),
        Just(format!("--password={SECRET}")),
        "\\PC{0,8}",
    ]
}

fn words() -> impl Strategy<Value = Tree> {
    vec(word().prop_map(Tree::Text), 1..4).prop_map(Tree::List)
}

/// What a newer API may have: members that the policy does not know, null and numbers as they are written.
fn newer() -> BoxedStrategy<Tree> {
    let leaf = prop_oneof![
        Just(Tree::null()),
        Just(Tree::Literal("true".to_owned())),
        odd_number(),
        word().prop_map(Tree::Text),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Tree::List),
            vec(("[a-z]{1,4}", inner), 0..3).prop_map(Tree::Object),
        ]
    })
    .boxed()
}

/// Up to two members of `names`, each with any value.
fn newer_members(names: &[&str]) -> impl Strategy<Value = Vec<(String, Tree)>> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let some = prop_oneof![
        3 => Just(Vec::new()),
        1 => subsequence(names.clone(), 1..=names.len().min(2)),
    ];
    some.prop_flat_map(|names| {
        let members: Vec<_> = names
            .into_iter()
            .map(|name| (Just(name), newer()))
            .collect();
        members
    })
}

/// A volume of each of these names is in every pod.
const VOLUMES: [&str; 3] = ["data", "config", "cache"];
const TOKEN_VOLUME: &str = "kube-api-access-x7k2p";
const TOKEN_DIRECTORY: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

fn volumes() -> impl Strategy<Value = Vec<Tree>> {
    let kind = || {
        select(vec![
            json!({"emptyDir": {}}),
            json!({"emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}),
            json!({"configMap": {"name": "app", "items": [{"key": "a$", "path": "b"}]}}),
            json!({"csi": {"driver": "d", "volumeAttributes": {"password": SECRET}}, "hostPath": null}),
            json!({"csi": {"driver": "d", "readOnly": true}}),
            json!({"secret": {"secretName": "app"}}),
            json!({"projected": {"sources": [{"configMap": {"name": "app"}}]}}),
            json!({"downwardAPI": {"items": [{"path": "a", "fieldRef": {"fieldPath": "metadata.name"}}]}}),
            json!({"image": {"reference": "registry.example.org/data:1"}}),
            json!({"newer": {"number": 1.5}}),
        ])
    };
    let secrets = option::weighted(
        0.25,
        select(vec![
            json!({"emptyDir": {"medium": "Memory"}}),
            json!({"emptyDir": {}}),
            json!({"secret": {"secretName": "app"}}),
            json!({"persistentVolumeClaim": {"claimName": "app"}}),
        ]),
    );
    let has_token = prop::bool::weighted(0.7);
    // Of the token: as the API server writes it, for the owner alone, for all.
    let mode = option::of(select(vec![None, Some(0o644), Some(0o400), Some(0o604)]));
    let kinds = [kind(), kind(), kind()];
    (kinds, secrets, has_token, mode, odd_number()).prop_map(
        |(kinds, secrets, has_token, mode, number)| {
            let named = |name: &str, kind: Value| {
                let mut volume = Tree::from(kind);
                *volume.entry("name") = Tree::text(name);
                volume
            };
            let mut volumes: Vec<_> = VOLUMES
                .into_iter()
                .zip(kinds)
                .map(|(name, kind)| named(name, kind))
                .collect();
            volumes.extend(secrets.map(|kind| named("secrets", kind)));
            if has_token {
                let token =
                    json!({"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}});
                let mut volume = named(TOKEN_VOLUME, json!({"projected": {"sources": [token]}}));
                if let Some(mode) = mode {
                    *volume.entry_at(&["projected", "defaultMode"]) = json!(mode).into();
                }
                *volume.entry_at(&["projected", "newerNumber"]) = number;
                volumes.push(volume);
            }
            volumes
        },
    )
}

/// A container without name and token, which depend on the pod.
fn container() -> BoxedStrategy<Tree> {
    let directories = vec![
        "/data",
        "/etc/app",
        "/cache//",
        "/srv/./x",
        "/tokens",
        "/secrets-here",
    ];
    let mounts = subsequence(directories, 0..=3).prop_flat_map(|directories| {
        let mount = |directory: &'static str| {
            let volume = match directory {
                // Of the volume for secrets, where there is one.
                "/secrets-here" => select(vec!["secrets", "data"]),
                _ => select(VOLUMES.to_vec()),
            };
            let part = option::weighted(0.2, select(vec!["subPath", "subPathExpr"]));
            let is_read_only = option::weighted(0.3, any::<bool>());
            (volume, part, is_read_only).prop_map(move |(volume, part, is_read_only)| {
                let mut mount = Tree::from(json!({"name": volume, "mountPath": directory}));
                if let Some(is_read_only) = is_read_only {
                    *mount.entry("readOnly") = json!(is_read_only).into();
                }
                if let Some(part) = part {
                    *mount.entry(part) = Tree::text("$(POD)");
                }
                mount
            })
        };
        directories.into_iter().map(mount).collect::<Vec<_>>()
    });
    let taken = select(vec![
        "/opt/talend/secrets/",
        "/opt/talend/./tvsi-env",
        "/own",
    ]);
    let clash = taken.prop_map(|taken| Tree::from(json!({"name": "data", "mountPath": taken})));
    let around = select(vec![
        "/",
        "/opt/",
        "/opt/talend",
        "/opt/talend/x/..",
        "/opt/talend/secrets/cache",
        "/opt/talend/tvsi-env/x",
        "/own/x",
    ]);
    let around = (around, prop::bool::weighted(0.3)).prop_map(|(around, is_read_only)| {
        json!({"name": "data", "mountPath": around, "readOnly": is_read_only}).into()
    });
    let mounts = prop_oneof![
        30 => mounts.prop_map(|mounts| Some(Tree::List(mounts))),
        1 => clash.prop_map(|mount| Some(Tree::List(vec![mount]))),
        3 => around.prop_map(|mount| Some(Tree::List(vec![mount]))),
        8 => Just(None),
        8 => Just(Some(Tree::null())),
    ];
    let environment = vec(("[A-Z_]{1,6}", word()), 0..3).prop_map(|variables| {
        let variables = variables.into_iter();
        let mut variables: Vec<_> = variables
            .map(|(name, value)| Tree::from(json!({"name": name, "value": value})))
            .collect();
        variables.push(json!({"name": "PASSWORD", "value": SECRET}).into());
        Tree::List(variables)
    });
    (
        option::of(words()),
        option::of(words()),
        option::of(environment),
        mounts,
        lifecycle(),
        option::weighted(0.1, select(vec!["Never", "OnFailure", "Always"])),
        (
            option::weighted(0.3, vec(9000_u16..9100, 0..2)),
            option::weighted(0.3, user()),
            [probe(), probe(), probe()],
        ),
        newer_members(&["resizePolicy", "newerField", "stdin"]),
    )
        .prop_map(
            |(command, args, environment, mounts, lifecycle, policy, others, newer)| {
                let (ports, user, [startup, liveness, readiness]) = others;
                let mut container = Tree::from(json!({"image": "registry.example.org/app:1"}));
                let mut put = |name: &str, value: Option<Tree>| {
                    if let Some(value) = value {
                        *container.entry(name) = value;
                    }
                };
                put("command", command);
                put("args", args);
                put("env", environment);
                put("volumeMounts", mounts);
                put("lifecycle", lifecycle);
                put("restartPolicy", policy.map(Tree::text));
                put("securityContext", user);
                put("startupProbe", startup);
                put("livenessProbe", liveness);
                put("readinessProbe", readiness);
                put(
                    "ports",
                    ports.map(|ports| {
                        let port = |port| Tree::from(json!({"containerPort": port}));
                        Tree::List(ports.into_iter().map(port).collect())
                    }),
                );
                for (name, value) in newer {
                    put(&name, Some(value));
                }
                container
            },
        )
        .boxed()
}

/// The user and group of a pod or a container.
fn user() -> impl Strategy<Value = Tree> {
    let id = |ids: &[i64]| option::of(select(ids.to_vec()));
    let parts = (
        id(&[1000, 1000, 100, 0]),
        id(&[2000, 0]),
        newer_members(&["seLinuxOptions", "newerField"]),
    );
    parts.prop_map(|(user, group, newer)| {
        let mut context = Tree::from(json!({"runAsUser": user}));
        if let Some(group) = group {
            *context.entry("runAsGroup") = json!(group).into();
        }
        for (name, value) in newer {
            *context.entry(&name) = value;
        }
        context
    })
}

/// A command of a probe or hook, with members around it that the policy does not know.
fn exec() -> impl Strategy<Value = Tree> {
    let parts = (
        words(),
        newer_members(&["newerField", "timeout"]),
        newer_members(&["newerKind", "periodSeconds"]),
    );
    parts.prop_map(|(command, of_exec, around)| {
        let mut handler = Tree::EMPTY;
        let exec = handler.entry("exec");
        *exec.entry("command") = command;
        for (name, value) in of_exec {
            *exec.entry(&name) = value;
        }
        for (name, value) in around {
            *handler.entry(&name) = value;
        }
        handler
    })
}

fn probe() -> impl Strategy<Value = Option<Tree>> {
    let of = |probe: Value| Some(Tree::from(probe));
    prop_oneof![
        8 => Just(None),
        1 => Just(of(Value::Null)),
        1 => Just(of(json!({"exec": {}, "periodSeconds": 5}))),
        1 => Just(of(json!({"exec": {"command": []}}))),
        1 => Just(of(json!({"exec": null, "httpGet": {"port": 80, "httpHeaders": [{"name": "X", "value": SECRET}]}}))),
        4 => exec().prop_map(Some),
    ]
}

fn lifecycle() -> impl Strategy<Value = Option<Tree>> {
    let of = |hook: Value| Some(Tree::from(hook));
    let hooks = (option::of(exec()), option::of(exec())).prop_map(|(post_start, pre_stop)| {
        let mut lifecycle = Tree::EMPTY;
        for (name, hook) in [("postStart", post_start), ("preStop", pre_stop)] {
            if let Some(hook) = hook {
                *lifecycle.entry(name) = hook;
            }
        }
        Some(lifecycle)
    });
    prop_oneof![
        6 => Just(None),
        1 => Just(of(Value::Null)),
        1 => Just(of(json!({}))),
        1 => Just(of(json!({"preStop": {"exec": {"command": ["sleep", SECRET]}}, "stopSignal": "SIGUSR1"}))),
        1 => Just(of(json!({"postStart": null, "preStop": null}))),
        1 => Just(of(json!({"postStart": {"exec": {}}}))),
        1 => Just(of(json!({"postStart": {"httpGet": {"port": 80}}, "preStop": {"sleep": {"seconds": 1}}}))),
        6 => hooks,
    ]
}

/// A pod's spec, with one to three containers and up to two init containers.
pub fn spec() -> BoxedStrategy<Tree> {
    let members = newer_members(&[
        "priority",
        "tolerations",
        "affinity",
        "newerField",
        "serviceAccount",
    ]);
    let resources = option::weighted(
        0.2,
        select(vec![
            json!({"limits": {"cpu": "1"}}),
            json!({"requests": {"memory": "1Gi"}, "limits": null}),
            json!({"claims": []}),
            json!({}),
            Value::Null,
        ]),
    );
    let node_selector = option::weighted(
        0.2,
        select(vec![
            json!({"kubernetes.io/os": "linux", "zone": "a$"}),
            json!({}),
            Value::Null,
        ]),
    );
    let of_pod = (resources, node_selector, option::weighted(0.4, user()));
    let restart_policy = option::of(select(vec!["Always", "OnFailure", "Never"]));
    let pull_secrets = option::weighted(
        0.3,
        select(vec![
            json!([{"name": "registry"}]),
            json!([]),
            Value::Null,
            json!([{}]),
        ]),
    );
    let grace = option::weighted(0.2, select(vec![0, 1, 600]));
    // The API server looks at names after the policy.
    let suffix = prop_oneof![9 => Just(""), 1 => Just(" $(HOME) é\"")];
    let init_containers = prop_oneof![
        2 => vec(container(), 1..3).prop_map(|containers| Some(Some(containers))),
        1 => Just(Some(None)),
        3 => Just(None),
    ];
    (
        vec(container(), 1..4),
        init_containers,
        volumes(),
        restart_policy,
        pull_secrets,
        (grace, option::weighted(0.1, any::<bool>())),
        (members, of_pod),
        (any::<bool>(), suffix, option::weighted(0.2, any::<Index>())),
    )
        .prop_map(
            |(containers, init_containers, volumes, policy, pull_secrets, limits, of_pod, names)| {
                let (has_proxy, suffix, native_proxy) = names;
                let (newer, (resources, node_selector, user)) = of_pod;
                let (grace, shares) = limits;
                let mut spec = Tree::EMPTY;
                for (name, value) in newer {
                    *spec.entry(&name) = value;
                }
                if let Some(containers) = init_containers {
                    *spec.entry("initContainers") = match containers {
                        Some(containers) => complete(containers, "init", suffix, &volumes),
                        None => Tree::null(),
                    };
                }
                *spec.entry("containers") = complete(containers, "app", suffix, &volumes);
                if has_proxy && native_proxy.is_none() {
                    let variable = json!({"name": "TOKEN", "value": SECRET});
                    let proxy = json!({"name": "istio-proxy", "image": "istio", "env": [variable]});
                    spec.list_entry("containers").push(proxy.into());
                }
                if let Some(place) = native_proxy {
                    let proxy = json!({"name": "istio-proxy", "restartPolicy": "Always", "command": ["pilot"]});
                    let init_containers = spec.list_entry("initContainers");
                    let place = place.index(init_containers.len() + 1);
                    init_containers.insert(place, proxy.into());
                }
                *spec.entry("volumes") = Tree::List(volumes);
                if let Some(user) = user {
                    *spec.entry("securityContext") = user;
                }
                let mut put = |name: &str, value: Option<Value>| {
                    if let Some(value) = value {
                        *spec.entry(name) = value.into();
                    }
                };
                put("restartPolicy", policy.map(|policy| json!(policy)));
                put("imagePullSecrets", pull_secrets);
                put("resources", resources);
                put("nodeSelector", node_selector);
                put(
                    "terminationGracePeriodSeconds",
                    grace.map(|grace| json!(grace)),
                );
                put("shareProcessNamespace", shares.map(|shares| json!(shares)));
                spec
            },
        )
        .boxed()
}

/// The containers with their names and what they mount of the pod's volumes.
fn complete(containers: Vec<Tree>, prefix: &str, suffix: &str, volumes: &[Tree]) -> Tree {
    let has = |name| {
        volumes
            .iter()
            .any(|volume| volume.text_of("name") == Some(name))
    };
    let is_mountable = |mount: &Tree| has("secrets") || mount.text_of("name") != Some("secrets");
    let token = json!({"name": TOKEN_VOLUME, "mountPath": TOKEN_DIRECTORY, "readOnly": true});
    let containers = containers.into_iter().enumerate();
    let completed = containers.map(|(index, mut container)| {
        *container.entry("name") = match index {
            0 => Tree::text(format!("{prefix}-0")),
            index => Tree::text(format!("{prefix}{suffix}-{index}")),
        };
        if !container.list_of("volumeMounts").is_empty() {
            container.list_entry("volumeMounts").retain(is_mountable);
        }
        if has(TOKEN_VOLUME) {
            container
                .list_entry("volumeMounts")
                .push(token.clone().into());
        }
        container
    });
    Tree::List(completed.collect())
}

/// What is done to a spec after it has been made for the pod's annotations.
#[derive(Clone, Debug)]
pub enum Damage {
    /// Another value in the place of any.
    Replace(Index, Tree),
    /// A member of the spec.
    Put(&'static str, Tree),
    /// A name of the policy's, or one that is there already, for a container or a volume.
    Rename(&'static str, Index, String),
    /// A member twice in any object.
    Repeat(Index, Tree),
}

pub fn damage() -> impl Strategy<Value = Damage> {
    let wrong = || {
        prop_oneof![
            Just(Tree::text(SECRET)),
            Just(Tree::from(json!([SECRET]))),
            Just(Tree::from(json!({SECRET: SECRET}))),
            newer(),
        ]
    };
    let members = vec![
        ("hostNetwork", Tree::Literal("true".to_owned())),
        ("hostPID", Tree::Literal("true".to_owned())),
        ("os", json!({"name": "windows"}).into()),
        (
            "nodeSelector",
            json!({"kubernetes.io/os": "windows"}).into(),
        ),
        (
            "securityContext",
            json!({"runAsUser": 0, "runAsGroup": 0}).into(),
        ),
        ("containers", Tree::List(Vec::new())),
        ("volumes", Tree::null()),
        ("restartPolicy", Tree::text(SECRET)),
        ("restartPolicy", Tree::text("Always")),
    ];
    let names = [
        "tvsi-vault-agent",
        "tvsi-shared",
        "secrets",
        "app-0",
        "data",
        "é \" $",
    ];
    prop_oneof![
        3 => (any::<Index>(), wrong()).prop_map(|(place, value)| Damage::Replace(place, value)),
        2 => select(members).prop_map(|(name, value)| Damage::Put(name, value)),
        2 => (select(vec!["containers", "initContainers", "volumes"]), any::<Index>(), select(names.to_vec()))
            .prop_map(|(list, place, name)| Damage::Rename(list, place, name.to_owned())),
        1 => (any::<Index>(), wrong()).prop_map(|(place, value)| Damage::Repeat(place, value)),
    ]
}

impl Damage {
    pub fn apply(&self, spec: &mut Tree) {
        match self {
            Damage::Replace(place, value) => change_one(spec, *place, &mut |name, old| {
                // Messages may repeat names and mount paths.
                *old = match value {
                    Tree::Text(_) if ["name", "mountPath"].contains(&name) => Tree::text("odd $"),
                    value => value.clone(),
                };
            }),
            Damage::Put(name, value) => *spec.entry(name) = value.clone(),
            Damage::Rename(list, place, name) => {
                let items = spec.list_entry(list);
                if !items.is_empty() {
                    let index = place.index(items.len());
                    *items[index].entry("name") = Tree::text(name);
                }
            }
            Damage::Repeat(place, value) => change_one(spec, *place, &mut |_, object| {
                if let Tree::Object(members) = object
                    && !members.is_empty()
                {
                    let name = members[place.index(members.len())].0.clone();
                    let is_repeated = ["name", "mountPath"].contains(&name.as_str());
                    let value = if is_repeated {
                        Tree::null()
                    } else {
                        value.clone()
                    };
                    members.push((name, value));
                }
            }),
        }
    }
}

/// Changes one of all the values in `tree`; the change gets the name of the member or list that it is in.
fn change_one(tree: &mut Tree, place: Index, change: &mut impl FnMut(&str, &mut Tree)) {
    fn visit(
        name: &str,
        tree: &mut Tree,
        left: &mut Option<usize>,
        change: &mut impl FnMut(&str, &mut Tree),
    ) {
        match left {
            None => return,
            Some(0) => {
                *left = None;
                return change(name, tree);
            }
            Some(count) => *count -= 1,
        }
        match tree {
            Tree::List(items) => items
                .iter_mut()
                .for_each(|item| visit(name, item, left, change)),
            Tree::Object(members) => {
                members
                    .iter_mut()
                    .for_each(|(name, member)| visit(name, member, left, change));
            }
            Tree::Literal(_) | Tree::Text(_) => {}
        }
    }

    let count = place.index(size(tree));
    visit("spec", tree, &mut Some(count), change);
}

fn size(tree: &Tree) -> usize {
    let below = match tree {
        Tree::List(items) => items.iter().map(size).sum(),
        Tree::Object(members) => members.iter().map(|(_, member)| size(member)).sum(),
        Tree::Literal(_) | Tree::Text(_) => 0,
    };
    below + 1
}
