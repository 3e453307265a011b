//! Hard to read as JSON: very many members, deep nesting, escapes, white space, whatever the policy makes of them.

use crate::Expected::{Accepted, Injected, Rejected};
use crate::requests::{Piece, Place, Pod, list_of, many, name, repeated};
use crate::{Case, case};

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    members(&mut cases);
    nesting(&mut cases);
    strings(&mut cases);
    numbers_and_space(&mut cases);
    cases
}

/// Every object that is read.
const OBJECTS: [(&str, Place); 19] = [
    ("payload", Place::Payload),
    ("request", Place::Request),
    ("kind", Place::Kind),
    ("object", Place::Object),
    ("metadata", Place::Metadata),
    ("annotations", Place::Annotations),
    ("labels", Place::Labels),
    ("owner", Place::Owner),
    ("spec", Place::Spec),
    ("pull secret", Place::PullSecret),
    ("volume", Place::Volume),
    ("emptyDir", Place::EmptyDir),
    ("container", Place::Container),
    ("variable", Place::Variable),
    ("port", Place::Port),
    ("mount", Place::Mount),
    ("lifecycle", Place::Lifecycle),
    ("postStart", Place::PostStart),
    ("exec", Place::Exec),
];

fn members(cases: &mut Vec<Case>) {
    // Annotations must be strings.
    let value = |place| match place {
        Place::Annotations => "\"\"",
        _ => "0",
    };
    for (object, place) in OBJECTS {
        // Each of these names has memory of its own.
        cases.push(case(
            format!("members of names with escapes in {object}"),
            Injected,
            move |bytes| {
                let members = many(bytes, &format!(r#""\\":{}"#, value(place)));
                Pod::annotated_pod().with(place, members).payload()
            },
        ));
    }
    for (object, place) in [
        ("object", Place::Object),
        ("annotations", Place::Annotations),
        ("spec", Place::Spec),
        ("container", Place::Container),
    ] {
        cases.push(case(
            format!("members of one name in {object}"),
            Injected,
            move |bytes| {
                let members = many(bytes, &format!("\"\":{}", value(place)));
                Pod::annotated_pod().with(place, members).payload()
            },
        ));
        cases.push(case(
            format!("members of other names in {object}"),
            Injected,
            move |bytes| {
                let member = |number| format!("\"{}\":{}", name(number), value(place));
                Pod::annotated_pod()
                    .with(place, list_of(bytes, member))
                    .payload()
            },
        ));
    }
    for (object, place) in [
        ("object", Place::Object),
        ("metadata", Place::Metadata),
        ("annotations", Place::Annotations),
        ("labels", Place::Labels),
        ("spec", Place::Spec),
    ] {
        cases.push(case(
            format!("members in {object} of a pod without annotations"),
            Accepted,
            move |bytes| {
                let members = many(bytes, "\"\\\\\":0");
                Pod::plain().with(place, members).payload()
            },
        ));
    }
    // A name of the same length is compared letter by letter.
    cases.push(case(
        "members named nearly as what is looked for in spec",
        Injected,
        |bytes| {
            let members = many(bytes, r#""containerz":0"#);
            Pod::annotated_pod().with(Place::Spec, members).payload()
        },
    ));
    cases.push(case(
        "objects of a request, over and over",
        Rejected("expected an admission request"),
        |bytes| {
            let objects = many(bytes, r#""object":{"":0}"#);
            let pod = Pod::annotated_pod();
            let payload = pod.payload();
            payload.replacen("\"object\":", &format!("{objects},\"object\":"), 1)
        },
    ));
    cases.push(case("one label with a long name", Injected, |bytes| {
        let member = format!("\"{}\":\"\"", "x".repeat(bytes));
        Pod::annotated_pod().with(Place::Labels, member).payload()
    }));
}

fn nesting(cases: &mut Vec<Case>) {
    let lists = |bytes: usize| {
        let depth = bytes / 2;
        format!("{}{}", "[".repeat(depth), "]".repeat(depth))
    };
    let objects = |bytes: usize| {
        let depth = bytes / 6;
        format!("{}0{}", "{\"a\":".repeat(depth), "}".repeat(depth))
    };
    let kinds: [(&str, Piece); 2] = [("lists", lists), ("objects", objects)];
    for (kind, nested) in kinds {
        for (object, place) in [("labels", Place::Labels), ("exec", Place::Exec)] {
            cases.push(case(
                format!("{kind} in one another in {object}"),
                Rejected("nested too deeply"),
                move |bytes| {
                    let member = format!("\"x\":{}", nested(bytes));
                    Pod::annotated_pod().with(place, member).payload()
                },
            ));
        }
        cases.push(case(
            format!("{kind} in one another in a pod without annotations"),
            Accepted,
            move |bytes| {
                let member = format!("\"x\":{}", nested(bytes));
                Pod::plain().with(Place::Spec, member).payload()
            },
        ));
        cases.push(case(
            format!("{kind} in one another in place of an annotation"),
            Rejected("not a string"),
            move |bytes| {
                let member = format!("\"x\":{}", nested(bytes));
                Pod::annotated_pod()
                    .with(Place::Annotations, member)
                    .payload()
            },
        ));
        cases.push(case(
            format!("{kind} in one another in place of the containers"),
            Rejected("does not match the Kubernetes API"),
            move |bytes| {
                let member = format!("\"containers\":{}", nested(bytes));
                Pod::annotated_pod().with(Place::Spec, member).payload()
            },
        ));
    }
    for (kind, open) in [("lists", "["), ("objects", "{\"a\":"), ("strings", "\"\\")] {
        cases.push(case(
            format!("{kind} without an end"),
            Rejected("expected an admission request"),
            move |bytes| format!("{{\"request\":{}", repeated(bytes, open)),
        ));
    }
}

fn strings(cases: &mut Vec<Case>) {
    let letters = [
        ("letters", "x"),
        ("backslashes", r"\\"),
        ("quotes", "\\\""),
        ("letters as escapes", r"\u0041"),
        ("pairs of escapes", r"\ud83d\ude00"),
        ("letters of two bytes", "é"),
        ("letters of four bytes", "😀"),
        ("backslashes among letters", r"xxxxxxx\\"),
    ];
    for (letters, letter) in letters {
        cases.push(case(
            format!("{letters} in an annotation's name"),
            Injected,
            move |bytes| {
                let annotation = format!("\"{}\":\"\"", repeated(bytes, letter));
                Pod::annotated_pod()
                    .with(Place::Annotations, annotation)
                    .payload()
            },
        ));
        // Nothing that is read lies deeper.
        cases.push(case(
            format!("{letters} in a word of a hook in a CronJob"),
            Accepted,
            move |bytes| {
                let word = format!("\"{}\"", repeated(bytes, letter));
                let pod = Pod::annotated_pod().with(Place::Hook, word).job();
                pod.payload_of_cron_job()
            },
        ));
    }
    cases.push(case("backslashes in a word of a hook", Injected, |bytes| {
        let word = format!("\"{}\"", repeated(bytes, r"\\"));
        Pod::annotated_pod().with(Place::Hook, word).payload()
    }));
    cases.push(case(
        "backslashes in a pod without annotations",
        Accepted,
        |bytes| {
            let label = format!("\"x\":\"{}\"", repeated(bytes, r"\\"));
            Pod::plain().with(Place::Labels, label).payload()
        },
    ));
    cases.push(case("very many strings", Injected, |bytes| {
        let strings = many(bytes, "\"\"");
        let member = format!("\"x\":[{strings}]");
        Pod::annotated_pod().with(Place::Exec, member).payload()
    }));
    cases.push(case(
        "a long namespace",
        Rejected("expected an admission request"),
        |bytes| {
            let namespace = format!("\"namespace\":\"{}\"", repeated(bytes, r"\\"));
            Pod::annotated_pod()
                .with(Place::Request, namespace)
                .payload()
        },
    ));
}

fn numbers_and_space(cases: &mut Vec<Case>) {
    cases.push(case(
        "a long number",
        Rejected("nested too deeply"),
        |bytes| {
            let member = format!("\"x\":{}", "1".repeat(bytes));
            Pod::annotated_pod().with(Place::Spec, member).payload()
        },
    ));
    cases.push(case("very many numbers", Injected, |bytes| {
        let member = format!("\"x\":[{}]", many(bytes, "1"));
        Pod::annotated_pod().with(Place::Spec, member).payload()
    }));
    cases.push(case(
        "a long number that is read",
        Rejected("does not match the Kubernetes API"),
        |bytes| {
            let member = format!("\"terminationGracePeriodSeconds\":{}", "1".repeat(bytes));
            Pod::annotated_pod().with(Place::Spec, member).payload()
        },
    ));
    for (object, place) in [("annotations", Place::Annotations), ("exec", Place::Exec)] {
        cases.push(case(
            format!("white space in {object}"),
            Injected,
            move |bytes| {
                let member = format!("\"x\"{}:\"\"", " ".repeat(bytes));
                Pod::annotated_pod().with(place, member).payload()
            },
        ));
    }
    cases.push(case("white space around everything", Injected, |bytes| {
        let payload = Pod::annotated_pod().payload();
        let places = payload.matches(',').count();
        payload.replace(',', &format!(",{}", " ".repeat(bytes / places + 1)))
    }));
}
