//! Hard to read in environment variables that refer to Vault: braces without an end, very many references, and what the
//! kubelet replaces.

use crate::Expected::{Injected, Rejected};
use crate::annotations::padding;
use crate::requests::{Place, Pod, list_of, name, repeated};
use crate::{Case, case};

/// A pod whose container has a command and these variables.
fn with(variables: impl AsRef<str>) -> Pod {
    let pod = Pod::annotated_pod().with(Place::Command, r#""/app""#);
    pod.with(Place::Environment, variables)
}

fn variable(value: impl AsRef<str>) -> String {
    format!(r#"{{"name":"A","value":"{}"}}"#, value.as_ref())
}

/// A value that is one piece of text over and over.
fn value(name: &str, expected: crate::Expected, start: &'static str, word: &'static str) -> Case {
    case(name, expected, move |bytes| {
        let value = format!("{start}{}", repeated(bytes, word));
        with(variable(value)).payload()
    })
}

/// A pod with labels, so that it has about as many bytes.
fn filled(pod: Pod, bytes: usize) -> String {
    let rest = bytes.saturating_sub(pod.payload().len());
    pod.with(Place::Labels, padding(rest)).payload()
}

pub fn cases() -> Vec<Case> {
    vec![
        value(
            "references without an end",
            Rejected("${ without }"),
            "",
            "${vault:a#b",
        ),
        value(
            "actions without an end in a key",
            Rejected("the template"),
            "vault:a#",
            "${",
        ),
        value(
            "actions in a key",
            Rejected("the configuration in"),
            "vault:a#",
            "${.a}",
        ),
        value(
            "braces in a reference",
            Rejected("${ without }"),
            "${vault:a#b",
            "{",
        ),
        value(
            "quotes in references",
            Rejected("the version is not a number"),
            "",
            "${vault:a#`}",
        ),
        value(
            "an escaped quote in references",
            Rejected("expected at most"),
            "",
            r#"${vault:a#b\\\"}"#,
        ),
        value(
            "an escaped quote in actions of a key",
            Rejected("is not allowed at this place of an action"),
            "vault:a#",
            r#"${\\\"}"#,
        ),
        value(
            "very many references",
            Rejected("expected at most"),
            "",
            "${vault:a#b}",
        ),
        value(
            "very many versions",
            Rejected("the version is not a number"),
            "vault:a#b#",
            "#1",
        ),
        value(
            "what only begins like a reference",
            Injected,
            "x",
            "${vault",
        ),
        value(
            "variables without an end",
            Rejected("the configuration in"),
            "x${vault:a#b}",
            "$(",
        ),
        value(
            "dollars",
            Rejected("the configuration in"),
            "x${vault:a#b}",
            "$$",
        ),
        value(
            "a long path",
            Rejected("a reference without a key"),
            "vault:a/",
            "a",
        ),
        case(
            "very many variables with one name that refer to Vault",
            Injected,
            |bytes| with(list_of(bytes, |_| variable("vault:a#b"))).payload(),
        ),
        case("very many variables beside one", Injected, |bytes| {
            let other = |number| format!(r#"{{"name":"V{}","value":"bao:1"}}"#, name(number));
            let variables = list_of(bytes, other);
            with(format!("{},{variables}", variable("vault:a#b"))).payload()
        }),
        case(
            "very many variables with values of annotations",
            Injected,
            |bytes| {
                let other = |number| {
                    let name = name(number);
                    format!(
                        r#"{{"name":"V{name}","valueFrom":{{"fieldRef":{{"fieldPath":"metadata.annotations['{name}']"}}}}}}"#
                    )
                };
                let annotation = |number| format!(r#""x{}":"vault:1""#, name(number));
                with(list_of(bytes / 2, other))
                    .with(Place::Annotations, list_of(bytes / 2, annotation))
                    .payload()
            },
        ),
        case(
            "what the kubelet replaces in very many places",
            Injected,
            |bytes| {
                let word = |number| format!(r#""$(V{})""#, name(number));
                let arguments = format!(r#""args":[{}]"#, list_of(bytes, word));
                let pod = with(variable("vault:a#b"));
                pod.with(Place::Container, arguments).payload()
            },
        ),
        case("480 references and their paths", Injected, |bytes| {
            let reference = |number: usize| {
                let name = name(number);
                format!(r#"{{"name":"V{name}","value":"vault:secret/{name}#key"}}"#)
            };
            let all: Vec<_> = (0..480).map(reference).collect();
            filled(with(all.join(",")), bytes)
        }),
        case(
            "references and very many patterns",
            Rejected("takes too long to compare"),
            |bytes| {
                let settings = format!(
                    r#"{{"restrictions":{{"allowedVaultPaths":[{}]}}}}"#,
                    list_of(30_000, |number| format!(r#""*a*b*c*{}*""#, name(number)))
                );
                let reference = |number: usize| {
                    let path = repeated(100, "ab");
                    format!(
                        r#"{{"name":"V{}","value":"vault:{path}#key"}}"#,
                        name(number)
                    )
                };
                let all: Vec<_> = (0..200).map(reference).collect();
                filled(with(all.join(",")).under(settings), bytes)
            },
        ),
    ]
}
