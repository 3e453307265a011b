//! The list of differences in the documentation, between two marks.

use std::path::PathBuf;

use crate::{
    files::{Problem, of_repository, read, write},
    listed::{Entry, Subject, condition},
};

/// The document with the list.
const DOCUMENT: &str = "docs/migration/from-agent-injector.md";

const BEGIN: &str = "<!-- What is between these two marks is written by `make e2e-agent-injector` with UPDATE_GOLDEN=1. -->\n";
const END: &str = "<!-- Until here. -->\n";

/// Whether the document has the list as it is; with `is_written`, it has it then.
///
/// # Errors
///
/// [`Problem::File`], and [`Problem::Content`] where the marks are missing.
pub fn is_up_to_date(list: &[Subject], is_written: bool) -> Result<bool, Problem> {
    let path: PathBuf = of_repository(DOCUMENT);
    let text = read(&path)?;
    let Some((before, rest)) = text.split_once(BEGIN) else {
        return Err(marks_are_missing(path));
    };
    let Some((_, after)) = rest.split_once(END) else {
        return Err(marks_are_missing(path));
    };
    let expected = format!("{before}{BEGIN}\n{}\n{END}{after}", markdown(list));
    if is_written && expected != text {
        write(&path, &expected)?;
        return Ok(true);
    }
    Ok(expected == text)
}

fn marks_are_missing(path: PathBuf) -> Problem {
    Problem::Content {
        path,
        message: format!("expected {BEGIN:?} and, after it, {END:?}"),
    }
}

/// The list as tables.
pub fn markdown(list: &[Subject]) -> String {
    let subjects = list.iter().map(|subject| {
        let rows: String = subject.differences.iter().map(row).collect();
        format!(
            "### {}\n\n| what | Agent Injector | here | why |\n| --- | --- | --- | --- |\n{rows}",
            subject.subject
        )
    });
    subjects.collect::<Vec<_>>().join("\n")
}

fn row(entry: &Entry) -> String {
    let what = match (entry.refused.is_empty(), entry.conditions.is_empty()) {
        (false, _) => {
            let names = entry.refused.iter().map(|it| shown(it));
            let mut names: Vec<_> = names.collect();
            names.sort();
            names.dedup();
            names.join(", ")
        }
        (true, true) => entry.what.clone(),
        (true, false) => {
            let conditions: Vec<_> = entry.conditions.iter().map(|it| shown(it)).collect();
            format!("{}, with {}", entry.what, conditions.join(", or "))
        }
    };
    let side = |value: &Option<String>| match value.as_deref() {
        None | Some("*") => "varies".to_owned(),
        Some("absent") => "none".to_owned(),
        Some("injected" | "left alone") => value.clone().unwrap_or_default(),
        Some(value) if value.starts_with("refused") => "rejected".to_owned(),
        Some(value) => code(value),
    };
    let (theirs, ours) = match entry.refused.is_empty() {
        false => ("injected".to_owned(), "rejected".to_owned()),
        true => (side(&entry.theirs), side(&entry.ours)),
    };
    format!("| {what} | {theirs} | {ours} | {} |\n", entry.reason.trim())
}

/// Annotations with their values, as manifests have them.
fn shown(text: &str) -> String {
    let shown = text.split(" and ").map(|text| match condition(text) {
        (name, None | Some("*")) => code(name),
        (name, Some(value)) => match value.strip_prefix('!') {
            Some(other) => format!("{} other than {}", code(name), code(other)),
            None => code(&format!("{name}: {value:?}")),
        },
    });
    shown.collect::<Vec<_>>().join(" and ")
}

fn code(text: &str) -> String {
    format!("`{}`", text.replace('|', "\\|"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_a_table() {
        let list = r#"
            - subject: Volumes
              differences:
                - {what: sizes, path: '*.sizeLimit', theirs: absent, ours: 16Mi, reason: Memory is limited.}
                - {what: others, path: a, where: [b, 'c=d|e and f=', g=!h], reason: None.}
                - {refused: [role, namespace=, role=a], reason: Not valid.}
                - {what: pods, path: outcome, theirs: injected, ours: 'refused: *', reason: None.}
        "#;
        let list: Vec<Subject> = yaml_serde::from_str(list).unwrap();
        assert_eq!(
            markdown(&list),
            "### Volumes\n\n| what | Agent Injector | here | why |\n| --- | --- | --- | --- |\n\
             | sizes | none | `16Mi` | Memory is limited. |\n\
             | others, with `b`, or `c: \"d\\|e\"` and `f: \"\"`, or `g` other than `h` | varies | varies | None. |\n\
             | `namespace: \"\"`, `role: \"a\"`, `role` | injected | rejected | Not valid. |\n\
             | pods | injected | rejected | None. |\n"
        );
    }
}
