//! The startup probe of native sidecars under the shells of the images: the application starts when what it
//! needs is there, and not before.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Whether the probe succeeds, which must be the same under both shells.
fn is_ready(arguments: &[&str]) -> bool {
    let script = include_str!(concat!(env!("OUT_DIR"), "/scripts/ready.sh"));
    let answers = [&["dash"][..], &["busybox", "sh"]].map(|shell| {
        let output = Command::new(shell[0])
            .args(&shell[1..])
            .args(["-c", script, "tvsi-ready"])
            .args(arguments)
            .output()
            .unwrap_or_else(|error| panic!("these tests need {shell:?}: {error}"));
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(errors, "", "{shell:?} {arguments:?}");
        output.status.success()
    });
    assert_eq!(answers[0], answers[1], "{arguments:?}");
    answers[0]
}

fn file(directory: &Path, name: &str, content: &str) -> String {
    let path: PathBuf = directory.join(name);
    fs::write(&path, content).expect("a file can be written");
    path.to_str().expect("it is text").to_owned()
}

/// Listens at a free port of an address, until the listener is dropped.
fn listen_at(address: &str) -> (TcpListener, String) {
    let listener = TcpListener::bind((address, 0)).expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    (listener, port.to_string())
}

#[test]
fn a_token_has_to_be_there_and_not_empty() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let filled = file(directory.path(), "token", "hvs.token");
    let empty = file(directory.path(), "empty", "");
    assert!(is_ready(&[&filled, ""]));
    assert!(!is_ready(&[&empty, ""]));
    assert!(!is_ready(&["/no/such/token", ""]));
}

#[test]
fn every_file_has_to_be_there_even_if_it_is_empty() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let first = file(directory.path(), "a $(HOME) b", "");
    let second = file(directory.path(), "-e", "x");
    assert!(is_ready(&["", "", &first, &second]));
    assert!(!is_ready(&["", "", &first, "/no/such/file", &second]));
    assert!(is_ready(&["", ""]));
}

#[test]
fn the_port_has_to_be_listened_on() {
    let (listener, port) = listen_at("127.0.0.1");
    assert!(is_ready(&["", &port]));
    drop(listener);
    assert!(!is_ready(&["", &port]));
}

#[test]
fn a_listener_on_another_address_does_not_count() {
    let (_listener, port) = listen_at("127.0.0.2");
    assert!(!is_ready(&["", &port]));
}

#[test]
fn all_of_it_is_needed_together() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let token = file(directory.path(), "token", "hvs.token");
    let (_listener, port) = listen_at("127.0.0.1");
    assert!(is_ready(&[&token, &port, &token]));
    assert!(!is_ready(&["/no/such/token", &port, &token]));
    assert!(!is_ready(&[&token, "1", &token]));
    assert!(!is_ready(&[&token, &port, "/no/such/file"]));
}
