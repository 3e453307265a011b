//! The two ends of an evaluation: the admission request as the policy server hands it over, read lazily,
//! and the answer, written as the policy server expects it.

use std::borrow::Cow;

use crate::json::{self, Json, NotJson, Reader};
use crate::patch::Patched;

/// The status code of every rejection: the manifest is understood, and cannot be carried out.
const UNPROCESSABLE: &str = "422";

/// The most bytes of a name of Kubernetes' in JSON: 253 letters, however they are written.
const LONGEST_NAME: usize = 2048;

/// What is read of a Kubernetes admission request, still in its JSON text.
#[derive(Debug)]
pub struct Request<'a> {
    /// The object's API group; empty for core objects such as pods.
    pub group: Cow<'a, str>,
    pub kind: Cow<'a, str>,
    /// `CREATE`, `UPDATE`, `DELETE` or `CONNECT`.
    pub operation: Cow<'a, str>,
    /// The namespace of the request, which decides where the object ends up.
    pub namespace: Cow<'a, str>,
    pub object: Option<Json<'a>>,
    /// The object as it was before an update.
    pub old_object: Option<Json<'a>>,
    pub settings: Option<Json<'a>>,
}

impl<'a> Request<'a> {
    /// Reads the payload of waPC function `validate`: `{"request": {...}, "settings": {...}}`.
    ///
    /// The error is a fixed text, because it is shown to users and a pod can hold credentials.
    pub fn decode(payload: &'a [u8]) -> Result<Self, &'static str> {
        const MALFORMED: &str = "the policy server sent no admission request that can be read";

        let payload = std::str::from_utf8(payload).map_err(|_| MALFORMED)?;
        Self::read(payload).map_err(|_| MALFORMED)
    }

    /// Goes through the payload once: the objects in it are not looked into.
    fn read(payload: &'a str) -> Result<Self, NotJson> {
        let (mut kind, mut operation) = (None, None);
        let (mut namespace, mut settings) = (Json::NULL, None);
        let (mut object, mut old_object) = (None, None);
        let mut reader = Reader::new(payload);
        reader.object_as_written(|reader, name| {
            match name {
                "request" => reader.object_as_written(|reader, name| {
                    let value = reader.value()?;
                    match name {
                        "object" => object = given(value),
                        "kind" => kind = Some(value),
                        "operation" => operation = Some(value),
                        "namespace" => namespace = value,
                        "oldObject" => old_object = given(value),
                        _ => {}
                    }
                    Ok(())
                })?,
                "settings" => settings = given(reader.value()?),
                _ => {
                    reader.value()?;
                }
            }
            Ok(())
        })?;
        reader.end()?;
        let kind = kind.filter(|kind| kind.text().len() <= 4 * LONGEST_NAME);
        let kind = kind.ok_or(NotJson)?.object().map_err(|_| NotJson)?;
        let text = |value: Json<'a>| match value.is_null() {
            true => Ok(Cow::Borrowed("")),
            false => short_text(value),
        };
        Ok(Request {
            group: text(kind.get("group").unwrap_or(Json::NULL))?,
            kind: required_text(kind.get("kind"))?,
            operation: required_text(operation)?,
            namespace: text(namespace)?,
            object,
            old_object,
            settings,
        })
    }
}

fn given(value: Json<'_>) -> Option<Json<'_>> {
    (!value.is_null()).then_some(value)
}

fn required_text(value: Option<Json<'_>>) -> Result<Cow<'_, str>, NotJson> {
    short_text(value.ok_or(NotJson)?)
}

/// A name. A longer text is none, and to read its escapes would take long.
fn short_text(value: Json<'_>) -> Result<Cow<'_, str>, NotJson> {
    match value.text().len() {
        0..=LONGEST_NAME => value.string().map(|text| text.0).map_err(|_| NotJson),
        _ => Err(NotJson),
    }
}

/// What the policy answers.
#[derive(Debug)]
pub enum Answer<'a> {
    /// The object goes on as it was submitted.
    Accept { warnings: Vec<String> },
    /// The object goes on changed.
    Mutate {
        object: Patched<'a>,
        warnings: Vec<String>,
    },
    /// The object is refused, with a message for the person who must fix the manifest.
    Reject {
        message: String,
        warnings: Vec<String>,
    },
}

impl Answer<'_> {
    /// The answer in the policy server's `ValidationResponse` format.
    pub fn encode(&self) -> Vec<u8> {
        let mut output = String::new();
        let warnings = match self {
            Answer::Accept { warnings } => {
                output.push_str(r#"{"accepted":true"#);
                warnings
            }
            Answer::Mutate { object, warnings } => {
                // Memory that grows in steps would be copied at each.
                output.reserve(object.length() + 64);
                output.push_str(r#"{"accepted":true,"mutated_object":"#);
                object.write(&mut output);
                warnings
            }
            Answer::Reject { message, warnings } => {
                output.push_str(r#"{"accepted":false,"message":"#);
                json::write_string(message, &mut output);
                output.push_str(r#","code":"#);
                output.push_str(UNPROCESSABLE);
                warnings
            }
        };
        for (index, warning) in warnings.iter().enumerate() {
            output.push_str(if index == 0 { r#","warnings":["# } else { "," });
            json::write_string(warning, &mut output);
        }
        output.push_str(if warnings.is_empty() { "}" } else { "]}" });
        output.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_that_cannot_be_read_is_never_quoted() {
        for payload in [
            &b"hunter2"[..],
            br#"{"request":"hunter2"}"#,
            b"\xff\xfe hunter2",
        ] {
            let message = Request::decode(payload).unwrap_err();
            assert!(!message.contains("hunter2"), "{message}");
        }
    }

    #[test]
    fn a_deletion_has_no_object() {
        let request = Request::decode(
            br#"{"request":{"kind":{"group":"","version":"v1","kind":"Pod"},"operation":"DELETE","object":null}}"#,
        )
        .unwrap();
        assert!(request.object.is_none());
        assert_eq!(request.namespace, "");
    }

    #[test]
    fn a_plain_acceptance_says_nothing_else() {
        let answer = Answer::Accept {
            warnings: Vec::new(),
        };
        assert_eq!(answer.encode(), br#"{"accepted":true}"#);
    }

    #[test]
    fn a_rejection_has_its_code() {
        let answer = Answer::Reject {
            message: "no".to_owned(),
            warnings: vec!["careful".to_owned()],
        };
        assert_eq!(
            answer.encode(),
            br#"{"accepted":false,"message":"no","code":422,"warnings":["careful"]}"#
        );
    }
}
