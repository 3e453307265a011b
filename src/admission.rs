//! The two ends of an evaluation: the admission request as the policy server hands it over, read lazily,
//! and the answer, written as the policy server expects it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::json::Text;
use crate::patch::Patched;

/// The status code of every rejection: the manifest is understood, and cannot be carried out.
const UNPROCESSABLE: u16 = 422;

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
    pub object: Option<&'a RawValue>,
    /// The object as it was before an update.
    pub old_object: Option<&'a RawValue>,
    pub settings: Option<&'a RawValue>,
}

impl<'a> Request<'a> {
    /// Reads the payload of waPC function `validate`: `{"request": {...}, "settings": {...}}`.
    ///
    /// The error is a fixed text, because it is shown to users and a pod can hold credentials.
    pub fn decode(payload: &'a [u8]) -> Result<Self, &'static str> {
        const MALFORMED: &str = "the policy server sent no admission request that can be read";

        #[derive(Deserialize)]
        struct Payload<'a> {
            #[serde(borrow)]
            request: Shape<'a>,
            #[serde(borrow, default)]
            settings: Option<&'a RawValue>,
        }

        #[derive(Deserialize)]
        struct Shape<'a> {
            #[serde(borrow)]
            kind: Kind<'a>,
            #[serde(borrow)]
            operation: Text<'a>,
            #[serde(borrow, default)]
            namespace: Option<Text<'a>>,
            #[serde(borrow, default)]
            object: Option<&'a RawValue>,
            #[serde(borrow, default, rename = "oldObject")]
            old_object: Option<&'a RawValue>,
        }

        #[derive(Deserialize)]
        struct Kind<'a> {
            #[serde(borrow, default)]
            group: Option<Text<'a>>,
            #[serde(borrow)]
            kind: Text<'a>,
        }

        let payload = std::str::from_utf8(payload).map_err(|_| MALFORMED)?;
        let Payload { request, settings } = serde_json::from_str(payload).map_err(|_| MALFORMED)?;
        let text = |text: Option<Text<'a>>| text.map_or(Cow::Borrowed(""), |text| text.0);
        Ok(Request {
            group: text(request.kind.group),
            kind: request.kind.kind.0,
            operation: request.operation.0,
            namespace: text(request.namespace),
            object: request.object,
            old_object: request.old_object,
            settings,
        })
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
        #[derive(Serialize)]
        struct ValidationResponse<'a> {
            accepted: bool,
            #[serde(skip_serializing_if = "Option::is_none")]
            message: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            code: Option<u16>,
            #[serde(skip_serializing_if = "Option::is_none")]
            mutated_object: Option<&'a Patched<'a>>,
            #[serde(skip_serializing_if = "<[_]>::is_empty")]
            warnings: &'a [String],
        }

        let accepted = ValidationResponse {
            accepted: true,
            message: None,
            code: None,
            mutated_object: None,
            warnings: &[],
        };
        let response = match self {
            Answer::Accept { warnings } => ValidationResponse {
                warnings,
                ..accepted
            },
            Answer::Mutate { object, warnings } => ValidationResponse {
                mutated_object: Some(object),
                warnings,
                ..accepted
            },
            Answer::Reject { message, warnings } => ValidationResponse {
                accepted: false,
                message: Some(message),
                code: Some(UNPROCESSABLE),
                warnings,
                ..accepted
            },
        };
        serde_json::to_vec(&response).expect("strings and JSON values can be written as JSON")
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
