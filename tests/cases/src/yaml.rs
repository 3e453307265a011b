//! YAML as cases have it: differences from a standard, and its text in few lines.

use yaml_serde::{Mapping, Value};

/// How long a line may become before what is in it gets lines of its own.
const WIDTH: usize = 110;

/// Changes `target` by a difference from it: a merge patch (RFC 7396), but each item of a list of mappings is a
/// difference from the first item that is there, and a mapping by numbers replaces items of a list.
pub fn merge(target: &mut Value, difference: &Value) {
    match (target, difference) {
        (Value::Mapping(target), Value::Mapping(difference)) => {
            for (key, difference) in difference {
                match target.get_mut(key) {
                    Some(member) => merge(member, difference),
                    None => {
                        target.insert(key.clone(), difference.clone());
                    }
                }
            }
        }
        (Value::Sequence(target), Value::Sequence(items)) if is_by_item(target, items) => {
            let first = target[0].clone();
            *target = vec![first; items.len()];
            for (target, item) in target.iter_mut().zip(items) {
                merge(target, item);
            }
        }
        (Value::Sequence(target), Value::Mapping(places)) => {
            for (place, item) in places {
                let index = place.as_u64().and_then(|place| usize::try_from(place).ok());
                let target = index.and_then(|index| target.get_mut(index));
                *target.unwrap_or_else(|| panic!("no item {place:?} in a list")) = item.clone();
            }
        }
        (target, difference) => *target = difference.clone(),
    }
}

/// What makes `actual` of `standard`; `None` if they are equal. What is null is as if it were absent.
pub fn difference(standard: &Value, actual: &Value) -> Option<Value> {
    match (standard, actual) {
        (standard, actual) if standard == actual => None,
        (Value::Mapping(standard), Value::Mapping(actual)) => {
            let mut found = Mapping::new();
            for (key, standard) in standard {
                let actual = actual.get(key).unwrap_or(&Value::Null);
                if let Some(difference) = difference(standard, actual) {
                    found.insert(key.clone(), difference);
                }
            }
            for (key, actual) in actual {
                if !standard.contains_key(key) {
                    found.insert(key.clone(), actual.clone());
                }
            }
            (!found.is_empty()).then_some(Value::Mapping(found))
        }
        (Value::Sequence(standard), Value::Sequence(items)) if is_by_item(standard, items) => {
            let differences: Vec<_> = items
                .iter()
                .map(|item| difference(&standard[0], item).unwrap_or(Mapping::new().into()))
                .collect();
            let is_equal = |item: &Value| item.as_mapping().is_some_and(Mapping::is_empty);
            let are_equal = standard.len() == 1 && items.len() == 1 && is_equal(&differences[0]);
            (!are_equal).then(|| differences.into())
        }
        (Value::Sequence(standard), Value::Sequence(items)) if standard.len() == items.len() => {
            let pairs = standard.iter().zip(items).enumerate();
            let places: Mapping = pairs
                .filter(|(_, (standard, item))| standard != item)
                .map(|(place, (_, item))| (place.into(), item.clone()))
                .collect();
            match places.len() * 4 <= items.len() {
                true => Some(places.into()),
                false => Some(actual.clone()),
            }
        }
        _ => Some(actual.clone()),
    }
}

fn is_by_item(standard: &[Value], items: &[Value]) -> bool {
    standard.first().is_some_and(Value::is_mapping) && items.iter().all(Value::is_mapping)
}

/// The value without what is null, which is as if it were absent.
pub fn without_null(value: &Value) -> Value {
    match value {
        Value::Mapping(members) => {
            let members = members.iter().filter(|(_, member)| !member.is_null());
            let members = members.map(|(key, member)| (key.clone(), without_null(member)));
            Value::Mapping(members.collect())
        }
        Value::Sequence(items) => Value::Sequence(items.iter().map(without_null).collect()),
        other => other.clone(),
    }
}

/// A mapping as text, what is short in one line.
pub fn text(value: &Value) -> String {
    let mut text = String::new();
    write_block(value, 0, &mut text);
    text
}

fn write_block(value: &Value, indentation: usize, text: &mut String) {
    match value {
        Value::Mapping(members) => {
            for (key, member) in members {
                let key = scalar(key, false);
                text.push_str(&format!("{:indentation$}{key}:", ""));
                write_member(member, indentation + key.len() + 2, indentation, text);
            }
        }
        Value::Sequence(items) => {
            for item in items {
                text.push_str(&format!("{:indentation$}-", ""));
                match item {
                    Value::Mapping(_) if !fits(item, indentation + 2, 1) => {
                        let mut block = String::new();
                        write_block(item, indentation + 2, &mut block);
                        text.push_str(&block[indentation + 1..]);
                    }
                    _ => write_member(item, indentation + 2, indentation, text),
                }
            }
        }
        _ => text.push_str(&scalar(value, false)),
    }
}

/// Writes what is behind a key or a dash, in the same line if it is short.
fn write_member(member: &Value, column: usize, indentation: usize, text: &mut String) {
    let is_collection = member.is_mapping() || member.is_sequence();
    match member {
        Value::String(lines) if is_literal(lines) => {
            text.push_str(if lines.ends_with('\n') {
                " |\n"
            } else {
                " |-\n"
            });
            for line in lines.lines() {
                match line {
                    "" => text.push('\n'),
                    line => text.push_str(&format!("{:indentation$}  {line}\n", "")),
                }
            }
        }
        _ if !is_collection => text.push_str(&format!(" {}\n", scalar(member, false))),
        _ if fits(member, column, 3) => {
            text.push_str(&format!(" {}\n", flow(member).unwrap_or_default()));
        }
        _ => {
            text.push('\n');
            write_block(member, indentation + 2, text);
        }
    }
}

/// Whether a collection is short and simple enough for one line that begins at a column.
fn fits(value: &Value, column: usize, most_depth: usize) -> bool {
    let is_short = |line: String| column + line.chars().count() <= WIDTH;
    depth(value) <= most_depth && flow(value).is_some_and(is_short)
}

/// The value in one line; `None` if a text in it has several.
fn flow(value: &Value) -> Option<String> {
    let joined = |parts: Option<Vec<String>>| parts.map(|parts| parts.join(", "));
    match value {
        Value::Mapping(members) => {
            let members = members
                .iter()
                .map(|(key, member)| Some(format!("{}: {}", scalar(key, true), flow(member)?)));
            Some(format!("{{{}}}", joined(members.collect())?))
        }
        Value::Sequence(items) => Some(format!("[{}]", joined(items.iter().map(flow).collect())?)),
        Value::String(text) if text.contains('\n') => None,
        _ => Some(scalar(value, true)),
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Mapping(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        Value::Sequence(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// Whether a text can be written as the lines that it has.
fn is_literal(text: &str) -> bool {
    text.contains('\n')
        && !text.starts_with([' ', '\n', '\t'])
        && !text.ends_with("\n\n")
        && !text
            .chars()
            .any(|letter| letter.is_control() && letter != '\n')
}

fn scalar(value: &Value, is_in_flow: bool) -> String {
    if let Value::String(text) = value
        && text.contains(|letter: char| letter.is_control())
    {
        return quoted(text);
    }
    let written = yaml_serde::to_string(value).expect("a scalar can be written");
    let written = written.trim_end();
    match value {
        Value::String(text) => {
            let is_plain = written == *text;
            let is_for_block = is_in_flow && text.contains([',', '[', ']', '{', '}', '?']);
            match is_plain && !is_for_block {
                true => text.clone(),
                false if text.contains(['"', '\\']) => format!("'{}'", text.replace('\'', "''")),
                false => format!("\"{text}\""),
            }
        }
        _ => written.to_owned(),
    }
}

fn quoted(text: &str) -> String {
    let quoted = serde_json::to_string(text).expect("a text is JSON");
    let escaped = quoted.chars().map(|letter| match letter.is_control() {
        true => format!("\\u{:04x}", u32::from(letter)),
        false => letter.to_string(),
    });
    escaped.collect()
}
