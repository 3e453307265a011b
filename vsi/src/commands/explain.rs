//! `vsi explain`: the reference of annotations and settings in the terminal.

use std::{
    fmt::Write as _,
    io::{IsTerminal, Write, stdout},
    process::ExitCode,
};

use anstyle::Style;
use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::Value;
use terminal_size::terminal_size;
use vault_sidecar_injector::{Key, nearest, reference::Default};

use crate::{
    printable::{self, Printable},
    reference::{
        annotations,
        settings::{self, Entry},
    },
};

const NAME: Style = Style::new().bold();

/// The widest that the column of defaults gets; longer ones are cut on a terminal.
const DEFAULT_COLUMN: usize = 24;

/// On a narrower terminal there is no place for defaults in the list.
const WIDTH_WITH_DEFAULTS: usize = 110;

/// However narrow the terminal is, text is not broken into shorter lines.
const LEAST_TEXT: usize = 24;

/// Explain an annotation or a setting, or list all of them
///
/// Without a NAME, prints a line for each annotation and each setting: its name, its default and what
/// it means. On a terminal, lines are cut to its width; otherwise they are whole, and annotations have
/// their whole names. With a NAME, prints the full text. A NAME is an annotation, with or without the
/// prefix, the path of a setting, or a section of settings. If it is both an annotation and a setting,
/// both are printed.
#[derive(Args)]
#[command(after_help = "\
Examples:
  vsi explain
  vsi explain | grep -i namespace
  vsi explain secrets-path sidecar.vault.talend.org/notify
  vsi explain vault.auth.kubernetes.tokenAudience
  vsi explain vault
  vsi explain -o json | jq -r '.settings[].path'

Exit codes:
  0  done
  2  there is no such annotation or setting, or the command line is wrong")]
pub(crate) struct Arguments {
    /// An annotation (mode), a setting (vault.address) or a section of settings (vault)
    #[arg(value_name = "NAME")]
    names: Vec<String>,

    /// What to print
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs: annotations and settings in JSON
    Json,
}

/// What is to be explained, in the order of the reference.
#[derive(Debug, Default)]
struct Selection {
    annotations: Vec<Key>,
    settings: Vec<&'static Entry>,
}

/// A name that is neither an annotation's nor a setting's.
#[derive(Debug, PartialEq)]
struct UnknownName {
    name: Printable,
    suggestions: Vec<String>,
}

pub(crate) fn execute(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut selections = Vec::new();
    for name in &arguments.names {
        match Selection::of(name) {
            Ok(selection) => selections.push(selection),
            Err(unknown) => {
                anstream::eprintln!("vsi: error: {}", unknown.message());
                return Ok(ExitCode::from(2));
            }
        }
    }
    let width = terminal_width();
    let text = match (arguments.output, selections.is_empty()) {
        (Format::Json, true) => Selection::all().json()?,
        (Format::Json, false) => Selection::united(selections).json()?,
        (Format::Text, true) => Selection::all().list(width),
        (Format::Text, false) => Selection::united(selections).explain(width),
    };
    anstream::stdout().lock().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// How wide lines may be; `None` where no person reads them as they are.
fn terminal_width() -> Option<usize> {
    let size = stdout().is_terminal().then(terminal_size)?;
    Some(size.map_or(80, |(width, _)| width.0.into()))
}

impl Selection {
    fn all() -> Self {
        Self {
            annotations: Key::ALL.to_vec(),
            settings: settings::all().iter().collect(),
        }
    }

    /// The annotation and the setting of a name; a section comes with all that is in it.
    fn of(name: &str) -> Result<Self, UnknownName> {
        let selection = Self {
            annotations: annotations::find(name).into_iter().collect(),
            settings: settings::all()
                .iter()
                .filter(|entry| entry.path() == name || settings::is_below(entry.path(), name))
                .collect(),
        };
        match selection.annotations.is_empty() && selection.settings.is_empty() {
            true => Err(UnknownName::new(name)),
            false => Ok(selection),
        }
    }

    /// What is in any of them, in the order of the arguments, and once.
    fn united(selections: Vec<Self>) -> Self {
        let mut united = Self::default();
        for selection in selections {
            for key in selection.annotations {
                if !united.annotations.contains(&key) {
                    united.annotations.push(key);
                }
            }
            for entry in selection.settings {
                let mut known = united.settings.iter();
                if !known.any(|known| known.path() == entry.path()) {
                    united.settings.push(entry);
                }
            }
        }
        united
    }

    /// One line for each. On a terminal of some width there are headings and names are short.
    fn list(&self, width: Option<usize>) -> String {
        let is_terminal = width.is_some();
        let annotations = self.annotations.iter().map(|key| Row {
            name: match is_terminal {
                true => key.name().to_owned(),
                false => annotations::full_name(*key),
            },
            default: key.default().to_string(),
            text: key.documentation(),
        });
        let settings = self.settings.iter().filter(|entry| !entry.is_section());
        let settings = settings.map(|entry| Row {
            name: entry.path().to_owned(),
            default: shown(entry.default()),
            text: &entry.documentation,
        });
        let mut text = String::new();
        if is_terminal {
            let prefix = annotations::prefix();
            push_line(
                &mut text,
                &format!("{NAME}Annotations{NAME:#}, below {prefix}/"),
            );
        }
        push_table(&mut text, &annotations.collect::<Vec<_>>(), width);
        if is_terminal {
            push_line(&mut text, &format!("\n{NAME}Settings{NAME:#}"));
        }
        push_table(&mut text, &settings.collect::<Vec<_>>(), width);
        text
    }

    /// The full text of each.
    fn explain(&self, width: Option<usize>) -> String {
        let mut paragraphs = Vec::new();
        for key in &self.annotations {
            let default = match key.default() {
                Default::None => "none".to_owned(),
                default => default.to_string(),
            };
            paragraphs.push(paragraph(
                "annotation",
                &annotations::full_name(*key),
                Some(&default),
                key.documentation(),
                width,
            ));
        }
        for entry in &self.settings {
            let paragraph = match entry.is_section() {
                true if entry.setting.documentation.is_empty() => continue,
                true => paragraph("settings", entry.path(), None, &entry.documentation, width),
                false => {
                    let default = shown(entry.default());
                    paragraph(
                        "setting",
                        entry.path(),
                        Some(&default),
                        &entry.documentation,
                        width,
                    )
                }
            };
            paragraphs.push(paragraph);
        }
        paragraphs.join("\n")
    }

    fn json(&self) -> serde_json::Result<String> {
        let annotations = self.annotations.iter().map(|key| Annotation {
            name: key.name(),
            full_name: annotations::full_name(*key),
            default: (key.default() != Default::None).then(|| key.default().to_string()),
            documentation: key.documentation(),
        });
        let settings = self.settings.iter().map(|entry| Setting {
            path: entry.path(),
            is_section: entry.is_section(),
            default: (!entry.is_section()).then_some(entry.default()),
            documentation: &entry.documentation,
        });
        let reference = Reference {
            annotations: annotations.collect(),
            settings: settings.collect(),
        };
        Ok(format!("{}\n", printable::json(&reference)?))
    }
}

#[derive(Serialize)]
struct Reference<'a> {
    annotations: Vec<Annotation>,
    settings: Vec<Setting<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Annotation {
    name: &'static str,
    full_name: String,
    /// In words where it depends on something else.
    default: Option<String>,
    documentation: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Setting<'a> {
    path: &'a str,
    is_section: bool,
    /// Left out for a section: its defaults are those of the settings in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<&'a Value>,
    documentation: &'a str,
}

/// One line of the list.
struct Row<'a> {
    name: String,
    default: String,
    text: &'a str,
}

fn push_table(text: &mut String, rows: &[Row<'_>], width: Option<usize>) {
    let names = rows.iter().map(|row| length(&row.name)).max().unwrap_or(0);
    let defaults = rows.iter().map(|row| length(&row.default));
    let defaults = defaults.filter(|length| *length <= DEFAULT_COLUMN);
    let defaults = defaults.max().unwrap_or(0);
    for Row {
        name,
        default,
        text: meaning,
    } in rows
    {
        let padding = " ".repeat(names - length(name));
        let name = format!("{NAME}{name}{NAME:#}{padding}");
        let line = match width {
            None => format!("{name}  {default:<defaults$}  {meaning}"),
            Some(width) if width < WIDTH_WITH_DEFAULTS => {
                let left = width.saturating_sub(names + 2);
                format!("{name}  {}", cut(first_sentence(meaning), left))
            }
            Some(width) => {
                let default = cut(default, defaults);
                let left = width.saturating_sub(names + defaults + 4);
                let meaning = cut(first_sentence(meaning), left);
                format!("{name}  {default:<defaults$}  {meaning}")
            }
        };
        push_line(text, line.trim_end());
    }
}

/// A heading with the name, and below it what there is to say.
fn paragraph(
    kind: &str,
    name: &str,
    default: Option<&str>,
    documentation: &str,
    width: Option<usize>,
) -> String {
    let mut text = String::new();
    push_line(&mut text, &format!("{kind} {NAME}{name}{NAME:#}"));
    let default = default.map(|default| format!("Default: {default}"));
    for part in default.as_deref().into_iter().chain([documentation]) {
        match width {
            None => push_line(&mut text, &format!("  {part}")),
            Some(width) => {
                for line in textwrap::wrap(part, width.saturating_sub(2).max(LEAST_TEXT)) {
                    push_line(&mut text, &format!("  {line}"));
                }
            }
        }
    }
    text
}

fn push_line(text: &mut String, line: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{line}");
}

/// A default in one line, as it could stand in YAML.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(shown).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_string(),
    }
}

/// The text up to the end of its first sentence.
fn first_sentence(text: &str) -> &str {
    text.find(". ").map_or(text, |end| &text[..=end])
}

fn cut(text: &str, width: usize) -> String {
    if length(text) <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

fn length(text: &str) -> usize {
    text.chars().count()
}

impl UnknownName {
    fn new(name: &str) -> Self {
        Self {
            name: Printable::from(name),
            suggestions: suggestions(name),
        }
    }

    fn message(&self) -> String {
        let Self { name, suggestions } = self;
        let hint = match suggestions.split_last() {
            None => "`vsi explain` lists all of them".to_owned(),
            Some((only, [])) => format!("did you mean {only}?"),
            Some((last, others)) => format!("did you mean {} or {last}?", others.join(", ")),
        };
        format!("no annotation or setting has the name {name}; {hint}")
    }
}

/// The names that are near: of all names of the reference, or of the last part of one.
fn suggestions(name: &str) -> Vec<String> {
    let paths = || settings::all().iter().map(|entry| entry.path());
    // Only paths of settings have a dot.
    let is_path = name.contains('.') && !name.contains('/');
    let annotations = Key::ALL.iter().map(|key| key.name());
    let known = annotations.filter(|_| !is_path).chain(paths());
    if let Some(known) = nearest(name, known) {
        return vec![known.to_owned()];
    }
    // An annotation below another prefix, or a setting in another section.
    let last = name.rsplit(['/', '.']).next().unwrap_or(name);
    if name.contains('/') {
        let known = nearest(last, Key::ALL.iter().map(|key| key.name()));
        return known.map(str::to_owned).into_iter().collect();
    }
    let known = nearest(last, settings::all().iter().map(Entry::key));
    let of_key = |entry: &&Entry| Some(entry.key()) == known;
    let found = settings::all().iter().filter(of_key);
    found.map(|entry| entry.path().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;

    use super::*;

    fn names(selection: &Selection) -> Vec<String> {
        let annotations = selection
            .annotations
            .iter()
            .map(|key| key.name().to_owned());
        let settings = selection
            .settings
            .iter()
            .map(|entry| entry.path().to_owned());
        annotations.chain(settings).collect()
    }

    #[test]
    fn a_name_selects_an_annotation_a_setting_or_a_section() {
        for (name, expected) in [
            ("mode", &["mode"][..]),
            ("sidecar.vault.talend.org/mode", &["mode"]),
            ("vault.address", &["vault.address"]),
            ("sidecars", &["sidecars", "sidecars"]),
            (
                "annotations",
                &[
                    "annotations",
                    "annotations.prefix",
                    "annotations.applicationLabel",
                    "annotations.serviceLabel",
                    "annotations.defaults",
                ],
            ),
        ] {
            assert_eq!(names(&Selection::of(name).unwrap()), expected, "{name}");
        }
    }

    #[test]
    fn an_unknown_name_comes_with_the_nearest() {
        for (name, expected) in [
            ("mdoe", &["mode"][..]),
            ("vault.adress", &["vault.address"]),
            ("adress", &["vault.address"]),
            ("example.org/secret-path", &["secrets-path"]),
            ("tls.skipverify", &["vault.tls.skipVerify"]),
            ("logFormat", &["agent.logFormat"]),
            ("logLevel", &["agent.logLevel", "consulTemplate.logLevel"]),
            ("gibberish", &[]),
            ("", &[]),
            (".", &[]),
        ] {
            assert_eq!(suggestions(name), expected, "{name}");
        }
    }

    #[test]
    fn a_piped_list_has_one_whole_line_for_each() {
        let text = Selection::all().list(None);
        let text = strip_str(&text).to_string();
        let settings = settings::all().iter().filter(|entry| !entry.is_section());
        assert_eq!(text.lines().count(), Key::ALL.len() + settings.count());
        for key in Key::ALL {
            let line = text
                .lines()
                .find(|line| line.split(' ').next() == Some(&annotations::full_name(*key)))
                .unwrap();
            assert!(line.ends_with(key.documentation()), "{line}");
            assert!(line.contains(&key.default().to_string()), "{line}");
        }
    }

    #[test]
    fn on_a_terminal_no_line_is_longer_than_it_is_wide() {
        for width in [80, 100, 132] {
            let text = Selection::all().list(Some(width));
            let text = strip_str(&text).to_string();
            for line in text.lines() {
                assert!(length(line) <= width, "{width}: {line}");
            }
            assert!(text.starts_with("Annotations, below sidecar.vault.talend.org/\ninject  "));
            assert!(text.contains("\n\nSettings\nvault.address  "));
            let explained = Selection::all().explain(Some(width));
            for line in strip_str(&explained).to_string().lines() {
                assert!(length(line) <= width, "{width}: {line}");
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_cut_and_marked() {
        for (width, expected) in [(10, "a sentence"), (9, "a senten…"), (3, "a…"), (0, "…")] {
            assert_eq!(cut("a sentence", width), expected);
        }
        assert_eq!(first_sentence("Of v1.29. More."), "Of v1.29.");
        assert_eq!(first_sentence("All of it."), "All of it.");
    }
}
