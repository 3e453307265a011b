//! Every message of the module: one of each kind, side by side in `tests/messages.txt`, so that they can be read together,
//! and by subject in `docs/reference/messages.md`.
//!
//! `make golden` writes the files anew; read the difference before you commit them.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use golden_cases::{Case, Outcome, Verdict};
use policy_host::{Images, NoImages};
use serde_json::{Value, json};
use support::{evaluate, native, root};
use vault_sidecar_injector::reference::{self, Shape};
use vault_sidecar_injector::{settings_problems, settings_warnings};

#[test]
fn the_file_has_every_message() {
    is_up_to_date("tests/messages.txt", |_| {
        let sections = messages()
            .lists()
            .map(|(title, messages)| format!("\n## {title}\n\n{}\n", messages.join("\n")));
        format!(
            "# Written by `make golden`: one message of each kind.\n{}",
            sections.concat()
        )
    });
}

#[test]
fn the_documentation_has_every_message() {
    is_up_to_date("docs/reference/messages.md", |document| {
        let (introduction, _) = document.split_once("\n## Annotations\n").unwrap();
        format!("{introduction}\n{}", sections(messages()))
    });
}

/// Compares a file of the repository with what it is to be, or writes it.
fn is_up_to_date(path: &str, make: impl FnOnce(&str) -> String) {
    let file = root().join(path);
    let written = fs::read_to_string(&file).expect("the file is there");
    let expected = make(&written);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&file, expected).expect("the file can be written");
    } else {
        assert_eq!(written, expected, "run `make golden`");
    }
}

struct Messages {
    rejections: Vec<String>,
    warnings: Vec<String>,
    /// What is wrong with settings.
    settings: Vec<String>,
    /// What `vsi settings` warns of.
    doubts: Vec<String>,
}

fn messages() -> &'static Messages {
    static MESSAGES: OnceLock<Messages> = OnceLock::new();
    MESSAGES.get_or_init(Messages::all)
}

impl Messages {
    fn all() -> Self {
        let golden = Case::all();
        let golden = golden.iter().filter_map(Case::expected);
        let (mut rejections, mut warnings) = (Vec::new(), Vec::new());
        for outcome in golden.chain(outcomes_beyond_golden_cases()) {
            if let Verdict::Rejected(message) = outcome.verdict {
                rejections.push(message);
            }
            warnings.extend(outcome.warnings);
        }
        let pattern = json!({"restrictions": {"allowedRoles": ["{namespace}-*"]}});
        let doubts = settings_warnings(&bytes(&pattern)).into_iter();
        Self {
            rejections: one_of_each_kind(rejections),
            warnings: one_of_each_kind(warnings),
            settings: one_of_each_kind(problems_of_settings()),
            doubts: one_of_each_kind(doubts.map(|(path, it)| format!("{path}: {it}")).collect()),
        }
    }

    fn lists(&self) -> [(&str, &[String]); 4] {
        [
            ("Rejections", &self.rejections),
            ("Warnings", &self.warnings),
            ("Settings that are not valid", &self.settings),
            ("Settings that `vsi settings` warns of", &self.doubts),
        ]
    }

    fn have(&self, text: &str) -> bool {
        let lists = self.lists();
        let mut all = lists.iter().flat_map(|(_, messages)| messages.iter());
        all.any(|message| message.contains(text))
    }
}

/// What messages about objects begin with, and where they are in the documentation. What begins otherwise is in the last one.
const SUBJECTS: [(&str, &[&str]); 4] = [
    ("Annotations", &["annotation ", "label "]),
    (
        "Containers and environment variables",
        &["container ", "environment variable "],
    ),
    ("Volumes", &["volume "]),
    ("Other fields of the object", &[""]),
];

/// A section for each subject, with a table for each kind of answer.
fn sections(messages: &Messages) -> String {
    let subject_of = |message: &str| {
        let begins =
            |(_, starts): &(&str, &[&str])| starts.iter().any(|it| message.starts_with(it));
        SUBJECTS.iter().position(begins)
    };
    let of_subject = |index: usize, messages: &[String]| {
        let mut chosen = messages.to_vec();
        chosen.retain(|it| subject_of(it) == Some(index) && !is_about_a_part(it));
        chosen
    };
    let of_objects = SUBJECTS.iter().enumerate().map(|(index, (title, _))| {
        let answers = [
            ("Rejected", of_subject(index, &messages.rejections)),
            ("Warnings", of_subject(index, &messages.warnings)),
        ];
        section(title, answers)
    });
    let of_settings = section(
        "Settings",
        [
            ("Rejected", messages.settings.clone()),
            ("Warnings of `vsi settings`", messages.doubts.clone()),
        ],
    );
    let sections: Vec<_> = of_objects.chain([of_settings]).collect();
    sections.join("\n")
}

fn section(title: &str, answers: [(&str, Vec<String>); 2]) -> String {
    let answers = answers
        .into_iter()
        .filter(|(_, messages)| !messages.is_empty());
    let tables = answers.map(|(answer, messages)| {
        let rows: String = messages.iter().map(|message| row(message)).collect();
        let title = title.to_lowercase();
        format!("\n### {answer}: {title}\n\n| where | message |\n| --- | --- |\n{rows}")
    });
    format!("## {title}\n{}", tables.collect::<String>())
}

/// The same message is there for a pod.
fn is_about_a_part(message: &str) -> bool {
    message.ends_with(')') && message.contains(" (in ")
}

fn row(message: &str) -> String {
    let (place, problem) = message.split_once(": ").unwrap_or(("", message));
    let place = place.replace("annotation sidecar.vault.talend.org/", "");
    let place = place.strip_prefix("annotation ").unwrap_or(&place);
    let problem = problem
        .replace("annotation sidecar.vault.talend.org/", "annotation ")
        .replace("sidecar.vault.talend.org/", "");
    match place {
        "" => format!("| | {} |\n", code(&problem)),
        place => format!("| {} | {} |\n", code(place), code(&problem)),
    }
}

/// Text in which nothing is markup, in a cell of a table.
fn code(text: &str) -> String {
    let text = text.replace('|', "\\|");
    match text.contains('`') {
        true => format!("`` {text} ``"),
        false => format!("`{text}`"),
    }
}

/// The shortest message of each kind, in the order of the alphabet.
fn one_of_each_kind(messages: Vec<String>) -> Vec<String> {
    let mut kept = BTreeMap::new();
    for message in messages {
        add(message, &mut kept);
    }
    let mut messages: Vec<_> = kept.into_values().collect();
    messages.sort();
    messages
}

/// Keeps the shortest message of each kind.
fn add(message: String, messages: &mut BTreeMap<String, String>) {
    let kept = messages
        .entry(kind(&message))
        .or_insert_with(|| message.clone());
    if (message.len(), &message) < (kept.len(), kept) {
        *kept = message;
    }
}

/// What is wrong, without where: names, numbers and quoted values do not make another kind.
fn kind(message: &str) -> String {
    let problem = message.split_once(": ").map_or(message, |(_, it)| it);
    let problem = problem.split(" (in ").next().unwrap_or_default();
    let quoted = problem.split('"').enumerate();
    let plain = quoted.filter(|(index, _)| index % 2 == 0);
    let words = plain.flat_map(|(_, text)| text.split(' '));
    let words = words.map(|word| match word.contains(['/', '0', '1', '2', '3', '4']) {
        true => "_",
        false => word,
    });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn names_and_values_make_no_kind() {
    let messages = [
        "annotation a.org/x: \"v\" is not valid; expected 12 of a.org/y",
        "annotation a.org/z: \"w w\" is not valid; expected 13 of a.org/w (in spec.template)",
    ];
    assert_eq!(kind(messages[0]), kind(messages[1]));
    assert_ne!(kind(messages[0]), kind("annotation a.org/x: missing"));
}

/// Outcomes of requests that a golden case cannot have: very large ones, ones that are not valid, and another host.
fn outcomes_beyond_golden_cases() -> impl Iterator<Item = Outcome> {
    let paths =
        json!({"restrictions": {"allowedVaultPaths": patterns("**a**a**a**a**a**a**a**a**b")}});
    let functions =
        json!({"restrictions": {"deniedTemplateFunctions": patterns("*a*a*a*a*a*a*a*a*b")}});
    let mounts: Vec<_> = (0..65)
        .map(|number| json!({"name": "x", "mountPath": format!("/{number}")}))
        .collect();
    let variables: Vec<_> = (0..513)
        .map(|number| json!({"name": format!("A{number}"), "value": "vault:secret/app#a"}))
        .collect();
    let deep = (0..130).fold(json!(1), |inner, _| json!([inner]));
    let requests = [
        create(&pod(many("secret-", 2049), json!({})), json!({})),
        create(&pod(many("secret-", 257), json!({})), json!({})),
        create(&pod(many("auth-config-x", 65), json!({})), json!({})),
        create(&pod(many("unknown-", 21), json!({})), json!({})),
        create(
            &pod(
                [("copy-volume-mounts", "app")],
                json!({"volumeMounts": mounts}),
            ),
            json!({}),
        ),
        create(
            &pod([("secrets-path", &*"a".repeat(1020))], json!({})),
            paths,
        ),
        create(
            &pod(
                [(
                    "secrets-template",
                    &*format!("{{{{ {} }}}}", "a".repeat(90)).repeat(1000),
                )],
                json!({}),
            ),
            functions,
        ),
        create(
            &pod(
                [("mode", "proxy")],
                json!({"command": ["a"], "env": variables}),
            ),
            json!({}),
        ),
        create(&pod([("mode", "proxy")], json!({"x": deep})), json!({})),
        create(&with_many_templates(), json!({})),
        update_of_a_large_pod(),
        b"not a request".to_vec(),
    ];
    let answers = requests.map(|request| evaluate(&native(Arc::new(NoImages)), &request));
    let without_command = pod([("on-change", "restart")], json!({"image": "a"}));
    let without_capability = create(&without_command, json!({}));
    let denied = evaluate(&native(Arc::new(NotGranted)), &without_capability);
    answers
        .into_iter()
        .chain([denied])
        .map(|answer| Outcome::of(&answer))
}

/// Annotations whose names differ by a number.
fn many(name: &'static str, count: usize) -> impl Iterator<Item = (String, &'static str)> {
    (0..count).map(move |number| (format!("{name}{number}"), "a"))
}

/// A host that gives the policy no capability, in the words of policy-server.
struct NotGranted;

impl Images for NotGranted {
    fn manifest(&self, _: &str) -> Result<Value, String> {
        Err("the policy has not been granted access".to_owned())
    }

    fn manifest_and_config(&self, image: &str) -> Result<Value, String> {
        self.manifest(image)
    }
}

/// Patterns that take long to compare with.
fn patterns(start: &str) -> Vec<String> {
    (0..100).map(|number| format!("{start}{number}")).collect()
}

/// An annotated pod with a container that has `fields`.
fn pod<N: AsRef<str>>(
    annotations: impl IntoIterator<Item = (N, impl Into<Value>)>,
    mut container: Value,
) -> Value {
    let full = |name: &str| format!("sidecar.vault.talend.org/{name}");
    let given = annotations.into_iter();
    let mut annotations: BTreeMap<_, Value> = given
        .map(|(name, value)| (full(name.as_ref()), value.into()))
        .collect();
    annotations.insert(full("inject"), "true".into());
    annotations.insert(full("role"), "app".into());
    container["name"] = json!("app");
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"annotations": annotations, "labels": {"com.talend.application": "app", "com.talend.service": "api"}},
        "spec": {"containers": [container]},
    })
}

fn with_many_templates() -> Value {
    let template = pod([("mode", "proxy")], json!({}));
    let templates = vec![json!({"template": template}); 21];
    json!({"apiVersion": "example.org/v1", "kind": "Workflow", "metadata": {}, "spec": {"templates": templates}})
}

fn create(object: &Value, settings: Value) -> Vec<u8> {
    support::payload(&support::creation_of(object), &settings)
}

fn update_of_a_large_pod() -> Vec<u8> {
    let containers =
        json!([{"name": "app"}, {"name": "tvsi-vault-agent", "x": "x".repeat(800 * 1024)}]);
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {}, "spec": {"containers": containers}});
    let mut request = support::creation_of(&pod);
    request["operation"] = json!("UPDATE");
    request["oldObject"] = pod;
    support::payload(&request, &json!({}))
}

fn bytes(settings: &Value) -> Vec<u8> {
    settings.to_string().into_bytes()
}

/// What `validate_settings` reports of values that no setting can have, and of settings that contradict each other.
fn problems_of_settings() -> Vec<String> {
    let wrong = |setting: &reference::Setting| match setting.shape {
        Shape::Text | Shape::OneOf(_) => json!("\n"),
        Shape::Whole => json!(-1),
        Shape::Boolean => json!("yes"),
        Shape::List => json!(["\n"]),
        Shape::Section { .. } => json!([]),
    };
    let settings = reference::settings();
    let mut all: Vec<Value> = settings
        .iter()
        .map(|setting| at(&setting.path, wrong(setting)))
        .collect();
    let unknown: BTreeMap<_, _> = (0..21).map(|number| (format!("{number}"), 0)).collect();
    all.extend([
        json!([]),
        json!({"sidecar": "native", "ignoredNamespaces": "a"}),
        json!({"vault": unknown}),
        at("vault.auth.method", json!("github")),
        at(
            "vault.auth.approle",
            json!({"roleIdFile": "a", "secretIdFile": "a"}),
        ),
        at("vault.tls.ca", json!({"key": "a"})),
        at(
            "vault.tls.ca",
            json!({"secretName": "a", "configMapName": "a"}),
        ),
        at(
            "annotations.defaults",
            json!(["roles=a", "favourite-colour=a"]),
        ),
        at("agent.resources", json!({"requests": {"cpu": "2"}})),
        at("securityContext.seccompProfile.type", json!("Localhost")),
    ]);
    let texts = all.iter().map(bytes);
    let texts = texts.chain([
        b"{".to_vec(),
        vec![b' '; 65 * 1024 + 1],
        vec![b'1'; 65 * 1024 + 1],
    ]);
    let problems = texts.flat_map(|text| settings_problems(&text));
    let problems = problems.map(|(path, problem)| match &*path {
        "" => format!("settings: {problem}"),
        path => format!("{path}: {problem}"),
    });
    problems.collect()
}

/// Settings with one value.
fn at(path: &str, value: Value) -> Value {
    let names = path.rsplit('.');
    names.fold(value, |inner, name| json!({name: inner}))
}

/// What a message begins with in the code: the call that takes its text.
const CALLS: [&str; 7] = [
    ".rejected(",
    "reject(",
    "warnings.add(",
    ".add(format!(",
    "fail(",
    ".invalid(",
    "#[error(",
];

/// Messages that no request can get.
const UNREACHABLE: [&str; 1] = ["a defect of the policy: its change does not fit the pod"];

#[test]
fn every_message_in_the_code_is_in_the_file() {
    let mut missing = Vec::new();
    for path in sources(&root().join("src")) {
        let source = fs::read_to_string(&path).expect("a source can be read");
        let source = source.split("#[cfg(test)]").next().unwrap_or_default();
        for call in CALLS {
            for (start, _) in source.match_indices(call) {
                let texts = texts_of_call(&source[start + call.len()..]);
                let texts = texts.into_iter().filter(|text| text.contains(' '));
                missing.extend(
                    texts
                        .filter(|text| !UNREACHABLE.contains(&&**text))
                        .filter(|text| !is_given(text))
                        .map(|text| format!("{}: {text}", path.display())),
                );
            }
        }
    }
    assert!(missing.is_empty(), "no case has {missing:#?}");
}

/// Whether a message has this text, or what is fixed in this format.
fn is_given(text: &str) -> bool {
    let is_there = |part: &str| messages().have(&part.replace("\\\"", "\""));
    is_there(text) || fixed_parts(text).iter().all(|part| is_there(part))
}

fn sources(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("a directory can be read");
    let paths = entries.map(|entry| entry.expect("a directory can be read").path());
    let all = paths.flat_map(|path| match path.is_dir() {
        true => sources(&path),
        false => vec![path],
    });
    all.filter(|path| path.extension().is_some_and(|it| it == "rs"))
        .collect()
}

/// The string literals among the arguments of a call, up to the parenthesis that ends it.
fn texts_of_call(arguments: &str) -> Vec<String> {
    let (mut texts, mut depth, mut rest) = (Vec::new(), 1, arguments);
    while let Some(place) = rest.find(['(', ')', '"', '\'']) {
        let letter = rest[place..].chars().next();
        rest = &rest[place + 1..];
        match letter {
            Some('(') => depth += 1,
            Some(')') => depth -= 1,
            // A quote in a character literal.
            Some('\'') => rest = rest.strip_prefix("\"'").unwrap_or(rest),
            _ => {
                let end = end_of_literal(rest);
                texts.push(rest[..end].to_owned());
                rest = &rest[end + 1..];
            }
        }
        if depth == 0 {
            break;
        }
    }
    texts
}

fn end_of_literal(text: &str) -> usize {
    let mut is_escaped = false;
    let end = text.char_indices().find(|(_, letter)| match letter {
        _ if is_escaped => {
            is_escaped = false;
            false
        }
        '\\' => {
            is_escaped = true;
            false
        }
        letter => *letter == '"',
    });
    end.map_or(text.len(), |(end, _)| end)
}

/// What of a format string is the same in every message.
fn fixed_parts(text: &str) -> Vec<String> {
    let text = text.replace("{{", "\u{1}").replace("}}", "\u{2}");
    let fixed = text
        .split('{')
        .map(|piece| piece.split_once('}').map_or(piece, |(_, fixed)| fixed));
    fixed
        .map(|fixed| fixed.replace('\u{1}', "{").replace('\u{2}', "}"))
        .collect()
}

#[test]
fn texts_are_found_in_calls() {
    let texts = texts_of_call(r#"format!("a {} \"b\"", x), '"') "c""#);
    assert_eq!(texts, [r#"a {} \"b\""#]);
    assert_eq!(fixed_parts("a {x} b {{ c }}"), ["a ", " b { c }"]);
}

/// Phrases that plain English does without ("The words" of CONTRIBUTING.md).
const AVOIDED: [&str; 8] = [
    " is no ",
    " are no ",
    " is told",
    " asks ",
    " but for ",
    " held against",
    " by itself",
    " has to ",
];

#[test]
fn no_message_has_a_phrase_that_is_avoided() {
    for phrase in AVOIDED {
        assert!(!messages().have(phrase), "a message has {phrase:?}");
    }
}
