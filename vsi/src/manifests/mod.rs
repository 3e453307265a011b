//! Kubernetes manifests: reads them as kubectl does, without losing how they are written, and writes them again.
//!
//! A file is cut into its documents, each of which keeps its text and is read for itself, so that a mistake
//! in one does not hide the others. A document that is not changed can be passed on as it stands; one that is
//! changed is written anew, with the order and the quotes it had, but without its comments.
//!
//! Of the 316 scalars that a test compares with kubectl, serde-saphyr 2.2 reads 37 otherwise or not at all (such as `tRUE`,
//! `0X1f`, `0b-1`, `1_`, `.5_0`, `1e400`, `!a 12`, the keys `0644` and `1e6`, and `{a: 1, <<: {a: 2}}`), saphyr 0.3 83 and
//! yaml_serde 0.10 79 (both also `yes`, `0644`, `1_000` and `<<`). None of them keeps the quotes of what it reads into a
//! value, so this is a layer of its own upon libyaml's events.

mod json;
mod mistake;
mod node;
mod read;
mod scalar;
mod write;

#[cfg(test)]
mod tests;

pub(crate) use mistake::Mistake;
pub(crate) use node::Node;

/// A document of a file.
#[derive(Debug)]
pub(crate) struct Document<'a> {
    /// Its number in the file, from 1.
    pub(crate) number: usize,
    lines_before_content: usize,
    /// The line of the file where its content begins, or its text if it has none.
    pub(crate) line: usize,
    /// The text as it stands in the file, with its `---`.
    pub(crate) text: &'a str,
    /// Nothing if there are only comments, or not even those.
    pub(crate) content: Result<Option<Node>, Mistake>,
}

impl<'a> Document<'a> {
    /// What stands above the content: comments, and the line `---`.
    pub(crate) fn head(&self) -> &'a str {
        let lines = self.text.split_inclusive('\n');
        let length = lines.take(self.lines_before_content).map(str::len).sum();
        &self.text[..length]
    }

    /// Whether its text can stand among YAML: JSON can have characters in it that YAML has not.
    pub(crate) fn is_yaml(&self) -> bool {
        let text = self.text.strip_prefix('\u{feff}').unwrap_or(self.text);
        !text.contains(read::is_rejected)
    }

    /// Whether nothing but what belongs to a document's head stands before a line `---`.
    pub(crate) fn begins_with_separator(&self) -> bool {
        let text = self.text.strip_prefix('\u{feff}').unwrap_or(self.text);
        let mut lines = text.lines().filter(|line| !is_before_a_document(line));
        lines.next().is_some_and(is_separator)
    }
}

/// The documents of a file, in order. Together their texts are the whole text.
pub(crate) fn documents(text: &str) -> Vec<Document<'_>> {
    let chunks = json::documents(text).unwrap_or_else(|| yaml_documents(text));
    let mut first_line = 1;
    let numbered = chunks.into_iter().enumerate().map(|(index, document)| {
        let lines_before_content = document.line - first_line;
        first_line += document.text.matches('\n').count();
        Document {
            number: index + 1,
            lines_before_content,
            ..document
        }
    });
    numbered.collect()
}

fn yaml_documents(text: &str) -> Vec<Document<'_>> {
    let mut line = 1;
    split(text)
        .into_iter()
        .map(|text| {
            let read = read::document(text, line);
            line += text.matches('\n').count();
            Document {
                number: 0,
                lines_before_content: 0,
                line: read.line,
                text,
                content: read.content,
            }
        })
        .collect()
}

/// Cuts a file where kubectl does: before a line with nothing but `---` and perhaps a comment. What
/// stands before the first document, such as a licence, belongs to it.
fn split(text: &str) -> Vec<&str> {
    let mut chunks = Vec::new();
    let mut chunk_start = 0;
    let mut has_begun = false;
    let mut position = 0;
    for line in text.split_inclusive('\n') {
        // An editor's byte order mark is not a part of the first line.
        let line_text = line.strip_prefix('\u{feff}').unwrap_or(line);
        if is_separator(line_text) {
            if has_begun {
                chunks.push(&text[chunk_start..position]);
                chunk_start = position;
            }
            has_begun = true;
        } else if !is_before_a_document(line_text) {
            has_begun = true;
        }
        position += line.len();
    }
    if chunk_start < text.len() {
        chunks.push(&text[chunk_start..]);
    }
    chunks
}

fn is_separator(line: &str) -> bool {
    line.strip_prefix("---").is_some_and(|rest| {
        let rest = rest.trim();
        rest.is_empty() || rest.starts_with('#')
    })
}

fn is_before_a_document(line: &str) -> bool {
    line.starts_with('%') || matches!(line.trim_start().chars().next(), None | Some('#'))
}
