//! Examples of manifests read and written.

mod kubectl;
mod reading;
mod round_trip;
mod writing;

use serde_json::Value;

use super::{Node, documents};

/// The content of the only document of a text.
fn read(text: &str) -> Node {
    let documents = documents(text);
    assert_eq!(documents.len(), 1, "the documents of {text:?}");
    match &documents[0].content {
        Ok(Some(node)) => node.clone(),
        Ok(None) => panic!("there is no content in {text:?}"),
        Err(mistake) => panic!("{mistake}, in {text:?}"),
    }
}

fn value(text: &str) -> Value {
    read(text).to_value()
}

/// The mistake in the only document of a text, as it is reported.
fn mistake(text: &str) -> String {
    let documents = documents(text);
    assert_eq!(documents.len(), 1, "the documents of {text:?}");
    match &documents[0].content {
        Err(mistake) => mistake.to_string(),
        Ok(content) => panic!("{text:?} is read as {content:?}"),
    }
}
