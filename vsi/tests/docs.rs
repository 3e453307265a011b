//! What the documentation shows of `vsi` is what it prints: blocks of `console` with commands behind `$`, perhaps an exit
//! code behind `?`, and the output, in which a line `...` stands for any lines.

use std::{fs, path::Path, process::Command};

use snapbox::{Assert, IntoData};

#[test]
fn the_examples_of_the_documentation_are_true() {
    for (file, commands) in [("README.md", 1), ("docs/vsi.md", 4)] {
        let text = fs::read_to_string(root().join(file)).unwrap();
        let examples = examples(&text);
        assert_eq!(examples.len(), commands, "{file}");
        for example in examples {
            assert_true(&example, file);
        }
    }
}

/// The commands are those of someone in the root of the repository.
fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

struct Example {
    command: String,
    code: i32,
    output: String,
}

fn examples(text: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    let mut is_inside = false;
    for line in text.lines() {
        match (is_inside, line) {
            (false, "```console") => is_inside = true,
            (true, "```") => is_inside = false,
            (true, line) => match (line.strip_prefix("$ "), examples.last_mut()) {
                (Some(command), _) => examples.push(Example {
                    command: command.to_owned(),
                    code: 0,
                    output: String::new(),
                }),
                (None, Some(example)) => match line.strip_prefix("? ") {
                    Some(code) => example.code = code.parse().unwrap(),
                    None => example.output.push_str(&format!("{line}\n")),
                },
                (None, None) => panic!("a block begins with a command: {line}"),
            },
            _ => {}
        }
    }
    examples
}

fn assert_true(example: &Example, file: &str) {
    let mut words = example.command.split_whitespace();
    assert_eq!(words.next(), Some("vsi"), "{file}");
    let output = Command::new(env!("CARGO_BIN_EXE_vsi"))
        .args(words)
        .current_dir(root())
        .output()
        .unwrap();
    assert_eq!(
        output.status.code(),
        Some(example.code),
        "{file}: {}",
        example.command
    );
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(text).unwrap();
    Assert::new().eq(text.trim_end(), example.output.trim_end().into_data());
}
