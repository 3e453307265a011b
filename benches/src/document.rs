//! The files in `docs/` that come from the numbers: the numbers themselves, the plot, and the tables between two
//! marks in a text that people write.

use std::fs;
use std::path::Path;

use anyhow::Context;

use crate::numbers::Numbers;
use crate::{plot, tables};

const BEGIN: &str = "<!-- What is between these two marks is written by `make performance`. -->\n";
const END: &str = "<!-- The text goes on here. -->\n";

/// Writes all three.
pub(crate) fn write(directory: &Path, numbers: &Numbers) -> anyhow::Result<()> {
    write_json(&directory.join("performance.json"), numbers)?;
    write_text(&directory.join("performance.svg"), &plot::svg(numbers)?)?;
    let path = directory.join("performance.md");
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let text = between_marks(&text, &tables::all(numbers))
        .with_context(|| format!("{} lacks the marks", path.display()))?;
    write_text(&path, &text)
}

/// Writes the numbers alone.
pub(crate) fn write_json(path: &Path, numbers: &Numbers) -> anyhow::Result<()> {
    write_text(
        path,
        &format!("{}\n", serde_json::to_string_pretty(numbers)?),
    )
}

fn write_text(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn between_marks(text: &str, tables: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{tables}\n\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_wrote_around_the_tables_stays() {
        let text = format!("Method.\n{BEGIN}old\n{END}Meaning.\n");
        let new = format!("Method.\n{BEGIN}\n| new |\n\n{END}Meaning.\n");
        assert_eq!(between_marks(&text, "| new |"), Some(new));
        assert_eq!(between_marks("Method.\n", "| new |"), None);
    }

    #[test]
    fn the_documentation_shows_the_numbers_that_are_checked_in() {
        let docs = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs"));
        let read = |name: &str| fs::read_to_string(docs.join(name)).unwrap();
        let numbers: Numbers = serde_json::from_str(&read("performance.json")).unwrap();
        let text = read("performance.md");
        assert!(
            read("performance.svg") == plot::svg(&numbers).unwrap()
                && between_marks(&text, &tables::all(&numbers)) == Some(text),
            "docs/performance.* are not up to date; run `make performance`"
        );
    }
}
