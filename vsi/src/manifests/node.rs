//! A document as a tree that remembers how it was written: the order, the style and the line of everything.

use std::collections::{HashMap, HashSet, VecDeque};

use serde_json::{Map, Value};

use super::scalar::{Style, string_style};

/// A value of a manifest, and how it was written there.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(super) line: usize,
    pub(super) content: Content,
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    Scalar(Scalar),
    Sequence { items: Vec<Node>, flow: bool },
    Mapping { entries: Vec<Entry>, flow: bool },
}

#[derive(Clone, Debug)]
pub(super) struct Scalar {
    /// No list and no object.
    pub(super) value: Value,
    pub(super) style: Style,
    /// The text, where it is not the value itself: `0644` for 420.
    pub(super) written: Option<String>,
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) line: usize,
    pub(super) key: Key,
    pub(super) value: Node,
}

#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) style: Style,
    /// The text, where it is not the name itself: `0644` for "420".
    pub(super) written: Option<String>,
}

impl Scalar {
    fn from_value(value: Value) -> Self {
        let style = value.as_str().map_or(Style::Plain, string_style);
        Self {
            value,
            style,
            written: None,
        }
    }
}

impl Key {
    pub(super) fn from_name(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            style: string_style(name),
            written: None,
        }
    }
}

impl Node {
    /// What the document says, without how it says it.
    pub(crate) fn to_value(&self) -> Value {
        match &self.content {
            Content::Scalar(scalar) => scalar.value.clone(),
            Content::Sequence { items, .. } => items.iter().map(Self::to_value).collect(),
            Content::Mapping { entries, .. } => entries
                .iter()
                .map(|entry| (entry.key.name.clone(), entry.value.to_value()))
                .collect(),
        }
    }

    /// A document that stands in no file: everything is on line 1.
    pub(crate) fn from_value(value: &Value) -> Self {
        Self::new(value, 1)
    }

    pub(super) fn new(value: &Value, line: usize) -> Self {
        let content = match value {
            Value::Array(values) => Content::Sequence {
                items: values.iter().map(|value| Self::new(value, line)).collect(),
                flow: false,
            },
            Value::Object(values) => {
                // What a thing is called comes first, as people write it.
                let (names, others): (Vec<_>, Vec<_>) =
                    values.iter().partition(|(name, _)| *name == "name");
                let entries = names.into_iter().chain(others);
                Content::Mapping {
                    entries: entries
                        .map(|(name, value)| Entry::new(name, value, line))
                        .collect(),
                    flow: false,
                }
            }
            scalar => Content::Scalar(Scalar::from_value(scalar.clone())),
        };
        Self { line, content }
    }

    /// The line of the key (or the list item, by its index) at a path, or of the deepest part of the
    /// path that exists.
    pub(crate) fn line_of(&self, path: &[&str]) -> usize {
        let Some((first, rest)) = path.split_first() else {
            return self.line;
        };
        match &self.content {
            Content::Scalar(_) => None,
            Content::Sequence { items, .. } => first
                .parse::<usize>()
                .ok()
                .and_then(|index| items.get(index))
                .map(|item| (item.line, item)),
            Content::Mapping { entries, .. } => entries
                .iter()
                .find(|entry| entry.key.name == *first)
                .map(|entry| (entry.line, &entry.value)),
        }
        .map_or(self.line, |(line, child)| match rest {
            [] => line,
            // Where the rest leads nowhere, the key's line is wanted, not that of its value.
            rest if child.has(rest[0]) => child.line_of(rest),
            _ => line,
        })
    }

    fn has(&self, step: &str) -> bool {
        match &self.content {
            Content::Scalar(_) => false,
            Content::Sequence { items, .. } => {
                step.parse::<usize>().is_ok_and(|index| index < items.len())
            }
            Content::Mapping { entries, .. } => entries.iter().any(|entry| entry.key.name == step),
        }
    }

    /// This node with the content `value`: what is the same keeps its order, its quotes and its style;
    /// what is new comes after it. Collections that are not the same any more are written as blocks.
    pub(crate) fn updated(&self, value: &Value) -> Self {
        let content = match (&self.content, value) {
            (Content::Scalar(scalar), value) if scalar.value == *value => {
                Content::Scalar(scalar.clone())
            }
            (Content::Mapping { entries, flow }, Value::Object(values)) => Content::Mapping {
                entries: self.updated_entries(entries, values),
                flow: *flow && self.has_value(value),
            },
            (Content::Sequence { items, flow }, Value::Array(values)) => Content::Sequence {
                items: self.updated_items(items, values),
                flow: *flow && self.has_value(value),
            },
            _ => return Self::new(value, self.line),
        };
        Self {
            line: self.line,
            content,
        }
    }

    fn updated_entries(&self, entries: &[Entry], values: &Map<String, Value>) -> Vec<Entry> {
        let names: HashSet<&str> = entries
            .iter()
            .map(|entry| entry.key.name.as_str())
            .collect();
        let kept = entries.iter().filter_map(|entry| {
            Some(Entry {
                value: entry.value.updated(values.get(&entry.key.name)?),
                ..entry.clone_without_value()
            })
        });
        let new = values
            .iter()
            .filter(|(name, _)| !names.contains(name.as_str()))
            .map(|(name, value)| Entry::new(name, value, self.line));
        kept.chain(new).collect()
    }

    fn updated_items(&self, items: &[Self], values: &[Value]) -> Vec<Self> {
        let matches =
            matches_by_name(items, values).unwrap_or_else(|| matches_by_value(items, values));
        values
            .iter()
            .zip(matches)
            .map(|(value, index)| match index {
                Some(index) => items[index].updated(value),
                None => Self::new(value, self.line),
            })
            .collect()
    }

    fn has_value(&self, value: &Value) -> bool {
        match (&self.content, value) {
            (Content::Scalar(scalar), value) => scalar.value == *value,
            (Content::Sequence { items, .. }, Value::Array(values)) => {
                items.len() == values.len()
                    && items
                        .iter()
                        .zip(values)
                        .all(|(item, value)| item.has_value(value))
            }
            (Content::Mapping { entries, .. }, Value::Object(values)) => {
                entries.len() == values.len()
                    && entries.iter().all(|entry| {
                        values
                            .get(&entry.key.name)
                            .is_some_and(|value| entry.value.has_value(value))
                    })
            }
            _ => false,
        }
    }

    /// What the item of a list of named things is called, such as a container.
    fn name(&self) -> Option<&str> {
        let Content::Mapping { entries, .. } = &self.content else {
            return None;
        };
        let name = entries.iter().find(|entry| entry.key.name == "name")?;
        match &name.value.content {
            Content::Scalar(scalar) => scalar.value.as_str(),
            _ => None,
        }
    }

    /// The same content in the style of new YAML: for what was read from JSON.
    pub(super) fn in_block_style(self) -> Self {
        let content = match self.content {
            Content::Scalar(scalar) => Content::Scalar(Scalar::from_value(scalar.value)),
            Content::Sequence { items, .. } => Content::Sequence {
                items: items.into_iter().map(Self::in_block_style).collect(),
                flow: false,
            },
            Content::Mapping { entries, .. } => Content::Mapping {
                entries: entries
                    .into_iter()
                    .map(|entry| Entry {
                        line: entry.line,
                        key: Key::from_name(&entry.key.name),
                        value: entry.value.in_block_style(),
                    })
                    .collect(),
                flow: false,
            },
        };
        Self {
            line: self.line,
            content,
        }
    }
}

impl Entry {
    fn new(name: &str, value: &Value, line: usize) -> Self {
        Self {
            line,
            key: Key::from_name(name),
            value: Node::new(value, line),
        }
    }

    fn clone_without_value(&self) -> Self {
        Self {
            line: self.line,
            key: self.key.clone(),
            value: Node::new(&Value::Null, self.line),
        }
    }
}

/// For each value the item with its name, if all items and all values have one, and no two the same.
fn matches_by_name(items: &[Node], values: &[Value]) -> Option<Vec<Option<usize>>> {
    let mut items_by_name = HashMap::new();
    for (index, item) in items.iter().enumerate() {
        if items_by_name.insert(item.name()?, index).is_some() {
            return None;
        }
    }
    let mut names = HashSet::new();
    values
        .iter()
        .map(|value| {
            let name = value.get("name")?.as_str()?;
            names.insert(name).then(|| items_by_name.get(name).copied())
        })
        .collect()
}

/// For each value an item that has it, or else the one at its place, if that is not taken.
fn matches_by_value(items: &[Node], values: &[Value]) -> Vec<Option<usize>> {
    let mut items_by_value: HashMap<String, VecDeque<usize>> = HashMap::new();
    for (index, item) in items.iter().enumerate() {
        let text = item.to_value().to_string();
        items_by_value.entry(text).or_default().push_back(index);
    }
    let mut taken = HashSet::new();
    let mut matches: Vec<Option<usize>> = values
        .iter()
        .map(|value| {
            let index = items_by_value.get_mut(&value.to_string())?.pop_front()?;
            taken.insert(index);
            Some(index)
        })
        .collect();
    for (index, found) in matches.iter_mut().enumerate() {
        if found.is_none() && index < items.len() && !taken.contains(&index) {
            *found = Some(index);
        }
    }
    matches
}
