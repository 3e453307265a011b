//! What comes from elsewhere, such as names, is shown so that no terminal and no CI acts on it.

use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt};

use assert_cmd::Command;
use serde_json::{Value, json};

use crate::{
    guests,
    support::{Directory, json_documents, output_of, vsi, yaml_documents},
};

/// The name has a command of GitHub's logs on a line of its own, clears the screen and sets the window's title.
const POD: &str = r#"
apiVersion: v1
kind: Pod
metadata:
  name: "p\n::stop-commands::x\n\u001b[2J\u001b]0;t\u0007"
  annotations: {sidecar.vault.talend.org/inject: "true"}
spec: {containers: [{name: a, image: b}]}
"#;

/// Commands of a CI's log behind a line break, and what terminals act on.
const HOSTILE: &str = "a\n::error::b\r##[add-mask]c\u{1b}[2J\u{1b}]0;t\u{7}\u{7f}\u{9b}1A\u{202e}d\u{2028}e\u{200b}é 日本";

const HOSTILE_SHOWN: &str = r"a\n::error::b\r\u{23}#[add-mask]c\u{1b}[2J\u{1b}]0;t\u{7}\u{7f}\u{9b}1A\u{202e}d\u{2028}e\u{200b}é 日本";

/// Every character that is not to be seen as it is: control characters, and those that change how others are shown.
fn hostile_characters() -> impl Iterator<Item = char> {
    let ranges = [
        '\u{0}'..='\u{1f}',
        '\u{7f}'..='\u{9f}',
        '\u{ad}'..='\u{ad}',
        '\u{61c}'..='\u{61c}',
        '\u{200b}'..='\u{200f}',
        '\u{2028}'..='\u{202e}',
        '\u{2060}'..='\u{2064}',
        '\u{2066}'..='\u{206f}',
        '\u{feff}'..='\u{feff}',
        '\u{fff9}'..='\u{fffb}',
        '\u{e0001}'..='\u{e0001}',
    ];
    ranges.into_iter().flatten()
}

/// Whether only the ends of lines are such characters.
fn is_printable(text: &str) -> bool {
    !hostile_characters().any(|character| character != '\n' && text.contains(character))
}

/// Runs the command and gives what it writes to standard output and to standard error.
fn written(mut command: Command) -> [String; 2] {
    // Where there are no colours, anstream takes out what it knows of a terminal's commands.
    let output = command.env("CLICOLOR_FORCE", "1").output().unwrap();
    [output.stdout, output.stderr].map(|bytes| {
        let text = String::from_utf8(bytes).unwrap();
        let text = without_colours(&text);
        assert!(is_printable(&text), "{text:?}");
        text
    })
}

/// The same of a command that writes for people, none of whose lines is a command of a CI.
fn shown(command: Command) -> [String; 2] {
    let written = written(command);
    for line in written.iter().flat_map(|text| text.lines()) {
        assert!(!line.trim_start().starts_with("::"), "{line}");
        assert!(!line.contains("##["), "{line}");
    }
    written
}

/// Colours are vsi's own.
fn without_colours(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (numbers, rest) = part.split_once('m').unwrap_or((part, ""));
        let is_colour = |letter: char| letter == ';' || letter.is_ascii_digit();
        assert!(numbers.chars().all(is_colour), "{text:?}");
        plain.push_str(rest);
    }
    plain
}

fn check(directory: &Directory, format: &str, files: &[&OsStr]) -> Command {
    let mut command = directory.vsi(&["check", "-n", HOSTILE, "-o", format, "-f"]);
    command.args(files);
    command
}

/// The results of a log in SARIF.
fn results(sarif: &str) -> Vec<Value> {
    let mut log: Value = serde_json::from_str(sarif).unwrap();
    serde_json::from_value(log["runs"][0]["results"].take()).unwrap()
}

fn uri(result: &Value) -> &str {
    let place = &result["locations"][0]["physicalLocation"];
    place["artifactLocation"]["uri"].as_str().unwrap()
}

#[test]
fn a_name_with_line_breaks_and_escape_sequences_is_one_line() {
    let directory = Directory::with("app.yaml", POD);
    let files = ["app.yaml".as_ref()];
    let name = r"Pod/p\n::stop-commands::x\n\u{1b}[2J\u{1b}]0;t\u{7}";
    let annotation = "sidecar.vault.talend.org/role";
    let message = "missing, and label com.talend.application is missing too; add one of them";

    let text = format!("app.yaml:6: error: document 1, {name}, {annotation}: {message}\n");
    assert_eq!(shown(check(&directory, "text", &files))[0], text);
    let [stdout, stderr] = shown(directory.vsi(&["inject", "-f", "app.yaml"]));
    assert_eq!(stdout, "");
    assert!(stderr.starts_with(&text), "{stderr}");

    let in_title = name.replace(':', "%3A");
    assert_eq!(
        written(check(&directory, "github", &files))[0],
        format!(
            "::error file=app.yaml,line=6,title=document 1%2C {in_title}%2C {annotation}::{message}\n"
        )
    );

    let [sarif, _] = shown(check(&directory, "sarif", &files));
    assert_eq!(
        results(&sarif)[0]["message"]["text"],
        format!("document 1, {name}, {annotation}: {message}")
    );
}

/// Pods with the character in everything that findings repeat.
fn pods_with(character: char) -> Value {
    let text = format!("a{character}::error::b{character}##[add-mask]c");
    let of_ours = |name: &str| format!("sidecar.vault.talend.org/{name}");
    let asking = |name: &str, value: String| {
        json!({"name": "a", "annotations": {
            of_ours("inject"): "true",
            of_ours("role"): "shop",
            of_ours("secrets-path"): "secret/shop",
            of_ours(name): value,
        }})
    };
    let pods = [
        json!({"name": text, "annotations": {of_ours("inject"): "true"}}),
        json!({"generateName": text, "namespace": text, "annotations": {of_ours("inject"): "true"}}),
        json!({"name": "a", "annotations": {of_ours(&text): "b"}}),
        asking(&text, "b".to_owned()),
        asking("mode", text.clone()),
        asking("secrets-template", format!("{{{{ {text} }}}}")),
        asking("secrets-destination", format!("../{text}")),
    ];
    let pods = pods.map(|metadata| {
        let spec = json!({"containers": [{"name": text, "image": "b"}]});
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    });
    json!({"apiVersion": "v1", "kind": "List", "items": pods})
}

#[test]
fn no_character_gets_through_in_any_format() {
    let directory = Directory::new();
    for (index, character) in hostile_characters().enumerate() {
        let in_name = Some(character).filter(|character| *character != '\0');
        let name = String::from_iter(in_name);
        let name = format!("all/{index:03}{name}::error::%,#?.json");
        directory.write(&name, pods_with(character).to_string());
    }
    let files = ["all".as_ref()];

    let [sarif, _] = shown(check(&directory, "sarif", &files));
    let results = results(&sarif);
    let characters = hostile_characters().count();
    assert!(results.len() >= 7 * characters, "{}", results.len());
    for result in &results {
        assert!(is_printable(result["message"]["text"].as_str().unwrap()));
        let uri = uri(result);
        let is_of_uri = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/%".contains(&byte);
        assert!(uri.bytes().all(is_of_uri), "{uri}");
        let decoded = percent_encoding::percent_decode_str(uri);
        let name = decoded.decode_utf8().unwrap();
        assert!(directory.path().join(&*name).is_file(), "{uri}");
    }

    let [text, _] = shown(check(&directory, "text", &files));
    assert_eq!(text.lines().count(), results.len());
    assert!(text.lines().all(|line| line.starts_with("all/")));

    let [github, _] = written(check(&directory, "github", &files));
    assert_eq!(github.lines().count(), results.len());
    for line in github.lines() {
        let (command, message) = line
            .strip_prefix("::")
            .and_then(|rest| rest.split_once("::"))
            .unwrap_or_else(|| panic!("{line}"));
        let (command, properties) = command.split_once(' ').unwrap();
        assert!(["error", "warning"].contains(&command), "{line}");
        // A `:` or a `,` of a name would end the properties or begin another one.
        let names = properties.split(',').map(|it| it.split_once('=').unwrap());
        let names: Vec<_> = names.map(|(name, _)| name).collect();
        assert_eq!(names, ["file", "line", "title"], "{line}");
        assert!(!properties.contains(':'), "{line}");
        assert!(!line.contains("##["), "{line}");
        assert!(!message.is_empty(), "{line}");
    }
}

#[test]
fn letters_of_all_languages_stay_as_they_are() {
    let name = "née-e\u{301}-日本-हिन्दी-🦀 \"x\" it's \\";
    let pod = POD.replace(
        r#""p\n::stop-commands::x\n\u001b[2J\u001b]0;t\u0007""#,
        &json!(name).to_string(),
    );
    let directory = Directory::with("日本.yaml", pod);
    let [text, _] = shown(check(&directory, "text", &["日本.yaml".as_ref()]));
    let expected = format!("日本.yaml:6: error: document 1, Pod/{name}, ");
    assert!(text.starts_with(&expected), "{text}");
}

#[test]
fn an_annotation_is_reported_by_its_whole_name() {
    let name = "sidecar.vault.talend.org/mode\n::error::b c";
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "annotations": {name: "d"}}});
    let directory = Directory::with("app.json", pod.to_string());
    let [text, _] = shown(check(&directory, "text", &["app.json".as_ref()]));
    let place =
        r"app.json:1: warning: document 1, Pod/a, sidecar.vault.talend.org/mode\n::error::b c";
    let message = "has no effect without sidecar.vault.talend.org/inject";
    assert_eq!(text, format!("{place}: {message}\n"));
}

#[test]
fn files_can_have_any_name() {
    let names = [
        (&b"a b%#?.yaml"[..], "a b%#?.yaml", "a%20b%25%23%3F.yaml"),
        (b"caf\xe9\xff.yaml", r"caf\xe9\xff.yaml", "caf%E9%FF.yaml"),
        (
            b"::stop-commands::x",
            r"\u{3a}:stop-commands::x",
            "%3A%3Astop-commands%3A%3Ax",
        ),
        (
            b" ::error ::x",
            r" \u{3a}:error ::x",
            "%20%3A%3Aerror%20%3A%3Ax",
        ),
        (
            b"##[add-mask]x##vso[a]y##z",
            r"\u{23}#[add-mask]x\u{23}#vso[a]y##z",
            "%23%23%5Badd-mask%5Dx%23%23vso%5Ba%5Dy%23%23z",
        ),
        (b":", r"\u{3a}", "%3A"),
        (b"a\n::b\x1b[2J", r"a\n::b\u{1b}[2J", "a%0A%3A%3Ab%1B%5B2J"),
        ("é\u{202e}".as_bytes(), r"é\u{202e}", "%C3%A9%E2%80%AE"),
    ];
    let directory = Directory::new();
    let files = names.map(|(name, ..)| OsStr::from_bytes(name));
    for file in files {
        fs::write(directory.path().join(file), POD).unwrap();
    }
    let [text, _] = shown(check(&directory, "text", &files));
    let [github, _] = written(check(&directory, "github", &files));
    let [sarif, _] = shown(check(&directory, "sarif", &files));
    let results = results(&sarif);
    for count in [text.lines().count(), github.lines().count(), results.len()] {
        assert_eq!(count, names.len());
    }
    for (index, (_, name, expected)) in names.into_iter().enumerate() {
        let line = text.lines().nth(index).unwrap();
        assert!(line.starts_with(&format!("{name}:6: error: ")), "{line}");
        let line = github.lines().nth(index).unwrap();
        let name = name.replace('%', "%25").replace(':', "%3A");
        assert!(
            line.starts_with(&format!("::error file={name},line=6,title=")),
            "{line}"
        );
        assert_eq!(uri(&results[index]), expected);
    }
}

/// A path with two slashes at its beginning would be read as the name of a host.
#[test]
fn an_absolute_path_is_a_path_in_sarif() {
    let directory = Directory::with("app.yaml", POD);
    let path = directory.path().join("app.yaml").display().to_string();
    let [sarif, _] = shown(check(&directory, "sarif", &[format!("/{path}").as_ref()]));
    assert_eq!(uri(&results(&sarif)[0]), path);
}

/// A pod that is injected, with such characters in its names and values.
fn hostile_pod() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": HOSTILE, "annotations": {
            "sidecar.vault.talend.org/inject": "true",
            "sidecar.vault.talend.org/role": "shop",
            "sidecar.vault.talend.org/secrets-path": "secret/shop",
            HOSTILE: "b",
            "example.org/all": hostile_characters().collect::<String>(),
        }},
        "spec": {"containers": [{
            "name": "a",
            "image": "b",
            "args": [HOSTILE, "a\n::stop-commands::x\n##[add-mask]y\n  ::z\nb: ::日本\u{3000}\n"],
        }]},
    })
}

#[test]
fn injected_manifests_have_their_exact_values_in_escapes() {
    let pod = hostile_pod();
    let directory = Directory::with("app.json", pod.to_string());
    let run = |format| {
        let [stdout, stderr] = written(directory.vsi(&["inject", "-f", "app.json", "-o", format]));
        assert_eq!(stderr, "");
        stdout
    };

    let yaml = run("yaml");
    let injected = yaml_documents(&yaml).remove(0);
    let mut expected = pod["metadata"].clone();
    expected["annotations"]["sidecar.vault.talend.org/status"] = json!("injected");
    assert_eq!(injected["metadata"], expected);
    let args = &pod["spec"]["containers"][0]["args"];
    assert_eq!(injected["spec"]["containers"][0]["args"], *args);
    let name =
        r#"name: "a\n::error::b\r##[add-mask]c\e[2J\e]0;t\a\x7F\x9B1A\u202Ed\Le\u200Bé 日本""#;
    assert!(yaml.contains(name), "{yaml}");
    // What can be seen keeps its style.
    assert!(yaml.contains("\n      b: ::日本\u{3000}\n"), "{yaml}");

    assert_eq!(json_documents(&run("json"))[0], injected);
    let patch = json_documents(&run("patch")).remove(0);
    let patch: json_patch::Patch = serde_json::from_value(patch).unwrap();
    let mut patched = pod.clone();
    json_patch::patch(&mut patched, &patch).unwrap();
    assert_eq!(patched, injected);
}

/// JSON can have characters in its texts that YAML has not: among YAML, kubectl could not read it.
#[test]
fn json_that_is_not_yaml_is_written_as_yaml() {
    let readable = "{\"kind\": \"ConfigMap\", \"data\": {\"a\": \"\\u007f\u{202f}\"}}\n";
    let unreadable = "{\"kind\": \"ConfigMap\", \"data\": {\"a\": \"\u{7f}\u{9b}2J\"}}\n";
    let directory = Directory::with("a.json", unreadable);
    directory.write("b.json", readable);
    let output = output_of(directory.vsi(&["inject", "-f", "a.json", "b.json"]));
    let expected = "data:\n  a: \"\\x7F\\x9B2J\"\nkind: ConfigMap\n---\n";
    assert_eq!(output, format!("{expected}{readable}"));
}

/// A request for the object, beside this file.
fn with_request(directory: Directory, object: &Value) -> Directory {
    let request = json!({
        "uid": HOSTILE,
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "operation": "CREATE",
        "userInfo": {},
        "object": object,
    });
    directory.write("request.json", request.to_string());
    directory
}

#[test]
fn differences_are_for_people() {
    let pod = hostile_pod();
    let directory = with_request(Directory::with("a\n::b.json", pod.to_string()), &pod);
    let [inject, _] = shown(directory.vsi(&["inject", "-f", "a\n::b.json", "-o", "diff"]));
    let [diff, _] = shown(directory.vsi(&["diff", "-r", "request.json"]));
    let header = format!("--- a\\n::b.json (Pod/{HOSTILE_SHOWN})\n");
    assert!(inject.contains(&header), "{inject}");
    let header = format!("--- Pod/{HOSTILE_SHOWN} as submitted\n");
    assert!(diff.starts_with(&header), "{diff}");
    for line in [inject, diff].iter().flat_map(|text| text.lines()) {
        // Behind the sign.
        assert!(!line[1..].trim_start().starts_with("::"), "{line}");
    }

    let run = |format| written(directory.vsi(&["diff", "-r", "request.json", "-o", format]));
    let [yaml, _] = run("yaml");
    assert_eq!(yaml_documents(&yaml)[0]["metadata"]["name"], HOSTILE);
    let [patch, _] = run("patch");
    assert!(json_documents(&patch)[0].is_array());
}

#[test]
fn what_a_policy_says_is_one_line() {
    let answer = json!({"accepted": false, "message": HOSTILE, "warnings": [HOSTILE]});
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": HOSTILE}});
    let module = guests::answering(&answer.to_string());
    let directory = with_request(Directory::with("policy.wasm", module), &pod);
    let evaluation = ["policy.wasm", "-r", "request.json"];

    let diff = directory.vsi(&[&["diff"], &evaluation[..]].concat());
    let told = format!("vsi: warning: {HOSTILE_SHOWN}\nvsi: rejected: {HOSTILE_SHOWN}\n");
    assert_eq!(shown(diff), [String::new(), told]);

    directory.write("pod.json", pod.to_string());
    let check = directory.vsi(&["check", "--policy", "policy.wasm", "-f", "pod.json"]);
    let [stdout, _] = shown(check);
    let place = format!("document 1, Pod/{HOSTILE_SHOWN}*: ");
    assert!(stdout.lines().all(|line| line.contains(&place)), "{stdout}");
    assert_eq!(stdout.lines().count(), 2, "{stdout}");

    // An answer for programs.
    let [answer, _] = shown(directory.vsi(&[&["run"], &evaluation[..]].concat()));
    assert_eq!(answer.lines().count(), 1);
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["status"]["message"], HOSTILE);
    assert_eq!(answer["uid"], HOSTILE);

    directory.write("policy.wasm", guests::failing(HOSTILE));
    let [_, stderr] = shown(directory.vsi(&[&["diff"], &evaluation[..]].concat()));
    let failure = format!("Guest call failure: {HOSTILE_SHOWN}\n");
    assert!(stderr.ends_with(&failure), "{stderr}");
    assert_eq!(stderr.lines().count(), 1);
}

#[test]
fn problems_of_settings_are_one_line_each() {
    let directory = Directory::new();
    let file = "::a\n\u{1b}[2J.json";
    let name = r"\u{3a}:a\n\u{1b}[2J.json";
    let policy = |settings| {
        json!({
            "apiVersion": "policies.kubewarden.io/v1",
            "kind": "AdmissionPolicy",
            "metadata": {"name": HOSTILE, "namespace": HOSTILE},
            "spec": {
                "module": "a",
                "settings": settings,
                "matchConditions": [{"expression": "'a/inject' in b"}],
            },
        })
    };
    let settings = json!({
        HOSTILE: HOSTILE,
        "vault": {HOSTILE: 1, "address": HOSTILE},
        "sidecars": HOSTILE,
        "annotations": {"prefix": HOSTILE},
    });
    let of_policy = format!("AdmissionPolicy {HOSTILE_SHOWN}/{HOSTILE_SHOWN}: ");
    for (content, policy, warnings) in [
        (settings.clone(), "", 0),
        (policy(settings), &*of_policy, 2),
    ] {
        directory.write(file, content.to_string());
        let problem = format!("{name}:1: {policy}");
        let [stdout, stderr] = shown(directory.vsi(&["settings", "validate", file]));
        assert!(stdout.lines().count() >= 5, "{stdout}");
        assert!(stdout.lines().all(|line| line.starts_with(&problem)));
        assert!(stdout.contains(&format!("vault.{HOSTILE_SHOWN}: unknown setting")));
        let warning = format!("vsi: warning: {name}: {policy}");
        assert!(stderr.lines().all(|line| line.starts_with(&warning)));
        assert_eq!(stderr.lines().count(), warnings, "{stderr}");
        let [_, shown] = shown(directory.vsi(&["settings", "show", file]));
        assert_eq!(shown, stdout);
    }

    // What a file has instead, and several policies where one is needed.
    let several = [policy(json!({})), policy(json!({}))];
    for content in [
        json!({"apiVersion": HOSTILE, "kind": HOSTILE}),
        json!({"apiVersion": "v1", "kind": "List", "items": several}),
    ] {
        directory.write(file, content.to_string());
        let [_, stderr] = shown(directory.vsi(&["settings", "show", file]));
        assert!(
            stderr.starts_with(&format!("vsi: error: {name} has ")),
            "{stderr}"
        );
        assert!(stderr.contains(HOSTILE_SHOWN), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
    }
}

#[test]
fn effective_settings_have_their_exact_values_in_escapes() {
    let text = format!("{HOSTILE}\u{e0041}");
    let settings = json!({"vault": {"namespace": text}, "imagePullSecrets": [text]});
    let directory = Directory::with("settings.json", settings.to_string());
    // Ours takes no such settings.
    directory.write("policy.wasm", guests::answering("{}"));
    let show = "settings show settings.json --policy policy.wasm -o";
    for format in ["yaml", "json"] {
        let arguments: Vec<_> = show.split(' ').chain([format]).collect();
        let [stdout, stderr] = written(directory.vsi(&arguments));
        assert_eq!(stderr, "");
        let shown = match format {
            "yaml" => yaml_documents(&stdout).remove(0),
            _ => json_documents(&stdout).remove(0),
        };
        assert_eq!(shown["vault"]["namespace"], text);
        assert_eq!(shown["imagePullSecrets"], json!([text]));
    }
}

/// `NAME` stands for the hostile one.
#[test]
fn errors_quote_names_and_paths_in_one_line() {
    let key = r#""a\n::error::b\e[2J""#;
    let directory = Directory::with("twice.yaml", format!("{key}: 1\n{key}: 2\n"));
    directory.write("letter.yaml", "a: \u{202e}\n\u{85}b: @\u{202e}\n");
    directory.write("policy.wasm", guests::answering("{}"));
    fs::create_dir(directory.path().join(HOSTILE)).unwrap();
    for line in [
        "explain NAME",
        "explain ::error::mode",
        "check -f NAME",
        "check -f NAME.yaml",
        "check --policy policy.wasm -f twice.yaml letter.yaml",
        "check -f twice.yaml --settings NAME",
        "check -f twice.yaml --policy NAME",
        "check -f twice.yaml --policy NAME://a",
        "check -f twice.yaml --policy file://NAME",
        "inject --policy policy.wasm -f twice.yaml",
        "settings validate --policy policy.wasm twice.yaml",
        "settings validate NAME",
        "settings show NAME",
        "run NAME -r a",
        "run policy.wasm -r NAME",
        "run policy.wasm -r a -s NAME",
        "diff policy.wasm -r NAME",
        // Mistakes in the command line.
        "NAME",
        "::error::check",
        "check --NAME",
        "check -f a -o NAME",
        "check -f a --output=yamlNAME",
        "completions NAME",
        "explain --outputNAME",
        "settings showNAME",
    ] {
        let words = line.split(' ').map(|word| word.replace("NAME", HOSTILE));
        let words: Vec<_> = words.collect();
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let [stdout, stderr] = shown(directory.vsi(&words));
        let told = stdout + &stderr;
        let is_told = told.contains(r"\n::error::b") || told.contains(r"\u{3a}:error::");
        assert!(is_told, "{line}: {told}");
    }
}

#[test]
fn arguments_that_are_not_text_are_reported() {
    let name = OsStr::from_bytes(b"caf\xe9\x1b[2J.yaml");
    let mut check = vsi(&["check", "-f"]);
    check.arg(name);
    let [_, stderr] = shown(check);
    let told = r"vsi: error: cannot read the manifests caf\xe9\u{1b}[2J.yaml: No such file";
    assert!(stderr.starts_with(told), "{stderr}");
    let mut explain = vsi(&["explain"]);
    explain.arg(name).assert().code(2);
    shown(explain);
}
