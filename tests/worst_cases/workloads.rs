//! Changes of workloads, of which the old template and the new one are compared, and of injected pods.

use crate::Expected::{self, Accepted, Rejected};
use crate::annotations::padding;
use crate::requests::{Place, Pod, list_of, many, name, repeated};
use crate::{Case, case};

/// How deep values are compared.
const DEEPEST: usize = 128;

/// An update from one list of labels to another. It is always accepted: the templates are the same, or the new one can
/// be injected when its pods are created.
fn update(
    name: &str,
    old: impl Fn(usize) -> String + Send + Sync + 'static,
    new: impl Fn(usize) -> String + Send + Sync + 'static,
) -> Case {
    case(format!("update: {name}"), Accepted, move |bytes| {
        let pod = |labels| Pod::annotated_pod().with(Place::Labels, labels);
        pod(new(bytes / 2)).payload_of_update(&pod(old(bytes / 2)))
    })
}

/// How the names of the cases begin that change an injected pod.
pub const POD_UPDATE: &str = "update of a pod: ";

/// The most bytes of an injected pod.
const LARGEST_POD: usize = 768 * 1024;

/// What an injected pod may have of so many bytes of a request that changes it.
fn half(bytes: usize) -> usize {
    (bytes / 2).min(LARGEST_POD - 2048)
}

/// A request to change a pod. What a pod of the largest size leaves of it is not looked at.
fn padded(old: &Pod, new: Pod, bytes: usize) -> String {
    let rest = bytes.saturating_sub(new.payload_of_pod_update(old).len());
    let padding = format!("\"x\":\"{}\"", " ".repeat(rest));
    new.with(Place::Request, padding).payload_of_pod_update(old)
}

/// A change of an injected pod that has as much of something as it can have, and another image in the end.
fn pod_update(name: &str, expected: Expected, place: Place, piece: &'static str) -> Case {
    case(format!("{POD_UPDATE}{name}"), expected, move |bytes| {
        let more = many(half(bytes), piece);
        let pod = |end: &str| {
            let sidecar = r#"{"name":"tvsi-vault-agent","image":"vault"}"#;
            let pod = Pod::plain().with(Place::Containers, sidecar);
            pod.with(place, &more).with(Place::Container, end)
        };
        let (old, new) = (pod(r#""image":"a""#), pod(r#""image":"b""#));
        padded(&old, new, bytes)
    })
}

fn pod_updates() -> Vec<Case> {
    let update = |name, place, piece| pod_update(name, Accepted, place, piece);
    vec![
        update("containers", Place::Containers, r#"{"name":"x"}"#),
        update("init containers", Place::InitContainers, r#"{"name":"x"}"#),
        update("volumes", Place::Volumes, r#"{"name":""}"#),
        update(
            "sources of volumes",
            Place::Volumes,
            r#"{"name":"","projected":{"sources":[{},{},{},{},{},{},{},{},{},{}]}}"#,
        ),
        update("members in spec", Place::Spec, r#""":0"#),
        update("members in a container", Place::Container, r#""":0"#),
        update("variables", Place::Environment, "{}"),
        update("mounts", Place::Mounts, r#"{"name":"x","mountPath":"/"}"#),
        case(
            format!("{POD_UPDATE}members in a sidecar"),
            Rejected("belongs to the policy"),
            |bytes| {
                let members = list_of(half(bytes), |number| format!("\"{}\":0", name(number)));
                let pod = |end: &str| {
                    let sidecar =
                        format!(r#"{{"name":"tvsi-vault-agent",{members},"image":"{end}"}}"#);
                    Pod::plain().with(Place::Containers, sidecar)
                };
                let (old, new) = (pod("a"), pod("b"));
                padded(&old, new, bytes)
            },
        ),
        case(
            format!("{POD_UPDATE}ephemeral containers"),
            Accepted,
            |bytes| {
                let containers = many(half(bytes), r#"{"name":"x"}"#);
                let sidecar = r#"{"name":"tvsi-vault-agent","image":"vault"}"#;
                let old = Pod::plain().with(Place::Containers, sidecar);
                let ephemeral = format!(r#""ephemeralContainers":[{containers}]"#);
                let new = old.clone().with(Place::Spec, ephemeral);
                padded(&old, new, bytes)
            },
        ),
    ]
}

pub fn cases() -> Vec<Case> {
    let labels = |bytes| list_of(bytes, |number| format!("\"{}\":\"\"", name(number)));
    let long_labels = |bytes| {
        let beginning = "x".repeat(1000);
        list_of(bytes, |number| format!("\"{beginning}{number:06}\":0"))
    };
    let reversed = move |bytes| {
        let labels = labels(bytes);
        let labels: Vec<_> = labels.rsplit(',').collect();
        labels.join(",")
    };
    let in_objects = |leaf: String, value: &str| {
        let (begin, end) = ("{\"a\":".repeat(DEEPEST), "}".repeat(DEEPEST));
        format!("\"x\":{begin}{{{leaf},\"y\":{value}}}{end}")
    };
    let in_lists = |leaf: String, value: &str| {
        let (begin, end) = ("[".repeat(DEEPEST), "]".repeat(DEEPEST));
        format!("\"x\":{begin}[{{{leaf}}},{value}]{end}")
    };
    // Every level has a part of it, and is compared with all that is below it.
    let at_every_level = |bytes: usize, value: &str| {
        let part = padding(bytes / DEEPEST);
        let begin = format!("{{{part},\"a\":").repeat(DEEPEST);
        format!("\"x\":{begin}{value}{}", "}".repeat(DEEPEST))
    };
    let nested = |bytes: usize, value: &str| {
        let depth = bytes / 6;
        format!(
            "\"x\":{}{value}{}",
            "{\"a\":".repeat(depth),
            "}".repeat(depth)
        )
    };
    let mut cases = vec![
        update("the same template", padding, padding),
        update(
            "a template that differs at its end",
            |bytes| format!("{},\"y\":1", padding(bytes)),
            |bytes| format!("{},\"y\":2", padding(bytes)),
        ),
        update("labels in reverse order", labels, reversed),
        update(
            "labels in reverse order, of which the last differs",
            move |bytes| format!("\"0\":1,{}", labels(bytes)),
            move |bytes| format!("{},\"0\":2", reversed(bytes)),
        ),
        update(
            "one name over and over, which is the first of many in the other",
            |bytes| many(bytes, "\"a\":0"),
            |bytes| {
                let count = many(bytes, "\"a\":0").matches(':').count();
                format!("\"a\":0,{}", vec!["\"b\":0"; count - 1].join(","))
            },
        ),
        update(
            "labels with escapes",
            |bytes| many(bytes, "\"\\u0061\":\"\\u0061\""),
            |bytes| {
                let count = many(bytes, "\"\\u0061\":\"\\u0061\"").matches(':').count();
                let labels = vec!["\"a\":\"a\""; count].join(",");
                // As large as the other, with a name that it has as well.
                let rest = bytes.saturating_sub(labels.len() + 20);
                format!("{labels},\"a\":\"\\u0061\"{}", " ".repeat(rest))
            },
        ),
        update(
            "labels with long names in reverse order",
            long_labels,
            move |bytes| {
                let labels = long_labels(bytes);
                let labels: Vec<_> = labels.rsplit(',').collect();
                labels.join(",")
            },
        ),
        update(
            "a large value, 128 objects deep",
            move |bytes| in_objects(padding(bytes), "1"),
            move |bytes| in_objects(padding(bytes), "2"),
        ),
        update(
            "a large value, 128 lists deep",
            move |bytes| in_lists(padding(bytes), "1"),
            move |bytes| in_lists(padding(bytes), "2"),
        ),
        update(
            "very many members, 128 objects deep",
            move |bytes| in_objects(labels(bytes), "1"),
            move |bytes| in_objects(reversed(bytes), "1"),
        ),
        update(
            "a part of a large value in each of 128 objects",
            move |bytes| at_every_level(bytes, "1"),
            move |bytes| at_every_level(bytes, "2"),
        ),
        update(
            "objects in one another",
            move |bytes| nested(bytes, "1"),
            move |bytes| nested(bytes, "2"),
        ),
        update(
            "a list of very many items that differs at its end",
            |bytes| format!("\"x\":[{},1]", many(bytes, "{}")),
            |bytes| format!("\"x\":[{},2]", many(bytes, "{}")),
        ),
        update(
            "a list of very many items with white space",
            |bytes| format!("\"x\":[{}]", many(bytes * 6 / 7, "{}")),
            |bytes| {
                let count = many(bytes * 6 / 7, "{}").matches('{').count();
                format!("\"x\":[{}]", vec!["{ }"; count].join(","))
            },
        ),
        // Each of the old one's members is compared with the same large one of the new.
        update(
            "one name over and over, and a large value for it",
            |bytes| {
                let members = many(bytes / 2 - 10, "\"b\":{}");
                let count = members.matches(':').count() + 1;
                let own = vec!["\"a\":{}"; count].join(",");
                let rest = bytes.saturating_sub(own.len());
                format!("{own}{}", " ".repeat(rest))
            },
            |bytes| {
                let members = many(bytes / 2 - 10, "\"b\":{}");
                format!("{members},\"a\":{{{}}}", " ".repeat(bytes / 2))
            },
        ),
        update(
            "strings with escapes and without",
            |bytes| format!("\"x\":\"{}\"", repeated(bytes, "\\u0061")),
            |bytes| {
                let text = "a".repeat(bytes.div_ceil(6));
                let rest = " ".repeat(bytes - text.len());
                format!("\"x\":\"{text}\"{rest}")
            },
        ),
        update(
            "strings of backslashes that differ at the end",
            |bytes| format!("\"x\":\"{}a\"", repeated(bytes, r"\\")),
            |bytes| format!("\"x\":\"{}b\"", repeated(bytes, r"\\")),
        ),
        case("update: very many words of a hook", Accepted, |bytes| {
            let words = |bytes| many(bytes, "\"\"");
            let old = Pod::annotated_pod().with(Place::Hook, format!("{},\"x\"", words(bytes / 2)));
            let new = Pod::annotated_pod().with(Place::Hook, format!("{},\"y\"", words(bytes / 2)));
            new.payload_of_update(&old)
        }),
        case("a CronJob of very many labels", Accepted, move |bytes| {
            let pod = Pod::annotated_pod().with(Place::Labels, labels(bytes));
            pod.job().payload_of_cron_job()
        }),
        case(
            "a CronJob of very many members in spec",
            Accepted,
            |bytes| {
                let members = many(bytes, "\"\\\\\":0");
                let pod = Pod::annotated_pod().with(Place::Spec, members);
                pod.job().payload_of_cron_job()
            },
        ),
        case("a CronJob of very many containers", Accepted, |bytes| {
            let containers = many(bytes, r#"{"name":"istio-proxy"}"#);
            let pod = Pod::annotated_pod().with(Place::Containers, containers);
            pod.job().annotated("mode", "proxy").payload_of_cron_job()
        }),
    ];
    cases.extend(pod_updates());
    cases
}
