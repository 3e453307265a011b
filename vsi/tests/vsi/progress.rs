//! The line on the terminal that shows how far work is. A registry that does not answer makes it long.

use std::{
    fs::{File, OpenOptions},
    io::Read,
    net::TcpListener,
    os::unix::{ffi::OsStrExt, fs::OpenOptionsExt},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use rustix::{
    fs::OFlags,
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
};
use serde_json::{Value, json};

use crate::support::Directory;

const CHECK: [&str; 3] = ["check", "--filename", "pod.json"];
const DIFF: [&str; 3] = ["diff", "--request-path", "request.json"];

/// What clears a line.
const CLEAR: &str = "\r\u{1b}[2K";

/// A registry that takes connections and answers nothing, and a pod whose image is in it.
struct Stalled {
    registry: TcpListener,
    directory: Directory,
}

impl Stalled {
    fn new() -> Self {
        let registry = TcpListener::bind("127.0.0.1:0").unwrap();
        let image = format!("{}/shop:1", registry.local_addr().unwrap());
        let prefix = "sidecar.vault.talend.org";
        let pod = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": "shop",
                "annotations": {
                    format!("{prefix}/inject"): "true",
                    format!("{prefix}/role"): "shop",
                },
            },
            "spec": {
                "containers": [{
                    "name": "shop",
                    "image": image,
                    "env": [{"name": "PASSWORD", "value": "vault:secret/shop#password"}],
                }],
            },
        });
        let request = json!({
            "uid": "u1",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "operation": "CREATE",
            "namespace": "default",
            "userInfo": {},
            "object": pod,
        });
        let directory = Directory::with("pod.json", Value::to_string(&pod));
        directory.write("request.json", request.to_string());
        Self {
            registry,
            directory,
        }
    }

    fn vsi(&self, arguments: &[&str], terminal: &str, stderr: impl Into<Stdio>) -> Child {
        Command::new(env!("CARGO_BIN_EXE_vsi"))
            .args(arguments)
            .arg("--image-lookup")
            .current_dir(self.directory.path())
            .env("TERM", terminal)
            .env_remove("CLICOLOR_FORCE")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .unwrap()
    }
}

/// A terminal: the side that shows what is printed, and the side of programs.
fn terminal() -> (File, File) {
    let shown = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&shown).unwrap();
    unlockpt(&shown).unwrap();
    let name = ptsname(&shown, Vec::new()).unwrap();
    let printed = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(OFlags::NOCTTY.bits().try_into().unwrap())
        .open(std::ffi::OsStr::from_bytes(name.as_bytes()))
        .unwrap();
    (shown.into(), printed)
}

/// Reads on until `until` is there, or to the end.
fn read(terminal: &mut File, text: &mut String, until: Option<&str>) {
    let mut buffer = [0; 1024];
    while until.is_none_or(|until| !text.contains(until)) {
        // Linux reports an error when no program has the terminal any more.
        match terminal.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(count) => text.push_str(&String::from_utf8_lossy(&buffer[..count])),
        }
    }
}

#[test]
fn a_terminal_shows_what_takes_longer_than_a_moment() {
    for (arguments, line) in [
        (CHECK, "vsi:   0% pod.json"),
        (DIFF, "vsi: evaluating request.json"),
    ] {
        let stalled = Stalled::new();
        let (mut terminal, printed) = terminal();
        let child = stalled.vsi(&arguments, "xterm", printed);
        let mut text = String::new();
        read(&mut terminal, &mut text, Some(line));
        assert!(text.contains(line), "{text:?}");
        drop(stalled.registry);
        read(&mut terminal, &mut text, None);

        // The line is cleared before anything else is printed, and has no colours.
        let (_, rest) = text.split_once(line).unwrap();
        let messages = rest.find("vsi: image ").unwrap();
        assert!(rest[..messages].contains(CLEAR), "{rest:?}");
        let last = rest.rfind("vsi: ").unwrap();
        let last_line = rest.rfind(line).map_or(0, |at| at + line.len());
        assert!(last_line < last, "{rest:?}");
        assert!(rest[last_line..last].contains(CLEAR), "{rest:?}");
        assert!(!text.contains("\u{1b}[3"), "{text:?}");
        let stdout = child.wait_with_output().unwrap().stdout;
        let stdout = String::from_utf8(stdout).unwrap();
        assert!(!stdout.contains('\u{1b}'), "{stdout:?}");
    }
}

#[test]
fn nothing_is_shown_in_pipes_and_on_terminals_that_cannot_clear_it() {
    let wait = || thread::sleep(Duration::from_secs(1));
    for arguments in [CHECK, DIFF] {
        let stalled = Stalled::new();
        let child = stalled.vsi(&arguments, "xterm", Stdio::piped());
        wait();
        drop(stalled.registry);
        let piped = child.wait_with_output().unwrap().stderr;

        let stalled = Stalled::new();
        let (mut terminal, printed) = terminal();
        let mut child = stalled.vsi(&arguments, "dumb", printed);
        wait();
        drop(stalled.registry);
        let mut dumb = String::new();
        read(&mut terminal, &mut dumb, None);
        child.wait().unwrap();

        for text in [String::from_utf8(piped).unwrap(), dumb] {
            assert!(text.starts_with("vsi: image "), "{text:?}");
            assert!(!text.contains(['\u{1b}', '%']), "{text:?}");
        }
    }
}
