//! The documentation is true: what it shows of `vsi` is what it prints, and every command in it that needs no cluster
//! can be run.
//!
//! | block | what becomes of it |
//! | --- | --- |
//! | `console` | each command behind `$` is run; perhaps an exit code behind `?`, and then its output, in which a line `...` stands for any lines |
//! | `sh` | is run as a script |
//! | `sh cluster` | needs a cluster, a Vault or a registry, and is only read |
//! | `sh long` | is for contributors, builds or runs for minutes, and is only read |
//! | `yaml` | below a comment `<!-- FILE.yaml -->`, is that file's text, in which a line `...` stands for any lines |
//!
//! All run in a copy of the repository, with this `vsi`. Of `make`, only whether there is such a target: `.ci/run` makes
//! those that make sense there.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::{Command, Output, Stdio},
};

use snapbox::{Assert, IntoData};

/// Every file with documentation, and how many commands with output and scripts it has at least.
const FILES: [(&str, usize, usize); 36] = [
    ("README.md", 1, 2),
    ("CONTRIBUTING.md", 0, 1),
    ("SECURITY.md", 0, 0),
    ("docs/SUMMARY.md", 0, 0),
    ("docs/comparison.md", 0, 0),
    ("docs/concepts.md", 0, 0),
    ("docs/design.md", 0, 0),
    ("docs/get-started.md", 0, 2),
    ("docs/how-to/database-credentials.md", 1, 0),
    ("docs/how-to/environment-variables.md", 1, 0),
    ("docs/how-to/files.md", 1, 0),
    ("docs/how-to/helm.md", 1, 0),
    ("docs/how-to/jobs.md", 1, 0),
    ("docs/how-to/openshift.md", 2, 0),
    ("docs/how-to/pki.md", 1, 0),
    ("docs/how-to/service-meshes.md", 1, 0),
    ("docs/how-to/several-vaults.md", 2, 0),
    ("docs/migration/from-agent-injector.md", 3, 1),
    ("docs/migration/from-bank-vaults.md", 1, 0),
    ("docs/migration/from-vault-sidecar-injector.md", 2, 0),
    ("docs/operating.md", 0, 1),
    ("docs/performance.md", 0, 0),
    ("docs/playground.md", 0, 0),
    ("docs/reference/annotations.md", 0, 0),
    ("docs/reference/environment-variables.md", 0, 1),
    ("docs/reference/messages.md", 0, 0),
    ("docs/reference/settings.md", 1, 0),
    ("docs/reference/vsi.md", 4, 0),
    ("docs/tested.md", 0, 0),
    ("docs/troubleshooting.md", 5, 0),
    ("e2e/agent-injector/README.md", 0, 0),
    ("e2e/cluster/README.md", 0, 0),
    ("fuzz/README.md", 0, 0),
    ("test_data/README.md", 0, 0),
    ("CHANGELOG.md", 0, 0),
    (".github/pull_request_template.md", 0, 0),
];

/// What is never run by CI: it would take too long, measures, needs kwctl, or writes files that are checked in.
const OTHER_TARGETS: [&str; 13] = [
    "annotated-policy.wasm",
    "bench",
    "clean",
    "cluster-programs",
    "cost",
    "deny",
    "fuzz",
    "fuzz-template",
    "golden",
    "help",
    "performance",
    "published",
    "tested",
];

/// The programs that commands in a cluster begin with.
const CLUSTER_PROGRAMS: [&str; 10] = [
    "bao", "cosign", "docker", "git", "helm", "kind", "kubectl", "kwctl", "vault", "export",
];

struct Block {
    file: &'static str,
    /// What stands behind the backticks.
    kind: String,
    lines: Vec<String>,
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn text(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn blocks_of(file: &'static str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut is_inside = false;
    for line in text(file).lines() {
        let content = line.trim_start();
        match (is_inside, content.strip_prefix("```")) {
            (false, Some(kind)) => blocks.push(Block {
                file,
                kind: kind.to_owned(),
                lines: Vec::new(),
            }),
            (true, None) => blocks.last_mut().unwrap().lines.push(line.to_owned()),
            _ => {}
        }
        is_inside ^= content.starts_with("```");
    }
    assert!(!is_inside, "{file}: a block has no end");
    blocks
}

fn blocks(kind: &str) -> impl Iterator<Item = Block> {
    FILES
        .iter()
        .flat_map(|(file, ..)| blocks_of(file))
        .filter(move |block| block.kind == kind)
}

struct Example {
    command: String,
    code: i32,
    output: String,
}

impl Block {
    fn examples(&self) -> Vec<Example> {
        let mut examples: Vec<Example> = Vec::new();
        for line in &self.lines {
            match (line.strip_prefix("$ "), examples.last_mut()) {
                (Some(command), _) => examples.push(Example {
                    command: command.to_owned(),
                    code: 0,
                    output: String::new(),
                }),
                (None, Some(example)) => match line.strip_prefix("? ") {
                    Some(code) => example.code = code.parse().unwrap(),
                    None => example.output.push_str(&format!("{line}\n")),
                },
                (None, None) => panic!("{}: a block begins with a command: {line}", self.file),
            }
        }
        examples
    }

    /// The first lines of a script's commands, without comments.
    fn commands(&self) -> Vec<&str> {
        let mut commands = Vec::new();
        let mut goes_on = false;
        let mut is_quoted = false;
        for line in &self.lines {
            let command = line.trim();
            if !goes_on && !command.is_empty() && !command.starts_with('#') {
                commands.push(command);
            }
            is_quoted ^= line.matches('\'').count() % 2 == 1;
            goes_on = is_quoted || line.ends_with('\\');
        }
        commands
    }
}

/// Stands for make, which would run this test for `make test`: only whether there are such targets.
const MAKE: &str = r#"#!/bin/sh
for target in "$@"; do
    case $target in
    *=* | -*) ;;
    *) grep -q "^$target:" Makefile || { echo "no target $target"; exit 2; } ;;
    esac
done
"#;

/// A directory that looks like the repository; what commands write does not get into it.
struct Copy(tempfile::TempDir);

impl Copy {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        for entry in fs::read_dir(root()).unwrap().map(Result::unwrap) {
            let name = entry.file_name();
            if name != "target" && name != ".git" {
                let original = fs::canonicalize(entry.path()).unwrap();
                symlink(original, directory.path().join(name)).unwrap();
            }
        }
        let programs = directory.path().join("target/debug");
        fs::create_dir_all(&programs).unwrap();
        symlink(env!("CARGO_BIN_EXE_vsi"), programs.join("vsi")).unwrap();
        let path = programs.join("make");
        fs::write(&path, MAKE).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Self(directory)
    }

    fn run(&self, script: &str) -> Output {
        let programs = self.0.path().join("target/debug");
        let path = std::env::var("PATH").unwrap();
        Command::new("bash")
            .args(["-euo", "pipefail", "-c", script])
            .env("PATH", format!("{}:{path}", programs.display()))
            .current_dir(self.0.path())
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }
}

#[test]
fn every_file_of_the_documentation_is_in_the_table() {
    let mut files: Vec<String> = Vec::new();
    for directory in [
        "",
        "docs",
        "docs/how-to",
        "docs/migration",
        "docs/reference",
        "e2e/agent-injector",
        "e2e/cluster",
        "fuzz",
        "test_data",
        ".github",
    ] {
        for entry in fs::read_dir(root().join(directory)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.ends_with(".md") {
                files.push(Path::new(directory).join(name).display().to_string());
            }
        }
    }
    files.sort();
    let mut table = FILES.map(|(file, ..)| file);
    table.sort_unstable();
    assert_eq!(files, table);
}

#[test]
fn blocks_are_of_a_known_kind_and_as_many_as_are_meant() {
    for (file, examples, scripts) in FILES {
        let blocks = blocks_of(file);
        for block in &blocks {
            let known = [
                "console",
                "sh",
                "sh cluster",
                "sh long",
                "yaml",
                "json",
                "hcl",
                "",
                "text",
                "promql",
            ];
            assert!(
                known.contains(&block.kind.as_str()),
                "{file}: {}",
                block.kind
            );
        }
        let of_kind = |kind: &'static str| blocks.iter().filter(move |block| block.kind == kind);
        let found = of_kind("console").map(|block| block.examples().len()).sum();
        assert!(examples <= found, "{file}: {found} commands with output");
        let found = of_kind("sh").count();
        assert!(scripts <= found, "{file}: {found} scripts");
    }
}

/// A comment with a file's name above a `yaml` block says that the block is the file's text.
#[test]
fn manifests_are_those_of_their_files() {
    let mut manifests = 0;
    for (page, ..) in FILES {
        let text_of_page = text(page);
        let mut lines = text_of_page.lines();
        while let Some(line) = lines.next() {
            let name = line.strip_prefix("<!-- ");
            let Some(file) = name.and_then(|name| name.strip_suffix(".yaml -->")) else {
                continue;
            };
            let file = format!("{file}.yaml");
            assert_eq!(lines.next(), Some("```yaml"), "{page}: {file}");
            let block: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
            let whole = text(&file);
            // What a file begins with is for those who read it there.
            let whole: Vec<_> = whole
                .lines()
                .skip_while(|line| line.starts_with('#'))
                .collect();
            assert!(is_excerpt(&block, &whole), "{page}: {file}");
            manifests += 1;
        }
    }
    assert!(manifests >= 10, "{manifests}");
}

/// Whether a block is a text in which a line `...` stands for lines that are left out.
fn is_excerpt(block: &[&str], whole: &[&str]) -> bool {
    let mut parts = block.split(|line| line.trim() == "...");
    let first = parts.next().unwrap();
    let Some(mut rest) = whole.strip_prefix(first) else {
        return false;
    };
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        // Something is left out.
        let Some(from) = rest.get(1..) else {
            return false;
        };
        let found = match (parts.peek(), part) {
            (None, []) => return true,
            (None, last) => return from.ends_with(last),
            (Some(_), []) => Some(0),
            (Some(_), part) => from.windows(part.len()).position(|lines| lines == part),
        };
        match found {
            Some(at) => rest = &from[at + part.len()..],
            None => return false,
        }
    }
    rest.is_empty()
}

#[test]
fn an_excerpt_leaves_lines_out_and_changes_none() {
    let whole = ["a", "b", "c", "d", "e"];
    for excerpt in [
        &["a", "b", "c", "d", "e"][..],
        &["a", "...", "d", "e"],
        &["a", "  ...", "c", "...", "e"],
        &["...", "b", "..."],
        &["..."],
    ] {
        assert!(is_excerpt(excerpt, &whole), "{excerpt:?}");
    }
    for other in [
        &["a", "b", "c", "d"][..],
        &["a", "...", "b", "c", "d", "e"],
        &["a", "...", "e", "..."],
        &["...", "d", "c", "..."],
        &["b", "..."],
        &["...", "x"],
        &[],
    ] {
        assert!(!is_excerpt(other, &whole), "{other:?}");
    }
}

#[test]
fn the_examples_of_the_documentation_are_true() {
    let copy = Copy::new();
    for block in blocks("console") {
        for example in block.examples() {
            let output = copy.run(&example.command);
            let text = [output.stdout, output.stderr].concat();
            let text = String::from_utf8(text).unwrap();
            let about = format!("{}: {}\n{text}", block.file, example.command);
            assert_eq!(output.status.code(), Some(example.code), "{about}");
            Assert::new().eq(text.trim_end(), example.output.trim_end().into_data());
        }
    }
}

#[test]
fn the_commands_of_the_documentation_can_be_run() {
    for block in blocks("sh") {
        let copy = Copy::new();
        let output = copy.run(&block.lines.join("\n"));
        assert!(
            output.status.success(),
            "{}: {}\n{}",
            block.file,
            block.lines.join("\n"),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[test]
fn what_is_said_to_need_a_cluster_does() {
    for block in blocks("sh cluster") {
        let commands = block.commands();
        let needs_cluster = |command: &str| {
            command.split('|').any(|part| {
                let program = part.split_whitespace().next().unwrap_or_default();
                CLUSTER_PROGRAMS.contains(&program)
            })
        };
        // Others go on with what these have got.
        assert!(
            commands.iter().any(|command| needs_cluster(command)),
            "{}: {commands:?}",
            block.file
        );
        for command in commands {
            let is_local = ["kubectl kustomize", "kwctl annotate", "make "]
                .iter()
                .any(|local| command.starts_with(local));
            assert!(!is_local, "{}: needs no cluster: {command}", block.file);
        }
    }
}

#[test]
fn what_is_only_read_is_a_script() {
    for block in blocks("sh cluster").chain(blocks("sh long")) {
        let script = block.lines.join("\n");
        let output = Command::new("bash")
            .args(["-n", "-c", &script])
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {errors}", block.file);
    }
}

/// `.ci/run` makes them, or it is known why not.
#[test]
fn every_target_that_the_documentation_names_is_made_by_a_test() {
    let ci = text(".ci/run");
    let is_made = |target: &str| {
        ci.lines().any(|line| {
            // `more` is the list of those that it makes side by side.
            let mut words = line.split([' ', '(', ')']).filter(|word| !word.is_empty());
            let first = words.next().unwrap_or_default();
            ["make", "more=", "more+="].contains(&first) && words.any(|word| word == target)
        })
    };
    // What others need is made with them.
    let makefile = text("Makefile");
    let is_needed = |target: &str| {
        makefile.lines().any(|line| {
            line.split_once(':').is_some_and(|(_, rest)| {
                let needed = rest.split("##").next().unwrap_or_default();
                !line.starts_with('\t') && needed.split_whitespace().any(|word| word == target)
            })
        })
    };
    for block in blocks("sh").chain(blocks("sh long")) {
        for command in block.commands() {
            let mut words = command.split('#').next().unwrap().split_whitespace();
            if words.next() == Some("make") {
                for target in words.filter(|word| !word.contains('=') && !word.starts_with('-')) {
                    assert!(
                        is_made(target) || is_needed(target) || OTHER_TARGETS.contains(&target),
                        "{}: make {target}",
                        block.file
                    );
                }
            }
        }
    }
}

/// Links into the repository lead to files, and to headings that they have.
#[test]
fn links_lead_somewhere() {
    let mut links = 0;
    for (file, ..) in FILES {
        let directory = root().join(file).parent().unwrap().to_owned();
        for link in links_of(&text(file)) {
            // The playground is tested on its own.
            if link.contains("://") || link.starts_with("mailto:") || link == "../playground/" {
                continue;
            }
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = match path {
                "" => root().join(file),
                path => directory.join(path),
            };
            assert!(target.exists(), "{file}: {link}");
            if let Some(sample) = anchor.strip_prefix("sample=") {
                assert!(path.ends_with("playground/"), "{file}: {link}");
                let file_or_folder = root().join("deploy/samples").join(sample);
                let is_there =
                    file_or_folder.exists() || file_or_folder.with_extension("yaml").exists();
                assert!(is_there, "{file}: {link}");
            } else if !anchor.is_empty() {
                let anchors = anchors_of(&fs::read_to_string(&target).unwrap());
                assert!(
                    anchors.iter().any(|found| found == anchor),
                    "{file}: {link}: {anchors:?}"
                );
            }
            links += 1;
        }
    }
    assert!(links > 50, "{links}");
}

/// The targets of Markdown's links and pictures outside code.
fn links_of(text: &str) -> Vec<String> {
    let mut links = Vec::new();
    let mut is_code = false;
    for line in text.lines() {
        is_code ^= line.trim_start().starts_with("```");
        if !is_code {
            let targets = line.split("](").skip(1);
            links.extend(targets.filter_map(|rest| Some(rest.split_once(')')?.0.to_owned())));
        }
    }
    links
}

/// The anchors that GitHub gives headings.
fn anchors_of(text: &str) -> Vec<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|heading| {
            let heading = heading.trim_start_matches('#').trim().to_lowercase();
            let kept = |letter: &char| letter.is_alphanumeric() || " -_".contains(*letter);
            heading
                .chars()
                .filter(kept)
                .collect::<String>()
                .replace(' ', "-")
        })
        .collect()
}
