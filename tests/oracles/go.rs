//! Go's answers, by a small program of ours that is built where there is a Go.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, OnceLock};

use serde::Deserialize;
use serde_json::{Value, json};

use super::{is_on_path, support};

/// The program, which answers one question after the other.
pub struct Go {
    channel: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    _process: Child,
}

/// What `tests/oracles/reader` answers; the rest is empty.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Answer {
    pub rejection: String,
    pub path: String,
    pub differences: Option<Vec<String>>,
    pub unprintable: String,
    pub unknown: String,
}

impl Go {
    /// The program, or `None` on a machine without Go.
    pub fn find() -> Option<&'static Go> {
        static GO: OnceLock<Option<Go>> = OnceLock::new();
        GO.get_or_init(|| is_on_path("go").then(Go::start)).as_ref()
    }

    fn start() -> Go {
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("reader");
        let status = Command::new("go")
            .args(["build", "-buildvcs=false", "-o"])
            .arg(&program)
            .arg(".")
            .current_dir(support::root().join("tests/oracles/reader"))
            .envs([
                ("GOTOOLCHAIN", "local"),
                ("GOPROXY", "off"),
                ("GOWORK", "off"),
            ])
            .status()
            .expect("go runs");
        assert!(status.success(), "go build has failed");
        let mut process = Command::new(&program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("what go has built runs");
        let input = process.stdin.take().expect("its input is a pipe");
        let output = process.stdout.take().expect("its output is a pipe");
        Go {
            channel: Mutex::new((input, BufReader::new(output))),
            _process: process,
        }
    }

    /// Why Go's parser rejects a template, if it does.
    pub fn rejection(&self, template: &str) -> Option<String> {
        self.rejection_between(template, None, None)
    }

    /// The same of a template with other delimiters.
    pub fn rejection_between(
        &self,
        template: &str,
        left: Option<&str>,
        right: Option<&str>,
    ) -> Option<String> {
        let (left, right) = (left.unwrap_or_default(), right.unwrap_or_default());
        let answer = self.ask(&json!({"template": template, "left": left, "right": right}));
        Some(answer.rejection).filter(|rejection| !rejection.is_empty())
    }

    /// How the path in one of the policy's own templates is read.
    pub fn path_of_secret(&self, template: &str) -> Answer {
        let answer = self.ask(&json!({ "secret": template }));
        assert_eq!(answer.rejection, "", "{template}");
        answer
    }

    /// The same path in its shortest form.
    pub fn clean(&self, file: &str) -> String {
        self.ask(&json!({ "file": file })).path
    }

    /// Which of these letters Go would not print as they are.
    pub fn letters(&self, letters: &str) -> Answer {
        self.ask(&json!({ "letters": letters }))
    }

    fn ask(&self, question: &Value) -> Answer {
        // A property that has failed in another thread does no harm to the program.
        let mut channel = match self.channel.lock() {
            Ok(channel) => channel,
            Err(poisoned) => poisoned.into_inner(),
        };
        let (input, output) = &mut *channel;
        writeln!(input, "{question}").expect("the program reads");
        let mut line = String::new();
        output.read_line(&mut line).expect("the program answers");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{question}: {line}: {error}"))
    }
}
