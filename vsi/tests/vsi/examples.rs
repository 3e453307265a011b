//! The examples in the help of every command: they can be run as they are.

use std::{env, fs, os::unix::fs::symlink};

use serde_json::json;

use crate::{
    guests,
    support::{Directory, output_of, root, vsi},
};

/// Programs that examples use together with `vsi`, as far as they matter here.
const PROGRAMS: [(&str, &str); 4] = [
    ("helm", "cat app.yaml"),
    ("jq", "cat >/dev/null"),
    (
        "kubectl",
        "case $1 in get) cat policy.yaml ;; *) cat >/dev/null ;; esac",
    ),
    ("less", "cat >/dev/null"),
];

/// All commands: `settings`, `settings show`.
fn commands() -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let mut next = 0;
    while let Some(command) = commands.get(next).cloned() {
        let help = help(&command);
        let listed = help.split_once("\nCommands:\n").map_or("", |(_, it)| it);
        let listed = listed.lines().take_while(|line| line.starts_with("  "));
        let names = listed.filter_map(|line| line.split_whitespace().next());
        commands.extend(names.filter(|name| *name != "help").map(|name| {
            let mut command = command.clone();
            command.push(name.to_owned());
            command
        }));
        next += 1;
    }
    commands
}

fn help(command: &[String]) -> String {
    let mut vsi = vsi(&[]);
    vsi.args(command).arg("--help");
    output_of(vsi)
}

fn examples(help: &str) -> Vec<&str> {
    let examples = help.split_once("\nExamples:\n").map_or("", |(_, it)| it);
    examples
        .lines()
        .map_while(|line| line.strip_prefix("  "))
        .collect()
}

/// A directory with what the examples name.
fn workspace() -> Directory {
    let directory = Directory::with("policy.wasm", guests::answering(r#"{"accepted":true}"#));
    let request = json!({
        "uid": "u1",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "operation": "CREATE",
        "userInfo": {},
        "object": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "shop"}},
    });
    directory.write("request.json", request.to_string());
    directory.write(
        "settings.yaml",
        "vault: {address: 'https://vault.example.org'}\n",
    );
    let deploy = fs::canonicalize(root().join("deploy")).unwrap();
    fs::create_dir_all(directory.path().join("deploy")).unwrap();
    for (name, original) in [
        ("app.yaml", "samples/deployment-dynamic.yaml"),
        ("deploy/web.yaml", "samples/deployment-static.yaml"),
        ("policy.yaml", "base/cluster-admission-policy.yaml"),
    ] {
        directory.write(name, fs::read(deploy.join(original)).unwrap());
    }
    symlink(
        deploy.join("overlays"),
        directory.path().join("deploy/overlays"),
    )
    .unwrap();
    fs::create_dir_all(directory.path().join(".config/fish/completions")).unwrap();
    symlink(
        env!("CARGO_BIN_EXE_vsi"),
        directory.path().join(".config/vsi"),
    )
    .unwrap();
    directory
}

/// Functions in the place of other programs, and zsh's `fpath`.
fn prelude() -> String {
    let functions = PROGRAMS.map(|(name, body)| format!("{name}() {{ {body}; }}\n"));
    format!("fpath=(. .)\n{}", functions.concat())
}

#[test]
fn every_command_has_examples_that_can_be_run() {
    let commands = commands();
    assert!(commands.len() > 8, "{commands:?}");
    for command in commands {
        let name = command.join(" ");
        let help = help(&command);
        let examples = examples(&help);
        assert!(!examples.is_empty(), "vsi {name} has no examples");
        let shown = format!("vsi {name}");
        assert!(
            examples.iter().any(|it| it.contains(shown.trim_end())),
            "vsi {name}: {examples:?}"
        );
        for example in examples {
            let directory = workspace();
            let programs = directory.path().join(".config");
            let path = env::var("PATH").unwrap();
            assert_cmd::Command::new("bash")
                .args(["-euo", "pipefail", "-c", &format!("{}{example}", prelude())])
                .current_dir(directory.path())
                .env("PATH", format!("{}:{path}", programs.display()))
                .env("HOME", directory.path())
                .assert()
                .success();
        }
    }
}
