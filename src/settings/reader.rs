//! Reading settings from JSON so that every problem is told at once, each with its path.

use std::cell::RefCell;
use std::fmt;

use serde_json::{Map, Value};

use crate::suggestion;

/// One thing that is wrong in the settings.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// Where it is: `vault.auth.kubernetes.path`.
    pub path: String,
    /// What is wrong and what is allowed.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => formatter.write_str(&self.message),
            path => write!(formatter, "{path}: {}", self.message),
        }
    }
}

/// A value of the settings, made from JSON.
pub trait FromSetting: Sized {
    /// Reads the value; the error says what is allowed.
    fn from_setting(value: Value) -> Result<Self, String>;
}

/// An object of the settings, from which fields are taken until none should be left.
pub struct Section<'p> {
    path: String,
    fields: Map<String, Value>,
    known: Vec<&'static str>,
    problems: &'p RefCell<Vec<Problem>>,
}

impl<'p> Section<'p> {
    /// The object `value` at `path`; anything but an object is a problem.
    pub fn new(path: String, value: Value, problems: &'p RefCell<Vec<Problem>>) -> Self {
        let fields = match value {
            Value::Object(fields) => fields,
            Value::Null => Map::new(),
            other => {
                problems.borrow_mut().push(Problem {
                    path: path.clone(),
                    message: format!("expected an object, found {}", kind(&other)),
                });
                Map::new()
            }
        };
        Section {
            path,
            fields,
            known: Vec::new(),
            problems,
        }
    }

    /// Sets `target` to the field `name`, where it is given.
    pub fn field<T: FromSetting>(&mut self, name: &'static str, target: &mut T) {
        let Some(value) = self.take(name) else {
            return;
        };
        match T::from_setting(value) {
            Ok(value) => *target = value,
            Err(message) => self.problem(name, message),
        }
    }

    /// Reads the object in field `name`.
    pub fn section(&mut self, name: &'static str, read: impl FnOnce(&mut Section<'p>)) {
        let value = self.take(name).unwrap_or_default();
        let mut section = Section::new(self.child(name), value, self.problems);
        read(&mut section);
        section.finish();
    }

    /// Reads the object in field `name` into `target`, which `null` unsets.
    pub fn optional_section<T>(
        &mut self,
        name: &'static str,
        target: &mut Option<T>,
        read: impl FnOnce(&mut Section<'p>, &mut T),
    ) {
        match self.take(name) {
            Some(Value::Null) => *target = None,
            Some(value) => {
                let mut section = Section::new(self.child(name), value, self.problems);
                if let Some(target) = target {
                    read(&mut section, target);
                }
                section.finish();
            }
            None => {}
        }
    }

    /// Adds a problem with the field `name`.
    pub fn problem(&self, name: &str, message: String) {
        self.problems.borrow_mut().push(Problem {
            path: self.child(name),
            message,
        });
    }

    /// Whatever has not been asked for is unknown.
    pub fn finish(self) {
        for name in self.fields.keys() {
            let hint = match suggestion::nearest(name, self.known.iter().copied()) {
                Some(known) => format!("unknown setting; did you mean `{known}`?"),
                None => format!("unknown setting; known are {}", self.known.join(", ")),
            };
            self.problem(name, hint);
        }
    }

    fn take(&mut self, name: &'static str) -> Option<Value> {
        self.known.push(name);
        self.fields.remove(name)
    }

    fn child(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }
}

/// What a JSON value is called in messages.
pub fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn expected<T>(what: &str, value: &Value) -> Result<T, String> {
    Err(format!("expected {what}, found {}", kind(value)))
}

impl FromSetting for bool {
    fn from_setting(value: Value) -> Result<Self, String> {
        match value {
            Value::Bool(value) => Ok(value),
            other => expected("true or false", &other),
        }
    }
}

impl FromSetting for i64 {
    fn from_setting(value: Value) -> Result<Self, String> {
        match value.as_i64() {
            Some(number) if number >= 0 => Ok(number),
            _ => expected("a whole number, 0 or more", &value),
        }
    }
}

impl FromSetting for String {
    fn from_setting(value: Value) -> Result<Self, String> {
        match value {
            Value::String(text) if text.is_empty() => Err("must not be empty".to_owned()),
            Value::String(text) if text.contains(char::is_control) => {
                Err("must not contain control characters".to_owned())
            }
            Value::String(text) => Ok(text),
            other => expected("a string", &other),
        }
    }
}

/// `null` unsets.
impl<T: FromSetting> FromSetting for Option<T> {
    fn from_setting(value: Value) -> Result<Self, String> {
        match value {
            Value::Null => Ok(None),
            value => T::from_setting(value).map(Some),
        }
    }
}

impl<T: FromSetting> FromSetting for Vec<T> {
    fn from_setting(value: Value) -> Result<Self, String> {
        match value {
            Value::Array(items) => items
                .into_iter()
                .enumerate()
                .map(|(index, item)| {
                    T::from_setting(item)
                        .map_err(|message| format!("item {}: {message}", index + 1))
                })
                .collect(),
            other => expected("a list", &other),
        }
    }
}
