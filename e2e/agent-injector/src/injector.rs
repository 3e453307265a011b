//! The Agent Injector's own answers, from a program that has its handler.
//!
//! The program reads a question on each line of its standard input, `{"pod": {..}, "namespace": ".."}`, and writes an answer
//! on each line of its output: `{"allowed": true, "message": "..", "pod": {..}}`, with the pod as it is when the handler's
//! patch is applied, and without one where there is no patch. It is the [asker](crate::asker), or the one that environment
//! variable `AGENT_INJECTOR` names.

use std::{
    io::Write as _,
    process::{Command, Stdio},
    thread,
};

use serde::Deserialize;
use serde_json::Value;

use crate::{answer::Answer, cases::Case, files::Problem, tree::tree};

#[derive(Deserialize)]
struct Line {
    allowed: bool,
    #[serde(default)]
    message: String,
    pod: Option<Value>,
}

/// What the program answers, in the order of the cases.
///
/// # Errors
///
/// [`Problem::Program`], and [`Problem::Answer`] for what cannot be compared.
pub fn ask(program: &str, cases: &[Case]) -> Result<Vec<Answer>, Problem> {
    let failed = |message: String| Problem::Program {
        program: program.to_owned(),
        message,
    };
    let mut child = Command::new(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    let mut input = child.stdin.take();
    let questions: String = cases
        .iter()
        .map(|it| format!("{}\n", it.question()))
        .collect();
    // It may answer before it has read all of them.
    let writer = thread::spawn(move || match &mut input {
        Some(input) => input.write_all(questions.as_bytes()),
        None => Ok(()),
    });
    let output = child
        .wait_with_output()
        .map_err(|error| failed(error.to_string()))?;
    match writer.join() {
        Ok(Ok(())) if output.status.success() => {}
        _ => return Err(failed(format!("it ended early, with {}", output.status))),
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<_> = text.lines().collect();
    if lines.len() != cases.len() {
        let (asked, answers) = (cases.len(), lines.len());
        return Err(failed(format!("{answers} answers to {asked} questions")));
    }
    cases
        .iter()
        .zip(lines)
        .map(|(case, line)| {
            read(line, case).map_err(|message| Problem::Answer {
                case: case.name.clone(),
                message,
            })
        })
        .collect()
}

fn read(line: &str, case: &Case) -> Result<Answer, String> {
    let line: Line = serde_json::from_str(line).map_err(|error| error.to_string())?;
    match (line.allowed, line.pod) {
        (false, _) => Ok(Answer::Refused(line.message)),
        (true, None) => Ok(Answer::Unchanged),
        (true, Some(pod)) => Ok(Answer::Injected(tree(&pod, &case.pod)?)),
    }
}
