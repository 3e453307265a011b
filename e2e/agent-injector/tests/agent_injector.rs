//! Every case of `cases/`, answered by the Agent Injector and by the policy's module.
//!
//! `make e2e-agent-injector` runs it. The Agent Injector's answers are those of the program that `AGENT_INJECTOR` names, or of
//! `asker/` where Go can build it, and else the recorded ones. With `UPDATE_GOLDEN` the answers of a program are recorded, and
//! the list of differences is written into the documentation.

use std::{
    collections::BTreeSet,
    env,
    path::{Path, PathBuf},
};

use agent_injector_test::{
    answer::{Answer, Source},
    asker,
    cases::{Case, cases, pods, table},
    document, files, injector,
    listed::listed,
    messages, module, record,
    report::Report,
};
use policy_host::Policy;

/// How many annotations the Agent Injector has; two of them can also be those of one secret.
const ANNOTATIONS: usize = 74;

fn is_updated() -> bool {
    env::var_os("UPDATE_GOLDEN").is_some()
}

fn answers() -> PathBuf {
    files::own("answers.jsonl")
}

/// A program that answers as the Agent Injector does, if there is one.
fn program() -> Option<String> {
    if let Ok(program) = env::var("AGENT_INJECTOR") {
        return Some(program);
    }
    match asker::build(Path::new(env!("CARGO_TARGET_TMPDIR"))) {
        Ok(program) => Some(program.to_str().expect("a path is a text").to_owned()),
        Err(reason) => {
            println!("the Agent Injector is not asked, its recorded answers are used: {reason}");
            None
        }
    }
}

fn theirs(cases: &[Case]) -> (Source, Vec<Answer>) {
    let recorded = || record::recorded(&answers(), cases).unwrap();
    let Some(program) = program() else {
        return (Source::Recorded, recorded());
    };
    let live = injector::ask(&program, cases).unwrap();
    if is_updated() {
        record::record(&answers(), cases, &live).unwrap();
    }
    for ((case, live), recorded) in cases.iter().zip(&live).zip(&recorded()) {
        assert_eq!(live, recorded, "{}: recorded otherwise", case.name);
    }
    (Source::Live, live)
}

#[test]
fn the_policy_does_what_the_agent_injector_does() {
    let cases = cases().unwrap();
    let (source, theirs) = theirs(&cases);
    let module = env::var_os("POLICY").expect("`make e2e-agent-injector` names the module");
    let policy = Policy::from_file(files::of_repository("").join(module)).unwrap();
    if let Some(problem) = module::problem_of_settings(&policy).unwrap() {
        panic!("the module does not take the settings of the comparison: {problem}");
    }
    let ours: Result<Vec<_>, _> = cases.iter().map(|it| module::ask(&policy, it)).collect();
    let ours = ours.unwrap();
    let report = Report::new(&cases, (source, &theirs), &ours, &listed().unwrap());
    println!("{report}");
    let unknown = unknown_annotations(&ours);
    assert!(
        unknown.is_empty(),
        "messages name annotations that there are not: {unknown:#?}"
    );
    assert!(report.is_good(), "not all is as differences.yaml says");
}

/// Messages of the policy with annotations that the Agent Injector's users do not have.
fn unknown_annotations(ours: &[Answer]) -> BTreeSet<&str> {
    let table = table().unwrap();
    let messages = ours.iter().filter_map(|answer| match answer {
        Answer::Refused(message) => Some(message.as_str()),
        _ => None,
    });
    messages
        .filter(|message| messages::named(message).any(|name| !messages::is_known(name, &table)))
        .collect()
}

#[test]
fn the_documentation_has_the_list() {
    assert!(
        document::is_up_to_date(&listed().unwrap(), is_updated()).unwrap(),
        "run `UPDATE_GOLDEN=1 make e2e-agent-injector`"
    );
}

#[test]
fn every_annotation_is_in_the_table_and_every_case_is_another() {
    let table = table().unwrap();
    let names: BTreeSet<_> = table
        .annotations
        .iter()
        .map(|row| {
            row.annotation
                .trim_end_matches("-NAME")
                .trim_end_matches("-PARAM")
        })
        .filter(|name| *name != "unknown")
        .collect();
    assert_eq!(names.len(), ANNOTATIONS);
    let cases = cases().unwrap();
    let questions: BTreeSet<_> = cases.iter().map(Case::digest).collect();
    println!(
        "{} cases, {} questions, {} pods",
        cases.len(),
        questions.len(),
        pods().unwrap().pods.len()
    );
    assert!(questions.len() >= 300);
}
