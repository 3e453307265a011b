//! Hard to read in the words of the Agent Injector: names that other things have too, mounts that are copied, files with
//! templates, directories.

use crate::Expected::{Injected, Rejected};
use crate::annotations::padding;
use crate::requests::{Place, Pod, list_of, name, repeated};
use crate::{Case, case};

const PREFIX: &str = "vault.hashicorp.com";

fn annotated_pod() -> Pod {
    Pod::plain()
        .under(r#"{"agentInjector":{"enabled":true}}"#)
        .with(
            Place::Annotations,
            format!(
                r#""{PREFIX}/agent-inject":"true","{PREFIX}/role":"app","{PREFIX}/agent-inject-secret-db":"secret/db""#
            ),
        )
}

fn annotated(pod: Pod, name: &str, value: &str) -> Pod {
    pod.with(
        Place::Annotations,
        format!(r#""{PREFIX}/{name}":"{value}""#),
    )
}

/// A pod with labels, so that it has about as many bytes.
fn filled(pod: Pod, bytes: usize) -> String {
    let rest = bytes.saturating_sub(pod.payload().len());
    pod.with(Place::Labels, padding(rest)).payload()
}

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (kind, word) in [
        ("nearly a volume of ours", "home-inix "),
        ("a volume of ours in other contexts", "vault-config "),
        ("a volume of ours in escapes", r"\\x76ault-config "),
        ("a backslash", r"\\"),
    ] {
        cases.push(case(
            format!("an annotation of another webhook with {kind} over and over"),
            Injected,
            move |bytes| {
                let value = repeated(bytes, word);
                let annotation = format!(r#""example.org/note":"{value}""#);
                annotated_pod()
                    .with(Place::Annotations, annotation)
                    .payload()
            },
        ));
    }
    cases.push(case(
        "mounts of a container that the agent should have too",
        Rejected("volume mounts; expected at most 64"),
        |bytes| {
            let mount = |number| format!(r#"{{"name":"data","mountPath":"/{}"}}"#, name(number));
            let pod = annotated(annotated_pod(), "agent-copy-volume-mounts", "a");
            pod.with(Place::Mounts, list_of(bytes, mount)).payload()
        },
    ));
    cases.push(case(
        "256 files with templates in a volume that the agent has too, with 60 others",
        Injected,
        |bytes| {
            let mut pod = annotated(annotated_pod(), "agent-copy-volume-mounts", "a").with(
                Place::Volumes,
                r#"{"name":"templates","configMap":{"name":"templates"}}"#,
            );
            for number in 0..60 {
                let mount = format!(r#"{{"name":"data","mountPath":"/a/b/c/d/{number}"}}"#);
                pod = pod.with(Place::Mounts, mount);
            }
            pod = pod.with(
                Place::Mounts,
                r#"{"name":"templates","mountPath":"/templates"}"#,
            );
            for number in 0..255 {
                let annotation = format!("agent-inject-template-file-{number}");
                pod = annotated(pod, &annotation, "/templates/app.ctmpl");
            }
            filled(pod, bytes)
        },
    ));
    cases.push(case(
        "255 files in 16 long directories",
        Rejected("the configuration in"),
        |bytes| {
            let beginning = "/a".repeat(100);
            let mut pod = annotated_pod();
            for number in 0..255 {
                let secret = format!("agent-inject-secret-{number}");
                let directory = format!("secret-volume-path-{number}");
                pod = annotated(pod, &secret, "secret/app");
                pod = annotated(pod, &directory, &format!("{beginning}/{}", number % 16));
            }
            filled(pod, bytes)
        },
    ));
    cases
}
