//! Reading JSON text without taking it apart: an object's members in their order, each still raw, and
//! errors that tell the shape that was expected and never what was submitted.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// A string, borrowed from the request unless it holds escapes.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(transparent)]
pub struct Text<'a>(#[serde(borrow)] pub Cow<'a, str>);

impl std::ops::Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// The members of an object, in the order in which they were submitted. `null` reads as no members.
#[derive(Clone, Debug, Default)]
pub struct Members<'a>(pub Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Members<'a> {
    /// The value of the member `name`; the last one where it stands twice, as JSON parsers do it.
    pub fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.iter()
            .rev()
            .find(|(key, _)| key == name)
            .map(|(_, value)| *value)
    }

    pub fn iter(&self) -> std::slice::Iter<'_, (Cow<'a, str>, &'a RawValue)> {
        self.0.iter()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;

        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Members::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((Text(key), value)) = map.next_entry()? {
                    members.push((key, value));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_any(MembersVisitor)
    }
}

/// A `T` that was written as an object. A derived type alone would take a list of its fields as well.
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
            type Value = Object<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }

        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

/// Reads `raw` as an object, or tells what it is instead.
pub fn read_object<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Result<T, String> {
    read::<Object<T>>(raw).map(|Object(value)| value)
}

/// Reads `raw` as a `T`, or tells which shape was expected: `expected an object, found a list`.
///
/// serde's own message would quote the value, which may be a credential.
pub fn read<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Result<T, String> {
    serde_json::from_str(raw.get()).map_err(|error| describe(&error))
}

fn describe(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or_default();
    if message.starts_with("missing field") {
        return message.to_owned();
    }
    let found = message
        .strip_prefix("invalid type: ")
        .and_then(|rest| rest.split([' ', ',']).next());
    match (message.rsplit_once(", expected "), found) {
        (Some((_, expected)), Some(found)) => format!(
            "expected {}, found {}",
            json_name(expected.trim_start_matches("a ")),
            json_name(found)
        ),
        _ => "not the JSON that was expected".to_owned(),
    }
}

/// What JSON calls a type of serde's.
fn json_name(name: &str) -> &str {
    match name {
        "sequence" => "a list",
        "map" => "an object",
        "boolean" => "true or false",
        "string" => "a string",
        "integer" | "floating" | "i64" => "a number",
        other => other,
    }
}

/// Whether `raw` is the literal `null`.
pub fn is_null(raw: &RawValue) -> bool {
    raw.get() == "null"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn members_keep_their_order_and_the_last_of_two_counts() {
        let object = raw(r#"{"b":1,"a":null,"b":2}"#);
        let members: Members<'_> = read(&object).unwrap();
        let names: Vec<_> = members.iter().map(|(name, _)| name.as_ref()).collect();
        assert_eq!(names, ["b", "a", "b"]);
        assert_eq!(members.get("b").unwrap().get(), "2");
        assert!(is_null(members.get("a").unwrap()));
        assert!(members.get("c").is_none());
    }

    #[test]
    fn a_list_is_no_object() {
        #[derive(Debug, serde::Deserialize)]
        struct Shape {
            #[serde(default)]
            _field: Option<bool>,
        }

        let list = raw("[true]");
        assert!(read::<Shape>(&list).is_ok(), "what serde does by itself");
        assert_eq!(
            read_object::<Shape>(&list).unwrap_err(),
            "expected an object, found a list"
        );
    }

    #[test]
    fn an_error_tells_the_shape_and_never_the_value() {
        let list = raw(r#"["hunter2"]"#);
        assert_eq!(
            read::<Members<'_>>(&list).unwrap_err(),
            "expected an object, found a list"
        );
        let text = raw(r#""hunter2, expected to be secret""#);
        assert_eq!(
            read::<Members<'_>>(&text).unwrap_err(),
            "expected an object, found a string"
        );
        let number = raw("4711");
        assert_eq!(
            read::<Text<'_>>(&number).unwrap_err(),
            "expected a string, found a number"
        );
    }
}
