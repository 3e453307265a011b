//! Hard to read as annotations: long ones of every kind, very many, the same ones over and over.

use vault_sidecar_injector::Key;

use crate::Expected::{self, Accepted, Injected, Rejected};
use crate::requests::{PREFIX, Piece, Place, Pod, list_of, many, name, repeated, separated};
use crate::{Case, case};

/// The most destinations that a pod may have.
const DESTINATIONS: usize = 256;

/// As short as settings can make the prefix: the most annotations fit into a request.
const SHORT_PREFIX: &str = r#"{"annotations":{"prefix":"p"}}"#;

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    long(&mut cases);
    lists(&mut cases);
    destinations(&mut cases);
    repeated_keys(&mut cases);
    unknown(&mut cases);
    cases
}

/// One annotation that is as long as the request.
fn long(cases: &mut Vec<Case>) {
    for &key in Key::ALL {
        cases.push(case(
            format!("{}: one long word", key.name()),
            of_long_word(key),
            move |bytes| {
                // Of a family, it is the one called x.
                let name = key
                    .name()
                    .trim_end_matches(|letter: char| letter.is_ascii_uppercase());
                let family = if name == key.name() { "" } else { "x" };
                let pod = match key {
                    Key::Telemetry | Key::AuthConfig => Pod::annotated_pod(),
                    _ if key.is_family() => Pod::plain()
                        .annotated("inject", "true")
                        .annotated("role", "app")
                        .annotated("secret-x", "a"),
                    _ => Pod::annotated_pod(),
                };
                let pod = pod.annotated(&format!("{name}{family}"), repeated(bytes, "x"));
                pod.payload()
            },
        ));
    }
    for key in [Key::SecretsPath, Key::Notify, Key::InjectContainers] {
        let expected = match key {
            // Of a long name the beginning is reported.
            Key::InjectContainers => Rejected("is not a container of this pod"),
            _ => Rejected("the configuration in"),
        };
        for (letters, letter) in [
            ("backslashes", r"\\"),
            ("quotes", "\\\""),
            ("letters of three bytes", "世"),
        ] {
            cases.push(case(
                format!("{}: {letters}", key.name()),
                expected,
                move |bytes| {
                    let pod = Pod::annotated_pod().annotated(key.name(), repeated(bytes, letter));
                    pod.payload()
                },
            ));
        }
    }
    cases.push(case(
        "secrets-path: slashes",
        Rejected("expected a plain path"),
        |bytes| {
            let pod = Pod::annotated_pod().annotated("secrets-path", repeated(bytes, "a/"));
            pod.payload()
        },
    ));
    for (space, letter) in [("white space", " "), ("wide white space", "\u{2003}")] {
        cases.push(case(
            format!("inject: {space} before true"),
            Injected,
            move |bytes| {
                let value = format!("{}true", repeated(bytes, letter));
                Pod::annotated_pod().annotated("inject", value).payload()
            },
        ));
        cases.push(case(
            format!("inject: {space} around an unknown word"),
            Accepted,
            move |bytes| {
                let space = repeated(bytes / 2, letter);
                let value = format!("{space}x{space}");
                Pod::annotated_pod().annotated("inject", value).payload()
            },
        ));
        cases.push(case(
            format!("secrets-path: {space} around it"),
            Injected,
            move |bytes| {
                let space = repeated(bytes / 2, letter);
                let value = format!("{space}secret/app{space}");
                Pod::annotated_pod()
                    .annotated("secrets-path", value)
                    .payload()
            },
        ));
        cases.push(case(
            format!("mode: {space} between"),
            Injected,
            move |bytes| {
                let value = format!("proxy,{}secrets", repeated(bytes, letter));
                Pod::annotated_pod().annotated("mode", value).payload()
            },
        ));
    }
    cases.push(case(
        "proxy-port: noughts",
        Rejected("expected at most"),
        |bytes| {
            let value = format!("{}8200", repeated(bytes, "0"));
            let pod = Pod::annotated_pod().annotated("proxy-port", value);
            pod.annotated("mode", "proxy").payload()
        },
    ));
    cases.push(case(
        "a long label in place of secrets-path",
        Rejected("the configuration in"),
        |bytes| {
            let label = format!(r#""com.talend.service":"{}""#, repeated(bytes, "x"));
            let mut pod = Pod::plain().with(Place::Labels, label);
            pod = pod.annotated("inject", "true").annotated("role", "app");
            pod.payload()
        },
    ));
    cases.push(case(
        "a long role from a label",
        Rejected("the configuration in"),
        |bytes| {
            let label = format!(r#""com.talend.application":"{}""#, repeated(bytes, "x"));
            let pod = Pod::plain().with(Place::Labels, label);
            pod.annotated("inject", "true")
                .annotated("secrets-path", "secret/app")
                .payload()
        },
    ));
}

/// What becomes of a pod with an annotation of a million letters.
fn of_long_word(key: Key) -> Expected {
    match key {
        // A pod whose `inject` is not a boolean is left alone.
        Key::Inject | Key::Status => Accepted,
        Key::Mode | Key::SecretsFormat | Key::DisableIdleConnections | Key::DisableKeepAlives => {
            Rejected("not valid; expected one of")
        }
        Key::FilePermissions => Rejected("not valid; expected octal permissions"),
        Key::SecretsHook
        | Key::ShareProcessNamespace
        | Key::RunAsSameUser
        | Key::AuthExitOnError
        | Key::ErrorOnMissingKey
        | Key::PrePopulate
        | Key::PrePopulateOnly
        | Key::InitFirst
        | Key::TokenFile
        | Key::TlsSkipVerify
        | Key::AgentQuit
        | Key::Cache
        | Key::CacheExitOnError
        | Key::ExitOnRetryFailure
        | Key::RevokeOnShutdown => Rejected("not a boolean"),
        Key::AgentJsonPatch | Key::AgentInitJsonPatch => Rejected("not a JSON patch"),
        Key::PreserveSecretCase
        | Key::PreserveCase
        | Key::RequestNamespace
        | Key::SetSecurityContext => Injected,
        Key::SecretsDestination => Rejected("is too long"),
        Key::SecretsPath | Key::Notify => Rejected("the configuration in"),
        Key::InjectContainers | Key::JobContainers => Rejected("is not a container of this pod"),
        _ => Rejected("expected at most"),
    }
}

/// Lists of very many items.
fn lists(cases: &mut Vec<Case>) {
    for (key, item, expected) in [
        ("mode", "proxy", Injected),
        ("mode", "x", Rejected("is not valid; expected one of")),
        ("secrets-path", "x", Rejected("each needs its counterpart")),
        (
            "secrets-destination",
            "x",
            Rejected("items; expected at most 256"),
        ),
        ("notify", "x", Rejected("at most one command for each")),
        ("inject-containers", "a", Injected),
        ("job-containers", "a", Injected),
        (
            "inject-containers",
            "x",
            Rejected("is not a container of this pod"),
        ),
        (
            "job-containers",
            "x",
            Rejected("is not a container of this pod"),
        ),
    ] {
        cases.push(case(
            format!("{key}: {item} over and over"),
            expected,
            move |bytes| {
                let mut pod = Pod::annotated_pod();
                if key != "secrets-destination" {
                    pod = pod.annotated("secrets-destination", "x,y");
                    pod = pod.annotated("secrets-path", "x,y");
                }
                if key == "job-containers" {
                    pod = pod.job();
                }
                pod.annotated(key, many(bytes, item)).payload()
            },
        ));
    }
    for key in [
        "mode",
        "secrets-path",
        "secrets-destination",
        "notify",
        "inject-containers",
        "job-containers",
    ] {
        let expected = match key {
            "notify" => Rejected("at most one command for each"),
            "mode" => Rejected("is not valid; expected one of"),
            _ => Rejected("empty; give it a value or remove it"),
        };
        cases.push(case(format!("{key}: commas"), expected, move |bytes| {
            let mut pod = Pod::annotated_pod();
            if key != "secrets-destination" {
                pod = pod.annotated("secrets-destination", "x,y");
            }
            if key != "secrets-path" {
                pod = pod.annotated("secrets-path", "x,y");
            }
            let commas = format!("x{}", repeated(bytes, ","));
            pod.annotated(key, commas).payload()
        }));
    }
    cases.push(case(
        "notify: lines of dashes",
        Rejected("give one destination for each"),
        |bytes| {
            let lines = repeated(bytes, "---\\n");
            Pod::annotated_pod().annotated("notify", lines).payload()
        },
    ));
    cases.push(case(
        "notify: line breaks",
        Rejected("the configuration in"),
        |bytes| {
            let lines = format!("x{}x", repeated(bytes, "\\n"));
            Pod::annotated_pod().annotated("notify", lines).payload()
        },
    ));
    for key in ["inject-containers", "job-containers"] {
        // Sorted ones would be found where they are.
        cases.push(case(
            format!("{key}: very many names of very many containers"),
            match key {
                "job-containers" => Rejected("has restartPolicy Always and never ends"),
                _ => Rejected("bytes would be added to the pod"),
            },
            move |bytes| {
                let container = |number| format!(r#"{{"name":"{}"}}"#, name(number));
                let containers = list_of(bytes * 3 / 4, container);
                let count = containers.matches('{').count();
                let mut names: Vec<_> = (0..count).rev().map(name).collect();
                names.push("a".to_owned());
                let mut pod = Pod::annotated_pod().with(Place::Containers, &containers);
                pod = pod.annotated(key, names.join(","));
                if key == "job-containers" {
                    // How many a job can have would depend on the size; one that never ends is rejected after all is read.
                    pod = pod
                        .job()
                        .annotated("inject-containers", "a")
                        .with(Place::Container, r#""restartPolicy":"Always""#);
                }
                // What is left to fill.
                let filled = pod.payload().len();
                pod.with(Place::Labels, padding(bytes.saturating_sub(filled)))
                    .payload()
            },
        ));
    }
}

/// A member that is of no use, to make a request as large as it should be.
pub fn padding(bytes: usize) -> String {
    format!("\"x\":\"{}\"", "x".repeat(bytes))
}

/// As many destinations as there may be, and all in one another's way.
fn destinations(cases: &mut Vec<Case>) {
    let deep = |number: usize| format!("{}{number:03}", "a/".repeat(500));
    // What two of them have in common is nearly all of them.
    let alike = |number: usize| {
        let directory = format!("{}/", "d".repeat(250)).repeat(3);
        format!("{directory}{}{number:03}", "n".repeat(250))
    };
    let beginnings = |number: usize| {
        let directory = format!("{}/", "d".repeat(250)).repeat(3);
        format!("{directory}{}", "n".repeat(number % 255 + 1))
    };
    let deep_beginnings = |number: usize| format!("{}x{number}", "a/".repeat(number + 250));
    let kinds: [(&str, usize, Piece); 4] = [
        ("each in 500 directories", DESTINATIONS, deep),
        ("each like the others except the end", DESTINATIONS, alike),
        ("each the beginning of others", 255, beginnings),
        (
            "each in the directories of others",
            DESTINATIONS,
            deep_beginnings,
        ),
    ];
    for (kind, count, destination) in kinds {
        for login in ["kubernetes", "approle"] {
            cases.push(case(
                format!("secrets-destination: {kind}, with auth {login}"),
                Rejected("the configuration in"),
                move |bytes| {
                    let destinations: Vec<_> = (0..count).map(destination).collect();
                    let pod = Pod::annotated_pod()
                        .annotated("auth", login)
                        .annotated("secrets-path", vec!["x"; count].join(","))
                        .annotated("secrets-destination", destinations.join(","));
                    let filled = pod.payload().len();
                    pod.with(Place::Labels, padding(bytes.saturating_sub(filled)))
                        .payload()
                },
            ));
        }
    }
    cases.push(case(
        "secrets-path: 256 long ones",
        Rejected("the configuration in"),
        |bytes| {
            let path = repeated(bytes / DESTINATIONS, "\\\"");
            let destinations: Vec<_> = (0..DESTINATIONS).map(name).collect();
            Pod::annotated_pod()
                .annotated("secrets-path", vec![path; DESTINATIONS].join(","))
                .annotated("secrets-destination", destinations.join(","))
                .payload()
        },
    ));
    cases.push(case(
        "secrets-destination: one of very many directories",
        Rejected("is too long"),
        |bytes| {
            let destination = format!("{}a", repeated(bytes, "a/"));
            let pod = Pod::annotated_pod().annotated("secrets-destination", destination);
            pod.payload()
        },
    ));
}

/// The policy's own annotations over and over, of which the last ones count.
fn repeated_keys(cases: &mut Vec<Case>) {
    let locked = vec!["\"notify\""; 50].join(",");
    let locked = format!(
        r#"{{"annotations":{{"prefix":"p"}},"restrictions":{{"lockedAnnotations":[{locked}]}}}}"#
    );
    for (kind, prefix, settings) in [
        ("", PREFIX, "{}".to_owned()),
        (" under a short prefix", "p", SHORT_PREFIX.to_owned()),
        (" under a short prefix, with 50 locked", "p", locked),
    ] {
        for (key, value) in [("role", "app"), ("consul-template-limits-memory", "1Gi")] {
            let settings = settings.clone();
            cases.push(case(
                format!("{key} over and over{kind}"),
                Injected,
                move |bytes| {
                    let own = |key: &str, value: &str| format!(r#""{prefix}/{key}":"{value}""#);
                    Pod::plain()
                        .with(Place::Annotations, own("inject", "true"))
                        .with(Place::Annotations, own("role", "app"))
                        .with(Place::Annotations, own("secrets-path", "secret/app"))
                        .with(Place::Annotations, many(bytes, &own(key, value)))
                        .under(settings.as_str())
                        .payload()
                },
            ));
        }
    }
    cases.push(case(
        "all annotations over and over",
        Rejected("is not valid; expected one of"),
        |bytes| {
            let own = |number: usize| {
                let key = Key::ALL[Key::ALL.len() - 1 - number % Key::ALL.len()];
                format!(r#""{PREFIX}/{}":"true""#, key.name())
            };
            let annotations = list_of(bytes, own);
            let pod = Pod::annotated_pod().with(Place::Annotations, annotations);
            // Without a status, which would end it at once, it is the mode that is rejected.
            pod.payload()
                .replace(&format!("{PREFIX}/status"), &format!("{PREFIX}/notify"))
        },
    ));
}

/// Annotations under the prefix that do not exist, of which some are reported by name with the name that is meant.
fn unknown(cases: &mut Vec<Case>) {
    cases.push(case("unknown annotations", Injected, |bytes| {
        let annotation = |number| format!(r#""{PREFIX}/{}":"""#, name(number));
        let pod = Pod::annotated_pod().with(Place::Annotations, list_of(bytes, annotation));
        pod.payload()
    }));
    let annotated = || {
        Pod::plain()
            .with(Place::Annotations, r#""p/inject":"true","p/role":"app""#)
            .with(Place::Annotations, r#""p/secrets-path":"secret/app""#)
            .under(SHORT_PREFIX)
    };
    cases.push(case(
        "unknown annotations under a short prefix",
        Injected,
        move |bytes| {
            let annotation = |number| format!(r#""p/{}":"""#, name(number));
            let annotations = list_of(bytes, annotation);
            annotated().with(Place::Annotations, annotations).payload()
        },
    ));
    cases.push(case(
        "one unknown annotation over and over",
        Injected,
        move |bytes| {
            let annotations = many(bytes, r#""p/":"""#);
            annotated().with(Place::Annotations, annotations).payload()
        },
    ));
    cases.push(case(
        "unknown annotations nearly as long as names can be",
        Injected,
        move |bytes| {
            let beginning = "consul-template-requests-memories-and-more-of-it";
            let annotation = |number| format!(r#""p/{beginning}{number:0>15}":"""#);
            let annotations = list_of(bytes, annotation);
            annotated().with(Place::Annotations, annotations).payload()
        },
    ));
    for length in [300, 3_000, 30_000] {
        cases.push(case(
            format!("unknown annotations of {length} letters that differ at the end"),
            Injected,
            move |bytes| {
                let beginning = "x".repeat(length);
                let annotation = |number| format!(r#""p/{beginning}{}":"""#, name(number));
                let annotations = list_of(bytes - length, annotation);
                let pod = annotated().with(Place::Annotations, annotations);
                let filled = pod.payload().len();
                pod.with(Place::Labels, padding(bytes.saturating_sub(filled)))
                    .payload()
            },
        ));
    }
    cases.push(case(
        "20 long unknown annotations",
        Injected,
        move |bytes| {
            let annotation = |number| {
                let long = repeated(bytes / 20, "\\\"");
                format!(r#""p/{long}{}":"""#, name(number))
            };
            let annotations = separated(bytes, ",", annotation);
            annotated().with(Place::Annotations, annotations).payload()
        },
    ));
}
