//! A stand-in for Vault with one mount of secrets, which answers writes as it does reads, and keeps the requests.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

/// Which version of KV the mount is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Version {
    One,
    Two,
}

/// The request by which clients learn of a path's mount, in front of the path.
pub const MOUNT_OF: &str = "/v1/sys/internal/ui/mounts/";

/// What is in the secret at a path.
type Secret = dyn Fn(&str) -> Value + Send + Sync;

/// Listens until the tests end.
pub struct Vault {
    pub address: String,
    targets: Arc<Mutex<Vec<String>>>,
}

impl Vault {
    /// Serves secrets below `mount`. The one at a path has a single key, `path`, whose value is that path.
    pub fn start(version: Version, mount: &'static str) -> Vault {
        Vault::serving(version, mount, |path| json!({ "path": path }))
    }

    /// The same with other secrets, by the path of the request for them.
    pub fn serving(
        version: Version,
        mount: &'static str,
        secret: impl Fn(&str) -> Value + Send + Sync + 'static,
    ) -> Vault {
        let secret: Arc<Secret> = Arc::new(secret);
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let targets = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&targets);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (kept, secret) = (Arc::clone(&kept), Arc::clone(&secret));
                // The client closes connections as it likes.
                thread::spawn(move || serve(&stream, version, mount, &*secret, &kept));
            }
        });
        Vault {
            address: format!("http://{address}"),
            targets,
        }
    }

    /// The targets of all requests, as they came over the wire.
    pub fn targets(&self) -> Vec<String> {
        self.targets.lock().expect("no thread has panicked").clone()
    }
}

fn serve(
    mut stream: &TcpStream,
    version: Version,
    mount: &str,
    secret: &Secret,
    kept: &Mutex<Vec<String>>,
) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    while reader.read_line(&mut first)? > 0 {
        let mut length = 0;
        for line in reader.by_ref().lines() {
            let line = line?.to_ascii_lowercase();
            if let Some(number) = line.strip_prefix("content-length: ") {
                length = number.parse().map_err(io::Error::other)?;
            }
            if line.is_empty() {
                break;
            }
        }
        // What is written changes nothing.
        io::copy(&mut reader.by_ref().take(length), &mut io::sink())?;
        let target = first.split(' ').nth(1).unwrap_or_default();
        kept.lock()
            .expect("no thread has panicked")
            .push(target.to_owned());
        let answer = answer(target, version, mount, secret).to_string();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{answer}",
            answer.len()
        )?;
        first.clear();
    }
    Ok(())
}

fn answer(target: &str, version: Version, mount: &str, secret: &Secret) -> Value {
    let number = match version {
        Version::One => "1",
        Version::Two => "2",
    };
    let data = match (target.strip_prefix(MOUNT_OF), version) {
        (Some(_), _) => json!({
            "path": format!("{mount}/"),
            "type": "kv",
            "options": {"version": number},
        }),
        (None, Version::One) => secret(&unescaped(target)),
        (None, Version::Two) => json!({
            "data": secret(&unescaped(target)),
            "metadata": {"version": 1, "deletion_time": ""},
        }),
    };
    json!({"request_id": "1", "lease_duration": 0, "renewable": false, "data": data})
}

/// The path of a request's target without escapes.
///
/// # Panics
///
/// If it is more than a path, or if an escape stands for a slash: that would not be the same path.
pub fn unescaped(target: &str) -> String {
    assert!(!target.contains(['?', '#']), "{target} is more than a path");
    let mut parts = target.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let byte = part
            .get(..2)
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let byte = byte.unwrap_or_else(|| panic!("{target} has an escape that is not valid"));
        assert_ne!(byte, b'/', "{target} has an escaped slash");
        bytes.push(byte);
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).unwrap_or_else(|error| panic!("{target}: {error}"))
}
