//! The answer to the API server, made from a policy's verdict the way policy-server makes it.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use json_patch::Patch;
use kubewarden_policy_sdk::response::ValidationResponse;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{HostError, Request};

/// Kubernetes' `admission/v1` AdmissionResponse, serialized as kwctl and policy-server write it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AdmissionResponse {
    /// The identifier of the request.
    pub uid: String,
    /// Whether the request may go on.
    pub allowed: bool,
    /// The kind of patch, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patch_type: Option<PatchType>,
    /// The patch, base64 encoded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patch: Option<String>,
    /// Why the request was rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// What the API server adds to its audit log.
    pub audit_annotations: Option<BTreeMap<String, String>>,
    /// What the API server shows to the client, whether or not the request is allowed.
    pub warnings: Option<Vec<String>>,
}

/// The kinds of patch that Kubernetes takes.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub enum PatchType {
    /// RFC 6902.
    #[default]
    #[serde(rename = "JSONPatch")]
    JsonPatch,
}

/// The reason of a rejection.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub struct Status {
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// An HTTP status code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
}

const MUTATION_WITHOUT_OBJECT: &str = "Incoming object is null, which happens only with DELETE operations, but the policy is attempting a mutation. This is not allowed";

const OUT_OF_TIME: &str =
    "Policy execution interrupted because it exceeded the allowed execution time";

impl AdmissionResponse {
    /// What the API server gets for a verdict on `request`.
    pub(crate) fn from_verdict(request: &Request, verdict: ValidationResponse) -> Self {
        let uid = request.uid().to_owned();
        let patch = match (verdict.mutated_object, request.object()) {
            (Some(_), None) => {
                return Self {
                    uid,
                    status: Some(Status {
                        message: Some(MUTATION_WITHOUT_OBJECT.to_owned()),
                        code: None,
                    }),
                    ..Self::default()
                };
            }
            (Some(mutated), Some(submitted)) => {
                let patch = json_patch::diff(submitted, &mutated);
                (!patch.0.is_empty()).then(|| STANDARD.encode(patch.to_string()))
            }
            (None, _) => None,
        };
        let status = (verdict.message.is_some() || verdict.code.is_some()).then_some(Status {
            message: verdict.message,
            code: verdict.code,
        });
        Self {
            uid,
            allowed: verdict.accepted,
            patch_type: patch.is_some().then_some(PatchType::JsonPatch),
            patch,
            status,
            audit_annotations: verdict
                .audit_annotations
                .map(|annotations| annotations.into_iter().collect()),
            warnings: verdict.warnings,
        }
    }

    /// What the API server gets when there is no verdict.
    pub(crate) fn from_failure(request: &Request, error: &HostError) -> Self {
        let message = match error {
            HostError::OutOfFuel { .. } => OUT_OF_TIME.to_owned(),
            HostError::Call { source, .. } => format!("internal server error: {source}"),
            HostError::Answer { source, .. } => {
                format!("internal server error: invalid response from policy: {source}")
            }
            other => format!("internal server error: {other}"),
        };
        Self {
            uid: request.uid().to_owned(),
            status: Some(Status {
                message: Some(message),
                code: Some(500),
            }),
            ..Self::default()
        }
    }

    /// The patch, decoded; `None` if the object is to stay as it is.
    ///
    /// # Errors
    ///
    /// [`HostError::PatchEncoding`], which no response of [`Policy`](crate::Policy) gives rise to.
    pub fn json_patch(&self) -> Result<Option<Patch>, HostError> {
        let Some(encoded) = &self.patch else {
            return Ok(None);
        };
        let text = STANDARD
            .decode(encoded)
            .map_err(|error| HostError::PatchEncoding(error.into()))?;
        serde_json::from_slice(&text)
            .map(Some)
            .map_err(|error| HostError::PatchEncoding(error.into()))
    }

    /// The object as the API server stores it: `submitted` with the patch applied.
    ///
    /// # Errors
    ///
    /// [`HostError::PatchEncoding`] or [`HostError::PatchApplication`] if the patch is broken or
    /// belongs to another object.
    pub fn apply_to(&self, submitted: &Value) -> Result<Value, HostError> {
        let mut object = submitted.clone();
        if let Some(patch) = self.json_patch()? {
            json_patch::patch(&mut object, &patch).map_err(HostError::PatchApplication)?;
        }
        Ok(object)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(object: Option<Value>) -> Request {
        let mut request = json!({
            "uid": "u1",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "operation": "CREATE",
            "userInfo": {},
        });
        if let Some(object) = object {
            request["object"] = object;
        }
        Request::from_json(&request).unwrap()
    }

    fn verdict(value: Value) -> ValidationResponse {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn an_accepted_request_has_nothing_but_the_two_nulls() {
        let response = AdmissionResponse::from_verdict(
            &request(Some(json!({}))),
            verdict(json!({"accepted": true})),
        );
        assert_eq!(
            serde_json::to_string(&response).unwrap(),
            r#"{"uid":"u1","allowed":true,"auditAnnotations":null,"warnings":null}"#
        );
    }

    #[test]
    fn a_change_becomes_a_patch_that_makes_it() {
        let submitted = json!({"metadata": {"name": "shop"}, "keep": null});
        let mutated = json!({"metadata": {"name": "shop", "labels": {"a": "b"}}, "keep": null});
        let response = AdmissionResponse::from_verdict(
            &request(Some(submitted.clone())),
            verdict(json!({"accepted": true, "mutated_object": mutated, "warnings": ["w"]})),
        );
        assert_eq!(
            serde_json::to_string(&response.json_patch().unwrap()).unwrap(),
            r#"[{"op":"add","path":"/metadata/labels","value":{"a":"b"}}]"#
        );
        assert_eq!(response.apply_to(&submitted).unwrap(), mutated);
        assert_eq!(
            serde_json::to_value(&response).unwrap()["patchType"],
            "JSONPatch"
        );
        assert_eq!(response.warnings.as_deref(), Some(&["w".to_owned()][..]));
    }

    #[test]
    fn a_mutated_object_that_is_the_submitted_one_makes_no_patch() {
        let object = json!({"metadata": {}});
        let response = AdmissionResponse::from_verdict(
            &request(Some(object.clone())),
            verdict(json!({"accepted": true, "mutated_object": object})),
        );
        assert_eq!((response.patch, response.patch_type), (None, None));
    }

    #[test]
    fn a_rejection_carries_message_and_code() {
        let response = AdmissionResponse::from_verdict(
            &request(Some(json!({}))),
            verdict(json!({"accepted": false, "message": "no", "code": 422})),
        );
        assert_eq!(
            serde_json::to_string(&response).unwrap(),
            r#"{"uid":"u1","allowed":false,"status":{"message":"no","code":422},"auditAnnotations":null,"warnings":null}"#
        );
    }

    #[test]
    fn nothing_can_be_changed_where_there_is_no_object() {
        let response = AdmissionResponse::from_verdict(
            &request(None),
            verdict(json!({"accepted": true, "mutated_object": {}})),
        );
        assert!(!response.allowed);
        assert_eq!(response.status.unwrap().code, None);
    }

    #[test]
    fn a_patch_of_another_object_does_not_apply() {
        let patch = STANDARD.encode(r#"[{"op":"remove","path":"/absent"}]"#);
        let response = AdmissionResponse {
            patch: Some(patch),
            ..AdmissionResponse::default()
        };
        assert!(matches!(
            response.apply_to(&json!({})),
            Err(HostError::PatchApplication(_))
        ));

        let response = AdmissionResponse {
            patch: Some("no base64".to_owned()),
            ..AdmissionResponse::default()
        };
        assert!(matches!(
            response.apply_to(&json!({})),
            Err(HostError::PatchEncoding(_))
        ));
    }
}
