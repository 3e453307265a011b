//! What is added to the pods of the golden cases passes Pod Security `restricted`, whatever the rest of the
//! pod is like, and is bounded and read-only as all of ours is.
//!
//! The rules are those of <https://kubernetes.io/docs/concepts/security/pod-security-standards/>. What they
//! allow a container to take from the pod's own context must be in each container itself, because an annotated
//! pod need not have one.

use std::collections::BTreeSet;

use golden_cases::Case;
use serde_json::{Value, json};

/// The cases whose settings say something else, with the rules that are broken by it.
const EXCEPTIONS: [(&str, &[&str]); 8] = [
    (
        "agent-injector/agent/image-user-and-resources",
        &["limits", "requests"],
    ),
    ("environment/shell-by-settings", &["limits", "requests"]),
    ("resources/one-by-one", &["limits"]),
    ("resources/without-settings", &["limits", "requests"]),
    ("resources/by-setting", &["limits", "requests"]),
    (
        "hardening/security-context-by-setting",
        &["capabilities added"],
    ),
    (
        "hardening/security-context-null",
        &[
            "allowPrivilegeEscalation",
            "capabilities dropped",
            "read-only root",
            "runAsNonRoot",
            "seccomp",
        ],
    ),
    (
        "users/of-the-pod/where the settings have no security context at all",
        &[
            "allowPrivilegeEscalation",
            "capabilities dropped",
            "read-only root",
            "runAsNonRoot",
            "seccomp",
        ],
    ),
];

/// A rule by its name, and whether a container keeps it.
type Rule = (&'static str, fn(&Value) -> bool);

/// The rules for containers of the profiles baseline and restricted.
const RULES_OF_THE_PROFILE: [Rule; 13] = [
    ("HostProcess", |container| {
        is_absent_or(
            &container["securityContext"]["windowsOptions"]["hostProcess"],
            &[json!(false)],
        )
    }),
    ("privileged", |container| {
        is_absent_or(&container["securityContext"]["privileged"], &[json!(false)])
    }),
    ("capabilities added", |container| {
        let added = &container["securityContext"]["capabilities"]["add"];
        items(added).iter().all(|name| name == "NET_BIND_SERVICE")
    }),
    ("capabilities dropped", |container| {
        let dropped = &container["securityContext"]["capabilities"]["drop"];
        items(dropped).contains(&json!("ALL"))
    }),
    ("host ports", |container| {
        items(&container["ports"])
            .iter()
            .all(|port| is_absent_or(&port["hostPort"], &[json!(0)]))
    }),
    ("hosts of probes and hooks", |container| {
        let probes = ["livenessProbe", "readinessProbe", "startupProbe"];
        let hooks = ["postStart", "preStop"];
        let handlers = probes
            .map(|probe| &container[probe])
            .into_iter()
            .chain(hooks.map(|hook| &container["lifecycle"][hook]));
        handlers
            .flat_map(|handler| ["httpGet", "tcpSocket"].map(|action| &handler[action]["host"]))
            .all(|host| is_absent_or(host, &[json!("")]))
    }),
    ("AppArmor", |container| {
        is_absent_or(
            &container["securityContext"]["appArmorProfile"]["type"],
            &[json!("RuntimeDefault"), json!("Localhost")],
        )
    }),
    ("SELinux", |container| {
        let options = &container["securityContext"]["seLinuxOptions"];
        let types = [
            "",
            "container_t",
            "container_init_t",
            "container_kvm_t",
            "container_engine_t",
        ];
        is_absent_or(&options["type"], &types.map(Value::from))
            && is_absent_or(&options["user"], &[json!("")])
            && is_absent_or(&options["role"], &[json!("")])
    }),
    ("procMount", |container| {
        is_absent_or(
            &container["securityContext"]["procMount"],
            &[json!("Default")],
        )
    }),
    ("seccomp", |container| {
        let profile = &container["securityContext"]["seccompProfile"]["type"];
        profile == "RuntimeDefault" || profile == "Localhost"
    }),
    ("allowPrivilegeEscalation", |container| {
        container["securityContext"]["allowPrivilegeEscalation"] == false
    }),
    ("runAsNonRoot", |container| {
        container["securityContext"]["runAsNonRoot"] == true
    }),
    ("runAsUser", |container| {
        container["securityContext"]["runAsUser"] != 0
    }),
];

/// What this policy promises beyond the profile.
const OWN_RULES: [Rule; 4] = [
    ("read-only root", |container| {
        container["securityContext"]["readOnlyRootFilesystem"] == true
    }),
    ("requests", |container| has_amounts(container, "requests")),
    ("limits", |container| has_amounts(container, "limits")),
    ("terminationMessagePolicy", |container| {
        container["terminationMessagePolicy"] == "FallbackToLogsOnError"
    }),
];

/// The kinds of volumes that the profile restricted allows.
const VOLUMES: [&str; 8] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

/// What injection may add or add to, in a pod's spec. None of it is looked at by the profile, except
/// containers and volumes: host namespaces, sysctls and the pod's own context are not here.
const PARTS_OF_THE_SPEC: [&str; 5] = [
    "containers",
    "imagePullSecrets",
    "initContainers",
    "shareProcessNamespace",
    "volumes",
];

/// What injection may change in the pod's own containers. Hooks are compared with the rule for their hosts.
const PARTS_OF_OWN_CONTAINERS: [&str; 7] = [
    "args",
    "command",
    "lifecycle",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "volumeMounts",
];

/// A golden case with an injected pod.
struct Injected {
    case: Case,
    injected: Value,
}

impl Injected {
    fn all() -> Vec<Injected> {
        let of_case = |case: Case| {
            let injected = case.injected()?;
            Some(Injected { case, injected })
        };
        Case::all().into_iter().filter_map(of_case).collect()
    }

    fn added_containers(&self) -> Vec<&Value> {
        ["initContainers", "containers", "ephemeralContainers"]
            .into_iter()
            .flat_map(|list| self.added(list))
            .collect()
    }

    /// The items of a list of the spec whose names are not in the submitted one.
    fn added(&self, list: &str) -> Vec<&Value> {
        let submitted = items(&self.case.object["spec"][list]);
        items(&self.injected["spec"][list])
            .iter()
            .filter(|item| submitted.iter().all(|own| own["name"] != item["name"]))
            .collect()
    }

    /// Whether the pod says what all its containers may use together: Kubernetes rejects it where they request more.
    fn has_amounts_of_its_own(&self) -> bool {
        let resources = &self.case.object["spec"]["resources"];
        let amounts = ["requests", "limits"].map(|kind| resources[kind].as_object());
        amounts
            .into_iter()
            .flatten()
            .any(|amounts| !amounts.is_empty())
    }

    /// The rules that any added container breaks.
    fn broken(&self) -> BTreeSet<&'static str> {
        self.added_containers()
            .into_iter()
            .flat_map(|container| broken(container))
            .collect()
    }
}

#[test]
fn added_containers_keep_all_rules_unless_settings_say_otherwise() {
    let mut containers = 0;
    for injected in Injected::all() {
        let name = injected.case.name.as_str();
        containers += injected.added_containers().len();
        assert!(!injected.added_containers().is_empty(), "{name}");
        let mut expected = EXCEPTIONS
            .into_iter()
            .find(|(exception, _)| *exception == name)
            .map_or(&[][..], |(_, rules)| rules);
        if injected.has_amounts_of_its_own() {
            expected = &["limits", "requests"];
        }
        let broken: Vec<_> = injected.broken().into_iter().collect();
        assert_eq!(broken, expected, "{name}");
    }
    assert!(containers > 300, "only {containers} containers");
    let mut pods = Injected::all().into_iter();
    assert!(pods.any(|injected| injected.has_amounts_of_its_own()));
    for (name, _) in EXCEPTIONS {
        assert!(Case::named(name).is_injected(), "{name}");
    }
}

#[test]
fn added_volumes_are_of_kinds_that_the_profile_allows() {
    let mut volumes = 0;
    for injected in Injected::all() {
        for volume in injected.added("volumes") {
            volumes += 1;
            assert!(is_allowed(volume), "{}: {volume}", injected.case.name);
        }
    }
    assert!(volumes > 300, "only {volumes} volumes");
}

#[test]
fn nothing_else_that_the_profile_looks_at_is_changed() {
    for injected in Injected::all() {
        let name = injected.case.name.as_str();
        for part in differences(&injected.case.object["spec"], &injected.injected["spec"]) {
            assert!(PARTS_OF_THE_SPEC.contains(&part), "{name}: spec.{part}");
        }
        for list in ["initContainers", "containers", "ephemeralContainers"] {
            for own in items(&injected.case.object["spec"][list]) {
                let after = items(&injected.injected["spec"][list])
                    .iter()
                    .find(|container| container["name"] == own["name"])
                    .unwrap_or_else(|| panic!("{name}: {own} is lost"));
                for part in differences(own, after) {
                    assert!(PARTS_OF_OWN_CONTAINERS.contains(&part), "{name}: {part}");
                }
                // A rule that it broke before is its own affair.
                let before = broken(own);
                let newly = broken(after)
                    .into_iter()
                    .find(|rule| !before.contains(rule));
                assert_eq!(newly, None, "{name}: {}", own["name"]);
            }
        }
        // Profiles for seccomp and AppArmor were annotations once.
        let annotations = |pod: &Value| pod["metadata"]["annotations"].clone();
        for key in differences(
            &annotations(&injected.case.object),
            &annotations(&injected.injected),
        ) {
            let is_ours = key.ends_with("/status")
                || key.ends_with("/agent-inject-status")
                || key == "kubectl.kubernetes.io/default-container";
            assert!(is_ours, "{name}: annotation {key}");
        }
    }
}

/// Each rule sees what breaks it.
#[test]
fn a_container_that_breaks_a_rule_is_found() {
    let good = json!({
        "name": "tvsi-vault-agent",
        "ports": [{"containerPort": 8200}],
        "startupProbe": {"tcpSocket": {"port": 8200}},
        "resources": {
            "requests": {"cpu": "1m", "memory": "1Mi"},
            "limits": {"cpu": "1m", "memory": "1Mi"},
        },
        "securityContext": {
            "runAsUser": 100,
            "runAsNonRoot": true,
            "readOnlyRootFilesystem": true,
            "allowPrivilegeEscalation": false,
            "capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]},
            "seccompProfile": {"type": "Localhost", "localhostProfile": "a.json"},
            "seLinuxOptions": {"type": "container_t", "level": "s0:c123,c456"},
            "appArmorProfile": {"type": "RuntimeDefault"},
            "procMount": "Default",
            "privileged": false,
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
    });
    assert_eq!(broken(&good), BTreeSet::new());

    let context = |member: &str| format!("/securityContext/{member}");
    let cases = [
        (
            "HostProcess",
            context("windowsOptions"),
            json!({"hostProcess": true}),
        ),
        ("privileged", context("privileged"), json!(true)),
        (
            "capabilities added",
            context("capabilities/add"),
            json!(["NET_BIND_SERVICE", "CHOWN"]),
        ),
        (
            "capabilities dropped",
            context("capabilities/drop"),
            json!(["CHOWN"]),
        ),
        ("capabilities dropped", context("capabilities"), Value::Null),
        ("host ports", "/ports/0/hostPort".to_owned(), json!(8200)),
        (
            "hosts of probes and hooks",
            "/startupProbe/tcpSocket/host".to_owned(),
            json!("10.0.0.1"),
        ),
        (
            "hosts of probes and hooks",
            "/lifecycle".to_owned(),
            json!({"preStop": {"httpGet": {"host": "10.0.0.1", "port": 1}}}),
        ),
        (
            "AppArmor",
            context("appArmorProfile/type"),
            json!("Unconfined"),
        ),
        ("SELinux", context("seLinuxOptions/type"), json!("spc_t")),
        ("SELinux", context("seLinuxOptions/user"), json!("system_u")),
        ("SELinux", context("seLinuxOptions/role"), json!("system_r")),
        ("procMount", context("procMount"), json!("Unmasked")),
        (
            "seccomp",
            context("seccompProfile/type"),
            json!("Unconfined"),
        ),
        ("seccomp", context("seccompProfile"), Value::Null),
        (
            "allowPrivilegeEscalation",
            context("allowPrivilegeEscalation"),
            json!(true),
        ),
        (
            "allowPrivilegeEscalation",
            context("allowPrivilegeEscalation"),
            Value::Null,
        ),
        ("runAsNonRoot", context("runAsNonRoot"), json!(false)),
        ("runAsNonRoot", context("runAsNonRoot"), Value::Null),
        ("runAsUser", context("runAsUser"), json!(0)),
        (
            "read-only root",
            context("readOnlyRootFilesystem"),
            json!(false),
        ),
        (
            "requests",
            "/resources/requests/cpu".to_owned(),
            Value::Null,
        ),
        ("limits", "/resources/limits/memory".to_owned(), Value::Null),
        (
            "terminationMessagePolicy",
            "/terminationMessagePolicy".to_owned(),
            json!("File"),
        ),
    ];
    for (rule, path, value) in &cases {
        let mut container = good.clone();
        let (parent, member) = path.rsplit_once('/').expect("a path");
        container.pointer_mut(parent).expect("a parent")[member] = value.clone();
        assert_eq!(
            broken(&container),
            BTreeSet::from([*rule]),
            "{path}: {value}"
        );
    }
    for (rule, _) in RULES_OF_THE_PROFILE.iter().chain(&OWN_RULES) {
        assert!(cases.iter().any(|(broken, ..)| broken == rule), "{rule}");
    }

    assert!(is_allowed(&json!({"name": "a", "emptyDir": {}})));
    assert!(!is_allowed(
        &json!({"name": "a", "hostPath": {"path": "/"}})
    ));
    assert!(!is_allowed(&json!({"name": "a", "nfs": {"path": "/"}})));
    assert!(!is_allowed(&json!({"name": "a"})));
}

fn broken(container: &Value) -> BTreeSet<&'static str> {
    RULES_OF_THE_PROFILE
        .iter()
        .chain(&OWN_RULES)
        .filter(|(_, is_kept)| !is_kept(container))
        .map(|(name, _)| *name)
        .collect()
}

/// Whether a volume has one source, of an allowed kind.
fn is_allowed(volume: &Value) -> bool {
    let sources: Vec<_> = volume
        .as_object()
        .into_iter()
        .flat_map(|members| members.keys())
        .filter(|name| *name != "name")
        .collect();
    matches!(sources[..], [source] if VOLUMES.contains(&source.as_str()))
}

fn has_amounts(container: &Value, kind: &str) -> bool {
    let amounts = &container["resources"][kind];
    amounts["cpu"].is_string() && amounts["memory"].is_string()
}

/// The members that two objects do not have in common.
fn differences<'v>(one: &'v Value, other: &'v Value) -> BTreeSet<&'v str> {
    let members = |object: &'v Value| object.as_object().into_iter().flat_map(|it| it.keys());
    members(one)
        .chain(members(other))
        .filter(|name| one.get(name.as_str()) != other.get(name.as_str()))
        .map(String::as_str)
        .collect()
}

fn items(list: &Value) -> &[Value] {
    list.as_array().map_or(&[], Vec::as_slice)
}

fn is_absent_or(value: &Value, allowed: &[Value]) -> bool {
    value.is_null() || allowed.contains(value)
}
