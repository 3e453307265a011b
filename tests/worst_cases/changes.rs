//! As many changes as the policy makes to one pod, in a pod in which each is hard to find a place for.

use crate::Expected::{Injected, Rejected};
use crate::annotations::padding;
use crate::requests::{Place, Pod, many, name};
use crate::{Case, case};

/// Fills the rest of a request with members of an object, or words of a command.
fn filled(pod: Pod, place: Place, bytes: usize) -> String {
    let rest = bytes.saturating_sub(pod.payload().len());
    let piece = match place {
        Place::Annotations => r#""":"""#,
        Place::Command => r#""""#,
        _ => r#""":0"#,
    };
    pod.with(place, many(rest, piece)).payload()
}

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |kind: &str, places: &[(&str, Place)], pod: fn() -> Pod| {
        for &(object, place) in places {
            cases.push(case(
                format!("{kind}, and very many members in {object}"),
                Injected,
                move |bytes| filled(pod(), place, bytes),
            ));
        }
    };
    let object = ("object", Place::Object);
    let annotations = ("annotations", Place::Annotations);
    let spec = ("spec", Place::Spec);
    let container = ("a container", Place::Container);
    let command = ("a command", Place::Command);
    add(
        "7,000 containers that get the secrets",
        &[object, annotations, spec, container],
        || Pod::annotated_pod().with(Place::Containers, vec![r#"{"name":""}"#; 7000].join(",")),
    );
    add(
        "7,000 init containers that get the secrets",
        &[spec],
        || {
            Pod::annotated_pod().with(
                Place::InitContainers,
                vec![r#"{"name":""}"#; 7000].join(","),
            )
        },
    );
    add("500 containers that get a hook", &[spec], || {
        Pod::annotated_pod()
            .with(Place::Containers, vec![r#"{"name":""}"#; 500].join(","))
            .annotated("secrets-hook", "true")
    });
    // Each word that comes before a command is a change.
    add(
        "60 containers that get 150 files in the environment",
        &[object, spec, command],
        || {
            let container = r#"{"name":"","command":["x"]}"#;
            of_many_files(
                Pod::annotated_pod().with(Place::Containers, vec![container; 60].join(",")),
            )
        },
    );
    add(
        "one container that gets 150 files in the environment",
        &[object, spec, container, command],
        || of_many_files(Pod::annotated_pod()),
    );
    add("50 pull secrets of the settings", &[object, spec], || {
        let secrets: Vec<_> = (0..50)
            .map(|number| format!("\"secret-{number}\""))
            .collect();
        Pod::annotated_pod().under(format!(r#"{{"imagePullSecrets":[{}]}}"#, secrets.join(",")))
    });
    cases.push(case(
        "very many containers that would get 150 files in the environment",
        Rejected("bytes would be added to the pod"),
        |bytes| {
            let containers = many(bytes, r#"{"name":"","command":["x"]}"#);
            let pod = Pod::annotated_pod().with(Place::Containers, containers);
            of_many_files(pod).payload()
        },
    ));
    cases.push(case(
        "all that is ever added, to a padded pod",
        Injected,
        |bytes| {
            let pod = of_many_files(Pod::annotated_pod())
                .job()
                .annotated("mode", "secrets,proxy,job")
                .annotated("share-process-namespace", "true")
                .annotated("sa-token", "/var/run/token/token");
            let rest = bytes.saturating_sub(pod.payload().len());
            pod.with(Place::Labels, padding(rest)).payload()
        },
    ));
    cases
}

/// With as many static secrets for the environment as fit into a configuration, and 50 names that no secret may have.
fn of_many_files(pod: Pod) -> Pod {
    let destinations: Vec<_> = (0..150).map(name).collect();
    let denied: Vec<_> = (0..50).map(|number| format!("\"N{number}\"")).collect();
    pod.annotated("secrets-type", "static")
        .annotated("secrets-injection-method", "env")
        .annotated("secrets-mount-path", "/x")
        .annotated("secrets-path", vec!["x"; 150].join(","))
        .annotated("secrets-destination", destinations.join(","))
        .under(format!(
            r#"{{"envShell":{{"deniedNames":[{}]}}}}"#,
            denied.join(",")
        ))
}
