//! The Agent Injector's answers as they are kept in `answers.jsonl`, so that they can be compared with where there is no
//! Agent Injector to be asked.
//!
//! The first line has what the Agent Injector adds to the first pod. From that each answer is predicted, and the other lines
//! have, one for each case, what is not as predicted: `{}` for nothing.

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    answer::Answer,
    cases::Case,
    files::{Problem, read, write},
    patch::{apply, difference},
    tree::tree,
};

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Refused(String),
    Unchanged,
    Injected(Value),
}

#[derive(Deserialize, Serialize)]
struct Line {
    case: String,
    /// The [digest](Case::digest) of the question.
    asked: String,
    answer: Outcome,
}

#[derive(Deserialize, Serialize)]
struct First {
    added: Value,
}

/// The recorded answers, in the order of the cases.
///
/// # Errors
///
/// [`Problem::File`] and [`Problem::Content`], and [`Problem::Answer`] where a case has none, or where another question was
/// asked than that of today.
pub fn recorded(path: &Path, cases: &[Case]) -> Result<Vec<Answer>, Problem> {
    let text = read(path)?;
    let content = |error: serde_json::Error| Problem::Content {
        path: path.to_owned(),
        message: error.to_string(),
    };
    let mut lines = text.lines();
    let first: First = serde_json::from_str(lines.next().unwrap_or_default()).map_err(content)?;
    let lines: Result<Vec<Line>, _> = lines.map(serde_json::from_str).collect();
    let lines = lines.map_err(content)?;
    let lines: BTreeMap<_, _> = lines
        .iter()
        .map(|line| (line.case.as_str(), line))
        .collect();
    let answer = |case: &Case| {
        let line = lines.get(case.name.as_str()).ok_or("it has no answer")?;
        if line.asked != case.digest() {
            return Err("its answer is to another question".to_owned());
        }
        Ok(match &line.answer {
            Outcome::Refused(message) => Answer::Refused(message.clone()),
            Outcome::Unchanged => Answer::Unchanged,
            Outcome::Injected(change) => {
                let mut answer = predicted(case, &first.added)?;
                apply(&mut answer, change);
                Answer::Injected(answer)
            }
        })
    };
    let answers = cases.iter().map(|case| {
        answer(case).map_err(|message| Problem::Answer {
            case: case.name.clone(),
            message: format!("{message}; record the answers anew, as README.md says"),
        })
    });
    answers.collect()
}

/// Keeps the answers to the cases.
///
/// # Errors
///
/// [`Problem::File`], and [`Problem::Answer`] where the first pod is not injected.
pub fn record(path: &Path, cases: &[Case], answers: &[Answer]) -> Result<(), Problem> {
    let problem = |case: &Case, message: String| Problem::Answer {
        case: case.name.clone(),
        message,
    };
    let (Some(case), Some(Answer::Injected(first))) = (cases.first(), answers.first()) else {
        return Err(Problem::Content {
            path: path.to_owned(),
            message: "the first pod is not injected".to_owned(),
        });
    };
    let submitted = tree(&case.pod, &case.pod).map_err(|message| problem(case, message))?;
    let added = difference(&submitted, first).unwrap_or_else(|| json!({}));
    let mut text = format!(
        "{}\n",
        json!(First {
            added: added.clone()
        })
    );
    for (case, answer) in cases.iter().zip(answers) {
        let answer = match answer {
            Answer::Refused(message) => Outcome::Refused(message.clone()),
            Answer::Unchanged => Outcome::Unchanged,
            Answer::Injected(tree) => {
                let predicted =
                    predicted(case, &added).map_err(|message| problem(case, message))?;
                Outcome::Injected(difference(&predicted, tree).unwrap_or_else(|| json!({})))
            }
        };
        let line = Line {
            case: case.name.clone(),
            asked: case.digest(),
            answer,
        };
        text.push_str(&format!("{}\n", json!(line)));
    }
    write(path, &text)
}

fn predicted(case: &Case, added: &Value) -> Result<Value, String> {
    let mut predicted = tree(&case.pod, &case.pod)?;
    apply(&mut predicted, added);
    Ok(predicted)
}
