//! What the policy says of templates and paths is compared with the programs that read them in the end: Go's
//! template parser, Go's reading of URLs and files, and Consul Template itself.
//!
//! On a machine without Go or Consul Template, the tests that need it report that they were left out.

#[path = "oracles/consul_template.rs"]
mod consul_template;
#[path = "oracles/formats.rs"]
mod formats;
#[path = "oracles/go.rs"]
mod go;
#[path = "oracles/references.rs"]
mod references;
mod support;
#[path = "oracles/texts.rs"]
mod texts;
#[path = "oracles/vault.rs"]
mod vault;

use std::cell::Cell;
use std::collections::BTreeSet;

use consul_template::{ConsulTemplate, Fate};
use go::Go;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use support::templates::{INVALID, VALID};
use support::{creation_of, evaluate_natively, payload};
use texts::list;
use vault::{MOUNT_OF, Vault, Version, unescaped};

/// Mistakes that are left to Go, where the pod runs: an example of each, and how Go's message begins. They are
/// in what one action says; none comes from text that was cut off or pasted twice.
const LEFT_TO_GO: &[(&str, &str)] = &[
    ("{{ $x }}", "undefined variable "),
    ("{{ .a = 1 }}", "unexpected \""),
    ("{{ define x }}{{ end }}", "unexpected \""),
    ("{{ block . }}{{ end }}", "unexpected <.>"),
    ("{{ template nil }}", "unexpected <nil>"),
    ("{{ if }}{{ end }}", "missing value for "),
    ("{{ len | 1 }}", "non executable command in pipeline stage "),
    ("{{ \"x\".b }}", "unexpected . after term "),
    (
        "{{ range $x, 1 }}{{ end }}",
        "range can only initialize variables",
    ),
    ("{{ $x, $y := .a }}", "too many declarations in "),
    (
        "{{ define \"a\" }}x{{ end }}{{ define \"a\" }}y{{ end }}",
        "template: multiple definition of template ",
    ),
    ("{{ \"\\q\" }}", "invalid syntax"),
    ("{{ 'ab' }}", "malformed character constant: "),
    ("{{ 0x }}", "illegal number syntax: "),
    ("{{ 0x1+2i }}", "strconv.ParseFloat: parsing "),
    ("{{ 1+i }}", "syntax error scanning complex number"),
    ("{{ 09 }}", "integer overflow: "),
];

/// Contexts in which a word is not such a mistake: it is one behind a keyword that stands alone.
const STAND_ALONE: [&str; 4] = [" in end", " in else", " in {{break}}", " in {{continue}}"];

/// Signs that no action has: Go's lexer takes them, and its parser none.
const NO_SIGNS: &str = "!#%&*/;<>?@[\\]^{}~";

/// Messages about letters that Rust counts as part of words and Go does not, in front of the letter's number.
const OF_LETTERS: [&str; 2] = ["bad character U+", "unrecognized character in action: U+"];

/// Whether the policy means to let a template through that Go rejects with `message`.
fn is_left_to_go(message: &str) -> bool {
    let mut left = LEFT_TO_GO.iter();
    if left.any(|(_, start)| message.starts_with(start)) {
        let is_no_sign = NO_SIGNS.chars().any(|sign| {
            // Go quotes them as Rust does.
            message.starts_with(&format!("unexpected {:?} in ", sign.to_string()))
        });
        return !is_no_sign && !STAND_ALONE.iter().any(|context| message.ends_with(context));
    }
    let mut letters = OF_LETTERS.iter();
    letters.any(|start| {
        let number = message
            .strip_prefix(start)
            .and_then(|rest| rest.split(' ').next());
        let letter =
            number.and_then(|number| char::from_u32(u32::from_str_radix(number, 16).ok()?));
        letter.is_some_and(|letter| !letter.is_ascii() && letter.is_alphanumeric())
    })
}

/// What the policy says of one template.
#[derive(Debug)]
enum Verdict {
    /// With the template as Consul Template gets it.
    Taken(String),
    /// For its syntax, with the message.
    Rejected(String),
    /// For something else.
    Other,
}

fn verdict(template: &str) -> Verdict {
    verdict_between(template, None, None)
}

/// The same of a template with other delimiters.
fn verdict_between(template: &str, left: Option<&str>, right: Option<&str>) -> Verdict {
    let mut annotations = vec![("secrets-template", template)];
    annotations.extend(left.map(|left| ("template-left-delimiter", left)));
    annotations.extend(right.map(|right| ("template-right-delimiter", right)));
    let answer = answer(&annotations);
    match &answer["mutated_object"] {
        Value::Null => {
            let message = answer["message"].as_str().unwrap_or_default();
            match message
                .contains("secrets-template: the template for \"secrets.properties\", line ")
                && !message.contains(" is denied by ")
            {
                true => Verdict::Rejected(message.to_owned()),
                false => Verdict::Other,
            }
        }
        pod => Verdict::Taken(templates(pod).remove(0)),
    }
}

/// The policy's answer to a pod with these annotations, and with what every pod needs.
fn answer(annotations: &[(&str, &str)]) -> Value {
    answer_with_labels(annotations, "app", "svc")
}

/// The same with the labels that the path comes from where no annotation has it.
fn answer_with_labels(annotations: &[(&str, &str)], application: &str, service: &str) -> Value {
    let mut all = json!({
        "sidecar.vault.talend.org/inject": "true",
        "sidecar.vault.talend.org/role": "app",
    });
    for (name, value) in annotations {
        all[format!("sidecar.vault.talend.org/{name}")] = json!(value);
    }
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "app", "namespace": "team", "annotations": all, "labels": {
            "com.talend.application": application,
            "com.talend.service": service,
        }},
        "spec": {"containers": [{
            "name": "app",
            "image": "registry.example.org/app:1.0",
            "command": ["/bin/app"],
        }]},
    });
    evaluate_natively(&payload(&creation_of(&pod), &json!({})))
}

/// The pod, if it is injected; it is rejected with code 422 otherwise.
fn injected(annotations: &[(&str, &str)]) -> Option<Value> {
    injected_pod(answer(annotations))
}

fn injected_pod(mut answer: Value) -> Option<Value> {
    match answer["mutated_object"].take() {
        Value::Null => {
            assert_eq!(answer["code"], 422, "{answer}");
            None
        }
        pod => Some(pod),
    }
}

/// What Consul Template is configured with, after Kubernetes has made `$` of `$$`.
fn configuration(pod: &Value) -> Value {
    configuration_in(pod, "TVSI_CONSUL_TEMPLATE_CONFIG")
}

/// A program's configuration in this variable.
fn configuration_in(pod: &Value, name: &str) -> Value {
    let lists = ["initContainers", "containers"];
    let containers = lists.map(|list| pod["spec"][list].as_array());
    let text = containers
        .into_iter()
        .flatten()
        .flatten()
        .flat_map(|container| container["env"].as_array().into_iter().flatten())
        .find(|variable| variable["name"] == name)
        .and_then(|variable| variable["value"].as_str())
        .unwrap_or_else(|| panic!("there is no {name}"));
    serde_json::from_str(&text.replace("$$", "$")).expect("it is JSON")
}

/// The templates that Consul Template gets.
fn templates(pod: &Value) -> Vec<String> {
    let configuration = configuration(pod);
    let files = configuration["template"].as_array();
    files
        .into_iter()
        .flatten()
        .map(|file| file["contents"].as_str().expect("a template is text"))
        .map(str::to_owned)
        .collect()
}

/// The most cases that any property here is tried with.
const CASES: u32 = 4000;

/// Tries a property with that many cases. With PROPTEST_CASES instead of [`CASES`], others change as much.
fn for_all<S: Strategy>(
    cases: u32,
    strategy: S,
    property: impl Fn(S::Value) -> Result<(), TestCaseError>,
) {
    let cases = match std::env::var_os("PROPTEST_CASES") {
        Some(_) => {
            (Config::default().cases as usize * cases as usize).div_ceil(CASES as usize) as u32
        }
        None => cases,
    };
    let config = Config {
        failure_persistence: None,
        max_shrink_time: 10_000,
        ..Config::with_cases(cases)
    };
    if let Err(failure) = TestRunner::new(config).run(&strategy, property) {
        panic!("{failure}");
    }
}

/// Go, where it is; the test is left out otherwise.
fn go() -> Option<&'static Go> {
    let go = Go::find();
    if go.is_none() {
        println!("left out: there is no go");
    }
    go
}

/// Consul Template, likewise.
fn consul_template() -> Option<ConsulTemplate> {
    if !is_on_path("consul-template") {
        println!("left out: there is no consul-template");
        return None;
    }
    Some(ConsulTemplate::new())
}

fn is_on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

/// How many of the cases had each of two outcomes, which both must be frequent.
#[derive(Default)]
struct Count {
    taken: Cell<usize>,
    rejected: Cell<usize>,
}

impl Count {
    fn add(&self, is_taken: bool) {
        let counter = if is_taken {
            &self.taken
        } else {
            &self.rejected
        };
        counter.set(counter.get() + 1);
    }

    fn check(&self) {
        let (taken, rejected) = (self.taken.get(), self.rejected.get());
        println!("{taken} taken, {rejected} rejected");
        let all = taken + rejected;
        // Of a few, chance decides.
        assert!(
            all < 100 || taken.min(rejected) * 10 > all,
            "{taken} taken, {rejected} rejected"
        );
    }
}

mod templates_of_go {
    use super::*;

    #[test]
    fn the_examples_are_what_they_are_said_to_be() {
        let Some(go) = go() else { return };
        for (what, template) in VALID {
            assert_eq!(go.rejection(template), None, "{what}");
        }
        for (template, ..) in INVALID {
            assert!(go.rejection(template).is_some(), "{template}");
        }
    }

    #[test]
    fn what_is_left_to_go_is_rejected_by_it_alone() {
        let Some(go) = go() else { return };
        for (template, message) in LEFT_TO_GO {
            assert!(matches!(verdict(template), Verdict::Taken(_)), "{template}");
            let rejection = go.rejection(template).unwrap_or_default();
            assert!(rejection.starts_with(message), "{template}: {rejection}");
            assert!(is_left_to_go(&rejection), "{template}: {rejection}");
        }
        for (template, _, problem) in INVALID {
            let rejection = go.rejection(template).unwrap_or_default();
            // Of nothing, Go says what it says of half a value.
            let is_left = is_left_to_go(&rejection) && !problem.ends_with("with nothing in it");
            assert!(!is_left, "{template}: {rejection}");
        }
    }

    #[test]
    fn the_policy_refuses_what_go_refuses_and_nothing_else() {
        let Some(go) = go() else { return };
        let count = Count::default();
        for_all(CASES, texts::template(), |template| {
            match verdict(&template) {
                Verdict::Taken(contents) => {
                    count.add(true);
                    let rejection = go.rejection(&contents);
                    let is_same = rejection.as_deref().is_none_or(is_left_to_go);
                    prop_assert!(
                        is_same,
                        "{:?} is taken, and Go says: {:?}",
                        contents,
                        rejection
                    );
                }
                Verdict::Rejected(message) => {
                    count.add(false);
                    let rejection = go.rejection(&template);
                    prop_assert!(rejection.is_some(), "Go takes {:?}: {}", template, message);
                }
                Verdict::Other => {}
            }
            Ok(())
        });
        count.check();
    }
}

mod delimiters_of_go {
    use super::*;

    /// What actions can begin or end with: what people take, what is in braces already, and any other.
    fn delimiter() -> impl Strategy<Value = Option<String>> {
        prop_oneof![
            2 => Just(None),
            4 => select(list("[[¦]]¦<%¦%>¦<<¦>>¦{{{¦}}}¦@@¦#{¦}#¦<!¦!>")).prop_map(|it| Some(it.to_owned())),
            2 => select(list(":=¦==¦{{¦}}¦}{¦=}¦::¦++")).prop_map(|it| Some(it.to_owned())),
            2 => "[!#%&+:;<=>?@\\[\\]^{}~]{2,8}".prop_map(Some),
        ]
    }

    #[test]
    fn the_policy_refuses_what_go_refuses_with_any_delimiters() {
        let Some(go) = go() else { return };
        let count = Count::default();
        let cases = (texts::template(), delimiter(), delimiter());
        for_all(CASES, cases, |(template, left, right)| {
            let (left, right) = (left.as_deref(), right.as_deref());
            let template = template
                .replace("{{", left.unwrap_or("{{"))
                .replace("}}", right.unwrap_or("}}"));
            match verdict_between(&template, left, right) {
                Verdict::Taken(contents) => {
                    count.add(true);
                    let rejection = go.rejection_between(&contents, left, right);
                    let is_same = rejection.as_deref().is_none_or(is_left_to_go);
                    prop_assert!(
                        is_same,
                        "{:?} is taken between {:?} and {:?}, and Go says: {:?}",
                        contents,
                        left,
                        right,
                        rejection
                    );
                }
                Verdict::Rejected(message) => {
                    count.add(false);
                    let rejection = go.rejection_between(&template, left, right);
                    prop_assert!(
                        rejection.is_some(),
                        "Go takes {:?} between {:?} and {:?}: {}",
                        template,
                        left,
                        right,
                        message
                    );
                }
                Verdict::Other => {}
            }
            Ok(())
        });
        count.check();
    }

    #[test]
    fn the_examples_mean_the_same_between_other_delimiters() {
        let Some(go) = go() else { return };
        let (left, right) = (Some("[["), Some("]]"));
        let other = |template: &str| template.replace("{{", "[[").replace("}}", "]]");
        for (what, template) in VALID {
            let template = other(template);
            assert_eq!(go.rejection_between(&template, left, right), None, "{what}");
            let verdict = verdict_between(&template, left, right);
            assert!(matches!(verdict, Verdict::Taken(_)), "{what}: {verdict:?}");
        }
        for (template, ..) in INVALID {
            let template = other(template);
            let rejection = go.rejection_between(&template, left, right);
            assert!(rejection.is_some(), "{template}");
            let verdict = verdict_between(&template, left, right);
            assert!(matches!(verdict, Verdict::Rejected(_)), "{template}");
        }
    }
}

mod paths_of_go {
    use super::*;

    /// Paths that Go reads as another one, or as more than a path.
    const READ_AS_ANOTHER: &str = "\
        kv/%2e%2e/app¦kv/a%20b¦kv/app?version=2¦kv/app?¦kv/app#x¦kv:app¦http://host/kv/app¦//host/app¦/kv/app¦\
        kv/app/¦kv//app¦kv/./app¦kv/../app¦..¦ kv¦kv/app\u{a0}¦kv/%¦kv/a\u{200b}b¦kv/a\u{a0}b¦kv/\u{e000}";

    /// Why Go reads what the policy's own template has as something else than `path`, or as more.
    fn misreading(go: &Go, path: &str, template: &str) -> Option<String> {
        let read = go.path_of_secret(template);
        let differences = read.differences.unwrap_or_default();
        match read.path == path && differences.is_empty() && read.unprintable.is_empty() {
            true => None,
            false => Some(format!(
                "{path:?}: the template has {:?}, and {differences:?}; not printed: {:?}",
                read.path, read.unprintable
            )),
        }
    }

    #[test]
    fn every_path_that_is_taken_is_read_as_it_is_written() {
        let Some(go) = go() else { return };
        let count = Count::default();
        for_all(1500, vec(texts::path(), 1..3), |paths| {
            let destinations = ["a", "b"][..paths.len()].join(",");
            let pod = injected(&[
                ("secrets-path", &paths.join(",")),
                ("secrets-destination", &destinations),
            ]);
            count.add(pod.is_some());
            for (path, template) in paths.iter().zip(pod.iter().flat_map(templates)) {
                prop_assert_eq!(misreading(go, path.trim(), &template), None);
            }
            Ok(())
        });
        count.check();
    }

    #[test]
    fn a_path_of_labels_is_read_as_they_are_written() {
        let Some(go) = go() else { return };
        let count = Count::default();
        for_all(
            500,
            (texts::label(), texts::label()),
            |(application, service)| {
                let pod = injected_pod(answer_with_labels(&[], &application, &service));
                count.add(pod.is_some());
                let path = format!("secret/{application}/{service}");
                let templates = pod.iter().flat_map(templates);
                let mut wrong = templates.filter_map(|template| misreading(go, &path, &template));
                prop_assert_eq!(wrong.next(), None);
                Ok(())
            },
        );
        count.check();
    }

    /// Whether Go prints a letter depends on its Unicode, which may be older than ours: a letter that it does
    /// not know at all is not one that it knows as something else.
    #[test]
    fn every_letter_and_digit_of_a_path_is_printed() {
        let Some(go) = go() else { return };
        let letters: Vec<_> = ('\u{80}'..=char::MAX)
            .filter(|letter| letter.is_alphanumeric())
            .collect();
        let mut unknown = 0;
        for some in letters.chunks(200) {
            let path = format!("kv/{}", String::from_iter(some));
            let pod = injected(&[("secrets-path", &path)]);
            let pod = pod.unwrap_or_else(|| panic!("{path} is rejected"));
            assert_eq!(misreading(go, &path, &templates(&pod)[0]), None);
            unknown += go.letters(&path).unknown.chars().count();
        }
        println!(
            "{} letters, of which this Go does not know {unknown}",
            letters.len()
        );
    }

    #[test]
    fn a_path_that_is_read_as_another_is_reported() {
        let Some(go) = go() else { return };
        for path in list(READ_AS_ANOTHER) {
            let template = format!("{{{{ with secret `{path}` }}}}{{{{ end }}}}");
            assert!(misreading(go, path, &template).is_some(), "{path:?}");
        }
    }
}

mod paths_of_secrets {
    use super::*;

    /// Paths that are what they look like.
    const NEAR: &str = "\
        kv¦kv/a b¦kv/a  b¦kv/é¦é/app¦kv/a.b¦kv/..a¦kv/a..¦kv/...¦kv/.a¦kv/a.¦kv/a:b¦kv/:¦kv/a/b:¦kv/_-@+=¦_-@+=¦\
        kv/data/app¦kv/名前/٣¦kv/~¦kv/&¦kv/a;b¦kv/*¦kv/$(HOME)¦kv/\"¦kv/{{ . }}¦kv/`";

    /// Paths that a program could read as another one, or as more than a path.
    const NOT_PLAIN: &str = "\
        /kv¦kv/¦kv//app¦/¦//¦kv/.¦kv/..¦kv/./app¦kv/../app¦.¦..¦../app¦kv/%2e%2e/app¦kv/%¦kv/app?¦\
        kv/app?version=2¦?¦kv/app#¦#¦kv:app¦:¦kv:/app¦http://host/kv¦kv/a\tb¦kv/a\nb¦kv/a\0¦kv/a\u{7f}b¦\
        kv/a\u{85}b¦kv/a\u{a0}b¦kv/a\u{3000}b¦kv/a\u{200b}¦kv/\u{202e}a¦kv/\u{feff}¦kv/a\u{2028}b¦kv\u{ff0f}app¦\
        kv/a\u{2044}b¦kv/\u{ff05}2e¦kv/\u{ff0e}\u{ff0e}/a¦kv/e\u{301}¦kv/\u{e000}¦kv/\u{fffd}¦kv/😀";

    #[test]
    fn a_plain_path_is_taken() {
        for_all(1000, texts::plain_path(), |path| {
            let answer = answer(&[("secrets-path", &path)]);
            prop_assert!(answer["mutated_object"].is_object(), "{}", answer);
            Ok(())
        });
    }

    #[test]
    fn what_comes_near_another_path_is_taken() {
        for path in list(NEAR) {
            assert!(injected(&[("secrets-path", path)]).is_some(), "{path}");
        }
    }

    #[test]
    fn what_is_not_plain_is_rejected() {
        for path in list(NOT_PLAIN) {
            for paths in [
                path.to_owned(),
                format!("{path},kv/b"),
                format!("kv/a, {path}"),
            ] {
                let count = paths.split(',').count();
                let destinations = ["a", "b"][..count].join(",");
                let pod = injected(&[
                    ("secrets-path", &paths),
                    ("secrets-destination", &destinations),
                ]);
                assert!(pod.is_none(), "{paths:?}");
            }
        }
    }
}

mod paths_of_files {
    use super::*;

    #[test]
    fn every_path_that_is_taken_is_in_its_shortest_form() {
        let Some(go) = go() else { return };
        let count = Count::default();
        let annotation = select(vec![
            "secrets-destination",
            "secrets-mount-path",
            "sa-token",
        ]);
        for_all(1500, (annotation, texts::path()), |(annotation, path)| {
            let path = match annotation {
                "secrets-destination" => path,
                _ => format!("/run/{path}"),
            };
            let pod = injected(&[(annotation, &path)]);
            count.add(pod.is_some());
            let Some(pod) = pod else { return Ok(()) };
            prop_assert_eq!(&go.clean(path.trim()), path.trim());
            let destination = &configuration(&pod)["template"][0]["destination"];
            let destination = destination.as_str().expect("a path is text");
            prop_assert_eq!(&go.clean(destination), destination);
            if annotation == "secrets-destination" {
                prop_assert!(destination.ends_with(path.trim()), "{}", destination);
            }
            Ok(())
        });
        count.check();
    }

    #[test]
    fn a_path_that_is_not_in_its_shortest_form_is_reported() {
        let Some(go) = go() else { return };
        for file in ["/a/../b", "/a/./b", "/a//b", "/a/"] {
            assert_ne!(go.clean(file), file);
        }
    }
}

mod consul_template_itself {
    use super::*;

    /// What a secret's path becomes in the request for it.
    fn expected(path: &str, version: Version, mount: &str) -> String {
        let below = path
            .strip_prefix(mount)
            .and_then(|rest| rest.strip_prefix('/'));
        // These are written as KV version 2 has them.
        let is_whole = below.is_some_and(|below| {
            ["data/", "metadata/", "subkeys/"]
                .iter()
                .any(|known| below.starts_with(known))
        });
        match (version, below) {
            (Version::Two, None) => format!("/v1/{mount}/data"),
            (Version::Two, Some(below)) if !is_whole => format!("/v1/{mount}/data/{below}"),
            _ => format!("/v1/{path}"),
        }
    }

    /// Reads `paths` by `configuration` from a mount, and returns what is wrong with the requests.
    fn misread(
        program: &ConsulTemplate,
        configuration: &Value,
        paths: &[String],
        version: Version,
        mount: &'static str,
    ) -> Option<String> {
        let vault = Vault::start(version, mount);
        let files = program.render(configuration, &vault.address);
        let asked: BTreeSet<_> = vault
            .targets()
            .iter()
            .map(|target| unescaped(target))
            .collect();
        let mut wanted = BTreeSet::new();
        for path in paths {
            wanted.insert(format!("{MOUNT_OF}{path}"));
            wanted.insert(expected(path, version, mount));
        }
        if asked != wanted {
            let amiss: Vec<_> = asked.symmetric_difference(&wanted).collect();
            return Some(format!("requested or not, unlike what is right: {amiss:?}"));
        }
        let contents = paths
            .iter()
            .map(|path| format!("path={}\n", expected(path, version, mount)));
        let mut pairs = files.iter().zip(contents);
        pairs
            .find(|(file, content)| *file != content)
            .map(|pair| format!("{pair:?}"))
    }

    fn destinations(count: usize) -> String {
        let names: Vec<_> = (0..count).map(|index| index.to_string()).collect();
        names.join(",")
    }

    #[test]
    fn it_requests_each_path_as_it_is_written() {
        let Some(program) = consul_template() else {
            return;
        };
        for (version, mount) in [
            (Version::One, "kv"),
            (Version::Two, "kv"),
            (Version::Two, "kv/a b"),
        ] {
            let paths = vec(texts::plain_path(), 40..60);
            for_all(2, paths, |mut paths| {
                for path in &mut paths {
                    *path = format!("{mount}/{path}");
                }
                paths.push(mount.to_owned());
                let pod = injected(&[
                    ("secrets-path", &paths.join(",")),
                    ("secrets-destination", &destinations(paths.len())),
                ]);
                let pod = pod.expect("plain paths are taken");
                let wrong = misread(&program, &configuration(&pod), &paths, version, mount);
                prop_assert_eq!(wrong, None, "{:?} at {:?}", version, mount);
                Ok(())
            });
        }
    }

    #[test]
    fn a_request_for_another_path_is_reported() {
        let Some(program) = consul_template() else {
            return;
        };
        let pod = injected(&[("secrets-path", "kv/app")]).expect("the path is plain");
        let good = configuration(&pod);
        for path in [
            "kv/%2e%2e/kv/app",
            "kv//app",
            "kv/app/",
            "kv/./app",
            "kv/app#x",
            "kv/a%20b",
        ] {
            let paths = [path.to_owned()];
            let text = good.to_string().replace("kv/app", path);
            let configuration = serde_json::from_str(&text).expect("it is JSON");
            let wrong = misread(&program, &configuration, &paths, Version::One, "kv");
            assert!(wrong.is_some(), "{path}");
        }
    }

    #[test]
    fn it_parses_what_the_policy_takes_and_nothing_that_it_refuses() {
        let Some(program) = consul_template() else {
            return;
        };
        let pod = injected(&[("secrets-template", "x")]).expect("text is a template");
        let configuration = configuration(&pod);
        let count = Count::default();
        for_all(3, vec(texts::template(), 300), |templates| {
            let mut texts = Vec::new();
            let mut verdicts = Vec::new();
            for template in BTreeSet::from_iter(templates) {
                let verdict = verdict(&template);
                let text = match &verdict {
                    Verdict::Taken(contents) => contents.clone(),
                    Verdict::Rejected(_) => template,
                    Verdict::Other => continue,
                };
                if !texts.contains(&text) {
                    count.add(matches!(verdict, Verdict::Taken(_)));
                    texts.push(text);
                    verdicts.push(verdict);
                }
            }
            let fates = program.parse(&configuration, &texts);
            for ((text, verdict), fate) in texts.iter().zip(verdicts).zip(fates) {
                let is_same = match (&verdict, &fate) {
                    (Verdict::Rejected(_), Fate::Rejected(_)) => true,
                    (Verdict::Taken(_), Fate::Parsed) => true,
                    (Verdict::Taken(_), Fate::Rejected(reason)) => {
                        is_left_to_go(reason) || reason.ends_with(" not defined")
                    }
                    _ => false,
                };
                prop_assert!(is_same, "{:?}: {:?}, {:?}", text, verdict, fate);
            }
            Ok(())
        });
        count.check();
    }

    /// Its configuration goes through HCL's parser, which has ideas of its own about JSON.
    #[test]
    fn text_arrives_as_it_was_written() {
        let Some(program) = consul_template() else {
            return;
        };
        for_all(3, vec(texts::text(), 60), |texts| {
            let texts: Vec<_> = BTreeSet::from_iter(texts).into_iter().collect();
            let pod = injected(&[
                ("secrets-template", &texts.join("\n---\n")),
                ("secrets-destination", &destinations(texts.len())),
            ]);
            let pod = pod.expect("text is a template");
            let files = program.render(&configuration(&pod), "");
            for (text, file) in texts.iter().zip(files) {
                prop_assert_eq!(file.trim_end_matches('\n'), text.trim_end_matches('\n'));
            }
            Ok(())
        });
    }
}
