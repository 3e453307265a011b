//! Reading one annotation's text: booleans, closed sets, lists and paths.

use super::Refusal;
use crate::annotations::{Annotations, Key};
use crate::settings::Checked;

/// A boolean in any case: `true/yes/on/y` and `false/no/off/n`; `None` for anything else.
pub fn boolean(text: &str) -> Option<bool> {
    let is_one_of = |words: [&str; 4]| {
        words
            .iter()
            .any(|word| text.trim().eq_ignore_ascii_case(word))
    };
    if is_one_of(["true", "yes", "on", "y"]) {
        Some(true)
    } else if is_one_of(["false", "no", "off", "n"]) {
        Some(false)
    } else {
        None
    }
}

/// One annotation that is given, with what is needed to tell what is wrong with it.
pub struct Given<'a> {
    pub name: String,
    pub text: &'a str,
}

impl<'a> Given<'a> {
    /// The annotation as it stands, line breaks and all: for templates and commands.
    pub fn verbatim(annotations: &'a Annotations<'_>, key: Key) -> Option<Self> {
        annotations.get(key).map(|text| Given {
            name: annotations.name(key),
            text,
        })
    }

    /// The annotation, trimmed. It may hold no control characters and must not be empty.
    pub fn line(annotations: &'a Annotations<'_>, key: Key) -> Result<Option<Self>, Refusal> {
        let Some(mut given) = Given::verbatim(annotations, key) else {
            return Ok(None);
        };
        given.text = given.text.trim();
        if given.text.is_empty() {
            return Err(Refusal::Empty {
                annotation: given.name,
            });
        }
        if given.text.contains(char::is_control) {
            return Err(Refusal::ControlCharacter {
                annotation: given.name,
            });
        }
        Ok(Some(given))
    }

    pub fn boolean(&self) -> Result<bool, Refusal> {
        boolean(self.text).ok_or_else(|| Refusal::NotBoolean {
            annotation: self.name.clone(),
        })
    }

    /// The one of `values` whose name is the annotation's, in any case.
    pub fn one_of<T: Copy>(&self, values: &[(&'static str, T)]) -> Result<T, Refusal> {
        self.find(self.text, values)
    }

    /// The values named in a comma list, in any case.
    pub fn some_of<T: Copy>(&self, values: &[(&'static str, T)]) -> Result<Vec<T>, Refusal> {
        self.list()?
            .into_iter()
            .map(|item| self.find(item, values))
            .collect()
    }

    fn find<T: Copy>(&self, item: &str, values: &[(&'static str, T)]) -> Result<T, Refusal> {
        values
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(item))
            .map(|(_, value)| *value)
            .ok_or_else(|| Refusal::NotAllowed {
                annotation: self.name.clone(),
                value: item.to_owned(),
                allowed: values.iter().map(|(name, _)| *name).collect(),
            })
    }

    /// The trimmed items of a comma list, none of which may be empty.
    pub fn list(&self) -> Result<Vec<&'a str>, Refusal> {
        self.items(self.text.split(','))
    }

    /// The trimmed `pieces`, none of which may be empty.
    pub fn items(&self, pieces: impl Iterator<Item = &'a str>) -> Result<Vec<&'a str>, Refusal> {
        let items: Vec<_> = pieces.map(str::trim).collect();
        match items.iter().position(|item| item.is_empty()) {
            Some(position) => Err(Refusal::EmptyItem {
                annotation: self.name.clone(),
                position: position + 1,
            }),
            None => Ok(items),
        }
    }

    /// The pieces between lines that are `---`.
    pub fn between_dashed_lines(&self) -> Vec<&'a str> {
        let mut pieces = Vec::new();
        let mut start = 0;
        let mut end = 0;
        for line in self.text.split_inclusive('\n') {
            let next = end + line.len();
            if line.trim_end() == "---" {
                pieces.push(&self.text[start..end]);
                start = next;
            }
            end = next;
        }
        pieces.push(&self.text[start..]);
        pieces
    }
}

/// An absolute path of a file, in a directory that is not the root.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FilePath(String);

impl Checked for FilePath {
    const ALLOWED: &'static str = "the absolute path of a file in a directory, without :, empty, . or .. segments, such as /var/run/secrets/kubernetes.io/serviceaccount/token";

    fn parse(path: &str) -> Option<Self> {
        let relative = path.strip_prefix('/')?;
        let usable = is_relative_path(relative) && relative.contains('/') && !path.contains(':');
        usable.then(|| FilePath(path.to_owned()))
    }
}

impl FilePath {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether `path` is relative and has no empty, `.` or `..` segment.
pub fn is_relative_path(path: &str) -> bool {
    path.split('/')
        .all(|segment| !matches!(segment, "" | "." | ".."))
}

/// Whether two segments of a path in a row are these. Before them may be a namespace of Vault's.
fn segments_are(path: &str, wanted: [&str; 2]) -> bool {
    let segments: Vec<_> = path.split('/').collect();
    segments.windows(2).any(|two| two == wanted)
}

/// What in a path of Vault's is not plain: Vault, or the programs that ask it, would take it for another path. They
/// read it as the path of a URL, from which they remove white space and slashes at both ends.
pub fn not_plain(path: &str) -> Option<&'static str> {
    let is_unusual = |letter: char| {
        letter.is_control()
            || "?#%".contains(letter)
            || !(letter.is_ascii() || letter.is_alphanumeric())
    };
    let first = path.split('/').next().unwrap_or_default();
    if path.split('/').any(str::is_empty) {
        Some("has an empty segment, or a slash at an end")
    } else if !is_relative_path(path) {
        Some("has a segment . or ..")
    } else if path.contains(is_unusual) {
        Some(
            "has a ?, #, % or control character, or one that is neither ASCII nor a letter or digit",
        )
    } else if segments_are(path, ["auth", "token"]) {
        Some("is about tokens: what Vault answers there is the sidecars' own token")
    } else if first.contains(':') {
        Some("has a : in its first segment")
    } else if path != path.trim() {
        Some("begins or ends with white space")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_are_read_in_any_case() {
        for text in ["true", "Yes", "ON", "y", " true "] {
            assert_eq!(boolean(text), Some(true), "{text}");
        }
        for text in ["false", "No", "OFF", "n"] {
            assert_eq!(boolean(text), Some(false), "{text}");
        }
        for text in ["", "1", "truee", "ja"] {
            assert_eq!(boolean(text), None, "{text}");
        }
    }

    #[test]
    fn only_whole_lines_of_dashes_separate() {
        let given = |text| Given {
            name: String::new(),
            text,
        };
        assert_eq!(
            given("a\n---\nb ---\n----\n---\r\nc").between_dashed_lines(),
            ["a\n", "b ---\n----\n", "c"]
        );
        assert_eq!(given("a").between_dashed_lines(), ["a"]);
        assert_eq!(given("---\n").between_dashed_lines(), ["", ""]);
    }

    #[test]
    fn file_paths_are_below_a_directory() {
        assert_eq!(FilePath::parse("/a/b").unwrap().as_str(), "/a/b");
        for path in ["/a", "a/b", "/a/../b", "/a/", "/a//b", "", "/a/b:c"] {
            assert!(FilePath::parse(path).is_none(), "{path}");
        }
    }

    #[test]
    fn a_plain_path_is_what_vault_is_asked_for() {
        for path in [
            "secret/app",
            "secret/data/app",
            "secret/my app/a.b/..a/a../_-+=@",
            "secret/été/部",
            "aws/sts/arn:aws:iam\\x",
            "secret",
        ] {
            assert_eq!(not_plain(path), None, "{path}");
        }
        for path in [
            "",
            "/",
            "///",
            "/secret",
            "secret/",
            "a//b",
            ".",
            "./a",
            "a/./b",
            "a/..",
            "../a",
            "?x",
            "a?version=2",
            "a#b",
            "%2e/a",
            "a/%2e%2e",
            "x:a/b",
            "http://h/a",
            "a/\u{7f}",
            "a/\u{a0}b",
            "a/\u{200b}",
            "a/\u{202e}",
            "a/e\u{301}",
            "a/b\t",
            " a",
            "a ",
        ] {
            assert!(not_plain(path).is_some(), "{path:?}");
        }
    }
}
