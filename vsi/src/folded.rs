//! Objects in which long texts that the policy adds, most of them scripts, take one line.

use std::collections::BTreeSet;

use serde_json::Value;

/// The most lines of a text that is shown as it is.
const MOST_LINES: usize = 3;

/// `after` with what it has more than `before` of texts of many lines folded.
pub(crate) fn folded(before: &Value, after: &Value) -> Value {
    let mut known = BTreeSet::new();
    collect(before, &mut known);
    let mut after = after.clone();
    fold(&mut after, &known);
    after
}

fn collect<'v>(value: &'v Value, texts: &mut BTreeSet<&'v str>) {
    match value {
        Value::String(text) => {
            texts.insert(text);
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        Value::Object(fields) => fields.values().for_each(|field| collect(field, texts)),
        _ => {}
    }
}

fn fold(value: &mut Value, known: &BTreeSet<&str>) {
    match value {
        Value::String(text) => {
            let lines = text.lines().count();
            if lines > MOST_LINES && !known.contains(&**text) {
                *text = format!("({lines} lines, which --full shows)");
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| fold(item, known)),
        Value::Object(fields) => fields.values_mut().for_each(|field| fold(field, known)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_long_texts_that_are_new_are_folded() {
        let own = "1\n2\n3\n4\n5";
        let before = json!({"args": [own]});
        let after = json!({"args": [own, "1\n2\n3\n", "1\n2\n3\n4\n"], "n": {"a": "\n\n\n\n"}});
        let expected = json!({
            "args": [own, "1\n2\n3\n", "(4 lines, which --full shows)"],
            "n": {"a": "(4 lines, which --full shows)"},
        });
        assert_eq!(folded(&before, &after), expected);
    }
}
