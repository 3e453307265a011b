//! Reading settings from JSON so that every problem is told at once, each with its path.

use std::cell::RefCell;
use std::fmt;

use crate::json::{Json, Members};
use crate::sorted::First;
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
    fn from_setting(value: Json<'_>) -> Result<Self, String>;
}

/// An object of the settings, from which fields are taken until none should be left.
pub struct Section<'p, 's> {
    path: String,
    fields: Members<'s>,
    known: Vec<&'static str>,
    problems: &'p RefCell<Vec<Problem>>,
}

impl<'p, 's> Section<'p, 's> {
    /// The object `value` at `path`; anything but an object is a problem.
    pub fn new(path: String, value: Json<'s>, problems: &'p RefCell<Vec<Problem>>) -> Self {
        let fields = value.members().unwrap_or_else(|message| {
            problems.borrow_mut().push(Problem {
                path: path.clone(),
                message,
            });
            Members::default()
        });
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
    pub fn section(&mut self, name: &'static str, read: impl FnOnce(&mut Section<'p, 's>)) {
        let value = self.take(name).unwrap_or(Json::NULL);
        let mut section = Section::new(self.child(name), value, self.problems);
        read(&mut section);
        section.finish();
    }

    /// Reads the object in field `name` into `target`, which `null` unsets.
    pub fn optional_section<T>(
        &mut self,
        name: &'static str,
        target: &mut Option<T>,
        read: impl FnOnce(&mut Section<'p, 's>, &mut T),
    ) {
        match self.take(name) {
            Some(value) if value.is_null() => *target = None,
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
        let unknown: First<'_> = self.fields.iter().map(|(name, _)| &**name).collect();
        let (unknown, more) = unknown.into_sorted();
        for name in unknown {
            let hint = match suggestion::nearest(name, self.known.iter().copied()) {
                Some(known) => format!("unknown setting; did you mean `{known}`?"),
                None => format!("unknown setting; known are {}", self.known.join(", ")),
            };
            self.problem(name, hint);
        }
        if more > 0 {
            self.problems.borrow_mut().push(Problem {
                path: self.path,
                message: format!("{more} more unknown settings"),
            });
        }
    }

    fn take(&mut self, name: &'static str) -> Option<Json<'s>> {
        self.known.push(name);
        let value = self.fields.get(name);
        if value.is_some() {
            self.fields.0.retain(|(known, _)| known != name);
        }
        value
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
fn kind(value: Json<'_>) -> &'static str {
    match value.kind() {
        "true or false" => "a boolean",
        other => other,
    }
}

/// What is wrong with a value that is no `what`.
pub fn expected(what: &str, value: Json<'_>) -> String {
    format!("expected {what}, found {}", kind(value))
}

impl FromSetting for bool {
    fn from_setting(value: Json<'_>) -> Result<Self, String> {
        value
            .boolean()
            .map_err(|_| expected("true or false", value))
    }
}

impl FromSetting for i64 {
    fn from_setting(value: Json<'_>) -> Result<Self, String> {
        match value.integer() {
            Ok(number) if number >= 0 => Ok(number),
            _ => Err(expected("a whole number, 0 or more", value)),
        }
    }
}

impl FromSetting for String {
    fn from_setting(value: Json<'_>) -> Result<Self, String> {
        let text = value.string().map_err(|_| expected("a string", value))?;
        if text.is_empty() {
            Err("must not be empty".to_owned())
        } else if text.contains(char::is_control) {
            Err("must not contain control characters".to_owned())
        } else {
            Ok(text.0.into_owned())
        }
    }
}

/// `null` unsets.
impl<T: FromSetting> FromSetting for Option<T> {
    fn from_setting(value: Json<'_>) -> Result<Self, String> {
        match value.is_null() {
            true => Ok(None),
            false => T::from_setting(value).map(Some),
        }
    }
}

impl<T: FromSetting> FromSetting for Vec<T> {
    fn from_setting(value: Json<'_>) -> Result<Self, String> {
        let items = value.items().map_err(|_| expected("a list", value))?;
        let mut read = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            let item = T::from_setting(item);
            read.push(item.map_err(|message| format!("item {}: {message}", index + 1))?);
        }
        Ok(read)
    }
}
