//! Whether the policy answers as it did before it was built anew: `tests/net/README.md`.

use std::fs;

use policy_host::service_account::mount_token;
use policy_host::{Guest, Policy};
use serde_json::{Map, Value, json};

use super::additions;
use super::case::any_object;
use super::runner::examples;
use super::support::{creation_of, payload, read_yaml, root};

/// How many requests are generated.
const GENERATED: usize = 5_000;

struct Net {
    before: Policy,
    /// Scripts by what stands for them, as they were and as they are.
    scripts: Vec<(String, String)>,
    differences: Vec<String>,
    injected: usize,
}

impl Net {
    fn new() -> Self {
        let directory = root().join("tests/net");
        let module = fs::read(directory.join("before.wasm")).unwrap();
        let mut scripts = Vec::new();
        for file in fs::read_dir(directory.join("scripts")).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let mark = format!("<{name}>");
            scripts.push((fs::read_to_string(&path).unwrap(), mark.clone()));
        }
        for (name, text) in additions::named_scripts() {
            scripts.push((text.clone(), format!("<{name}>")));
        }
        Net {
            before: Policy::from_bytes(&module).unwrap(),
            scripts,
            differences: Vec::new(),
            injected: 0,
        }
    }

    fn compare(&mut self, name: &str, payload: &[u8]) {
        let before = self.before.call_validate(payload).unwrap();
        let now = vault_sidecar_injector::validate(payload).unwrap();
        let said = String::from_utf8_lossy(&before[..before.len().min(300)]).into_owned();
        let before = self.comparable(&before);
        let now = self.comparable(&now);
        self.injected += usize::from(now["mutated_object"].is_object());
        if before != now {
            let difference =
                policy_host::diff::plain(&before, &now, ("before", "now")).unwrap_or_default();
            self.differences.push(format!(
                "{name}: {said}\n{}\n{}",
                String::from_utf8_lossy(&payload[..payload.len().min(3000)]),
                difference.unwrap_or_default()
            ));
        }
    }

    /// An answer without what may change.
    fn comparable(&self, answer: &[u8]) -> Value {
        let mut answer: Value = serde_json::from_slice(answer).unwrap();
        if let Some(warnings) = answer.get_mut("warnings") {
            *warnings = json!(warnings.as_array().unwrap().len());
        }
        if let Some(message) = answer.get_mut("message") {
            *message = json!("text");
        }
        self.without_scripts(&mut answer);
        answer
    }

    fn without_scripts(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                for (script, mark) in &self.scripts {
                    if *text == script.replace('$', "$$") {
                        *text = format!("{mark} doubled");
                    } else if text == script {
                        text.clone_from(mark);
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.without_scripts(item)),
            Value::Object(members) => {
                let name = members.get("name").and_then(Value::as_str);
                let is_config = name.is_some_and(|name| name.ends_with("_CONFIG"));
                if is_config && let Some(config) = members.get("value").and_then(Value::as_str) {
                    let config = serde_json::from_str(&config.replace("$$", "$")).unwrap();
                    members.insert("value".to_owned(), config);
                }
                members
                    .values_mut()
                    .for_each(|member| self.without_scripts(member));
                if members.get("command").is_some_and(runs_the_shared_script) {
                    give_own_script(members);
                }
            }
            _ => {}
        }
    }

    fn finish(self, least: usize) {
        let count = self.differences.len();
        let first: Vec<_> = self.differences.into_iter().take(3).collect();
        assert!(count == 0, "{count} answers differ\n{}", first.join("\n"));
        assert!(
            self.injected >= least,
            "only {} were injected",
            self.injected
        );
    }
}

/// What was the script of both agents and of Consul Template.
const SHARED_SCRIPT: &str = "<sidecar.sh> doubled";

fn runs_the_shared_script(command: &Value) -> bool {
    command[2] == SHARED_SCRIPT
}

/// Gives a container that had the shared script its own one, with the arguments that mean the same to it.
fn give_own_script(container: &mut Map<String, Value>) {
    let arguments: Vec<String> = serde_json::from_value(container["args"].take()).unwrap();
    let [role, grace, signal, token, program @ ..] = &arguments[..] else {
        panic!("{arguments:?}");
    };
    let (script, mut own) = match (&**role, &**grace, &**signal, &*program.join(" ")) {
        ("agent", grace, _, "vault agent -config /dev/stdin") => {
            ("agent.sh", vec![&**token, grace])
        }
        ("agent-init", "0", "", "vault agent -config /dev/stdin") => {
            ("agent-init.sh", vec![&**token])
        }
        ("consul-template", "0", _, "consul-template -config /dev/fd/3") => {
            ("consul-template.sh", vec![&**token])
        }
        _ => panic!("{arguments:?}"),
    };
    own.extend(Some(&**signal).filter(|signal| !signal.is_empty()));
    container["args"] = json!(own);
    container["command"][2] = json!(format!("<{script}> doubled"));
}

#[test]
fn golden_cases_are_answered_as_before() {
    let mut net = Net::new();
    let cases = fs::read_to_string(root().join("tests/net/cases.jsonl")).unwrap();
    for case in cases.lines() {
        let (name, payload) = case.split_once('\t').unwrap();
        net.compare(name, payload.as_bytes());
    }
    net.finish(200);
}

#[test]
fn samples_are_answered_as_before() {
    let mut net = Net::new();
    for file in fs::read_dir(root().join("deploy/samples")).unwrap() {
        let path = file.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        for document in text.split("\n---\n") {
            let workload: Value = yaml_serde::from_str(document).unwrap();
            let template = workload
                .pointer("/spec/template")
                .or_else(|| workload.pointer("/spec/jobTemplate/spec/template"));
            let Some(template) = template else { continue };
            let name = path.display().to_string();
            let settings = json!({});
            net.compare(&name, &payload(&creation_of(&workload), &settings));
            let mut pod = template.clone();
            pod["apiVersion"] = json!("v1");
            pod["kind"] = json!("Pod");
            mount_token(&mut pod);
            net.compare(&name, &payload(&creation_of(&pod), &settings));
        }
    }
    net.finish(19);
}

#[test]
fn generated_requests_are_answered_as_before() {
    let mut net = Net::new();
    for (index, case) in examples(any_object(), GENERATED).into_iter().enumerate() {
        // The host writes no member twice.
        let object = case.submission().object.without_duplicates();
        net.compare(&index.to_string(), &case.with_object(object).payload());
    }
    net.finish(GENERATED / 10);
}

/// The golden cases were written anew; what was submitted is still submitted.
#[test]
fn no_golden_case_is_lost() {
    let read = |payload: &[u8]| serde_json::from_slice::<Value>(payload).unwrap();
    let present: Vec<_> = golden_cases::Case::all()
        .iter()
        .map(|case| read(&case.payload()))
        .collect();
    let recorded = fs::read_to_string(root().join("tests/net/cases.jsonl")).unwrap();
    let lost: Vec<_> = recorded
        .lines()
        .map(|case| case.split_once('\t').unwrap())
        .filter(|(_, payload)| !present.contains(&read(payload.as_bytes())))
        .map(|(name, _)| name)
        .collect();
    assert!(lost.is_empty(), "{lost:?}");
}

/// Settings of every kind are taken or refused as before.
#[test]
fn settings_are_validated_as_before() {
    let net = Net::new();
    let example = read_yaml(&root().join("docs/settings-example.yaml"));
    let cases = fs::read_to_string(root().join("tests/net/cases.jsonl")).unwrap();
    let mut all: Vec<Value> = vec![example];
    all.extend(cases.lines().map(|case| {
        let payload: Value = serde_json::from_str(case.split_once('\t').unwrap().1).unwrap();
        payload["settings"].clone()
    }));
    all.extend(
        examples(any_object(), 1_000)
            .into_iter()
            .map(|case| case.settings),
    );
    let mut mangled = Vec::new();
    for settings in &all {
        mangle(settings, settings, "", &mut mangled);
    }
    mangled.sort_by_key(Value::to_string);
    mangled.dedup();
    assert!(mangled.len() > 300, "{}", mangled.len());
    for settings in all.iter().chain(&mangled) {
        let text = settings.to_string();
        let before = net
            .before
            .call("validate_settings", text.as_bytes())
            .unwrap();
        let now = vault_sidecar_injector::validate_settings(text.as_bytes()).unwrap();
        let read = |answer: &[u8]| -> Value { serde_json::from_slice(answer).unwrap() };
        let paths = |answer: &Value| -> Vec<String> {
            let message = answer["message"].as_str().unwrap_or_default();
            let problems = message.split("; ");
            problems
                .filter_map(|it| Some(it.split_once(": ")?.0.to_owned()))
                .collect()
        };
        let (before, now) = (read(&before), read(&now));
        assert_eq!(before["valid"], now["valid"], "{before} {now} {text}");
        assert_eq!(paths(&before), paths(&now), "{before} {now} {text}");
    }
}

/// The settings with something wrong in the place of each value in turn.
fn mangle(whole: &Value, part: &Value, pointer: &str, mangled: &mut Vec<Value>) {
    if let Value::Object(members) = part {
        for (name, member) in members {
            mangle(whole, member, &format!("{pointer}/{name}"), mangled);
        }
    }
    for wrong in [
        json!(null),
        json!([5]),
        json!({"x": 1}),
        json!("\u{7} bad"),
        json!(-1),
        json!(true),
    ] {
        let mut other = whole.clone();
        if let Some(place) = other.pointer_mut(pointer) {
            *place = wrong;
            mangled.push(other);
        }
    }
}
