//! Writes a node as YAML through libyaml's emitter.

use std::borrow::Cow;

use libyaml_safer::{Emitter, Encoding, Event, MappingStyle, Result, ScalarStyle, SequenceStyle};
use serde_json::Value;

use super::{
    node::{Content, Node},
    scalar::{Style, must_be_escaped},
};
use crate::printable;

/// Where a scalar stands, as far as it limits how it can be written.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Root,
    Block,
    Flow,
}

impl Node {
    /// The YAML text of one document, without `---`, with a final newline.
    pub(crate) fn to_yaml(&self) -> String {
        let mut text = Vec::new();
        self.emit_document(&mut text)
            .expect("a tree has its events in order, and memory takes everything that is written");
        let text = String::from_utf8(text).expect("the emitter writes UTF-8");
        // In double quotes the emitter escapes characters that YAML does not have, and a few others.
        printable::in_yaml(&text)
    }

    fn emit_document(&self, text: &mut Vec<u8>) -> Result<()> {
        let mut emitter = Emitter::new();
        emitter.set_output_string(text);
        emitter.set_unicode(true);
        emitter.set_width(-1);
        emitter.emit(Event::stream_start(Encoding::Utf8))?;
        emitter.emit(Event::document_start(None, &[], true))?;
        self.emit(&mut emitter, Place::Root)?;
        emitter.emit(Event::document_end(true))?;
        // The stream has no end: it would add a `...` behind a text that keeps its last line breaks.
        emitter.flush()
    }

    fn emit(&self, emitter: &mut Emitter<'_>, place: Place) -> Result<()> {
        let place_inside = |flow: bool| {
            if flow || place == Place::Flow {
                Place::Flow
            } else {
                Place::Block
            }
        };
        match &self.content {
            Content::Scalar(scalar) => {
                let text = match (&scalar.written, &scalar.value) {
                    // Nothing at all is null only in a block.
                    (Some(written), Value::Null) if written.is_empty() && place != Place::Block => {
                        Cow::Borrowed("null")
                    }
                    (Some(written), _) => Cow::Borrowed(written.as_str()),
                    (None, Value::String(text)) => Cow::Borrowed(text.as_str()),
                    (None, other) => Cow::Owned(other.to_string()),
                };
                emit_scalar(emitter, &text, scalar.style, place)
            }
            Content::Sequence { items, flow } => {
                let style = if *flow {
                    SequenceStyle::Flow
                } else {
                    SequenceStyle::Block
                };
                emitter.emit(Event::sequence_start(None, None, true, style))?;
                for item in items {
                    item.emit(emitter, place_inside(*flow))?;
                }
                emitter.emit(Event::sequence_end())
            }
            Content::Mapping { entries, flow } => {
                let style = if *flow {
                    MappingStyle::Flow
                } else {
                    MappingStyle::Block
                };
                emitter.emit(Event::mapping_start(None, None, true, style))?;
                for entry in entries {
                    let key = entry.key.written.as_ref().unwrap_or(&entry.key.name);
                    emit_scalar(emitter, key, entry.key.style, place_inside(*flow))?;
                    entry.value.emit(emitter, place_inside(*flow))?;
                }
                emitter.emit(Event::mapping_end())
            }
        }
    }
}

fn emit_scalar(emitter: &mut Emitter<'_>, text: &str, style: Style, place: Place) -> Result<()> {
    // At the root the lines of a text would stand at the beginning of the line, where they can be
    // taken for the end of the document.
    let is_unsafe = must_be_escaped(text) || (place == Place::Root && text.contains('\n'));
    let style = match style {
        _ if is_unsafe => ScalarStyle::DoubleQuoted,
        Style::Plain => ScalarStyle::Plain,
        Style::SingleQuoted => ScalarStyle::SingleQuoted,
        Style::DoubleQuoted => ScalarStyle::DoubleQuoted,
        Style::Literal => ScalarStyle::Literal,
    };
    emitter.emit(Event::scalar(None, None, text, true, true, style))
}
