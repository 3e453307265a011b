//! Merge patches (RFC 7396), in which recorded trees are written: only what is not as predicted.

use serde_json::{Map, Value};

/// What makes `to` of `from`; `None` if they are equal. Neither has a null in it.
pub fn difference(from: &Value, to: &Value) -> Option<Value> {
    if from == to {
        return None;
    }
    let (Value::Object(from), Value::Object(to)) = (from, to) else {
        return Some(to.clone());
    };
    let mut patch: Map<_, _> = from
        .keys()
        .filter(|key| !to.contains_key(*key))
        .map(|key| (key.clone(), Value::Null))
        .collect();
    for (key, to) in to {
        let change = match from.get(key) {
            Some(from) => difference(from, to),
            None => Some(to.clone()),
        };
        patch.extend(change.map(|change| (key.clone(), change)));
    }
    Some(Value::Object(patch))
}

/// Changes `target` as a patch says.
pub fn apply(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    let members = crate::tree::object(target);
    for (key, change) in patch {
        match change {
            Value::Null => _ = members.remove(key),
            change => apply(members.entry(key).or_insert(Value::Null), change),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_comes_back() {
        let values = [
            json!({}),
            json!({"a": 1, "b": {"c": [1, 2], "d": {}}}),
            json!({"a": {"e": 1}, "b": {"c": [2], "f": {"g": 1}}}),
            json!({"b": "text"}),
        ];
        for from in &values {
            for to in &values {
                let mut patched = from.clone();
                if let Some(patch) = difference(from, to) {
                    apply(&mut patched, &patch);
                }
                assert_eq!(&patched, to);
            }
        }
    }

    #[test]
    fn equal_values_have_no_difference() {
        assert_eq!(difference(&json!({"a": {}}), &json!({"a": {}})), None);
    }
}
