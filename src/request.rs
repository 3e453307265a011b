//! The admission request as policy-server passes it. The objects in it stay text until they are looked into.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::raw::{Text, null_as_default, objects};
use crate::rejection::{Place, Rejection};

/// What waPC function `validate` is called with.
#[derive(Debug, Deserialize)]
#[serde(remote = "Self")]
pub struct Payload<'a> {
    #[serde(borrow)]
    pub request: Request<'a>,
    #[serde(borrow)]
    pub settings: Option<&'a RawValue>,
}

/// What is read of a Kubernetes AdmissionRequest.
#[derive(Debug, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct Request<'a> {
    #[serde(borrow)]
    pub kind: GroupVersionKind<'a>,
    /// `CREATE`, `UPDATE`, `DELETE` or `CONNECT`.
    #[serde(borrow)]
    pub operation: Text<'a>,
    /// The namespace of the request, which decides where the object ends up.
    #[serde(borrow, default, deserialize_with = "null_as_default")]
    pub namespace: Text<'a>,
    #[serde(borrow)]
    pub object: Option<&'a RawValue>,
    /// The object as it was before an update.
    #[serde(borrow)]
    pub old_object: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
#[serde(remote = "Self")]
pub struct GroupVersionKind<'a> {
    /// Empty for core objects such as pods.
    #[serde(borrow, default, deserialize_with = "null_as_default")]
    pub group: Text<'a>,
    #[serde(borrow)]
    pub kind: Text<'a>,
}

objects!(Payload<'a>, Request<'a>, GroupVersionKind<'a>);

impl<'a> Payload<'a> {
    /// Reads the payload. The rejection is a fixed text: it is shown to users, and a pod can hold credentials.
    pub fn decode(payload: &'a [u8]) -> Result<Self, Rejection> {
        let payload = str::from_utf8(payload).ok();
        let payload = payload.and_then(|payload| serde_json::from_str(payload).ok());
        payload.ok_or_else(|| {
            Place::field("request").rejected("not valid; expected an admission request")
        })
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
            let message = Payload::decode(payload).unwrap_err().to_string();
            assert!(!message.contains("hunter2"), "{message}");
        }
    }

    #[test]
    fn a_deletion_has_no_object() {
        let payload = Payload::decode(
            br#"{"request":{"kind":{"group":"","version":"v1","kind":"Pod"},"operation":"DELETE","object":null}}"#,
        );
        let request = payload.unwrap().request;
        assert!(request.object.is_none());
        assert_eq!(&*request.namespace, "");
    }
}
