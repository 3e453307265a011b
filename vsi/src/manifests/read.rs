//! Reads one document through libyaml's parser, of which kubectl's is a port.

use std::{borrow::Cow, collections::HashMap};

use libyaml_safer::{
    Encoding, Error, Event, EventData, MappingStyle, Mark, Parser, ScalarStyle, Scanner,
    SequenceStyle, TokenData,
};
use serde_json::Value;

use super::{
    mistake::{Complaint, Mistake, Position},
    node::{Content, Entry, Key, Node, Scalar},
    scalar::{Meaning, Style, resolve, string_style},
};

/// How deep lists and mappings can be in one another: as deep as serde_json reads JSON.
const DEPTH: usize = 127;

/// How many nodes aliases can add to a document.
const NODES_OF_ALIASES: usize = 1_000_000;

/// What a document's text has in it.
pub(super) struct Read {
    /// Where the content begins, or the text if it has none.
    pub(super) line: usize,
    pub(super) content: Result<Option<Node>, Mistake>,
}

/// Whether a character can only stand in YAML as an escape.
pub(super) fn is_rejected(character: char) -> bool {
    character.is_control() && !matches!(character, '\t' | '\n' | '\r' | '\u{85}')
        || matches!(character, '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// Reads the text of one document, which begins on `first_line` of its file.
pub(super) fn document(text: &str, first_line: usize) -> Read {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // As kubectl does, which reads lines.
    let text = if text.ends_with('\n') {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(format!("{text}\n"))
    };
    let source = Source::new(&text, first_line);
    let mut line = first_line;
    let content = source
        .check_characters()
        .and_then(|()| source.check_tags())
        .and_then(|()| {
            let mut bytes = text.as_bytes();
            let mut parser = Parser::new();
            parser.set_encoding(Encoding::Utf8);
            parser.set_input_string(&mut bytes);
            Reader {
                source: &source,
                parser,
                anchors: HashMap::new(),
                nodes_of_aliases: 0,
            }
            .document(&mut line)
        });
    Read { line, content }
}

/// The text of a document, to find where in the file something is.
struct Source<'a> {
    text: &'a str,
    first_line: usize,
    /// Where each line begins. libyaml's lines are others: it breaks them at more characters.
    line_starts: Vec<usize>,
}

impl<'a> Source<'a> {
    fn new(text: &'a str, first_line: usize) -> Self {
        let breaks = text.match_indices('\n').map(|(index, _)| index + 1);
        Self {
            text,
            first_line,
            line_starts: std::iter::once(0)
                .chain(breaks.filter(|start| *start < text.len()))
                .collect(),
        }
    }

    /// The number of the line in this text, from 0.
    fn line_index(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset) - 1
    }

    fn line(&self, mark: Mark) -> usize {
        self.first_line + self.line_index(offset(mark))
    }

    fn position(&self, offset: usize) -> Position {
        let line_index = self.line_index(offset);
        let before = self.text.get(self.line_starts[line_index]..offset);
        Position {
            line: self.first_line + line_index,
            column: 1 + before.map_or(0, |before| before.chars().count()),
        }
    }

    fn line_text(&self, offset: usize) -> &'a str {
        self.text[self.line_starts[self.line_index(offset)]..]
            .lines()
            .next()
            .unwrap_or_default()
    }

    fn mistake(&self, mark: Mark, message: impl Into<String>) -> Mistake {
        Mistake::new(self.position(offset(mark)), message)
    }

    /// libyaml does not say where it found a character that it rejects.
    fn check_characters(&self) -> Result<(), Mistake> {
        match self
            .text
            .char_indices()
            .find(|(_, character)| is_rejected(*character))
        {
            None => Ok(()),
            Some((offset, character)) => Err(Mistake::new(
                self.position(offset),
                format!(
                    "the control character U+{:04X} cannot stand in YAML; it can be written as an \
                     escape in double quotes",
                    u32::from(character)
                ),
            )),
        }
    }

    /// The parser panics at a tag that a comma follows. With a space before each such comma it does
    /// not, and finds which of them are behind a tag and not in a text.
    fn check_tags(&self) -> Result<(), Mistake> {
        let mut spaced = String::new();
        let mut commas = HashMap::new();
        let mut is_in_tag = false;
        if !self.text.contains('!') {
            return Ok(());
        }
        for (offset, character) in self.text.char_indices() {
            if character == '!' {
                is_in_tag = true;
            } else if character.is_whitespace() {
                is_in_tag = false;
            } else if character == ',' && is_in_tag {
                commas.insert(spaced.len(), offset);
                spaced.push(' ');
            }
            spaced.push(character);
        }
        if commas.is_empty() {
            return Ok(());
        }
        let mut bytes = spaced.as_bytes();
        let mut scanner = Scanner::new();
        scanner.set_encoding(Encoding::Utf8);
        scanner.set_input_string(&mut bytes);
        let comma = scanner
            .map_while(Result::ok)
            .filter(|token| matches!(token.data, TokenData::Tag { .. }))
            .find_map(|token| commas.get(&offset(token.end_mark)));
        match comma {
            None => Ok(()),
            Some(comma) => Err(Mistake::new(
                self.position(*comma),
                "a tag must have a space or its value behind it, not a comma",
            )),
        }
    }

    fn mistake_from(&self, error: &Error) -> Mistake {
        let problem = error.problem_mark().map_or(0, offset);
        let context = error.context_mark().map_or(problem, offset);
        Complaint {
            problem: error.problem(),
            context: error.context().unwrap_or_default(),
            position: self.position(problem),
            context_position: self.position(context),
            line_text: self.line_text(problem),
            context_line_text: self.line_text(context),
        }
        .into_mistake()
    }
}

fn offset(mark: Mark) -> usize {
    usize::try_from(mark.index).unwrap_or(usize::MAX)
}

/// A node, and what counts where an alias repeats it.
#[derive(Clone)]
struct Built {
    node: Node,
    nodes: usize,
    depth: usize,
    /// The text of a scalar without quotes and tag is null only if it is empty or a word for it.
    is_empty: bool,
}

enum Anchor {
    /// The node is being read: an alias to it stands in itself.
    Open,
    Closed(Built),
}

struct Reader<'s, 'r, 'b> {
    source: &'s Source<'s>,
    parser: Parser<&'r mut &'b [u8]>,
    anchors: HashMap<String, Anchor>,
    nodes_of_aliases: usize,
}

impl Reader<'_, '_, '_> {
    fn document(mut self, line: &mut usize) -> Result<Option<Node>, Mistake> {
        loop {
            let event = self.next()?;
            match event.data {
                EventData::StreamStart { .. } => {}
                EventData::DocumentStart { implicit, .. } => {
                    if !implicit {
                        self.check_separator(offset(event.end_mark))?;
                    }
                    break;
                }
                _ => return Ok(None),
            }
        }
        let first = self.next()?;
        *line = self.source.line(first.start_mark);
        let built = self.node(first, 0)?;
        loop {
            let event = self.next()?;
            match event.data {
                EventData::DocumentStart { .. } => {
                    let begin = self.source.line(event.start_mark);
                    return Err(self.source.mistake(
                        event.start_mark,
                        format!(
                            "a document begins on line {begin} without a line `---` of its own, \
                             where kubectl does not see it"
                        ),
                    ));
                }
                EventData::StreamEnd => break,
                _ => {}
            }
        }
        if built.is_empty {
            *line = self.source.first_line;
            return Ok(None);
        }
        Ok(Some(built.node))
    }

    /// kubectl rejects `--- {a: b}`.
    fn check_separator(&self, end: usize) -> Result<(), Mistake> {
        let rest = self.source.text.get(end..).unwrap_or_default();
        let rest = rest.lines().next().unwrap_or_default().trim();
        if rest.is_empty() || rest.starts_with('#') {
            return Ok(());
        }
        Err(Mistake::new(
            self.source.position(end),
            "only a comment can stand behind `---`; kubectl wants the document to begin on \
             the next line",
        ))
    }

    fn next(&mut self) -> Result<Event, Mistake> {
        self.parser
            .parse()
            .map_err(|error| self.source.mistake_from(&error))
    }

    fn node(&mut self, event: Event, depth: usize) -> Result<Built, Mistake> {
        let line = self.source.line(event.start_mark);
        let (start, end) = (event.start_mark, event.end_mark);
        let anchor = match &event.data {
            EventData::Scalar { anchor, .. }
            | EventData::SequenceStart { anchor, .. }
            | EventData::MappingStart { anchor, .. } => anchor.clone(),
            _ => None,
        };
        if let Some(anchor) = &anchor {
            self.anchors.insert(anchor.clone(), Anchor::Open);
        }
        let built = match event.data {
            EventData::Alias { anchor } => return self.alias(&anchor, start, depth),
            EventData::Scalar {
                tag, value, style, ..
            } => {
                let is_empty = value.is_empty() && tag.is_none() && style == ScalarStyle::Plain;
                let scalar = self.scalar(tag.as_deref(), value, style, start)?;
                Built {
                    node: Node {
                        line,
                        content: Content::Scalar(scalar),
                    },
                    nodes: 1,
                    depth: 0,
                    is_empty: is_empty && anchor.is_none(),
                }
            }
            EventData::SequenceStart { style, .. } => {
                self.check_depth(depth + 1, start)?;
                self.sequence(style == SequenceStyle::Flow, line, depth)?
            }
            EventData::MappingStart { style, .. } => {
                self.check_depth(depth + 1, start)?;
                self.mapping(style == MappingStyle::Flow, line, depth)?
            }
            _ => return Err(self.source.mistake(end, "expected a value")),
        };
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor, Anchor::Closed(built.clone()));
        }
        Ok(built)
    }

    fn check_depth(&self, depth: usize, mark: Mark) -> Result<(), Mistake> {
        if depth > DEPTH {
            return Err(self.source.mistake(
                mark,
                format!("lists and mappings are more than {DEPTH} deep in one another here"),
            ));
        }
        Ok(())
    }

    fn sequence(&mut self, flow: bool, line: usize, depth: usize) -> Result<Built, Mistake> {
        let mut items = Vec::new();
        let mut size = Size::default();
        loop {
            let event = self.next()?;
            if event.data == EventData::SequenceEnd {
                break;
            }
            let item = self.node(event, depth + 1)?;
            size.add(&item);
            items.push(item.node);
        }
        Ok(size.built(line, Content::Sequence { items, flow }))
    }

    fn mapping(&mut self, flow: bool, line: usize, depth: usize) -> Result<Built, Mistake> {
        let mut entries = Entries::default();
        let mut size = Size::default();
        loop {
            let event = self.next()?;
            if event.data == EventData::MappingEnd {
                break;
            }
            let mark = event.start_mark;
            if is_merge(&event) {
                let merged = self.next()?;
                let mark = merged.start_mark;
                let merged = self.node(merged, depth + 1)?;
                size.add(&merged);
                for entry in self.merged_entries(merged.node, mark)? {
                    entries.put(entry);
                }
                continue;
            }
            let position = self.source.position(offset(mark));
            let key = self.key(event, depth)?;
            if let Some(first_line) = entries.given_on(&key.name) {
                return Err(Mistake::repeated_key(position, &key.name, first_line));
            }
            let value = self.next()?;
            let value = self.node(value, depth + 1)?;
            size.add(&value);
            entries.give(Entry {
                line: position.line,
                key,
                value: value.node,
            });
        }
        let entries = entries.list;
        Ok(size.built(line, Content::Mapping { entries, flow }))
    }

    fn key(&mut self, event: Event, depth: usize) -> Result<Key, Mistake> {
        let mark = event.start_mark;
        // kubectl writes keys with less precision than values, so the text is needed.
        if let EventData::Scalar {
            anchor: None,
            tag: None,
            value: text,
            style: ScalarStyle::Plain,
            ..
        } = event.data
        {
            let meaning = resolve(&text);
            let is_text = meaning == Meaning::Text;
            let Some(name) = meaning.into_key(&text) else {
                return Err(self.rejected_key(mark));
            };
            return Ok(Key {
                name,
                style: Style::Plain,
                written: (!is_text).then_some(text),
            });
        }
        match self.node(event, depth + 1)?.node.content {
            Content::Scalar(Scalar {
                value: Value::String(name),
                style,
                ..
            }) => Ok(Key {
                name,
                style,
                written: None,
            }),
            Content::Scalar(Scalar { value, written, .. }) => {
                let text = written.unwrap_or_else(|| value.to_string());
                resolve(&text)
                    .into_key(&text)
                    .map(|name| Key::from_name(&name))
                    .ok_or_else(|| self.rejected_key(mark))
            }
            _ => Err(self.rejected_key(mark)),
        }
    }

    fn rejected_key(&self, mark: Mark) -> Mistake {
        let mut message = "a key must be a text, a number or a boolean".to_owned();
        if self.source.line_text(offset(mark)).contains("{{") {
            message.push_str("; `{{` looks like a template, which must be rendered first");
        }
        self.source.mistake(mark, message)
    }

    /// What `<<` adds: of several mappings the first has precedence.
    fn merged_entries(&self, node: Node, mark: Mark) -> Result<Vec<Entry>, Mistake> {
        let mappings = match node.content {
            Content::Mapping { entries, .. } => return Ok(entries),
            Content::Sequence { items, .. } => items,
            Content::Scalar(_) => return Err(self.rejected_merge(mark)),
        };
        let mut merged = Vec::new();
        for mapping in mappings.into_iter().rev() {
            let Content::Mapping { entries, .. } = mapping.content else {
                return Err(self.rejected_merge(mark));
            };
            merged.extend(entries);
        }
        Ok(merged)
    }

    fn rejected_merge(&self, mark: Mark) -> Mistake {
        self.source
            .mistake(mark, "`<<` needs a mapping, or a list of mappings")
    }

    fn alias(&mut self, anchor: &str, mark: Mark, depth: usize) -> Result<Built, Mistake> {
        let built = match self.anchors.get(anchor) {
            Some(Anchor::Closed(built)) => built,
            Some(Anchor::Open) => {
                return Err(self.source.mistake(
                    mark,
                    format!("the alias `*{anchor}` stands within its own anchor `&{anchor}`"),
                ));
            }
            None => {
                return Err(self.source.mistake(
                    mark,
                    format!("the alias `*{anchor}` has no anchor `&{anchor}` before it"),
                ));
            }
        };
        self.check_depth(depth + built.depth, mark)?;
        self.nodes_of_aliases += built.nodes;
        if self.nodes_of_aliases > NODES_OF_ALIASES {
            return Err(self.source.mistake(
                mark,
                format!("the aliases of the document repeat more than {NODES_OF_ALIASES} values"),
            ));
        }
        Ok(built.clone())
    }

    fn scalar(
        &self,
        tag: Option<&str>,
        text: String,
        style: ScalarStyle,
        mark: Mark,
    ) -> Result<Scalar, Mistake> {
        let style = match style {
            ScalarStyle::SingleQuoted => Style::SingleQuoted,
            ScalarStyle::DoubleQuoted => Style::DoubleQuoted,
            ScalarStyle::Literal | ScalarStyle::Folded => Style::Literal,
            _ => Style::Plain,
        };
        let Some(tag) = tag else {
            if style != Style::Plain {
                return Ok(Scalar {
                    value: text.into(),
                    style,
                    written: None,
                });
            }
            let value = resolve(&text).into_value(&text).ok_or_else(|| {
                self.source.mistake(
                    mark,
                    format!("`{text}` has no place in JSON; put it in quotes to make it a text"),
                )
            })?;
            let written = (!value.is_string()).then_some(text);
            return Ok(Scalar {
                value,
                style,
                written,
            });
        };
        let value = tagged(tag, &text).map_err(|message| self.source.mistake(mark, message))?;
        let style = value.as_str().map_or(Style::Plain, string_style);
        Ok(Scalar {
            value,
            style,
            written: None,
        })
    }
}

fn is_merge(event: &Event) -> bool {
    match &event.data {
        EventData::Scalar {
            tag, value, style, ..
        } => {
            value == "<<"
                && match tag.as_deref() {
                    None => *style == ScalarStyle::Plain,
                    Some(tag) => tag == "tag:yaml.org,2002:merge" || tag == "!",
                }
        }
        _ => false,
    }
}

/// The value of a scalar with a tag. Tags that are not YAML's own mean nothing to kubectl, but that the
/// scalar is a text.
fn tagged(tag: &str, text: &str) -> Result<Value, String> {
    let Some(kind) = tag.strip_prefix("tag:yaml.org,2002:") else {
        return Ok(text.into());
    };
    let meaning = resolve(text);
    let is_right = match (kind, &meaning) {
        ("null", Meaning::Null)
        | ("bool", Meaning::Boolean(_))
        | ("int", Meaning::Integer(_) | Meaning::Unsigned(_))
        | ("float", Meaning::Integer(_) | Meaning::Float(_))
        | ("timestamp", Meaning::Text) => true,
        ("null" | "bool" | "int" | "float" | "timestamp", _) => false,
        ("binary", _) => return from_base64(text).map(Value::from),
        _ => return Ok(text.into()),
    };
    if !is_right {
        return Err(format!("`{text}` is not a value for the tag `!!{kind}`"));
    }
    meaning
        .into_value(text)
        .ok_or_else(|| format!("`{text}` has no place in JSON"))
}

/// The text that is in a `!!binary`. JSON can hold no other bytes.
fn from_base64(text: &str) -> Result<String, String> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let rejected = || "the value of `!!binary` is not valid base64".to_owned();

    let encoded: Vec<u8> = text
        .bytes()
        .filter(|byte| !matches!(byte, b'\n' | b'\r'))
        .collect();
    let digits = match encoded.as_slice() {
        [digits @ .., b'=', b'='] | [digits @ .., b'='] => digits,
        digits => digits,
    };
    if !encoded.len().is_multiple_of(4) {
        return Err(rejected());
    }
    let mut bytes = Vec::with_capacity(encoded.len() / 4 * 3);
    for group in digits.chunks(4) {
        let mut bits = 0_u32;
        for digit in group {
            let digit = DIGITS.iter().position(|other| other == digit);
            let digit = digit.and_then(|digit| u32::try_from(digit).ok());
            bits = bits << 6 | digit.ok_or_else(rejected)?;
        }
        bits <<= 6 * (4 - group.len());
        bytes.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// How much there is in a collection.
#[derive(Default)]
struct Size {
    nodes: usize,
    depth: usize,
}

impl Size {
    fn add(&mut self, built: &Built) {
        self.nodes += built.nodes;
        self.depth = self.depth.max(built.depth);
    }

    fn built(self, line: usize, content: Content) -> Built {
        Built {
            node: Node { line, content },
            nodes: self.nodes + 1,
            depth: self.depth + 1,
            is_empty: false,
        }
    }
}

/// The entries of a mapping, in order.
#[derive(Default)]
struct Entries {
    list: Vec<Entry>,
    places: HashMap<String, Place>,
}

struct Place {
    index: usize,
    is_merged: bool,
}

impl Entries {
    /// The line where the mapping itself has the key.
    fn given_on(&self, name: &str) -> Option<usize> {
        let place = self.places.get(name)?;
        (!place.is_merged).then(|| self.list[place.index].line)
    }

    fn give(&mut self, entry: Entry) {
        self.set(entry, false);
    }

    /// Takes an entry from a mapping that is merged in. It counts for more than one that is given
    /// before, which is not as YAML has it, but as kubectl does.
    fn put(&mut self, entry: Entry) {
        let is_merged = self.given_on(&entry.key.name).is_none();
        self.set(entry, is_merged);
    }

    fn set(&mut self, entry: Entry, is_merged: bool) {
        let name = entry.key.name.clone();
        if let Some(place) = self.places.get_mut(&name) {
            place.is_merged = is_merged;
            self.list[place.index] = entry;
            return;
        }
        let index = self.list.len();
        self.places.insert(name, Place { index, is_merged });
        self.list.push(entry);
    }
}
