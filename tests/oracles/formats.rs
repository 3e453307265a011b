//! What the default templates write of secrets of all kinds, rendered by Consul Template itself and read by what reads it in
//! the end: shells, JSON, and the shell that fills the environment.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use super::vault::{Vault, Version};
use super::{configuration, configuration_in, consul_template, for_all, injected, texts};

/// A secret's keys and values.
pub type Secret = Map<String, Value>;

/// What has a meaning to shells, to Go or to those who read such files.
const PIECES: &str = "\
    \"¦'¦$¦`¦\\¦\\\\¦\\\"¦\\'¦\\$¦\\n¦\n¦\n\n¦#¦ # ¦ ¦  ¦!¦!!¦=¦a=b¦é¦名前¦😀¦$(touch pwned)¦`touch pwned`¦'; touch pwned; '¦\
    \"; touch pwned; \"¦\ntouch pwned\n¦; touch pwned¦& touch pwned¦| touch pwned¦>pwned¦${HOME}¦$HOME¦$$¦$1¦~¦~/a¦*¦?¦\
    a¦Z9¦_¦-¦/¦:¦@¦%¦+¦,¦.¦%s¦\t¦\r¦\r\n¦\u{1}¦\u{7f}¦\u{a0}¦\u{2028}¦{{ . }}¦<&>¦[]¦{}¦null¦\\u0041¦\\\n";

/// Keys that are not names of variables.
const HOSTILE_KEYS: &str = "\
    ¦x;touch pwned¦x\ntouch pwned¦touch pwned\n¦\ntouch pwned¦$(touch pwned)¦`touch pwned`¦x$(touch pwned)¦x y¦touch pwned #¦\
    1x¦a-b¦a.b¦é¦x=`touch pwned`;y¦export X¦x\n¦\nx¦x\r¦ x¦x ¦'¦\"¦\\¦#x¦. ./0¦x\u{1}¦:>pwned;x¦&&touch pwned¦x+";

pub fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        6 => select(texts::list(PIECES)).prop_map(str::to_owned),
        1 => any::<char>().prop_filter("no environment has it", |it| *it != '\0').prop_map(String::from),
    ];
    vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

fn value() -> BoxedStrategy<Value> {
    let number = select(vec![
        json!(0),
        json!(-1),
        json!(1.5),
        json!(1e21),
        json!(9_007_199_254_740_993_u64),
        json!(u64::MAX),
        json!(1_000_000),
    ]);
    let leaf = prop_oneof![
        6 => text().prop_map(Value::from),
        1 => number,
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
    ];
    let nested = leaf.clone().prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            vec((text(), inner), 0..3).prop_map(|members| Value::Object(Map::from_iter(members))),
        ]
    });
    prop_oneof![3 => leaf, 1 => nested].boxed()
}

pub fn secret() -> impl Strategy<Value = Secret> {
    let key = prop_oneof![
        6 => "(K|k|_K)[A-Za-z0-9_]{0,4}",
        2 => select(texts::list(HOSTILE_KEYS)).prop_map(str::to_owned),
        1 => text(),
        // In an answer of KV version 2 there is one around all.
        1 => Just("data".to_owned()),
    ];
    // Shells have an idea of their own of `_`, and KV version 1 has no secret without a key.
    let key = key.prop_filter("it is the last command's", |key| key != "_");
    vec((key, value()), 1..7).prop_map(Map::from_iter)
}

/// What a value is as text; `None` for a map or a list.
pub fn written(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Null => Some(String::new()),
        Value::Object(_) | Value::Array(_) => None,
        other => Some(other.to_string()),
    }
}

fn is_variable(key: &str) -> bool {
    !key.starts_with(|first: char| first.is_ascii_digit())
        && !key.is_empty()
        && key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The files of a pod with all of these secrets, with more annotations.
fn rendered(
    version: Version,
    secrets: &[Secret],
    annotations: &[(&str, &str)],
) -> Option<Vec<String>> {
    let program = consul_template()?;
    let names: Vec<_> = (0..secrets.len()).map(|index| index.to_string()).collect();
    let paths: Vec<_> = names.iter().map(|name| format!("kv/{name}")).collect();
    let (names, paths) = (names.join(","), paths.join(","));
    let mut all = vec![("secrets-path", &*paths), ("secrets-destination", &*names)];
    let files = injected(&all).expect("the paths are plain");
    all.extend(annotations);
    let pod = injected(&all).expect("the paths are plain");
    let is_once = annotations
        .iter()
        .any(|(name, _)| *name == "secrets-injection-method");
    let configuration = match is_once {
        false => configuration(&pod),
        // What the agent renders in an init container, Consul Template does.
        true => {
            let mut files = configuration(&files);
            let of_agent = configuration_in(&pod, "TVSI_AGENT_CONFIG");
            for (index, file) in of_agent["template"].as_array()?.iter().enumerate() {
                files["template"][index]["contents"] = file["contents"].clone();
            }
            files
        }
    };
    let secrets = secrets.to_vec();
    let vault = Vault::serving(version, "kv", move |path| {
        let name = path.rsplit('/').next().unwrap_or_default();
        let index: usize = name.parse().expect("a path ends with a number");
        Value::Object(secrets[index].clone())
    });
    Some(program.render(&configuration, &vault.address))
}

/// Tries a property of secrets and the files that are made of them.
fn for_all_files(
    annotations: &[(&str, &str)],
    property: impl Fn(&Secret, &str) -> Result<(), TestCaseError>,
) {
    for version in [Version::One, Version::Two] {
        for_all(4, vec(secret(), 30..40), |secrets| {
            let Some(files) = rendered(version, &secrets, annotations) else {
                return Ok(());
            };
            for (secret, file) in secrets.iter().zip(&files) {
                property(secret, file)?;
            }
            Ok(())
        });
    }
}

/// Whether a map or a list has been written as JSON.
pub fn is_json_of(text: &str, value: &Value) -> bool {
    serde_json::from_str::<Value>(text).is_ok_and(|read| read == *value)
}

/// Compares variables with the keys of a secret that can be ones.
fn check_variables(
    secret: &Secret,
    variables: &BTreeMap<String, String>,
    reader: &str,
) -> Result<(), TestCaseError> {
    let expected: Vec<_> = secret.keys().filter(|key| is_variable(key)).collect();
    let names: Vec<_> = variables.keys().collect();
    prop_assert_eq!(&names, &expected, "{} of {:?}", reader, secret);
    for (name, text) in variables {
        let value = &secret[name];
        match written(value) {
            Some(written) => prop_assert_eq!(text, &written, "{} by {}", name, reader),
            None => prop_assert!(
                is_json_of(text, value),
                "{name} by {reader}: {text}, {value}"
            ),
        }
    }
    Ok(())
}

/// The environment that a command writes with `env -0`, except what is there without a secret.
fn environment(command: &mut Command) -> BTreeMap<String, String> {
    let output = command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .output()
        .expect("a shell runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    let all = String::from_utf8(output.stdout).expect("what was written is text");
    let all = all
        .split_terminator('\0')
        .filter_map(|line| line.split_once('='));
    let is_other = |name: &str| ["PATH", "PWD", "OLDPWD", "SHLVL", "_"].contains(&name);
    all.filter(|(name, _)| !is_other(name))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// What is in a directory.
fn files_in(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory can be read");
    let names = entries.map(|entry| entry.expect("a directory can be read").file_name());
    let mut names: Vec<_> = names
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn is_there(shell: &[&str]) -> bool {
    let output = Command::new(shell[0])
        .args(&shell[1..])
        .args(["-c", ":"])
        .output();
    let is_there = output.is_ok_and(|output| output.status.success());
    if !is_there {
        println!("left out: there is no {}", shell.join(" "));
    }
    is_there
}

#[test]
fn shells_read_what_is_written_for_them_and_run_nothing() {
    let shells = [
        &["dash"][..],
        &["busybox", "sh"],
        &["bash", "--posix"],
        &["bash"],
    ];
    let shells: Vec<_> = shells.into_iter().filter(|shell| is_there(shell)).collect();
    for_all_files(&[("secrets-format", "dotenv")], |secret, file| {
        let directory = tempfile::tempdir().expect("a directory can be made");
        fs::write(directory.path().join("file"), file).expect("a file can be written");
        for shell in &shells {
            let mut command = Command::new(shell[0]);
            command
                .args(&shell[1..])
                .args(["-c", "set -a; . ./file; exec env -0"])
                .current_dir(directory.path());
            check_variables(secret, &environment(&mut command), &shell.join(" "))?;
            prop_assert_eq!(files_in(directory.path()), ["file"], "{}", file);
        }
        Ok(())
    });
}

#[test]
fn json_is_the_same_object() {
    for_all_files(&[("secrets-format", "json")], |secret, file| {
        let read: Value = serde_json::from_str(file)
            .map_err(|error| TestCaseError::fail(format!("{error}: {file}")))?;
        prop_assert_eq!(&read, &Value::Object(secret.clone()), "{}", file);
        prop_assert!(file.ends_with("}\n"), "{file}");
        Ok(())
    });
}

/// KV version 2 has them.
#[test]
fn a_secret_without_keys_is_a_file_without_any() {
    for (format, expected) in [("json", "{}\n"), ("dotenv", ""), ("properties", "")] {
        let files = rendered(Version::Two, &[Map::new()], &[("secrets-format", format)]);
        assert!(files.is_none_or(|files| files == [expected]), "{format}");
    }
}

#[test]
fn properties_are_a_line_for_each_key() {
    for format in [&[][..], &[("secrets-format", "properties")]] {
        for_all_files(format, |secret, file| {
            let mut rest = file;
            // In the order of their bytes, as Go has them too.
            for (key, value) in secret {
                let line = rest.strip_prefix(&format!("{key}="));
                let line = line.ok_or_else(|| TestCaseError::fail(format!("{key}: {rest}")))?;
                let length = match written(value) {
                    Some(text) => {
                        prop_assert!(line.starts_with(&text), "{key}: {rest}");
                        text.len()
                    }
                    None => {
                        let mut read = serde_json::Deserializer::from_str(line).into_iter();
                        let read_value: Option<Value> = read.next().and_then(Result::ok);
                        prop_assert_eq!(read_value.as_ref(), Some(value), "{}", rest);
                        read.byte_offset()
                    }
                };
                let behind = line[length..].strip_prefix('\n');
                rest = behind.ok_or_else(|| TestCaseError::fail(format!("{key}: {line}")))?;
            }
            prop_assert_eq!(rest, "");
            Ok(())
        });
    }
}

/// Kubernetes has made `$` of `$$` in the script already.
#[test]
fn the_environment_has_every_value_as_it_is() {
    if !is_there(&["busybox", "sh"]) {
        return;
    }
    let home = tempfile::tempdir().expect("a directory can be made");
    let scripts = golden_cases::scripts();
    let write = |name: &str, text: &str| {
        fs::write(home.path().join(name), text).expect("a file can be written");
    };
    write("env.sh", &scripts["env.sh"]);
    write("denied-names", "");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut files = std::env::split_paths(&path).map(|directory| directory.join("busybox"));
    let busybox = files.find(|file| file.is_file());
    let busybox = busybox.expect("busybox is on the path");
    std::os::unix::fs::symlink(busybox, home.path().join("busybox")).expect("a link can be made");
    let annotations = [
        ("secrets-type", "static"),
        ("secrets-injection-method", "env"),
    ];
    for_all_files(&annotations, |secret, file| {
        // A key with a line break, or one that begins as a comment, is more than one line or none.
        let is_line = |key: &String| !key.contains(['\n', '\r', '=']);
        if !secret.keys().all(is_line) {
            return Ok(());
        }
        let directory = tempfile::tempdir().expect("a directory can be made");
        fs::write(directory.path().join("file"), file).expect("a file can be written");
        let mut command = Command::new(home.path().join("busybox"));
        command
            .arg("sh")
            .arg(home.path().join("env.sh"))
            .args(["./file", "--", "env", "-0"])
            .current_dir(directory.path());
        let variables = environment(&mut command);
        // Space before a name is taken away.
        let trimmed = |key: &str| key.trim_start_matches([' ', '\t']).to_owned();
        let secret: Secret = secret
            .iter()
            .map(|(key, value)| (trimmed(key), value.clone()))
            .collect();
        check_variables(&secret, &variables, "env.sh")?;
        prop_assert_eq!(files_in(directory.path()), ["file"], "{}", file);
        Ok(())
    });
}

#[test]
fn actions_are_done_between_other_delimiters_and_braces_are_text() {
    let Some(program) = consul_template() else {
        return;
    };
    let pod = injected(&[
        ("template-left-delimiter", "[["),
        ("template-right-delimiter", "]]"),
        ("secrets-destination", "a,b"),
        (
            "secrets-template",
            "{{ .Values.x }} [[ \"a\" | toUpper ]]\n---\n[[- /* {{ */ -]] }} [[ print `b` ]]",
        ),
    ]);
    let pod = pod.expect("it is a template");
    let files = program.render(&configuration(&pod), "");
    assert_eq!(files, ["{{ .Values.x }} A\n", "}} b"]);
}
