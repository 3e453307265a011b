//! What is injected is of Kubernetes' types: `k8s-openapi`, which is made of the API's description, reads all of it
//! and loses nothing. Volumes are written through a type of the policy's own; containers, except for what the pod's get.

use golden_cases::Case;
use k8s_openapi::api::core::v1::{Container, Pod, Volume};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

#[test]
fn the_fields_of_what_is_injected_are_those_of_kubernetes() {
    let (mut containers, mut volumes) = (0, 0);
    for case in Case::all() {
        let Some(injected) = case.injected() else {
            continue;
        };
        let spec = &injected["spec"];
        let ours = |list: &str| {
            let items = spec[list].as_array().map_or(&[][..], Vec::as_slice);
            let is_ours = |item: &&Value| {
                let name = item["name"].as_str().unwrap_or_default();
                name.starts_with("tvsi-")
            };
            items.iter().filter(is_ours).cloned().collect::<Vec<_>>()
        };
        for container in [ours("initContainers"), ours("containers")].concat() {
            assert_whole::<Container>(&container, &case.name);
            containers += 1;
        }
        for volume in ours("volumes") {
            assert_whole::<Volume>(&volume, &case.name);
            volumes += 1;
        }
        // The pod's own containers, with what they get, have still their places.
        let pod = serde_json::from_value::<Pod>(injected.clone());
        assert!(pod.is_ok(), "{}: {pod:?}", case.name);
    }
    assert!(containers > 400 && volumes > 400, "{containers} {volumes}");
}

fn assert_whole<T: DeserializeOwned + Serialize>(value: &Value, case: &str) {
    let typed: T = serde_json::from_value(value.clone())
        .unwrap_or_else(|error| panic!("{case}: {error}: {value}"));
    let again = serde_json::to_value(&typed).expect("it can be written");
    assert_eq!(&again, value, "{case}");
}
