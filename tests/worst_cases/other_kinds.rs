//! Objects of other kinds, in which pod templates and annotations are looked for wherever they may be.

use crate::Expected::{Accepted, Rejected};
use crate::annotations::padding;
use crate::requests::{PREFIX, Place, Pod, list_of, many, name};
use crate::{Case, case};

/// How deep is looked.
const DEEPEST: usize = 9;

/// The annotation where nobody reads it.
fn inject() -> String {
    format!(r#""{PREFIX}/inject":"true""#)
}

pub fn cases() -> Vec<Case> {
    let template = |pod: &Pod| format!("{{{}}}", pod.template());
    let small = |number: usize| {
        format!(
            r#"{{"metadata":{{"annotations":{{{},"{PREFIX}/mode":"proxy","{PREFIX}/role":"r{number}"}}}},"spec":{{"containers":[{{}}]}}}}"#,
            inject()
        )
    };
    let deep = |leaf: String, more: &str| {
        let (begin, end) = ("{\"a\":".repeat(DEEPEST), "}".repeat(DEEPEST));
        format!("\"x\":{begin}{{{leaf},{more}}}{end}")
    };
    vec![
        case(
            "another kind: very many pod templates",
            Accepted,
            move |bytes| {
                let templates = list_of(bytes, small);
                Pod::payload_of_other(&format!("\"x\":[{templates}]"))
            },
        ),
        case(
            "another kind: 32 large pod templates",
            Accepted,
            move |bytes| {
                let labels = padding(bytes / 32);
                let pod = template(&Pod::annotated_pod().with(Place::Labels, labels));
                Pod::payload_of_other(&format!("\"x\":[{}]", vec![pod; 32].join(",")))
            },
        ),
        case(
            "another kind: 32 pod templates of many containers",
            Accepted,
            move |bytes| {
                let containers = many(bytes / 32, r#"{"name":"x"}"#);
                let pod = template(&Pod::annotated_pod().with(Place::Containers, containers));
                Pod::payload_of_other(&format!("\"x\":[{}]", vec![pod; 32].join(",")))
            },
        ),
        case(
            "another kind: one large pod template",
            Accepted,
            move |bytes| {
                let pod = template(
                    &Pod::annotated_pod().with(Place::Containers, many(bytes, r#"{"image":"x"}"#)),
                );
                Pod::payload_of_other(&format!("\"x\":{pod}"))
            },
        ),
        case(
            "another kind: very many mistakes in each template",
            Rejected("is not valid"),
            move |bytes| {
                let unknown = |number| format!(r#""{PREFIX}/{}":"""#, name(number));
                let pod = Pod::annotated_pod()
                    .with(Place::Annotations, list_of(bytes / 32 - 600, unknown));
                let pod = template(&pod.annotated("auth", "github"));
                Pod::payload_of_other(&format!("\"x\":[{}]", vec![pod; 32].join(",")))
            },
        ),
        case(
            "another kind: annotations at very many places",
            Accepted,
            move |bytes| {
                let place = format!("{{{}}}", inject());
                Pod::payload_of_other(&format!("\"x\":[{}]", many(bytes, &place)))
            },
        ),
        case(
            "another kind: steps of a workflow with many volumes",
            Accepted,
            move |bytes| {
                let steps = list_of(bytes / 2, |number| {
                    format!(
                        r#"{{"metadata":{{"annotations":{{{},"{PREFIX}/mode":"proxy","{PREFIX}/role":"r{number}"}}}},"script":{{}}}}"#,
                        inject()
                    )
                });
                let volumes = many(bytes / 2, r#"{"name":"a","emptyDir":{}}"#);
                Pod::payload_of_other(&format!("\"volumes\":[{volumes}],\"templates\":[{steps}]"))
            },
        ),
        case(
            "another kind: very many members, deep inside",
            Accepted,
            move |bytes| Pod::payload_of_other(&deep(inject(), &many(bytes, "\"\":0"))),
        ),
        case(
            "another kind: very many members with escapes, deep inside",
            Accepted,
            move |bytes| Pod::payload_of_other(&deep(inject(), &many(bytes, "\"\\u0061\":[{}]"))),
        ),
        case(
            "another kind: long names, deep inside",
            Accepted,
            move |bytes| {
                let long = "x".repeat(bytes);
                Pod::payload_of_other(&deep(format!("\"{long}\":{{{}}}", inject()), "\"y\":0"))
            },
        ),
        case(
            "another kind: objects in one another",
            Accepted,
            move |bytes| {
                let depth = bytes / 6;
                let (begin, end) = ("{\"a\":".repeat(depth), "}".repeat(depth));
                Pod::payload_of_other(&format!("\"x\":{begin}{{{}}}{end}", inject()))
            },
        ),
        case(
            "another kind: update of very many pod templates",
            Accepted,
            move |bytes| {
                let templates = list_of(bytes / 2, small);
                let (old, new) = (
                    format!("\"x\":[{templates}]"),
                    format!("\"y\":0,\"x\":[{templates}]"),
                );
                Pod::payload_of_other_update(&old, &new)
            },
        ),
        case(
            "a pod with the annotation at very many places",
            Accepted,
            move |bytes| {
                let place = format!("{{{}}}", inject());
                Pod::plain()
                    .with(Place::Spec, format!("\"x\":[{}]", many(bytes, &place)))
                    .payload()
            },
        ),
        case(
            "a pod with the annotation deep inside",
            Accepted,
            move |bytes| {
                let spec = deep(inject(), &many(bytes, "\"\":0"));
                Pod::plain().with(Place::Spec, spec).payload()
            },
        ),
    ]
}
