//! Reads a file of JSON values, one behind the other.

use serde_json::{Deserializer, Value};

use super::{Document, Mistake, Node, read, scalar::number_from_float};

/// The values of a JSON file as documents; nothing if the file is rather YAML, which may begin with a
/// brace as well.
pub(super) fn documents(text: &str) -> Option<Vec<Document<'_>>> {
    let json = text.strip_prefix('\u{feff}').unwrap_or(text);
    let start = text.len() - json.len();
    let looks_like_json = {
        let behind_brace = json.trim_start().strip_prefix('{')?.trim_start();
        behind_brace.starts_with(['"', '}']) && !text.lines().any(|line| line.starts_with("---"))
    };

    let mut documents = Vec::new();
    let mut position = 0;
    let mut values = Deserializer::from_str(json).into_iter::<Value>();
    while let Some(value) = values.next() {
        let begin = json.len() - json[position..].trim_start().len();
        let line = 1 + json[..begin].matches('\n').count();
        let (end, content) = match value {
            Ok(value) => {
                let end = values.byte_offset();
                (end, content(&json[begin..end], line, value).map(Some))
            }
            Err(_) if !looks_like_json => return None,
            Err(error) => (json.len(), Err(Mistake::from_json(&error))),
        };
        documents.push(Document {
            number: 0,
            lines_before_content: 0,
            line,
            text: &json[position..end],
            content,
        });
        position = end;
    }
    // What the documents do not have is white space at the end, and the byte order mark.
    if documents.len() > 1
        && let [first, .., last] = documents.as_mut_slice()
    {
        let last_start = position - last.text.len();
        first.text = &text[..start + first.text.len()];
        last.text = &json[last_start..];
    } else if let [only] = documents.as_mut_slice() {
        only.text = text;
    }
    Some(documents)
}

/// JSON is nearly always YAML too, and read as YAML it has lines and order, and no key twice. Where it
/// is none, or another value, all that is known is the line where it begins.
fn content(text: &str, line: usize, value: Value) -> Result<Node, Mistake> {
    let value = with_numbers_as_in_a_cluster(value);
    match read::document(text, line).content {
        Ok(Some(node)) if node.to_value() == value => Ok(node.in_block_style()),
        Err(mistake) if mistake.is_repeated_key() => Err(mistake),
        _ => Ok(Node::new(&value, line)),
    }
}

fn with_numbers_as_in_a_cluster(value: Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => number
            .as_f64()
            .and_then(number_from_float)
            .unwrap_or(number)
            .into(),
        Value::Array(values) => values
            .into_iter()
            .map(with_numbers_as_in_a_cluster)
            .collect(),
        Value::Object(values) => values
            .into_iter()
            .map(|(name, value)| (name, with_numbers_as_in_a_cluster(value)))
            .collect(),
        other => other,
    }
}
