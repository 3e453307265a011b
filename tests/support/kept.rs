//! Whether everything that was submitted is in what came out. The fuzz targets take it in too.

use serde_json::Value;

/// Whether all of `part` is in `whole`, in its place and its order; `path` is where they are.
pub fn contains(whole: &Value, part: &Value, path: &str) -> Result<(), String> {
    match (whole, part) {
        (whole, part) if whole == part => Ok(()),
        // What is null is as if it were absent, where something must be put into it.
        (Value::Array(_), Value::Null) => Ok(()),
        (Value::Object(_), Value::Null) if path.contains("/lifecycle") => Ok(()),
        // The one thing that is replaced: it now waits, and runs what was there.
        (whole, part) if path.ends_with("/lifecycle/postStart/exec/command") => {
            match (whole.as_array(), part.as_array()) {
                (Some(whole), Some(part)) if whole.ends_with(part) => Ok(()),
                _ => Err(format!("{path}: the container's own hook is lost")),
            }
        }
        (Value::Object(whole), Value::Object(part)) => part.iter().try_for_each(|(name, part)| {
            let path = format!("{path}/{name}");
            match whole.get(name) {
                Some(whole) => contains(whole, part, &path),
                None => Err(format!("{path} is lost")),
            }
        }),
        (Value::Array(whole), Value::Array(part)) => {
            let mut rest = whole.iter();
            part.iter().enumerate().try_for_each(|(index, part)| {
                let path = format!("{path}/{index}");
                match rest.any(|whole| contains(whole, part, &path).is_ok()) {
                    true => Ok(()),
                    false => Err(format!("{path} is lost or out of its order")),
                }
            })
        }
        _ => Err(format!("{path} has changed")),
    }
}
