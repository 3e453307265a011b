//! Environment variables that refer to Vault, as Consul Template renders what the policy makes of them.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use super::formats::{Secret, is_json_of, secret, text, written};
use super::vault::{Vault, Version};
use super::{configuration, configuration_in, consul_template, creation_of, for_all, injected};
use super::{evaluate_natively, injected_pod, payload};

/// A variable: its value as it is in the manifest, and what it must be, of which a key of the secret is a part.
#[derive(Clone, Debug)]
enum Variable {
    /// `vault:PATH#KEY`
    Whole(String),
    /// The same from what Vault answers to a write.
    Written(String),
    /// Text around references.
    Inline(Vec<(String, String)>, String),
}

/// Text of a manifest in which the kubelet replaces nothing and no reference begins.
fn plain() -> impl Strategy<Value = String> {
    text().prop_filter("the kubelet has its own idea of it", |text| {
        !text.contains("$(") && !text.contains("vault:") && !text.ends_with('$')
    })
}

fn variables(keys: Vec<String>) -> impl Strategy<Value = Vec<Variable>> {
    let is_simple = |key: &&String| key.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let mut simple: Vec<String> = keys.iter().filter(is_simple).cloned().collect();
    simple.push("missing".to_owned());
    let whole = select(keys.clone()).prop_map(Variable::Whole);
    let written = select(keys).prop_map(Variable::Written);
    let inline = (vec((plain(), select(simple)), 1..4), plain());
    let inline = inline.prop_map(|(pieces, end)| Variable::Inline(pieces, end));
    vec(prop_oneof![2 => whole, 1 => written, 2 => inline], 1..5)
}

impl Variable {
    fn value(&self) -> String {
        match self {
            Variable::Whole(key) => format!("vault:kv/0#{key}"),
            Variable::Written(key) => format!(r##">>vault:kv/0#{key}#{{"a": "b"}}"##),
            Variable::Inline(pieces, end) => {
                let pieces = pieces.iter();
                let pieces = pieces.map(|(text, key)| format!("{text}${{vault:kv/0#{key}}}"));
                format!("{}{end}", pieces.collect::<String>())
            }
        }
    }

    /// The keys that it needs.
    fn keys(&self) -> Vec<&String> {
        match self {
            Variable::Whole(key) | Variable::Written(key) => vec![key],
            Variable::Inline(pieces, _) => pieces.iter().map(|(_, key)| key).collect(),
        }
    }

    /// What it becomes, without what is a map or a list.
    fn expected(&self, secret: &Secret) -> Option<String> {
        let of = |key: &String| written(&secret[key]);
        match self {
            Variable::Whole(key) | Variable::Written(key) => of(key),
            Variable::Inline(pieces, end) => {
                let mut text = String::new();
                for (before, key) in pieces {
                    text.push_str(&before.replace("$$", "$"));
                    text.push_str(&of(key)?);
                }
                Some(text + &end.replace("$$", "$"))
            }
        }
    }
}

/// The lines of a file as env.sh reads them.
fn read(file: &str) -> BTreeMap<String, String> {
    let mut variables: Vec<(String, String)> = Vec::new();
    for line in file.split_terminator('\n') {
        match line.strip_prefix('\u{1}') {
            Some(more) => {
                let (_, value) = variables.last_mut().expect("a line goes on with another");
                value.push('\n');
                value.push_str(more);
            }
            None => {
                let (name, value) = line.split_once('=').expect("NAME=VALUE");
                variables.push((name.to_owned(), value.to_owned()));
            }
        }
    }
    variables.into_iter().collect()
}

/// The answer to a pod with these variables.
fn answer(variables: &[Variable]) -> Value {
    let env = variables.iter().enumerate();
    let env = env.map(|(number, it)| json!({"name": format!("V{number}"), "value": it.value()}));
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "app", "namespace": "team", "annotations": {
            "sidecar.vault.talend.org/inject": "true",
            "sidecar.vault.talend.org/role": "app",
        }},
        "spec": {"containers": [{
            "name": "app",
            "image": "registry.example.org/app:1.0",
            "command": ["/bin/app"],
            "env": env.collect::<Vec<_>>(),
        }]},
    });
    evaluate_natively(&payload(&creation_of(&pod), &json!({})))
}

#[test]
fn every_variable_is_what_it_refers_to() {
    let Some(program) = consul_template() else {
        return;
    };
    let files = injected(&[("secrets-path", "kv/0")]).expect("the path is plain");
    let both = || {
        secret().prop_flat_map(|mut secret: Secret| {
            secret.insert("simple".to_owned(), "value\nof two lines".into());
            // What ends a key, or makes a template of it.
            let is_key = |key: &&String| !key.is_empty() && !key.contains(['#', '\0', '$']);
            let keys: Vec<String> = secret.keys().filter(is_key).cloned().collect();
            (Just(secret), variables(keys))
        })
    };
    for version in [Version::One, Version::Two] {
        for_all(60, both(), |(secret, variables)| {
            let has_all = variables
                .iter()
                .flat_map(Variable::keys)
                .all(|key| secret.contains_key(key));
            // A missing one is an error, which Consul Template does not end with.
            prop_assume!(has_all);
            let Some(pod) = injected_pod(answer(&variables)) else {
                return Err(TestCaseError::fail(format!(
                    "{}",
                    answer(&variables)["message"]
                )));
            };
            let mut configuration = configuration(&files);
            let of_agent = configuration_in(&pod, "TVSI_AGENT_CONFIG");
            configuration["template"][0]["contents"] = of_agent["template"][0]["contents"].clone();
            let served = Value::Object(secret.clone());
            let vault = Vault::serving(version, "kv", move |_| served.clone());
            let rendered = program.render(&configuration, &vault.address).remove(0);
            let read = read(&rendered);
            prop_assert_eq!(read.len(), variables.len(), "{}", rendered);
            for (number, variable) in variables.iter().enumerate() {
                let found = &read[&format!("V{number}")];
                match (variable, variable.expected(&secret)) {
                    (_, Some(expected)) => prop_assert_eq!(found, &expected, "{:?}", variable),
                    (Variable::Whole(key) | Variable::Written(key), None) => {
                        prop_assert!(is_json_of(found, &secret[key]), "{found}: {variable:?}");
                    }
                    (Variable::Inline(..), None) => {}
                }
            }
            let targets = vault.targets();
            let requests = targets.iter().filter(|target| target.ends_with("/0"));
            let requests = requests.filter(|target| !target.contains("/internal/"));
            let is_written = |variable: &Variable| matches!(variable, Variable::Written(_));
            let has_written = variables.iter().any(is_written);
            let has_read = !variables.iter().all(is_written);
            let expected = usize::from(has_written) + usize::from(has_read);
            prop_assert_eq!(requests.count(), expected, "once each: {:?}", targets);
            Ok(())
        });
    }
}

/// A key that has a line break makes no variable without the prefix.
#[test]
fn a_prefix_is_before_every_name() {
    let Some(program) = consul_template() else {
        return;
    };
    let annotations = [
        ("secrets-path", "kv/0"),
        ("secrets-type", "static"),
        ("secrets-injection-method", "env"),
        ("env-prefix", "APP_"),
    ];
    let files = injected(&annotations[..1]).expect("the path is plain");
    let pod = injected(&annotations).expect("the path is plain");
    for_all(100, secret(), |secret| {
        let mut configuration = configuration(&files);
        let of_agent = configuration_in(&pod, "TVSI_AGENT_CONFIG");
        configuration["template"][0]["contents"] = of_agent["template"][0]["contents"].clone();
        let served = Value::Object(secret.clone());
        let vault = Vault::serving(Version::Two, "kv", move |_| served.clone());
        let rendered = program.render(&configuration, &vault.address).remove(0);
        let found = read(&rendered);
        let is_word = |key: &&String| {
            !key.is_empty()
                && key
                    .bytes()
                    .all(|it| it.is_ascii_alphanumeric() || it == b'_')
        };
        let expected: Vec<_> = secret
            .keys()
            .filter(is_word)
            .map(|key| format!("APP_{key}"))
            .collect();
        prop_assert_eq!(
            found.into_keys().collect::<Vec<_>>(),
            expected,
            "{}",
            rendered
        );
        Ok(())
    });
}

/// The functions that a template of Bank-Vaults can call are there, and no others.
#[test]
fn templates_call_functions_of_sprig() {
    let Some(program) = consul_template() else {
        return;
    };
    let files = injected(&[("secrets-path", "kv/0")]).expect("the path is plain");
    for (template, expected) in [
        ("${.a}", "b c"),
        ("${ .a | upper | b64enc }", "QiBD"),
        ("x${- .a | replace \" \" \"}\" -}y", "xb}cy"),
        ("${ if eq .a \"b c\" }yes${ else }no${ end }", "yes"),
        (
            "${ range $key, $value := . }${ $key }=${ $value };${ end }",
            "a=b c;z=1;",
        ),
        ("${ printf \"%s-%v\" .a .z }", "b c-1"),
        ("{{ .a }}${ .a }", "{{ .a }}b c"),
        ("${ .a | quote }${ \"{{\" }", "\"b c\"{{"),
    ] {
        let value = format!("vault:kv/0#{template}");
        let mut pod = answer(&[Variable::Whole(template.to_owned())]);
        assert!(pod["mutated_object"].is_object(), "{value}: {pod}");
        let pod = pod["mutated_object"].take();
        let mut configuration = configuration(&files);
        let of_agent = configuration_in(&pod, "TVSI_AGENT_CONFIG");
        configuration["template"][0]["contents"] = of_agent["template"][0]["contents"].clone();
        let secret: Map<String, Value> = serde_json::from_str(r#"{"a":"b c","z":1}"#).unwrap();
        let vault = Vault::serving(Version::Two, "kv", move |_| Value::Object(secret.clone()));
        let rendered = program.render(&configuration, &vault.address).remove(0);
        assert_eq!(read(&rendered)["V0"], expected, "{value}");
    }
}
