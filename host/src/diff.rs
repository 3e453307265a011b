//! Shows people what a policy does to an object: a unified diff of the object's YAML.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use crate::HostError;

const HEADER: Style = Style::new().bold();
const HUNK: Style = AnsiColor::Cyan.on_default();
const ADDED: Style = AnsiColor::Green.on_default();
const REMOVED: Style = AnsiColor::Red.on_default();

/// A unified diff with three lines of context, coloured with ANSI escapes; `None` if the values are
/// equal.
///
/// `names` are what the `---` and `+++` lines call the two sides. Write the text through `anstream`,
/// which takes the colours out where they do not belong, or see [`plain`].
///
/// # Errors
///
/// [`HostError::Yaml`] if a value cannot be written as YAML.
pub fn coloured(
    before: &Value,
    after: &Value,
    names: (&str, &str),
) -> Result<Option<String>, HostError> {
    if before == after {
        return Ok(None);
    }
    let before = yaml_serde::to_string(before).map_err(HostError::Yaml)?;
    let after = yaml_serde::to_string(after).map_err(HostError::Yaml)?;
    Ok(Some(coloured_text(&before, &after, names)))
}

/// Like [`coloured`], for texts that differ.
pub fn coloured_text(before: &str, after: &str, names: (&str, &str)) -> String {
    let difference = TextDiff::from_lines(before, after);
    let mut text = String::new();
    push_line(&mut text, HEADER, "--- ", names.0);
    push_line(&mut text, HEADER, "+++ ", names.1);
    for hunk in difference.unified_diff().context_radius(3).iter_hunks() {
        push_line(&mut text, HUNK, "", &hunk.header().to_string());
        for change in hunk.iter_changes() {
            let (style, sign) = match change.tag() {
                ChangeTag::Equal => (Style::new(), " "),
                ChangeTag::Insert => (ADDED, "+"),
                ChangeTag::Delete => (REMOVED, "-"),
            };
            push_line(&mut text, style, sign, change.value());
        }
    }
    text
}

/// Like [`coloured`], without the colours.
///
/// # Errors
///
/// [`HostError::Yaml`] if a value cannot be written as YAML.
pub fn plain(
    before: &Value,
    after: &Value,
    names: (&str, &str),
) -> Result<Option<String>, HostError> {
    let text = coloured(before, after, names)?;
    Ok(text.map(|text| anstream::adapter::strip_str(&text).to_string()))
}

/// The reset comes before the line's end, so that a pager that cuts at lines shows the right colours.
fn push_line(text: &mut String, style: Style, prefix: &str, line: &str) {
    let line = line.trim_end_matches('\n');
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{style}{prefix}{line}{style:#}");
}
