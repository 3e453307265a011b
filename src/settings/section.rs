//! Settings as tables: what is in a section is written once, and from it come its reader, its defaults and its
//! documentation.

use std::cell::RefCell;
use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde_json::{Map, Number, Value};

use crate::values::{Checked, Seconds};
use crate::words::{self, MOST_NAMES};

/// A row of the table of settings.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// The last part of its path.
    pub key: &'static str,
    /// What it is called in a form.
    pub label: &'static str,
    /// Where it, and all that is in it, is in a form; `None` for where the section around it is.
    pub group: Option<&'static str>,
    /// What it means; empty where the section around it, or the same key further up, says it.
    pub documentation: &'static str,
    /// What it can be.
    pub shape: Shape,
}

/// What a setting can be.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// A string.
    Text,
    /// A whole number.
    Whole,
    /// True or false.
    Boolean,
    /// One of these strings.
    OneOf(&'static [&'static str]),
    /// A list of strings.
    List,
    /// An object of settings.
    Section {
        /// What is in it.
        fields: fn() -> Vec<Field>,
        /// Whether `null` unsets all that is in it.
        can_be_null: bool,
    },
}

/// One thing that is wrong in the settings.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}{}{problem}", path, if path.is_empty() { "" } else { ": " })]
pub struct Invalid {
    /// Where it is: `vault.auth.kubernetes.path`; empty for the settings as a whole.
    pub path: String,
    /// What is wrong and what is expected.
    pub problem: String,
}

/// A single setting.
pub trait Setting: Sized {
    const SHAPE: Shape;

    /// Reads the value. The error says what is expected.
    fn from_json(value: &Value) -> Result<Self, String>;

    /// The value as it is written.
    fn to_json(&self) -> Value;
}

/// An object of settings.
pub trait Section {
    /// What is in it, in the order of the documentation.
    fn fields() -> Vec<Field>;

    /// Takes over what is given.
    fn read_from(&mut self, reader: &mut Reader<'_, '_>);

    /// The values, by their keys.
    fn to_json(&self) -> Map<String, Value>;
}

/// Reads one object of the settings, and collects what is wrong in it.
pub struct Reader<'p, 'v> {
    path: String,
    fields: Option<&'v Map<String, Value>>,
    known: Vec<&'static str>,
    problems: &'p RefCell<Vec<Invalid>>,
}

impl<'p, 'v> Reader<'p, 'v> {
    /// Reads the object `value` at `path` into `section`. Null is an object in which nothing is given.
    pub fn read(
        path: String,
        value: &'v Value,
        section: &mut impl Section,
        problems: &'p RefCell<Vec<Invalid>>,
    ) {
        let mut reader = Reader {
            path,
            fields: value.as_object(),
            known: Vec::new(),
            problems,
        };
        if reader.fields.is_none() && !value.is_null() {
            reader.invalid("", expected("an object", value));
        }
        section.read_from(&mut reader);
        reader.finish();
    }

    /// Sets `target` to the field `key`, where it is given.
    pub fn value<T: Setting>(&mut self, key: &'static str, target: &mut T) {
        self.set(key, |value| *target = value);
    }

    fn set<T: Setting>(&mut self, key: &'static str, set: impl FnOnce(T)) {
        match self.take(key).map(T::from_json) {
            Some(Ok(value)) => set(value),
            Some(Err(problem)) => self.invalid(key, problem),
            None => {}
        }
    }

    /// The same for a name that is kept as text.
    pub fn named<T: Checked>(&mut self, key: &'static str, target: &mut String) {
        self.set(key, |name: T| *target = name.text());
    }

    /// The same for a list of them; an empty one is none.
    pub fn names<T: Checked>(&mut self, key: &'static str, target: &mut Option<Vec<String>>) {
        self.set(key, |names: Vec<T>| {
            let names: Vec<_> = names.iter().map(T::text).collect();
            *target = (!names.is_empty()).then_some(names);
        });
    }

    /// Reads the object in the field `key`, where it is given.
    pub fn section(&mut self, key: &'static str, section: &mut impl Section) {
        if let Some(value) = self.take(key) {
            Reader::read(self.child(key), value, section, self.problems);
        }
    }

    /// Reads the object in the field `key`, which null unsets.
    pub fn nullable<T: Section + Default>(&mut self, key: &'static str, target: &mut Option<T>) {
        match self.take(key) {
            Some(Value::Null) => *target = None,
            Some(value) => {
                let section = target.get_or_insert_with(T::default);
                Reader::read(self.child(key), value, section, self.problems);
            }
            None => {}
        }
    }

    /// Adds that something is wrong with the field `key`.
    pub fn invalid(&self, key: &str, problem: impl Into<String>) {
        self.problems.borrow_mut().push(Invalid {
            path: self.child(key),
            problem: problem.into(),
        });
    }

    /// What is not in the table is unknown.
    fn finish(self) {
        let names = self.fields.into_iter().flat_map(Map::keys);
        let unknown: Vec<_> = names
            .filter(|name| !self.known.contains(&name.as_str()))
            .collect();
        for name in unknown.iter().take(MOST_NAMES) {
            let hint = match words::nearest(name, self.known.iter().copied()) {
                Some(known) => format!("unknown setting; did you mean `{known}`?"),
                None => format!("unknown setting; expected one of {}", self.known.join(", ")),
            };
            self.invalid(name, hint);
        }
        if let Some(more) = unknown
            .len()
            .checked_sub(MOST_NAMES)
            .filter(|more| *more > 0)
        {
            self.invalid("", format!("{more} more unknown settings"));
        }
    }

    fn take(&mut self, key: &'static str) -> Option<&'v Value> {
        self.known.push(key);
        self.fields?.get(key)
    }

    fn child(&self, key: &str) -> String {
        match (self.path.as_str(), key) {
            (path, "") => path.to_owned(),
            ("", key) => key.to_owned(),
            (path, key) => format!("{path}.{key}"),
        }
    }
}

/// What is wrong with a value that is not `what`.
fn expected(what: &str, value: &Value) -> String {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    format!("expected {what}, found {kind}")
}

impl Setting for bool {
    const SHAPE: Shape = Shape::Boolean;

    fn from_json(value: &Value) -> Result<Self, String> {
        let boolean = value.as_bool();
        boolean.ok_or_else(|| expected("true or false", value))
    }

    fn to_json(&self) -> Value {
        Value::Bool(*self)
    }
}

impl Setting for i64 {
    const SHAPE: Shape = Shape::Whole;

    fn from_json(value: &Value) -> Result<Self, String> {
        let number = value.as_i64().filter(|number| *number >= 0);
        number.ok_or_else(|| expected("a whole number, 0 or more", value))
    }

    fn to_json(&self) -> Value {
        Value::Number(Number::from(*self))
    }
}

impl Setting for Seconds {
    const SHAPE: Shape = Shape::Whole;

    fn from_json(value: &Value) -> Result<Self, String> {
        let seconds = value.as_i64().and_then(Seconds::new);
        seconds.ok_or_else(|| {
            expected(
                &format!("a whole number of seconds, 1 to {}", Seconds::MOST),
                value,
            )
        })
    }

    fn to_json(&self) -> Value {
        Value::Number(Number::from(self.get()))
    }
}

impl<T: Checked> Setting for T {
    const SHAPE: Shape = match T::NAMES {
        [] => Shape::Text,
        names => Shape::OneOf(names),
    };

    fn from_json(value: &Value) -> Result<Self, String> {
        let text = match value {
            Value::String(text) => text.clone(),
            // Quantities such as 1 are numbers in YAML.
            Value::Number(number) if T::TAKES_NUMBERS => number.to_string(),
            Value::Bool(boolean) => {
                return T::of_boolean(*boolean).ok_or_else(|| expected(T::EXPECTED, value));
            }
            _ => return Err(expected(T::EXPECTED, value)),
        };
        T::parse(&text).ok_or_else(|| format!("expected {}", T::EXPECTED))
    }

    fn to_json(&self) -> Value {
        Value::String(self.text())
    }
}

/// Null unsets. `kubectl apply` drops it from a policy: where it takes away a number, `none` does the same.
impl<T: Setting> Setting for Option<T> {
    const SHAPE: Shape = T::SHAPE;

    fn from_json(value: &Value) -> Result<Self, String> {
        match value {
            Value::Null => Ok(None),
            Value::String(text) if text == "none" && matches!(T::SHAPE, Shape::Whole) => Ok(None),
            value => T::from_json(value).map(Some),
        }
    }

    fn to_json(&self) -> Value {
        self.as_ref().map_or(Value::Null, T::to_json)
    }
}

impl<T: Setting> Setting for Vec<T> {
    const SHAPE: Shape = Shape::List;

    fn from_json(value: &Value) -> Result<Self, String> {
        let items = value.as_array().ok_or_else(|| expected("a list", value))?;
        let items = (1..).zip(items).map(|(position, item)| {
            T::from_json(item).map_err(|problem| format!("item {position}: {problem}"))
        });
        items.collect()
    }

    fn to_json(&self) -> Value {
        self.iter().map(T::to_json).collect()
    }
}

/// What a container can request and be limited in, by the names that Kubernetes has for it.
pub const RESOURCES: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];

/// Amounts of [`RESOURCES`].
impl Section for BTreeMap<String, Quantity> {
    fn fields() -> Vec<Field> {
        let field = |(key, label)| Field {
            key,
            label,
            group: None,
            documentation: "",
            shape: Shape::Text,
        };
        let labels = ["CPU", "memory", "ephemeral storage"];
        RESOURCES.into_iter().zip(labels).map(field).collect()
    }

    fn read_from(&mut self, reader: &mut Reader<'_, '_>) {
        let mut amounts = BTreeMap::new();
        for key in RESOURCES {
            let mut amount = self.get(key).cloned();
            reader.value(key, &mut amount);
            amounts.extend(amount.map(|amount| (key.to_owned(), amount)));
        }
        *self = amounts;
    }

    fn to_json(&self) -> Map<String, Value> {
        let json = |key| (String::from(key), Setting::to_json(&self.get(key).cloned()));
        RESOURCES.map(json).into_iter().collect()
    }
}

/// Makes a section of a struct that has its fields in a table: their documentation, what they are (`value`, `section`,
/// `nullable` for a section that null unsets, `flat` for the fields of another section, `named` and `names` for names that
/// are kept as text), their key, type, label in a form and, where that is not the section's, their group there.
macro_rules! table {
    ($name:ident {
        $($(#[doc = $doc:literal])* $kind:ident $field:ident $key:literal: $type:ty, $label:literal $(in $group:literal)?;)+
    } $(check $check:path)?) => {
        impl Section for $name {
            #[allow(clippy::vec_init_then_push, reason = "a flat section adds several")]
            fn fields() -> Vec<Field> {
                let mut fields = Vec::new();
                $(field_of!($kind fields, Field {
                    key: $key,
                    label: $label,
                    group: [$($group,)? ""].first().copied().filter(|group| !group.is_empty()),
                    documentation: concat!($($doc),*),
                    shape: shape_of!($kind $type),
                }, $type);)+
                fields
            }

            fn read_from(&mut self, reader: &mut Reader<'_, '_>) {
                $(read_field!($kind reader, $key, self.$field, $type);)+
                $($check(self, reader);)?
            }

            fn to_json(&self) -> Map<String, Value> {
                let mut json = Map::new();
                $(json_of!($kind json, $key, self.$field, $type);)+
                json
            }
        }
    };
}

/// Makes the struct as well, with the default of each field.
macro_rules! section {
    ($(#[$meta:meta])* $name:ident {
        $($(#[doc = $doc:literal])* $kind:ident $field:ident $key:literal: $type:ty = $default:expr, $label:literal $(in $group:literal)?;)+
    } $(check $check:path)?) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $($(#[doc = $doc])* pub $field: $type,)+
        }

        impl Default for $name {
            fn default() -> Self {
                $name { $($field: $default,)+ }
            }
        }

        table! {
            $name {
                $($(#[doc = $doc])* $kind $field $key: $type, $label $(in $group)?;)+
            } $(check $check)?
        }
    };
}

macro_rules! shape_of {
    (section $type:ty) => {
        Shape::Section {
            fields: <$type>::fields,
            can_be_null: false,
        }
    };
    (nullable $type:ty) => {
        Shape::Section {
            fields: <<$type as IntoIterator>::Item as Section>::fields,
            can_be_null: true,
        }
    };
    (flat $type:ty) => {
        Shape::Text
    };
    (named $type:ty) => {
        <$type as Setting>::SHAPE
    };
    (names $type:ty) => {
        Shape::List
    };
    (value $type:ty) => {
        <$type as Setting>::SHAPE
    };
}

macro_rules! field_of {
    (flat $fields:ident, $field:expr, $type:ty) => {
        $fields.extend(<$type>::fields())
    };
    ($kind:ident $fields:ident, $field:expr, $type:ty) => {
        $fields.push($field)
    };
}

macro_rules! read_field {
    (flat $reader:ident, $key:literal, $field:expr, $type:ty) => {
        $field.read_from($reader)
    };
    (named $reader:ident, $key:literal, $field:expr, $type:ty) => {
        $reader.named::<$type>($key, &mut $field)
    };
    (names $reader:ident, $key:literal, $field:expr, $type:ty) => {
        $reader.names::<$type>($key, &mut $field)
    };
    ($kind:ident $reader:ident, $key:literal, $field:expr, $type:ty) => {
        $reader.$kind($key, &mut $field)
    };
}

macro_rules! json_of {
    (flat $json:ident, $key:literal, $field:expr, $type:ty) => {
        $json.extend(Section::to_json(&$field))
    };
    (section $json:ident, $key:literal, $field:expr, $type:ty) => {
        $json.insert($key.to_owned(), Value::Object(Section::to_json(&$field)))
    };
    (nullable $json:ident, $key:literal, $field:expr, $type:ty) => {
        $json.insert(
            $key.to_owned(),
            $field
                .as_ref()
                .map_or(Value::Null, |it| Value::Object(Section::to_json(it))),
        )
    };
    (value $json:ident, $key:literal, $field:expr, $type:ty) => {
        $json.insert($key.to_owned(), Setting::to_json(&$field))
    };
    (named $json:ident, $key:literal, $field:expr, $type:ty) => {
        $json.insert($key.to_owned(), Value::String($field.clone()))
    };
    (names $json:ident, $key:literal, $field:expr, $type:ty) => {
        $json.insert($key.to_owned(), $field.iter().flatten().cloned().collect())
    };
}

pub(super) use {field_of, json_of, read_field, section, shape_of, table};
