//! The request as it reaches a policy: policy-server reads it into a type and writes it again, so a
//! policy sees that type's fields only.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::HostError;

/// What a policy evaluates.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Request {
    /// A request of the Kubernetes API server.
    Admission(Box<AdmissionRequest>),
    /// Any JSON document, for policies of type raw.
    Raw(Value),
}

impl Request {
    /// Takes an AdmissionReview object or the bare request that one has in its field `request`.
    ///
    /// # Errors
    ///
    /// [`HostError::Request`] if it is neither, [`HostError::AdmissionRequest`] if a field is missing
    /// or has the wrong type.
    pub fn from_json(value: &Value) -> Result<Self, HostError> {
        let object = value.as_object().ok_or(HostError::Request(
            "the request must be a JSON object: an AdmissionReview, or the request inside one",
        ))?;
        let request = if object.get("kind").and_then(Value::as_str) == Some("AdmissionReview") {
            object.get("request").ok_or(HostError::Request(
                "the AdmissionReview has no field `request`",
            ))?
        } else {
            value
        };
        AdmissionRequest::deserialize(request)
            .map(|request| Self::Admission(Box::new(request)))
            .map_err(HostError::AdmissionRequest)
    }

    /// The identifier that the response must repeat; empty where a raw request has none.
    pub fn uid(&self) -> &str {
        match self {
            Self::Admission(request) => &request.uid,
            Self::Raw(document) => document
                .get("uid")
                .and_then(Value::as_str)
                .unwrap_or_default(),
        }
    }

    /// The object that a patch applies to: the submitted one, which a DELETE does not have, or the
    /// whole of a raw request.
    pub fn object(&self) -> Option<&Value> {
        match self {
            Self::Admission(request) => request.object.as_ref(),
            Self::Raw(document) => Some(document),
        }
    }
}

/// Kubernetes' `admission/v1` AdmissionRequest, with the fields that policy-server passes on.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AdmissionRequest {
    /// Identifies this request; the response repeats it.
    pub uid: String,
    /// The kind of the object, as the webhook is registered for it.
    pub kind: GroupVersionKind,
    /// The resource of the object, as the webhook is registered for it.
    pub resource: GroupVersionResource,
    /// The subresource, such as `scale`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub_resource: Option<String>,
    /// The kind of the original request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_kind: Option<GroupVersionKind>,
    /// The resource of the original request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_resource: Option<GroupVersionResource>,
    /// The subresource of the original request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_sub_resource: Option<String>,
    /// The object's name; may be missing on CREATE, when the API server generates it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The namespace of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// CREATE, UPDATE, DELETE or CONNECT.
    pub operation: String,
    /// The user who makes the request.
    pub user_info: UserInfo,
    /// The object after the operation; none on DELETE.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<Value>,
    /// The object before the operation; none on CREATE.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_object: Option<Value>,
    /// Whether nothing will be stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
    /// The operation's options, such as CreateOptions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub options: Option<Value>,
}

/// A kind with its group and version.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct GroupVersionKind {
    /// The API group; empty for the core group.
    pub group: String,
    /// The version within the group.
    pub version: String,
    /// The kind, such as `Pod`.
    pub kind: String,
}

/// A resource with its group and version.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct GroupVersionResource {
    /// The API group; empty for the core group.
    pub group: String,
    /// The version within the group.
    pub version: String,
    /// The resource, such as `pods`.
    pub resource: String,
}

impl AdmissionRequest {
    /// The request to create an object in a namespace, as the API server sends it.
    pub fn creation(object: Value, namespace: &str) -> Self {
        let text = |pointer| {
            let text = object.pointer(pointer).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        let api_version = text("/apiVersion");
        let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
        let kind = text("/kind");
        let name = text("/metadata/name");
        Self {
            uid: "00000000-0000-0000-0000-000000000000".to_owned(),
            resource: GroupVersionResource {
                group: group.to_owned(),
                version: version.to_owned(),
                resource: format!("{}s", kind.to_lowercase()),
            },
            kind: GroupVersionKind {
                group: group.to_owned(),
                version: version.to_owned(),
                kind,
            },
            sub_resource: None,
            request_kind: None,
            request_resource: None,
            request_sub_resource: None,
            name: (!name.is_empty()).then_some(name),
            namespace: Some(namespace.to_owned()),
            operation: "CREATE".to_owned(),
            user_info: UserInfo::default(),
            object: Some(object),
            old_object: None,
            dry_run: Some(false),
            options: None,
        }
    }
}

/// The user who makes a request to the API server.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub struct UserInfo {
    /// What the authenticator adds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extra: Option<BTreeMap<String, Vec<String>>>,
    /// The groups that the user belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<String>>,
    /// Identifies the user over time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// The user's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
}

/// The bytes that policy-server gives to the policy's function `validate`, keys in its order.
///
/// # Errors
///
/// [`HostError::Settings`] if the settings are neither an object nor null.
pub fn payload(request: &Request, settings: &Value) -> Result<Vec<u8>, HostError> {
    let settings = settings_object(settings)?;
    Ok(json!({ "request": request, "settings": settings })
        .to_string()
        .into_bytes())
}

/// The settings as policy-server holds them: an object, where null stands for none.
pub(crate) fn settings_object(settings: &Value) -> Result<Map<String, Value>, HostError> {
    match settings {
        Value::Object(settings) => Ok(settings.clone()),
        Value::Null => Ok(Map::new()),
        Value::Bool(_) => Err(HostError::Settings("a boolean")),
        Value::Number(_) => Err(HostError::Settings("a number")),
        Value::String(_) => Err(HostError::Settings("a string")),
        Value::Array(_) => Err(HostError::Settings("a list")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minimal() -> Value {
        json!({
            "uid": "u1",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "operation": "CREATE",
            "userInfo": {},
        })
    }

    #[test]
    fn a_review_and_its_bare_request_are_the_same() {
        let bare = Request::from_json(&minimal()).unwrap();
        let review = json!({"kind": "AdmissionReview", "request": minimal()});
        let review = Request::from_json(&review).unwrap();
        assert_eq!(
            payload(&bare, &Value::Null).unwrap(),
            payload(&review, &Value::Null).unwrap()
        );
        assert_eq!(review.uid(), "u1");
    }

    #[test]
    fn a_policy_sees_the_known_fields_only_and_no_nulls_around_the_object() {
        let mut request = minimal();
        request["unknown"] = json!(1);
        request["oldObject"] = Value::Null;
        request["kind"]["unknown"] = json!(1);
        request["userInfo"] = json!({"username": "ann", "groups": null, "unknown": 1});
        request["object"] = json!({"spec": null, "future": {"field": 1.50}});

        let request = Request::from_json(&request).unwrap();
        let seen: Value =
            serde_json::from_slice(&payload(&request, &json!({"a": 1})).unwrap()).unwrap();

        let mut expected = minimal();
        expected["userInfo"] = json!({"username": "ann"});
        expected["object"] = json!({"spec": null, "future": {"field": 1.5}});
        assert_eq!(seen, json!({"request": expected, "settings": {"a": 1}}));
    }

    #[test]
    fn the_payload_has_its_keys_sorted_as_policy_server_sends_them() {
        let request = Request::from_json(&minimal()).unwrap();
        let payload = String::from_utf8(payload(&request, &Value::Null).unwrap()).unwrap();
        assert_eq!(
            payload,
            r#"{"request":{"kind":{"group":"","kind":"Pod","version":"v1"},"operation":"CREATE","resource":{"group":"","resource":"pods","version":"v1"},"uid":"u1","userInfo":{}},"settings":{}}"#
        );
    }

    #[test]
    fn a_creation_names_what_is_created() {
        let object =
            json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "report"}});
        let request = AdmissionRequest::creation(object.clone(), "shop");
        let seen = serde_json::to_value(&request).unwrap();
        assert_eq!(
            seen["kind"],
            json!({"group": "batch", "version": "v1", "kind": "CronJob"})
        );
        assert_eq!(
            seen["resource"],
            json!({"group": "batch", "version": "v1", "resource": "cronjobs"})
        );
        assert_eq!(
            (&seen["namespace"], &seen["name"], &seen["operation"]),
            (&json!("shop"), &json!("report"), &json!("CREATE"))
        );
        assert_eq!(seen["object"], object);
        assert!(Request::from_json(&seen).is_ok());
    }

    #[test]
    fn what_is_not_a_request_is_rejected() {
        for (value, message) in [
            (json!([]), "must be a JSON object"),
            (json!({"kind": "AdmissionReview"}), "no field `request`"),
            (
                json!({"uid": "u1"}),
                "the request is not a valid AdmissionRequest",
            ),
        ] {
            let error = Request::from_json(&value).unwrap_err();
            assert!(error.to_string().contains(message), "{error}");
        }
    }

    #[test]
    fn settings_are_an_object_or_null() {
        let request = Request::Raw(json!({}));
        assert!(payload(&request, &Value::Null).is_ok());
        let error = payload(&request, &json!([])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "settings must be an object (or null, for none), not a list"
        );
    }

    #[test]
    fn a_raw_request_is_its_own_object() {
        let request = Request::Raw(json!({"uid": "r1", "user": "ann"}));
        assert_eq!(request.uid(), "r1");
        assert_eq!(request.object(), Some(&json!({"uid": "r1", "user": "ann"})));
        assert_eq!(Request::Raw(json!(7)).uid(), "");
    }
}
