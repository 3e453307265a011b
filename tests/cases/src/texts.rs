//! Names for scripts and other long texts, which would hide the rest of a case.

use yaml_serde::{Mapping, Value};

use crate::standard::Standard;

/// What stands in a long text for its argument.
const GAP: &str = "<path>";

/// The value with `<NAME>` in the place of scripts and long texts, and `<NAME ARGUMENT>` for a text with a gap;
/// `is_expanded` says whether Kubernetes expands variables there, so that every `$` is doubled.
pub fn by_name(value: Value, is_expanded: bool) -> Value {
    strings(value, &|text| {
        let plain = match is_expanded {
            true => text.replace("$$", "$"),
            false => text.to_owned(),
        };
        let name =
            Standard::get()
                .texts
                .iter()
                .find_map(|(name, long)| match long.split_once(GAP) {
                    None => (plain == *long).then(|| format!("<{name}>")),
                    Some((before, after)) => {
                        let argument = plain.strip_prefix(before)?.strip_suffix(after)?;
                        Some(format!("<{name} {argument}>"))
                    }
                })?;
        (long_text(&name, is_expanded)? == text).then_some(name)
    })
}

/// The value with scripts and long texts in the place of their names.
pub fn in_full(value: Value, is_expanded: bool) -> Value {
    strings(value, &|text| long_text(text, is_expanded))
}

fn long_text(name: &str, is_expanded: bool) -> Option<String> {
    let name = name.strip_prefix('<')?.strip_suffix('>')?;
    let (name, argument) = name.split_once(' ').unwrap_or((name, GAP));
    let text = Standard::get().texts.get(name)?.replace(GAP, argument);
    Some(match is_expanded {
        true => text.replace('$', "$$"),
        false => text,
    })
}

fn strings(value: Value, replace: &dyn Fn(&str) -> Option<String>) -> Value {
    match value {
        Value::String(text) => Value::String(replace(&text).unwrap_or(text)),
        Value::Sequence(items) => {
            let items = items.into_iter();
            items.map(|item| strings(item, replace)).collect()
        }
        Value::Mapping(members) => {
            let members = members.into_iter();
            let members = members.map(|(name, member)| (name, strings(member, replace)));
            Value::Mapping(members.collect::<Mapping>())
        }
        other => other,
    }
}
