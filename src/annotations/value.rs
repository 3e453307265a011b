//! Reading one annotation's text: booleans, names of a few words, lists, templates and commands.

use super::{Annotations, Key, Named};
use crate::rejection::{Place, Rejection};
use crate::values::Checked;

/// A value of an annotation, made from its text.
pub trait Value<'a>: Sized {
    /// Whether it is one line: trimmed, not empty, and without control characters.
    const IS_LINE: bool = true;

    /// Whether it is true or false, which each vocabulary says in its own words.
    const IS_BOOLEAN: bool = false;

    /// The most bytes. What a container gets as a variable, an argument or a mount path of its own must fit what Linux
    /// takes, which for a path is 4,096 with what comes behind it.
    const LONGEST: Option<usize> = Some(1024);

    /// Reads the text. The error says what is wrong and what is expected.
    fn read(text: &'a str) -> Result<Self, String>;
}

impl Annotations<'_> {
    /// The value of `key`, if it is given.
    pub(super) fn value<'s, T: Value<'s>>(&'s self, key: Key) -> Result<Option<T>, Rejection> {
        let default = self.default(key);
        let text = match self.get(key).or(default) {
            Some(text) => self.vocabulary().translated(key, T::IS_BOOLEAN, text),
            None => Ok(None),
        };
        let reject = |problem: String| match (self.get(key), default) {
            (None, Some(_)) => Place::field("settings").rejected(format!(
                "the default of annotation {} must be corrected by the administrator: {problem}",
                self.name(key)
            )),
            _ => self.rejected(key, problem),
        };
        let preset = self.vocabulary().preset(key);
        match text.map_err(reject)?.or(preset) {
            Some(text) => prepared(text, T::IS_LINE, T::LONGEST)
                .and_then(T::read)
                .map(Some)
                .map_err(reject),
            None => Ok(None),
        }
    }

    /// The value of an annotation of a family.
    pub fn value_of<'s, T: Value<'s>>(&self, named: &'s Named<'_>) -> Result<T, Rejection> {
        let text = self
            .vocabulary()
            .translated(named.family, T::IS_BOOLEAN, &named.value);
        let text = text.map(|text| text.unwrap_or_default());
        let value = text.and_then(|text| prepared(text, T::IS_LINE, T::LONGEST).and_then(T::read));
        value.map_err(|problem| self.place_of(named).rejected(problem))
    }
}

/// The text as a value has it. The error says what is wrong.
fn prepared(text: &str, is_line: bool, longest: Option<usize>) -> Result<&str, String> {
    let text = match is_line {
        true => text.trim(),
        false => text,
    };
    if is_line && text.is_empty() {
        return Err("empty; give it a value or remove it".to_owned());
    }
    if is_line && text.contains(char::is_control) {
        return Err("must not have a line break or another control character".to_owned());
    }
    match longest {
        Some(longest) if text.len() > longest => {
            Err(format!("{} bytes; expected at most {longest}", text.len()))
        }
        _ => Ok(text),
    }
}

const TRUE: [&str; 4] = ["true", "yes", "on", "y"];
const FALSE: [&str; 4] = ["false", "no", "off", "n"];

/// A boolean in any case; `None` for anything else.
pub fn is_true(text: &str) -> Option<bool> {
    let is_one_of = |words: [&str; 4]| {
        let mut words = words.iter();
        words.any(|word| text.trim().eq_ignore_ascii_case(word))
    };
    match (is_one_of(TRUE), is_one_of(FALSE)) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    }
}

impl Value<'_> for bool {
    const LONGEST: Option<usize> = None;
    const IS_BOOLEAN: bool = true;

    fn read(text: &str) -> Result<Self, String> {
        is_true(text).ok_or_else(|| {
            let words = [TRUE, FALSE].concat().join(", ");
            format!("not a boolean; expected one of {words}")
        })
    }
}

impl<T: Checked> Value<'_> for T {
    /// Names are compared in any case.
    fn read(text: &str) -> Result<Self, String> {
        let expected = T::EXPECTED;
        if T::NAMES.is_empty() {
            return T::parse(text).ok_or_else(|| format!("not valid; expected {expected}"));
        }
        T::parse(&text.to_ascii_lowercase()).ok_or_else(|| match is_a_word(text) {
            true => format!("\"{text}\" is not valid; expected {expected}"),
            false => format!("not valid; expected {expected}"),
        })
    }
}

/// Whether a value looks like a slip of a name, and not like a credential in the wrong place: only then is it repeated.
pub fn is_a_word(value: &str) -> bool {
    value.len() <= 20
        && value
            .bytes()
            .all(|byte| byte.is_ascii_alphabetic() || byte == b'-')
}

impl<'a> Value<'a> for &'a str {
    fn read(text: &'a str) -> Result<Self, String> {
        Ok(text)
    }
}

/// The trimmed items of a comma list, none of which is empty.
#[derive(Debug)]
pub struct Commas<T>(pub Vec<T>);

impl<'a, T: Value<'a>> Value<'a> for Commas<T> {
    const LONGEST: Option<usize> = None;

    fn read(text: &'a str) -> Result<Self, String> {
        let items = (1..).zip(text.split(',').map(str::trim));
        let items = items.map(|(position, item)| match item.is_empty() {
            true => Err(format!(
                "item {position}: empty; give it a value or remove it"
            )),
            // A short one is named already.
            false => T::read(item).map_err(|problem| match problem.starts_with('"') {
                true => problem,
                false => format!("item {position}: {problem}"),
            }),
        });
        items.collect::<Result<_, _>>().map(Commas)
    }
}

/// Text as it stands, line breaks and all: templates and commands.
#[derive(Clone, Copy, Debug)]
pub struct Lines<'a>(pub &'a str);

impl<'a> Value<'a> for Lines<'a> {
    const IS_LINE: bool = false;
    const LONGEST: Option<usize> = None;

    fn read(text: &'a str) -> Result<Self, String> {
        Ok(Lines(text))
    }
}

impl<'a> Lines<'a> {
    /// The pieces between lines that are `---`.
    pub fn between_dashed_lines(self) -> Vec<&'a str> {
        let mut pieces = Vec::new();
        let mut start = 0;
        let mut end = 0;
        for line in self.0.split_inclusive('\n') {
            let next = end + line.len();
            if line.trim_end() == "---" {
                pieces.push(&self.0[start..end]);
                start = next;
            }
            end = next;
        }
        pieces.push(&self.0[start..]);
        pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_are_read_in_any_case() {
        for text in ["true", "Yes", "ON", "y", " true "] {
            assert_eq!(is_true(text), Some(true), "{text}");
        }
        for text in ["false", "No", "OFF", "n"] {
            assert_eq!(is_true(text), Some(false), "{text}");
        }
        for text in ["", "1", "truee", "ja"] {
            assert_eq!(is_true(text), None, "{text}");
        }
    }

    #[test]
    fn only_whole_lines_of_dashes_separate() {
        let pieces = |text| Lines(text).between_dashed_lines();
        assert_eq!(
            pieces("a\n---\nb ---\n----\n---\r\nc"),
            ["a\n", "b ---\n----\n", "c"]
        );
        assert_eq!(pieces("a"), ["a"]);
        assert_eq!(pieces("---\n"), ["", ""]);
    }
}
