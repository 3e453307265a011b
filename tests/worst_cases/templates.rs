//! Templates that are hard to take apart and to check.

use crate::Expected::Rejected;
use crate::requests::{Pod, name, repeated};
use crate::{Case, case};

/// A little less than a template may have.
const TEMPLATE: usize = 96 * 1024 - 200;

/// What a template is made of, as JSON has it.
struct Kind {
    name: &'static str,
    /// What is in front, what comes over and over, and what is at the end.
    parts: [&'static str; 3],
    /// Whether the last part comes as often as the one before it, which it closes.
    closes: bool,
}

const fn kind(name: &'static str, parts: [&'static str; 3]) -> Kind {
    Kind {
        name,
        parts,
        closes: false,
    }
}

const KINDS: [Kind; 20] = [
    kind("text", ["", "x", ""]),
    kind("braces that are text", ["", "{ ", ""]),
    kind("actions", ["", "{{.}}", ""]),
    kind("calls", ["", "{{a}}", ""]),
    kind("calls of one letter in one action", ["{{", "a ", "}}"]),
    kind(
        "calls of long names",
        ["{{", "aaaaaaaaaaaaaaaaaaaaaaaa ", "}}"],
    ),
    kind("a call of a very long name", ["{{", "a", "}}"]),
    kind("letters of two bytes", ["{{", "é ", "}}"]),
    kind("keywords", ["", "{{else}}", ""]),
    kind("comments", ["", "{{/**/}}", ""]),
    kind("comments with trim marks", ["", "{{- /**/ -}}", ""]),
    kind("a comment of stars", ["{{/*", "* ", "*/}}"]),
    kind("strings", ["{{", "\\\"\\\" ", "}}"]),
    kind("raw strings", ["{{", "`` ", "}}"]),
    kind("a string of escapes", ["{{\\\"", "\\\\\\\\", "\\\"}}"]),
    kind("numbers", ["{{", "1 ", "}}"]),
    kind("dollars with a backslash", ["{{", "\\\\$ ", "}}"]),
    kind("line breaks in an action", ["{{", "\\n", "a}}"]),
    Kind {
        name: "parentheses in one another",
        parts: ["{{", "(a", ")"],
        closes: true,
    },
    Kind {
        name: "blocks in one another",
        parts: ["", "{{if .}}", "{{end}}"],
        closes: true,
    },
];

impl Kind {
    /// A template of about `bytes` as it stands in JSON.
    fn template(&self, bytes: usize) -> String {
        let [begin, middle, end] = self.parts;
        if self.closes {
            let count = bytes / (middle.len() + end.len());
            let close = if begin.is_empty() { "" } else { "}}" };
            return format!(
                "{begin}{}{}{close}",
                middle.repeat(count),
                end.repeat(count)
            );
        }
        let count = bytes / middle.len();
        format!("{begin}{}{end}", middle.repeat(count))
    }
}

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for kind in &KINDS {
        // Most are too large for the configuration, which is reported in the end.
        let expected = match kind.name {
            "keywords" => Rejected("{{ else }} belongs"),
            _ => Rejected("the configuration in"),
        };
        // To find the commas, templates are gone through once more.
        cases.push(case(
            format!("templates with commas between: {}", kind.name),
            expected,
            move |bytes| templates(bytes, ",", |length| kind.template(length)),
        ));
        if matches!(kind.name, "text" | "calls" | "blocks in one another") {
            cases.push(case(
                format!("templates: {}", kind.name),
                expected,
                move |bytes| templates(bytes, "\\n---\\n", |length| kind.template(length)),
            ));
            cases.push(case(
                format!("one template: {}", kind.name),
                Rejected("expected at most"),
                move |bytes| {
                    let template = kind.template(bytes + kind.parts[1].len());
                    let pod = Pod::annotated_pod().annotated("secrets-template", template);
                    pod.payload()
                },
            ));
        }
    }
    separators(&mut cases);
    denied(&mut cases);
    cases
}

/// A pod with as many templates as have place in `bytes`, and one destination for each.
fn templates(bytes: usize, separator: &str, template: impl Fn(usize) -> String) -> String {
    let count = bytes.div_ceil(TEMPLATE);
    let template = template(bytes / count);
    let destinations: Vec<_> = (0..count).map(name).collect();
    let templates = vec![template; count].join(separator);
    Pod::annotated_pod()
        .annotated("secrets-destination", destinations.join(","))
        .annotated("secrets-template", templates)
        .payload()
}

/// What separates templates, in all the ways that it may be done, without any between.
fn separators(cases: &mut Vec<Case>) {
    for (kind, text) in [
        ("lines of dashes", "---\\n"),
        ("dashes in lines", "---"),
        ("a line of dashes", "-"),
        ("commas", ","),
        ("line breaks", "\\n"),
        ("beginnings of actions", "{{"),
        ("ends of actions", "}}"),
        ("quotes in actions", "{{\\\""),
        ("comments without an end", "{{/*"),
        ("backslashes in actions", "{{\\\\}}"),
    ] {
        cases.push(case(
            format!("one template where two should be: {kind}"),
            Rejected("each needs its counterpart"),
            move |bytes| {
                let pod = Pod::annotated_pod().annotated("secrets-destination", "x,y");
                pod.annotated("secrets-template", repeated(bytes, text))
                    .payload()
            },
        ));
    }
    cases.push(case(
        "256 templates of spaces",
        Rejected("is empty"),
        |bytes| {
            let destinations: Vec<_> = (0..256).map(name).collect();
            let space = " ".repeat(bytes / 256);
            let templates = vec![space; 256].join("\\n---\\n");
            Pod::annotated_pod()
                .annotated("secrets-destination", destinations.join(","))
                .annotated("secrets-template", templates)
                .payload()
        },
    ));
}

/// Functions that are denied by patterns which take long to match.
fn denied(cases: &mut Vec<Case>) {
    for (kind, pattern, function) in [
        ("short names", "*a*a*b", "a"),
        ("names of stars' letters", "*a*a*a*a*a*a*b", "aaaaaaaa"),
        (
            "names without an end",
            "*b*a",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        ),
    ] {
        cases.push(case(
            format!("50 denied patterns against {kind}"),
            Rejected("the configuration in"),
            move |bytes| {
                let patterns = vec![format!("\"{pattern}\""); 50].join(",");
                let settings =
                    format!(r#"{{"restrictions":{{"deniedTemplateFunctions":[{patterns}]}}}}"#);
                let count = bytes.div_ceil(TEMPLATE);
                let calls = repeated(bytes / count - 10, &format!("{function} "));
                let destinations: Vec<_> = (0..count).map(name).collect();
                let template = format!("{{{{{calls}}}}}");
                Pod::annotated_pod()
                    .annotated("secrets-destination", destinations.join(","))
                    .annotated("secrets-template", vec![template; count].join("\\n---\\n"))
                    .under(settings)
                    .payload()
            },
        ));
    }
}
