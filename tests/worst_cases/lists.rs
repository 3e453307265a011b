//! Lists of very many items: containers and all that is in them, volumes, secrets to pull images with.

use crate::Expected::{self, Injected, Rejected};
use crate::annotations::padding;
use crate::requests::{Piece, Place, Pod, list_of, many, name, repeated};
use crate::{Case, case};

/// More is added to the pod than an object can have.
const TOO_MUCH: Expected = Rejected("bytes would be added to the pod");

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    containers(&mut cases);
    items(&mut cases);
    mounts(&mut cases);
    long_names(&mut cases);
    cases
}

fn containers(cases: &mut Vec<Case>) {
    let same = |_| r#"{"name":""}"#.to_owned();
    let named = |number| format!(r#"{{"name":"{}"}}"#, name(number));
    let escaped = |_| r#"{"n\u0061me":"\\"}"#.to_owned();
    let full = |number| {
        let name = name(number);
        format!(
            r#"{{"name":"{name}","command":[""],"ports":[{{"containerPort":1}}],"volumeMounts":[{{"name":"v","mountPath":"/v"}}],"lifecycle":{{"postStart":{{"exec":{{"command":[""]}}}}}}}}"#
        )
    };
    cases.push(case(
        "containers of other users, all of them named, whose files one user can read",
        Injected,
        move |bytes| {
            let other = |number| {
                format!(
                    r#"{{"name":"{}","securityContext":{{"runAsUser":7}}}}"#,
                    name(number)
                )
            };
            let names: Vec<_> = (0..bytes / 70).map(name).collect();
            let pod = Pod::annotated_pod()
                .annotated("file-permissions", "0600")
                .annotated("inject-containers", names.join(","))
                .with(Place::Containers, list_of(bytes / 70 * 60, other));
            let rest = bytes.saturating_sub(pod.payload().len());
            pod.with(Place::Labels, padding(rest)).payload()
        },
    ));
    let mesh = |_| r#"{"name":"istio-proxy"}"#.to_owned();
    let kinds: [(&str, Piece, Expected); 5] = [
        ("of one name", same, TOO_MUCH),
        ("of other names", named, TOO_MUCH),
        ("with escapes", escaped, TOO_MUCH),
        ("of a service mesh", mesh, Injected),
        // They are too few to be too much at every size.
        ("with some of everything", full, Injected),
    ];
    for (kind, container, expected) in kinds {
        let filled =
            move |place, bytes| Pod::annotated_pod().with(place, list_of(bytes, container));
        if kind != "with some of everything" {
            for (list, place) in [
                ("containers", Place::Containers),
                ("init containers", Place::InitContainers),
            ] {
                cases.push(case(format!("{list} {kind}"), expected, move |bytes| {
                    filled(place, bytes).payload()
                }));
            }
        }
        cases.push(case(
            format!("containers {kind}, of which one gets the secrets, in a hook"),
            Injected,
            move |bytes| {
                let pod = filled(Place::Containers, bytes);
                pod.annotated("inject-containers", "a")
                    .annotated("secrets-hook", "true")
                    .payload()
            },
        ));
        cases.push(case(
            format!("containers {kind}, with the proxy alone"),
            Injected,
            move |bytes| {
                let pod = filled(Place::Containers, bytes);
                pod.annotated("mode", "proxy").payload()
            },
        ));
    }
    for (kind, container) in [("of one name", same as Piece), ("of other names", named)] {
        cases.push(case(
            format!("containers {kind} of a job, of which one gets the secrets"),
            TOO_MUCH,
            move |bytes| {
                let pod = Pod::annotated_pod().with(Place::Containers, list_of(bytes, container));
                pod.job().annotated("inject-containers", "a").payload()
            },
        ));
    }
    for key in ["inject-containers", "job-containers"] {
        cases.push(case(
            format!("{key}: a name that none of very many containers has"),
            Rejected("is not a container of this pod"),
            move |bytes| {
                let pod = Pod::annotated_pod().with(Place::Containers, list_of(bytes, named));
                pod.job().annotated(key, "nobody").payload()
            },
        ));
    }
    let with_probes = |number| {
        format!(
            r#"{{"name":"{}","command":[""],"livenessProbe":{{"exec":{{"command":[""]}}}},"lifecycle":{{"preStop":{{"exec":{{"command":[""]}}}}}}}}"#,
            name(number)
        )
    };
    for (list, place) in [
        ("containers", Place::Containers),
        ("init containers", Place::InitContainers),
    ] {
        cases.push(case(
            format!("{list} with commands, probes and hooks that get variables"),
            TOO_MUCH,
            move |bytes| {
                let pod = Pod::annotated_pod().with(place, list_of(bytes, with_probes));
                pod.annotated("secrets-type", "static")
                    .annotated("secrets-injection-method", "env")
                    .payload()
            },
        ));
    }
    cases.push(case(
        "proxies of a service mesh that keep running, and as many init containers",
        Injected,
        |bytes| {
            let proxies = many(
                bytes / 2,
                r#"{"name":"istio-proxy","restartPolicy":"Always"}"#,
            );
            let pod = Pod::annotated_pod()
                .with(Place::InitContainers, many(bytes / 2, r#"{"name":"b"}"#));
            pod.with(Place::InitContainers, proxies).payload()
        },
    ));
    cases.push(case(
        "terms of an affinity for nodes with windows, except the last one",
        Injected,
        |bytes| {
            let term = |system: &str| {
                format!(
                    r#"{{"matchExpressions":[{{"key":"kubernetes.io/os","operator":"In","values":["{system}"]}}]}}"#
                )
            };
            let terms = format!("{},{}", many(bytes, &term("windows")), term("linux"));
            let affinity = format!(
                r#""affinity":{{"nodeAffinity":{{"requiredDuringSchedulingIgnoredDuringExecution":{{"nodeSelectorTerms":[{terms}]}}}}}}"#
            );
            Pod::annotated_pod().with(Place::Spec, affinity).payload()
        },
    ));
    cases.push(case(
        "containers of one user, as which ours are to run",
        TOO_MUCH,
        |bytes| {
            let container = r#"{"name":"","securityContext":{"runAsUser":1000}}"#;
            let pod = Pod::annotated_pod().with(Place::Containers, many(bytes, container));
            pod.with(Place::Spec, r#""securityContext":{"runAsUser":1000}"#)
                .annotated("run-as-same-user", "true")
                .payload()
        },
    ));
    // As many as there are in a cluster with several meshes, and some.
    cases.push(case(
        "containers, of which 50 names are ignored",
        TOO_MUCH,
        move |bytes| {
            let ignored: Vec<_> = (0..50).map(|number| format!("\"mesh-{number}\"")).collect();
            let settings = format!(
                r#"{{"jobs":{{"ignoredContainers":[{}]}}}}"#,
                ignored.join(",")
            );
            let container = |number: usize| format!(r#"{{"name":"mesx-{}"}}"#, number % 90);
            let pod = Pod::annotated_pod().with(Place::Containers, list_of(bytes, container));
            pod.under(settings).payload()
        },
    ));
}

/// Items of all other lists that are read.
fn items(cases: &mut Vec<Case>) {
    for (list, place, item, expected) in [
        ("volumes", Place::Volumes, r#"{"name":""}"#, Injected),
        (
            "volumes of other kinds",
            Place::Volumes,
            r#"{"name":"","x":1}"#,
            Injected,
        ),
        (
            "volumes without a name",
            Place::Volumes,
            "{}",
            Rejected("does not match the Kubernetes API"),
        ),
        (
            "pull secrets without a name",
            Place::PullSecrets,
            "{}",
            Injected,
        ),
        (
            "pull secrets",
            Place::PullSecrets,
            r#"{"name":""}"#,
            Injected,
        ),
        ("owners", Place::Owners, r#"{"controller":true}"#, Injected),
        ("owners that are nothing", Place::Owners, "0", Injected),
        ("words of a command", Place::Command, "\"\"", Injected),
        (
            "numbers in place of words of a command",
            Place::Command,
            "0",
            Injected,
        ),
        ("variables", Place::Environment, r#"{"name":""}"#, Injected),
        ("ports", Place::Ports, r#"{"containerPort":1}"#, Injected),
        (
            "mounts",
            Place::Mounts,
            r#"{"name":"","mountPath":""}"#,
            Injected,
        ),
        (
            "mounts of parts of the volume of secrets",
            Place::Mounts,
            r#"{"name":"secrets","mountPath":"","subPath":"x"}"#,
            Injected,
        ),
        ("rules for restarts", Place::RestartRules, "0", Injected),
        ("words of a hook", Place::Hook, "\"\"", Injected),
        (
            "words of one letter of a hook",
            Place::Hook,
            "\"a\"",
            Injected,
        ),
        (
            "words with escapes of a hook",
            Place::Hook,
            r#""\\""#,
            Injected,
        ),
    ] {
        cases.push(case(format!("very many {list}"), expected, move |bytes| {
            let pod = Pod::annotated_pod().with(place, many(bytes, item));
            pod.payload()
        }));
    }
    cases.push(case("very many ports, with the proxy", Injected, |bytes| {
        let ports = many(bytes, r#"{"containerPort":1}"#);
        let pod = Pod::annotated_pod().with(Place::Ports, ports);
        pod.annotated("mode", "proxy").payload()
    }));
    cases.push(case(
        "very many words of a hook that comes second",
        TOO_MUCH,
        |bytes| {
            let words = many(bytes, "\"\"");
            let pod = Pod::annotated_pod().with(Place::Hook, words);
            pod.annotated("secrets-hook", "true").payload()
        },
    ));
    cases.push(case(
        "very many words of a hook in a CronJob",
        Expected::Accepted,
        |bytes| {
            let words = many(bytes, "\"\"");
            Pod::annotated_pod()
                .with(Place::Hook, words)
                .job()
                .payload_of_cron_job()
        },
    ));
    cases.push(case(
        "very many pull secrets, and 50 of the settings",
        Injected,
        |bytes| {
            let secrets: Vec<_> = (0..50)
                .map(|number| format!("\"secret-{number}\""))
                .collect();
            let settings = format!(r#"{{"imagePullSecrets":[{}]}}"#, secrets.join(","));
            let secret = |number: usize| format!(r#"{{"name":"secrex-{}"}}"#, number % 90);
            let pod = Pod::annotated_pod().with(Place::PullSecrets, list_of(bytes, secret));
            pod.under(settings).payload()
        },
    ));
    cases.push(case(
        "very many mounts, with the shell for the environment",
        Injected,
        |bytes| {
            let mounts = many(bytes, r#"{"name":"","mountPath":"/"}"#);
            let pod = Pod::annotated_pod().with(Place::Mounts, mounts);
            pod.annotated("secrets-type", "static")
                .annotated("secrets-injection-method", "env")
                .payload()
        },
    ));
}

/// Paths of mounts, which are compared with those of the policy and copied to its hooks.
fn mounts(cases: &mut Vec<Case>) {
    cases.push(case("a mount path of slashes", Injected, |bytes| {
        let path = repeated(bytes, "/");
        let mount = format!(r#"{{"name":"other","mountPath":"{path}"}}"#);
        Pod::annotated_pod().with(Place::Mounts, mount).payload()
    }));
    cases.push(case(
        "a mount path of the policy's with slashes between",
        Rejected("where the policy mounts volume secrets"),
        |bytes| {
            let path = format!("/opt{}/talend/secrets", repeated(bytes, "/."));
            let mount = format!(r#"{{"name":"other","mountPath":"{path}"}}"#);
            Pod::annotated_pod().with(Place::Mounts, mount).payload()
        },
    ));
    let files = |count: usize| {
        let destinations: Vec<_> = (0..count).map(name).collect();
        Pod::annotated_pod()
            .annotated("secrets-path", vec!["x"; count].join(","))
            .annotated("secrets-destination", destinations.join(","))
    };
    let mount = |bytes| {
        let path = repeated(bytes, "/x");
        format!(r#"{{"name":"secrets","mountPath":"{path}"}}"#)
    };
    cases.push(case(
        "a long mount path of secrets, and a hook for 256 files",
        TOO_MUCH,
        move |bytes| {
            let pod = files(256).annotated("secrets-hook", "true");
            pod.with(Place::Mounts, mount(bytes)).payload()
        },
    ));
    cases.push(case(
        "a long mount path of secrets, and a shell for 256 files",
        TOO_MUCH,
        move |bytes| {
            let pod = files(256)
                .annotated("secrets-type", "static")
                .annotated("secrets-injection-method", "env");
            pod.with(Place::Mounts, mount(bytes)).payload()
        },
    ));
    cases.push(case(
        "a mount of a part with a long name in the token's place",
        TOO_MUCH,
        |bytes| {
            let part = repeated(bytes, "x");
            let mount = format!(
                r#"{{"name":"token","mountPath":"/var/run/secrets/kubernetes.io/serviceaccount","subPath":"{part}"}}"#
            );
            let pod = Pod::annotated_pod().with(Place::Mounts, mount);
            pod.job().payload()
        },
    ));
}

/// Names and words that are repeated in what is added or reported.
fn long_names(cases: &mut Vec<Case>) {
    let container = |bytes| format!(r#"{{"name":"{}"}}"#, repeated(bytes, "\\\""));
    cases.push(case("a container of a long name", Injected, move |bytes| {
        let pod = Pod::annotated_pod().with(Place::Containers, container(bytes));
        pod.payload()
    }));
    cases.push(case(
        "a container of a long name in a job",
        TOO_MUCH,
        move |bytes| {
            let pod = Pod::annotated_pod().with(Place::Containers, container(bytes));
            pod.job().payload()
        },
    ));
    cases.push(case(
        "a first container of a long name, with a hook",
        TOO_MUCH,
        |bytes| {
            let name = format!(r#""name":"{}""#, repeated(bytes, "\\\""));
            let pod = Pod::annotated_pod().with(Place::Container, name);
            pod.annotated("secrets-hook", "true").payload()
        },
    ));
    cases.push(case(
        "a container of a long name that has no command",
        Rejected("has no command"),
        move |bytes| {
            let pod = Pod::annotated_pod().with(Place::Containers, container(bytes));
            pod.annotated("secrets-type", "static")
                .annotated("secrets-injection-method", "env")
                .payload()
        },
    ));
    cases.push(case(
        "a volume of secrets of a long kind",
        Injected,
        |bytes| {
            let kind = repeated(bytes, "x");
            let volume = format!(r#"{{"name":"secrets","{kind}":{{}}}}"#);
            Pod::annotated_pod().with(Place::Volumes, volume).payload()
        },
    ));
    cases.push(case("a container that is padded", Injected, |bytes| {
        Pod::annotated_pod()
            .with(Place::Container, padding(bytes))
            .payload()
    }));
}
