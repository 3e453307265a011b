//! The answer, in the form of Kubewarden's protocol.

use serde::Serialize;
use serde_json::Value;

use crate::rejection::Rejection;

/// The status code of every rejection: the manifest is understood, and cannot be carried out.
const UNPROCESSABLE: u16 = 422;

/// Kubewarden's `ValidationResponse`. The SDK's type has more fields, and writes those without a value as null.
#[derive(Debug, Default, Serialize)]
pub struct Response {
    accepted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    mutated_object: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

impl Response {
    /// The object goes on as it was submitted, or as `mutated` is. What a rejection comes from may be in a warning: a
    /// mistyped annotation.
    pub fn new(decision: Result<Option<Value>, Rejection>, warnings: Vec<String>) -> Self {
        match decision {
            Ok(mutated_object) => Response {
                accepted: true,
                mutated_object,
                warnings,
                ..Response::default()
            },
            Err(rejection) => Response {
                message: Some(rejection.to_string()),
                code: Some(UNPROCESSABLE),
                warnings,
                ..Response::default()
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rejection::Place;

    fn encoded(decision: Result<Option<Value>, Rejection>, warnings: &[&str]) -> String {
        let warnings = warnings
            .iter()
            .map(|warning| (*warning).to_owned())
            .collect();
        serde_json::to_string(&Response::new(decision, warnings)).unwrap()
    }

    #[test]
    fn a_plain_acceptance_says_nothing_else() {
        assert_eq!(encoded(Ok(None), &[]), r#"{"accepted":true}"#);
    }

    #[test]
    fn a_rejection_has_its_code() {
        let rejection = Place::field("spec").rejected("no");
        assert_eq!(
            encoded(Err(rejection), &["careful"]),
            r#"{"accepted":false,"message":"spec: no","code":422,"warnings":["careful"]}"#
        );
    }
}
