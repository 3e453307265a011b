//! Reading JSON that stays text until something in it is needed.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// A string, borrowed from the request unless it holds escapes.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd, serde::Deserialize)]
#[serde(transparent)]
pub struct Text<'a>(#[serde(borrow)] pub Cow<'a, str>);

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// The members of a JSON object in the order in which they were submitted, each still text.
#[derive(Clone, Debug, Default)]
pub struct Members<'a>(Vec<(Text<'a>, &'a RawValue)>);

impl<'a> Members<'a> {
    /// The member `name` where it is given and not null; the last one where it stands twice, as in every JSON parser.
    pub fn get(&self, name: &str) -> Option<&'a RawValue> {
        let mut members = self.0.iter().rev();
        let (_, value) = members.find(|(known, _)| &**known == name)?;
        (!is_null(value)).then_some(*value)
    }

    /// Whether there is a member `name`, be it null.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| &**known == name)
    }

    /// Reads the member `name`; the default where it is not given.
    pub fn read<T: Default + Deserialize<'a>>(&self, name: &str) -> Result<T, serde_json::Error> {
        self.get(name).map_or_else(
            || Ok(T::default()),
            |value| serde_json::from_str(value.get()),
        )
    }

    /// Reads the member `name`, which must be given.
    pub fn required<T: Deserialize<'a>>(&self, name: &str) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.get(name).map_or("null", RawValue::get))
    }

    /// All members as they were submitted, those that are null or stand twice as well.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&Text<'a>, &'a RawValue)> {
        self.0.iter().map(|(name, value)| (name, *value))
    }
}

impl<'de: 'a, 'a> FromMap<'de> for Members<'a> {
    /// Reads its members.
    fn from_map<A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_object(deserializer)
    }
}

/// What is read from a JSON object and from nothing else. What serde derives for a struct takes a list, too.
pub trait FromMap<'de>: Sized {
    fn from_map<A: MapAccess<'de>>(map: A) -> Result<Self, A::Error>;
}

/// Reads a JSON object.
pub fn from_object<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromMap<'de>,
{
    struct ObjectVisitor<T>(PhantomData<T>);

    impl<'de, T: FromMap<'de>> Visitor<'de> for ObjectVisitor<T> {
        type Value = T;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            T::from_map(map)
        }
    }

    deserializer.deserialize_map(ObjectVisitor(PhantomData))
}

/// Lets structs that derive `Deserialize` with `#[serde(remote = "Self")]` be read from JSON objects only.
macro_rules! objects {
    ($($name:ident $(<$lifetime:lifetime>)?),+ $(,)?) => {
        $(
            impl<'de $(: $lifetime, $lifetime)?> crate::raw::FromMap<'de> for $name $(<$lifetime>)? {
                fn from_map<A: serde::de::MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
                    $name::deserialize(serde::de::value::MapAccessDeserializer::new(map))
                }
            }

            impl<'de $(: $lifetime, $lifetime)?> serde::Deserialize<'de> for $name $(<$lifetime>)? {
                fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    crate::raw::from_object(deserializer)
                }
            }
        )+
    };
}
pub(crate) use objects;

/// The member `name` of a JSON object, as [`Members::get`] finds it; nothing of another value. The other members are skipped,
/// however many there are.
pub fn member<'a>(object: &'a RawValue, name: &str) -> Option<&'a RawValue> {
    struct Wanted<'n>(&'n str);

    impl<'de> Visitor<'de> for Wanted<'_> {
        type Value = Option<&'de RawValue>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut member = None;
            while let Some(name) = map.next_key::<Text<'_>>()? {
                if &*name == self.0 {
                    member = Some(map.next_value()?);
                } else {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            Ok(member)
        }
    }

    let mut deserializer = serde_json::Deserializer::from_str(object.get());
    let member = deserializer.deserialize_map(Wanted(name)).ok()?;
    member.filter(|member| !is_null(member))
}

/// The items of a JSON list; none of another value.
pub fn items(list: &RawValue) -> Vec<&RawValue> {
    serde_json::from_str(list.get()).unwrap_or_default()
}

/// Whether text may say something else than it seems to. Hosts write letters as they are, but need not.
pub fn may_have_escapes(value: &RawValue) -> bool {
    value.get().contains("\\u")
}

/// Whether a value is JSON's null.
pub fn is_null(value: &RawValue) -> bool {
    value.get() == "null"
}

/// Reads null as the default: to Kubernetes, a field that is null is not given.
pub fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_keep_their_order_and_the_last_of_two_counts() {
        let members: Members<'_> = serde_json::from_str(r#" {"b":1, "a" : null,"b":2} "#).unwrap();
        let names: Vec<_> = members.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["b", "a", "b"]);
        assert_eq!(members.get("b").unwrap().get(), "2");
        assert!(members.get("a").is_none() && members.get("c").is_none());
    }

    #[test]
    fn depth_does_not_matter_to_what_is_not_taken_apart() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(20_000), "]".repeat(20_000));
        assert!(serde_json::from_str::<Members<'_>>(&deep).is_ok());
    }
}
