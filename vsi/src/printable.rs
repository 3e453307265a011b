//! What does not come from vsi itself, such as names, so that it can be shown.
//!
//! It can have anything in it: line breaks, after which a CI may read a command, and characters that
//! terminals act on or that change how others are seen.

use std::{
    ffi::{OsStr, OsString},
    fmt,
    fmt::Write as _,
};

use serde::{Serialize, Serializer};

/// A text from elsewhere. What is shown of it is part of a line, on which no terminal and no CI acts.
///
/// It has the escapes of Rust. Backslashes stay as they are: this is for people, and not to be read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Printable(OsString);

impl Printable {
    /// The text as it is, not to be shown.
    pub(crate) fn raw(&self) -> &OsStr {
        &self.0
    }
}

impl<T: AsRef<OsStr> + ?Sized> From<&T> for Printable {
    fn from(text: &T) -> Self {
        Self(text.as_ref().to_owned())
    }
}

impl From<String> for Printable {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Printable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        for chunk in self.0.as_encoded_bytes().utf8_chunks() {
            text.push_str(chunk.valid());
            for byte in chunk.invalid() {
                write!(text, "\\x{byte:02x}")?;
            }
        }
        formatter.pad(&escaped(&text))
    }
}

/// For programs: the text as it is, as far as it is one.
impl Serialize for Printable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.display())
    }
}

/// A text of several lines, each of which is shown as it is except for what a terminal or a CI acts on.
pub(crate) fn lines(text: &str) -> String {
    let lines = text.split_inclusive('\n');
    lines
        .map(|line| match line.strip_suffix('\n') {
            Some(line) => escaped(line) + "\n",
            None => escaped(line),
        })
        .collect()
}

/// A value as JSON in several lines; see [`in_json`].
pub(crate) fn json(value: &impl Serialize) -> serde_json::Result<String> {
    Ok(in_json(&serde_json::to_string_pretty(value)?))
}

/// A text in JSON that says the same, in which only characters that are seen stand as they are, and no CI's commands.
pub(crate) fn in_json(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for (index, character) in json.char_indices() {
        if is_data(character) && !begins_command(&json[index..]) {
            shown.push(character);
            continue;
        }
        // It can only stand in a string.
        for unit in character.encode_utf16(&mut [0; 2]) {
            // Writing to a String cannot fail.
            let _ = write!(shown, "\\u{unit:04x}");
        }
    }
    shown
}

/// A text in YAML that says the same. Characters that are not seen must be in double quotes.
pub(crate) fn in_yaml(yaml: &str) -> String {
    let mut shown = String::with_capacity(yaml.len());
    for character in yaml.chars() {
        let _ = match u32::from(character) {
            _ if is_data(character) => shown.write_char(character),
            code @ ..=0xff => write!(shown, "\\x{code:02X}"),
            code @ ..=0xffff => write!(shown, "\\u{code:04X}"),
            code => write!(shown, "\\U{code:08X}"),
        };
    }
    shown
}

/// Whether a character of YAML or JSON can stand there as it is, when it is shown.
pub(crate) fn is_data(character: char) -> bool {
    let is_blank = || {
        let breaks = ['\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}'];
        character.is_whitespace() && !breaks.contains(&character)
    };
    is_printable(character) || is_blank()
}

/// The text in a line, in which nothing is a command of a CI.
fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let begin = text.len() - text.trim_start().len();
    for (index, character) in text.char_indices() {
        let rest = &text[index..];
        let is_command = match character {
            // GitHub's, where a line begins with two colons. The second may be vsi's own.
            ':' => index == begin && (rest == ":" || rest.starts_with("::")),
            '#' => begins_command(rest),
            _ => false,
        };
        if is_command {
            shown.extend(character.escape_unicode());
        } else if is_printable(character) {
            shown.push(character);
        } else {
            shown.extend(character.escape_debug());
        }
    }
    shown
}

/// Whether a text begins with `##[..]`, `##vso[..]` or the like, which CIs take anywhere in a line; GitHub as well.
fn begins_command(text: &str) -> bool {
    text.strip_prefix("##").is_some_and(|rest| {
        let rest = rest.trim_start_matches(|letter: char| letter.is_ascii_alphabetic());
        rest.starts_with('[')
    })
}

/// Whether Rust shows a character as it is in a text.
fn is_printable(character: char) -> bool {
    if matches!(character, ' '..='~') {
        return true;
    }
    // Behind another character, for a mark such as an accent is shown on that.
    format!(" {character}").escape_debug().nth(1) == Some(character)
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn shown(text: &str) -> String {
        Printable::from(text).to_string()
    }

    #[test]
    fn what_is_not_seen_is_shown_in_escapes() {
        for (text, expected) in [
            ("p\n::stop-commands::x", r"p\n::stop-commands::x"),
            ("\u{1b}[2J\u{1b}]0;t\u{7}", r"\u{1b}[2J\u{1b}]0;t\u{7}"),
            ("\0\t\r\u{7f}\u{85}\u{9b}", r"\0\t\r\u{7f}\u{85}\u{9b}"),
            (
                "a\u{202e}b\u{2066}c\u{2028}",
                r"a\u{202e}b\u{2066}c\u{2028}",
            ),
            (
                "\u{200b}\u{feff}\u{ad}\u{e0041}",
                r"\u{200b}\u{feff}\u{ad}\u{e0041}",
            ),
        ] {
            assert_eq!(shown(text), expected);
        }
    }

    #[test]
    fn all_else_stays_as_it_is() {
        for text in [
            "",
            "a b",
            "née",
            "e\u{301}",
            "日本",
            "हिन्दी",
            "🦀",
            "\"a\" it's \\",
            "100%",
            "a::b",
            "# #[a]",
            "## a [b]",
        ] {
            assert_eq!(shown(text), text);
            assert_eq!(lines(text), text);
        }
    }

    #[test]
    fn no_command_of_a_ci_is_left() {
        for (text, expected) in [
            ("::error::a", r"\u{3a}:error::a"),
            (" \u{a0}::error::a", r" \u{a0}\u{3a}:error::a"),
            (":", r"\u{3a}"),
            (":a", ":a"),
            ("a ##[error]b", r"a \u{23}#[error]b"),
            ("###[error]b", r"#\u{23}#[error]b"),
            ("##vso[a]##teamcity[b]", r"\u{23}#vso[a]\u{23}#teamcity[b]"),
        ] {
            assert_eq!(shown(text), expected);
        }
    }

    #[test]
    fn what_is_shown_can_be_shown_again_and_has_a_width() {
        let text = shown("::a\n##[b]\u{1b}\\");
        assert_eq!(shown(&text), text);
        assert_eq!(format!("{:6}|", Printable::from("a\n")), "a\\n   |");
    }

    #[test]
    fn bytes_that_are_not_text_are_shown() {
        let name = OsStr::from_bytes(b"caf\xe9\xff\n.yaml");
        assert_eq!(Printable::from(name).to_string(), r"caf\xe9\xff\n.yaml");
        assert_eq!(Printable::from(name).raw(), name);
        let json = json(&Printable::from(name)).unwrap();
        assert_eq!(
            json,
            r#""caf\ufffd\ufffd\n.yaml""#.replace("\\ufffd", "\u{fffd}")
        );
    }

    #[test]
    fn lines_stay_lines() {
        assert_eq!(
            lines("a\n\n\t::b\n  ::c\u{202e}\r\n##[d]"),
            "a\n\n\\t\\u{3a}:b\n  \\u{3a}:c\\u{202e}\\r\n\\u{23}#[d]"
        );
    }

    #[test]
    fn json_and_yaml_have_escapes_of_their_own() {
        let text = "\"a\u{7f}\u{202e}\u{e0041} 日本\u{3000}\u{a0}\"\n\t";
        assert_eq!(
            in_json(text),
            "\"a\\u007f\\u202e\\udb40\\udc41 日本\u{3000}\u{a0}\"\n\t"
        );
        assert_eq!(
            in_yaml(text),
            "\"a\\x7F\\u202E\\U000E0041 日本\u{3000}\u{a0}\"\n\t"
        );
    }

    #[test]
    fn json_has_no_command_of_a_ci() {
        assert_eq!(json(&"##[a]").unwrap(), r##""\u0023#[a]""##);
        assert_eq!(json(&["##", "# [a]"]).unwrap().lines().count(), 4);
    }

    proptest! {
        #[test]
        fn nothing_shown_acts_on_a_terminal_or_a_ci(text in "(:|#|\\[|\\PC|\\pC|\\pZ){0,12}") {
            let shown = shown(&text);
            prop_assert!(shown.chars().all(is_printable), "{shown:?}");
            prop_assert!(!format!("{shown}:1").trim_start().starts_with("::"), "{shown}");
            prop_assert!(!shown.contains("##["), "{shown}");
            prop_assert_eq!(Printable::from(&shown).to_string(), shown);
        }

        #[test]
        fn json_says_the_same(text in "(#|\\[|\\PC|\\pC|\\pZ){0,12}") {
            let json = json(&text).unwrap();
            prop_assert!(json.chars().all(is_data), "{json:?}");
            prop_assert!(!json.contains("##["), "{json}");
            prop_assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), text);
        }
    }
}
