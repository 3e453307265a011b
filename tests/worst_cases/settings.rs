//! Restrictions against what pods choose, and settings that are themselves as large as a request.

use crate::Expected::{Accepted, Injected, Rejected};
use crate::annotations::padding;
use crate::requests::{Piece, Place, Pod, list_of, many, name, repeated};
use crate::{Case, case};

/// As many patterns as somebody could write for the teams of a company.
const PATTERNS: usize = 50;

/// The longest names that Kubernetes takes.
const LONGEST_NAME: usize = 253;

const UNUSABLE: &str = "the administrator must correct";

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    paths(&mut cases);
    names(&mut cases);
    large(&mut cases);
    invalid(&mut cases);
    cases
}

/// Settings with a list in `restrictions`, of which the last item lets all pass.
fn restricted(rule: &str, pattern: impl Fn(usize) -> String) -> String {
    let patterns: Vec<_> = (0..PATTERNS)
        .map(|number| format!("\"{}\"", pattern(number)))
        .collect();
    format!(
        r#"{{"restrictions":{{"{rule}":[{},"**"]}}}}"#,
        patterns.join(",")
    )
}

/// A pod with as long an identity as there is.
fn with_long_identity() -> Pod {
    let name = "n".repeat(LONGEST_NAME);
    Pod::annotated_pod()
        .with(Place::Request, format!("\"namespace\":\"{name}\""))
        .with(Place::Spec, format!("\"serviceAccountName\":\"{name}\""))
}

fn paths(cases: &mut Vec<Case>) {
    let long_name = "n".repeat(LONGEST_NAME);
    for (kind, pattern, path) in [
        (
            "placeholders",
            "secret/{namespace}/{serviceAccount}/x{number}/**",
            format!("secret/{long_name}/{long_name}/{}", "y".repeat(500)),
        ),
        (
            "placeholders and stars",
            "secret/{namespace}/**/x{number}*y*",
            format!("secret/{long_name}/{}", "x".repeat(750)),
        ),
        (
            "many stars",
            "**a**a**a**a**a**a**a**a**b{number}",
            "a".repeat(1020),
        ),
        (
            "many stars in segments",
            "*a*a*a*a*a*a*a*a*a*a*a*a*a*b{number}",
            "a".repeat(1020),
        ),
        (
            "letters",
            "secret/team/app/{number}",
            "secret/team/app/".to_owned() + &"a".repeat(1000),
        ),
    ] {
        cases.push(case(
            format!("50 patterns of {kind} against 256 paths"),
            Rejected("the configuration in"),
            move |bytes| {
                let settings = restricted("allowedVaultPaths", |number| {
                    pattern.replace("{number}", &number.to_string())
                });
                let destinations: Vec<_> = (0..256).map(name).collect();
                let pod = with_long_identity()
                    .annotated("secrets-destination", destinations.join(","))
                    .annotated("secrets-path", vec![path.as_str(); 256].join(","))
                    .under(settings);
                let rest = bytes.saturating_sub(pod.payload().len());
                pod.with(Place::Labels, padding(rest)).payload()
            },
        ));
    }
    for (kind, piece, expected) in [
        ("letters", "a", Rejected("restrictions.allowedVaultPaths")),
        ("segments", "a/", Rejected("expected a plain path")),
        ("ways back", "a/../", Rejected("expected a plain path")),
    ] {
        cases.push(case(
            format!("50 patterns against a path of {kind}"),
            expected,
            move |bytes| {
                let settings = restricted("allowedVaultPaths", |number| {
                    format!("secret/{{namespace}}/**{number}")
                });
                let path = format!("secret/x/{}", repeated(bytes, piece));
                let pod = Pod::annotated_pod().annotated("secrets-path", path);
                pod.under(settings).payload()
            },
        ));
    }
}

/// Names of the pod's that patterns are compared with, or have in them.
fn names(cases: &mut Vec<Case>) {
    let stars = |number: usize| format!("*a*a*a*a*{{namespace}}*a*{{serviceAccount}}*b{number}");
    cases.push(case(
        "50 patterns against a role",
        Rejected("takes too long to compare"),
        move |bytes| {
            let pod = with_long_identity()
                .annotated("role", "a".repeat(1024))
                .under(restricted("allowedRoles", stars));
            let rest = bytes.saturating_sub(pod.payload().len());
            pod.with(Place::Labels, padding(rest)).payload()
        },
    ));
    cases.push(case(
        "50 patterns against an image",
        Rejected("takes too long to compare"),
        move |bytes| {
            let pod = with_long_identity()
                .annotated("vault-image", "a".repeat(1024))
                .under(restricted("allowedImages", stars));
            let rest = bytes.saturating_sub(pod.payload().len());
            pod.with(Place::Labels, padding(rest)).payload()
        },
    ));
    cases.push(case(
        "50 patterns against a role in each of 20 templates",
        Rejected("takes too long to compare"),
        move |bytes| {
            let template = with_long_identity().annotated("role", "a".repeat(1024));
            let rest = (bytes / 20).saturating_sub(template.template().len());
            let template = template.with(Place::Labels, padding(rest)).template();
            let templates = vec![format!("{{{template}}}"); 20].join(",");
            let policy = Pod::plain().under(restricted("allowedRoles", stars));
            policy.payload_of(&format!(
                r#""kind":{{"group":"example.org","version":"v1","kind":"Fleet"}},"operation":"CREATE","object":{{"metadata":{{}},"spec":{{"x":[{templates}]}}}}"#
            ))
        },
    ));
    let rejected = "is not allowed by the setting restrictions.allowedVaultPaths";
    for (kind, place, member, expected) in [
        (
            "namespace",
            Place::Request,
            "namespace",
            "expected an admission request",
        ),
        (
            "service account",
            Place::Spec,
            "serviceAccountName",
            rejected,
        ),
    ] {
        cases.push(case(
            format!("50 patterns with a long {kind}"),
            Rejected(expected),
            move |bytes| {
                let long = format!("\"{member}\":\"{}\"", "n".repeat(bytes));
                let settings = restricted("allowedVaultPaths", |_| {
                    "secret/{namespace}/{serviceAccount}/**".to_owned()
                });
                let pod = Pod::annotated_pod().with(place, long);
                pod.under(settings).payload()
            },
        ));
    }
    cases.push(case(
        "1,000 ignored namespaces, and a long one",
        Rejected("expected an admission request"),
        |bytes| {
            let namespaces: Vec<_> = (0..1000).map(|number| format!("\"n{number}\"")).collect();
            let settings = format!(r#"{{"ignoredNamespaces":[{}]}}"#, namespaces.join(","));
            let long = format!("\"namespace\":\"{}\"", "n".repeat(bytes));
            let pod = Pod::annotated_pod().with(Place::Request, long);
            pod.under(settings).payload()
        },
    ));
}

/// Settings that are valid, and as large as a request.
fn large(cases: &mut Vec<Case>) {
    let list = |bytes, item: Piece| list_of(bytes, item);
    let short: Piece = |number| format!("\"{}\"", name(number));
    let star: Piece = |_| "\"x*\"".to_owned();
    let key: Piece = |_| "\"notify\"".to_owned();
    for (setting, item, expected) in [
        ("ignoredNamespaces", short, Injected),
        ("jobs.ignoredContainers", short, Injected),
        (
            "imagePullSecrets",
            short,
            Rejected("bytes would be added to the pod"),
        ),
        (
            "restrictions.allowedRoles",
            star,
            Rejected("restrictions.allowedRoles"),
        ),
        (
            "restrictions.allowedVaultPaths",
            star,
            Rejected("restrictions.allowedVaultPaths"),
        ),
        ("restrictions.lockedAnnotations", key, Injected),
        (
            "restrictions.deniedTemplateFunctions",
            star,
            Rejected("the configuration in"),
        ),
        ("envShell.deniedNames", star, Injected),
        (
            "securityContext.capabilities.add",
            (|_| "\"A\"".to_owned()) as Piece,
            Rejected("bytes would be added to the pod"),
        ),
    ] {
        cases.push(case(
            format!("settings: {setting} of very many items"),
            expected,
            move |bytes| {
                let settings = setting
                    .rsplit('.')
                    .fold(format!("[{}]", list(bytes, item)), |value, name| {
                        format!("{{\"{name}\":{value}}}")
                    });
                Pod::annotated_pod().under(settings).payload()
            },
        ));
    }
    cases.push(case(
        "settings: one long pattern",
        Rejected("restrictions.allowedRoles"),
        |bytes| {
            let pattern = repeated(bytes, "*a");
            let settings = format!(r#"{{"restrictions":{{"allowedRoles":["{pattern}"]}}}}"#);
            Pod::annotated_pod().under(settings).payload()
        },
    ));
    cases.push(case(
        "settings: a long list of ignored containers, and as many containers",
        Rejected("bytes would be added to the pod"),
        |bytes| {
            let settings = format!(
                r#"{{"jobs":{{"ignoredContainers":[{}]}}}}"#,
                list_of(bytes / 2, |number| format!("\"a{number}\""))
            );
            let container = |number| format!(r#"{{"name":"b{number}"}}"#);
            let pod = Pod::annotated_pod().with(Place::Containers, list_of(bytes / 2, container));
            pod.under(settings).payload()
        },
    ));
    cases.push(case(
        "settings: one section over and over",
        Injected,
        |bytes| {
            let settings = format!("{{{}}}", many(bytes, r#""vault":{}"#));
            Pod::annotated_pod().under(settings).payload()
        },
    ));
    cases.push(case("settings: white space", Injected, |bytes| {
        Pod::annotated_pod()
            .under(format!("{{{}}}", " ".repeat(bytes)))
            .payload()
    }));
}

/// Settings that are not valid, of which every problem is reported.
fn invalid(cases: &mut Vec<Case>) {
    for (kind, member) in [
        (
            "short unknown names",
            (|number| format!("\"{}\":0", name(number))) as Piece,
        ),
        ("one unknown name", |_| "\"x\":0".to_owned()),
        ("names with escapes", |_| "\"\\\\\":0".to_owned()),
        ("long unknown names", |number| {
            format!("\"{}{number:0>9}\":0", "consulTemplate".repeat(3))
        }),
    ] {
        cases.push(case(
            format!("settings: very many members of {kind}"),
            Rejected(UNUSABLE),
            move |bytes| {
                let settings = format!("{{{}}}", list_of(bytes, member));
                Pod::annotated_pod().under(settings).payload()
            },
        ));
        cases.push(case(
            format!("settings: very many members of {kind} in vault"),
            Rejected(UNUSABLE),
            move |bytes| {
                let settings = format!("{{\"vault\":{{{}}}}}", list_of(bytes, member));
                Pod::annotated_pod().under(settings).payload()
            },
        ));
    }
    cases.push(case(
        "settings: lists in one another",
        Rejected(UNUSABLE),
        |bytes| {
            let settings = format!("{}{}", "[".repeat(bytes / 2), "]".repeat(bytes / 2));
            Pod::annotated_pod().under(settings).payload()
        },
    ));
    cases.push(case(
        "settings: not valid, for a pod without annotations",
        Accepted,
        |bytes| {
            let settings = format!("{{{}}}", many(bytes, "\"x\":0"));
            Pod::plain().under(settings).payload()
        },
    ));
    cases.push(case(
        "settings: a long value that is not allowed",
        Rejected(UNUSABLE),
        |bytes| {
            let prefix = repeated(bytes, "a.");
            let settings = format!(r#"{{"annotations":{{"prefix":"{prefix}"}}}}"#);
            Pod::annotated_pod().under(settings).payload()
        },
    ));
}
