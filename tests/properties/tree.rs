//! JSON as it was written: members in their order, also those that stand twice, and numbers digit by digit.

use std::fmt::{self, Write};

use proptest::test_runner::TestRng;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

#[derive(Clone, PartialEq)]
pub enum Tree {
    /// `null`, `true`, `false` or a number.
    Literal(String),
    Text(String),
    List(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

impl Tree {
    pub const EMPTY: Tree = Tree::Object(Vec::new());

    pub fn null() -> Tree {
        Tree::Literal("null".to_owned())
    }

    pub fn text(text: impl Into<String>) -> Tree {
        Tree::Text(text.into())
    }

    /// Reads JSON text.
    pub fn parse(text: &str) -> Tree {
        struct Members<'a>(Vec<(String, &'a RawValue)>);

        impl<'de> Deserialize<'de> for Members<'de> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct MembersVisitor;

                impl<'de> Visitor<'de> for MembersVisitor {
                    type Value = Members<'de>;

                    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                        formatter.write_str("an object")
                    }

                    fn visit_map<A: MapAccess<'de>>(
                        self,
                        mut map: A,
                    ) -> Result<Self::Value, A::Error> {
                        let mut members = Vec::new();
                        while let Some(member) = map.next_entry()? {
                            members.push(member);
                        }
                        Ok(Members(members))
                    }
                }

                deserializer.deserialize_map(MembersVisitor)
            }
        }

        fn read<'a, T: Deserialize<'a>>(text: &'a str) -> T {
            serde_json::from_str(text).unwrap_or_else(|error| panic!("no JSON: {error}: {text}"))
        }

        let text = text.trim();
        match text.as_bytes().first() {
            Some(b'{') => {
                let Members(members) = read(text);
                let members = members.into_iter();
                Tree::Object(
                    members
                        .map(|(name, raw)| (name, Tree::parse(raw.get())))
                        .collect(),
                )
            }
            Some(b'[') => {
                let items: Vec<&RawValue> = read(text);
                Tree::List(
                    items
                        .into_iter()
                        .map(|raw| Tree::parse(raw.get()))
                        .collect(),
                )
            }
            Some(b'"') => Tree::Text(read(text)),
            _ => {
                let literal: &RawValue = read(text);
                Tree::Literal(literal.get().to_owned())
            }
        }
    }

    pub fn is_null(&self) -> bool {
        *self == Tree::null()
    }

    pub fn as_text(&self) -> Option<&str> {
        match self {
            Tree::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The items of a list; none of anything else.
    pub fn items(&self) -> &[Tree] {
        match self {
            Tree::List(items) => items,
            _ => &[],
        }
    }

    /// The members of an object; none of anything else.
    pub fn members(&self) -> &[(String, Tree)] {
        match self {
            Tree::Object(members) => members,
            _ => &[],
        }
    }

    /// The member `name`, the last one where it stands twice.
    pub fn get(&self, name: &str) -> Option<&Tree> {
        let mut members = self.members().iter().rev();
        members
            .find(|(known, _)| known == name)
            .map(|(_, member)| member)
    }

    /// The member at a path of names.
    pub fn at(&self, path: &[&str]) -> Option<&Tree> {
        path.iter().try_fold(self, |tree, name| tree.get(name))
    }

    /// The text of the member `name`.
    pub fn text_of(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Tree::as_text)
    }

    /// The items of the list `name`.
    pub fn list_of(&self, name: &str) -> &[Tree] {
        self.get(name).map_or(&[], Tree::items)
    }

    /// The member `name` of an object, made if it is not there.
    pub fn entry(&mut self, name: &str) -> &mut Tree {
        if !matches!(self, Tree::Object(_)) {
            *self = Tree::EMPTY;
        }
        let Tree::Object(members) = self else {
            unreachable!("it is an object now")
        };
        let index = members.iter().rposition(|(known, _)| known == name);
        let index = index.unwrap_or_else(|| {
            members.push((name.to_owned(), Tree::null()));
            members.len() - 1
        });
        &mut members[index].1
    }

    /// The member at a path of names, made if it is not there.
    pub fn entry_at(&mut self, path: &[&str]) -> &mut Tree {
        path.iter().fold(self, |tree, name| tree.entry(name))
    }

    /// The items of the list `name`, which is made if it is not there.
    pub fn list_entry(&mut self, name: &str) -> &mut Vec<Tree> {
        let entry = self.entry(name);
        if !matches!(entry, Tree::List(_)) {
            *entry = Tree::List(Vec::new());
        }
        match entry {
            Tree::List(items) => items,
            _ => unreachable!("it is a list now"),
        }
    }

    pub fn remove(&mut self, name: &str) {
        if let Tree::Object(members) = self {
            members.retain(|(known, _)| known != name);
        }
    }

    /// Every string in it, except the names of members.
    pub fn texts(&self) -> Vec<&str> {
        match self {
            Tree::Literal(_) => Vec::new(),
            Tree::Text(text) => vec![text],
            Tree::List(items) => items.iter().flat_map(Tree::texts).collect(),
            Tree::Object(members) => members
                .iter()
                .flat_map(|(_, member)| member.texts())
                .collect(),
        }
    }

    /// The same with every string changed, except the names of members.
    pub fn map_texts(&self, change: &impl Fn(&str) -> String) -> Tree {
        match self {
            Tree::Literal(literal) => Tree::Literal(literal.clone()),
            Tree::Text(text) => Tree::Text(change(text)),
            Tree::List(items) => {
                Tree::List(items.iter().map(|item| item.map_texts(change)).collect())
            }
            Tree::Object(members) => {
                let member =
                    |(name, member): &(String, Tree)| (name.clone(), member.map_texts(change));
                Tree::Object(members.iter().map(member).collect())
            }
        }
    }

    /// The bytes of all strings and names in it.
    pub fn length(&self) -> usize {
        match self {
            Tree::Literal(_) => 0,
            Tree::Text(text) => text.len(),
            Tree::List(items) => items.iter().map(Tree::length).sum(),
            Tree::Object(members) => {
                let length = |(name, member): &(String, Tree)| name.len() + member.length();
                members.iter().map(length).sum()
            }
        }
    }

    /// The same with the members of all objects in the order of their names, to compare what has no order.
    pub fn sorted(&self) -> Tree {
        self.reordered(&mut |members| members.sort_by(|left, right| left.0.cmp(&right.0)))
    }

    /// The same with the members of all objects in another order.
    pub fn shuffled(&self, random: &mut TestRng) -> Tree {
        use proptest::prelude::Rng;

        self.reordered(&mut |members| {
            for index in (1..members.len()).rev() {
                let other = random.next_u64() as usize % (index + 1);
                members.swap(index, other);
            }
        })
    }

    fn reordered(&self, reorder: &mut impl FnMut(&mut Vec<(String, Tree)>)) -> Tree {
        match self {
            Tree::List(items) => {
                Tree::List(items.iter().map(|item| item.reordered(reorder)).collect())
            }
            Tree::Object(members) => {
                let mut members: Vec<_> = members
                    .iter()
                    .map(|(name, member)| (name.clone(), member.reordered(reorder)))
                    .collect();
                reorder(&mut members);
                Tree::Object(members)
            }
            other => other.clone(),
        }
    }

    /// The same with every member once: the last one counts.
    pub fn without_duplicates(&self) -> Tree {
        match self {
            Tree::List(items) => Tree::List(items.iter().map(Tree::without_duplicates).collect()),
            Tree::Object(members) => {
                let mut once: Vec<(String, Tree)> = Vec::new();
                for (name, member) in members {
                    once.retain(|(known, _)| known != name);
                    once.push((name.clone(), member.without_duplicates()));
                }
                Tree::Object(once)
            }
            other => other.clone(),
        }
    }
}

impl From<Value> for Tree {
    fn from(value: Value) -> Tree {
        Tree::parse(&value.to_string())
    }
}

/// Writes the JSON text.
impl fmt::Display for Tree {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |text: &str| Value::String(text.to_owned()).to_string();
        match self {
            Tree::Literal(literal) => formatter.write_str(literal),
            Tree::Text(text) => formatter.write_str(&quoted(text)),
            Tree::List(items) => {
                formatter.write_char('[')?;
                for (index, item) in items.iter().enumerate() {
                    let separator = if index == 0 { "" } else { "," };
                    write!(formatter, "{separator}{item}")?;
                }
                formatter.write_char(']')
            }
            Tree::Object(members) => {
                formatter.write_char('{')?;
                for (index, (name, member)) in members.iter().enumerate() {
                    let separator = if index == 0 { "" } else { "," };
                    write!(formatter, "{separator}{}:{member}", quoted(name))?;
                }
                formatter.write_char('}')
            }
        }
    }
}

/// The JSON text: what a failing test shows can be evaluated again.
impl fmt::Debug for Tree {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")
    }
}

#[test]
fn json_is_written_as_it_was_read() {
    let text = r#"{"z":1.50,"a":[123456789012345678901234567890,null,true,-0,"é\"\\"],"z":{}}"#;
    assert_eq!(Tree::parse(text).to_string(), text);
    assert_eq!(
        Tree::parse(text).sorted().without_duplicates().to_string(),
        r#"{"a":[123456789012345678901234567890,null,true,-0,"é\"\\"],"z":{}}"#
    );
}
