//! The form for settings (`questions-ui.yml`) asks for all of them, and says of each what the table says.

use std::collections::BTreeMap;

use policy_host::Guest;
use serde::Deserialize;
use serde_json::{Value, json};

use super::settings;
use crate::inputs::NATIVE;

const FORM: &str = include_str!("../../../questions-ui.yml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    questions: Vec<Question>,
}

/// A question as Rancher's user interface knows it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    variable: String,
    group: String,
    label: String,
    description: String,
    #[serde(rename = "type")]
    kind: Kind,
    options: Option<Vec<String>>,
    /// Without one, a setting that is left empty is not given.
    default: Option<Value>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Boolean,
    Enum,
    Int,
    String,
    #[serde(rename = "array[")]
    List,
}

impl Kind {
    /// A value of this kind, whether or not it makes sense.
    fn example(self) -> Value {
        match self {
            Kind::Boolean => json!(true),
            Kind::Int => json!(7),
            Kind::Enum | Kind::String => json!("no such thing"),
            Kind::List => json!(["no such thing"]),
        }
    }
}

fn questions() -> Vec<Question> {
    yaml_serde::from_str::<Form>(FORM).unwrap().questions
}

/// Settings in which only one is given.
fn only(path: &str, value: Value) -> Value {
    path.rsplit('.')
        .fold(value, |value, key| json!({key: value}))
}

/// What the policy says of settings.
fn problems(settings: &Value) -> Option<String> {
    NATIVE.validate_settings(settings).unwrap().message
}

#[test]
fn there_is_one_question_for_every_setting_in_the_order_of_the_table() {
    let asked: Vec<_> = questions()
        .iter()
        .map(|question| question.variable.clone())
        .collect();
    let settings: Vec<_> = settings::all()
        .iter()
        .filter(|entry| !entry.is_section)
        .map(|entry| entry.path.clone())
        .collect();
    assert_eq!(asked, settings);
}

#[test]
fn every_question_has_the_default_and_the_words_of_the_table() {
    for question in questions() {
        let entry = settings::find(&question.variable).unwrap();
        assert_eq!(question.description, entry.documentation, "{}", entry.path);
        assert_eq!(
            question.default.unwrap_or_default(),
            entry.default,
            "{}",
            entry.path
        );
    }
}

/// Two questions of a group with one label could not be told from each other.
#[test]
fn labels_are_unique_in_their_group() {
    let mut labels = BTreeMap::new();
    for question in questions() {
        let other = labels.insert((question.group, question.label), question.variable.clone());
        assert_eq!(other, None, "{}", question.variable);
    }
}

/// The policy tells of a value of another type that it is one: "expected ..., found a number".
#[test]
fn every_question_gives_a_value_of_the_type_that_the_policy_takes() {
    for question in questions() {
        let path = &question.variable;
        let given = problems(&only(path, question.kind.example())).unwrap_or_default();
        assert!(!given.contains(", found "), "{given}");
        assert!(problems(&only(path, json!({}))).is_some(), "{path}");
    }
}

/// The policy tells what it takes in place of a word that it does not know.
#[test]
fn the_options_are_all_that_the_policy_takes() {
    for question in questions() {
        let path = &question.variable;
        let message = problems(&only(path, question.kind.example()));
        let Some(options) = question.options else {
            assert_ne!(question.kind, Kind::Enum, "{path}");
            continue;
        };
        let expected = format!("{path}: expected one of {}", options.join(", "));
        assert_eq!(message, Some(expected));
        for option in &options {
            // Another setting may have to be given with it.
            let message = problems(&only(path, json!(option))).unwrap_or_default();
            assert!(!message.starts_with(path), "{option}: {message}");
        }
    }
}

/// A user interface gives all defaults at once.
#[test]
fn the_form_as_it_is_opened_is_valid() {
    let mut given = json!({});
    for question in questions() {
        if let Some(default) = question.default {
            *at_path(&mut given, &question.variable) = default;
        }
    }
    assert_eq!(problems(&given), None);
    assert_eq!(
        given.as_object().unwrap().len(),
        settings::children(None).count()
    );
}

/// The place of a setting, which is made where there is none.
fn at_path<'s>(settings: &'s mut Value, path: &str) -> &'s mut Value {
    path.split('.')
        .fold(settings, |section, key| &mut section[key])
}
