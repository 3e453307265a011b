//! What is wrong in a manifest and where, in words for the person who must put it right.

use std::fmt;

use crate::printable::Printable;

/// Something in a file that cannot be read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Mistake {
    /// The line of the file, from 1.
    pub(crate) line: usize,
    /// The character of the line, from 1.
    pub(crate) column: usize,
    pub(crate) message: Printable,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    RepeatedKey,
    Other,
}

impl fmt::Display for Mistake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            line,
            column,
            message,
            ..
        } = self;
        write!(formatter, "line {line}, column {column}: {message}")
    }
}

impl std::error::Error for Mistake {}

/// A place in a file, from 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Position {
    pub(super) line: usize,
    pub(super) column: usize,
}

impl Mistake {
    pub(super) fn new(position: Position, message: impl Into<String>) -> Self {
        Self {
            line: position.line,
            column: position.column,
            message: Printable::from(message.into()),
            kind: Kind::Other,
        }
    }

    pub(super) fn repeated_key(position: Position, name: &str, first_line: usize) -> Self {
        Self {
            kind: Kind::RepeatedKey,
            ..Self::new(
                position,
                format!("the key `{name}` is given twice, first on line {first_line}"),
            )
        }
    }

    pub(super) fn is_repeated_key(&self) -> bool {
        self.kind == Kind::RepeatedKey
    }

    pub(super) fn from_json(error: &serde_json::Error) -> Self {
        let message = error.to_string();
        let position = format!(" at line {} column {}", error.line(), error.column());
        let message = message.strip_suffix(&position).unwrap_or(&message);
        Self::new(
            Position {
                line: error.line(),
                column: error.column().max(1),
            },
            format!("this is not valid JSON: {message}"),
        )
    }
}

/// What libyaml reports of a text that is not YAML.
pub(super) struct Complaint<'a> {
    pub(super) problem: &'a str,
    pub(super) context: &'a str,
    pub(super) position: Position,
    /// Where that begins in which the problem is: a mapping, a text in quotes.
    pub(super) context_position: Position,
    /// The text of the problem's line.
    pub(super) line_text: &'a str,
    /// The text of the line where the context begins.
    pub(super) context_line_text: &'a str,
}

impl Complaint<'_> {
    pub(super) fn into_mistake(self) -> Mistake {
        if self.is_a_tab_in_indentation() {
            return self.tab();
        }
        // A problem that libyaml sees only on a later line is put right where it began.
        let (position, line_text) = if self.is_seen_late() {
            (self.context_position, self.context_line_text)
        } else {
            (self.position, self.line_text)
        };
        let mut message = self.message(position, line_text);
        if line_text.contains("{{") {
            message.push_str("; `{{` looks like a template, which must be rendered first");
        }
        Mistake::new(position, message)
    }

    fn is_a_tab_in_indentation(&self) -> bool {
        let is_of_indentation = matches!(
            self.problem,
            "found character that cannot start any token"
                | "mapping values are not allowed in this context"
                | "block sequence entries are not allowed in this context"
                | "did not find expected key"
                | "did not find expected '-' indicator"
        );
        let mut indentation = self
            .line_text
            .chars()
            .take(self.position.column)
            .take_while(|character| character.is_whitespace());
        self.problem.starts_with("found a tab character")
            || is_of_indentation && indentation.any(|character| character == '\t')
    }

    fn is_seen_late(&self) -> bool {
        matches!(
            (self.context, self.problem),
            (_, "could not find expected ':'") | ("while scanning a quoted scalar", _)
        )
    }

    fn message(&self, position: Position, line_text: &str) -> String {
        let begin = self.context_position;
        let character = line_text.chars().nth(position.column - 1);
        match self.problem {
            "mapping values are not allowed in this context" => {
                if has_a_value_before(line_text, position.column) {
                    "`: ` cannot stand in a value without quotes; put the value in quotes".to_owned()
                } else {
                    "this key is indented more than the line above, which already has a value; \
                     indent it as the other keys of its mapping"
                        .to_owned()
                }
            }
            "did not find expected key" => format!(
                "the indentation is wrong: expected a key of the mapping that begins on line {}, \
                 which is in column {}",
                begin.line, begin.column
            ),
            "did not find expected '-' indicator" => format!(
                "the indentation is wrong: expected a `-` of the list that begins on line {}, \
                 which is in column {}",
                begin.line, begin.column
            ),
            "could not find expected ':'" => {
                "expected `: ` behind a key; a text of several lines must be indented more than \
                 its key"
                    .to_owned()
            }
            "block sequence entries are not allowed in this context" => {
                "a list item cannot stand here; each `-` needs a line of its own, below the key of \
                 the list"
                    .to_owned()
            }
            "found character that cannot start any token" => match character {
                Some(character) => format!(
                    "a value cannot begin with `{character}`; put the value in quotes"
                ),
                None => self.problem.to_owned(),
            },
            "found unexpected end of stream" if self.context.contains("quoted") => {
                "the quote that begins here is never closed".to_owned()
            }
            "found unexpected document indicator" => {
                "the quote that begins here is not closed before the document ends".to_owned()
            }
            "did not find expected ',' or ']'" => format!(
                "expected `,` or `]` in the list that begins on line {}",
                begin.line
            ),
            "did not find expected ',' or '}'" => format!(
                "expected `,` or `}}` in the mapping that begins on line {}",
                begin.line
            ),
            "did not find expected node content" => "expected a value".to_owned(),
            "found unknown escape character" => {
                "unknown escape in double quotes; write `\\\\` for a backslash, or use single quotes"
                    .to_owned()
            }
            "did not find expected alphabetic or numeric character" => {
                "a value that begins with `*` or `&` must be in quotes, unless it is an alias or an \
                 anchor"
                    .to_owned()
            }
            "did not find expected comment or line break" if self.context.contains("block scalar") => {
                "only a comment can stand behind `|` or `>`; a value that begins with one of \
                 them must be in quotes"
                    .to_owned()
            }
            "did not find expected <document start>" => {
                "expected the end of the document, or a line `---` before another one".to_owned()
            }
            problem if self.context.is_empty() => problem.to_owned(),
            problem => format!("{problem} {}", self.context),
        }
    }

    fn tab(&self) -> Mistake {
        let tab = self
            .line_text
            .chars()
            .position(|character| character == '\t')
            .unwrap_or(0);
        Mistake::new(
            Position {
                line: self.position.line,
                column: tab + 1,
            },
            "a tab cannot indent; use spaces",
        )
    }
}

/// Whether there is a `key: ` on the line before the column.
fn has_a_value_before(line_text: &str, column: usize) -> bool {
    let before: String = line_text.chars().take(column - 1).collect();
    before.contains(": ")
}
