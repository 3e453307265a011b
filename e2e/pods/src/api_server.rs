//! The part of a Kubernetes API server that the job babysitter asks: the state of a pod, over TLS.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, Stream};
use serde_json::{Value, json};

use crate::certificates::Identity;

/// What it knows: the pods, whose tokens it takes and what they may do.
pub trait Pods: Send + Sync {
    /// A pod with its status.
    fn pod(&self, namespace: &str, name: &str) -> Option<Value>;
    /// The service account a token is for, as tokens name it.
    fn user_of(&self, token: &str) -> Option<String>;
}

/// The server, which runs until the process ends.
pub struct ApiServer {
    /// Where it listens at 127.0.0.1.
    pub port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    pods: Arc<dyn Pods>,
    tls: Arc<ServerConfig>,
    /// Service accounts that may get the pods of their namespace.
    readers: Mutex<BTreeSet<String>>,
}

impl ApiServer {
    /// Starts it with a certificate.
    ///
    /// # Errors
    ///
    /// If no port is free or the certificate is none.
    pub fn start(pods: Arc<dyn Pods>, identity: &Identity) -> Result<Self> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let certificate = CertificateDer::from_pem_slice(identity.certificate.as_bytes())?;
        let private_key = PrivateKeyDer::from_pem_slice(identity.private_key.as_bytes())?;
        let tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate], private_key)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let server = Self {
            port: listener.local_addr()?.port(),
            shared: Arc::new(Shared {
                pods,
                tls: Arc::new(tls),
                readers: Mutex::default(),
            }),
        };
        let shared = Arc::clone(&server.shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                // A client that breaks off is no concern of the server's.
                thread::spawn(move || shared.serve(client));
            }
        });
        Ok(server)
    }

    /// Lets a service account get pods, as deploy/rbac-job.yaml does.
    pub fn allow(&self, user: &str) {
        let mut readers = self
            .shared
            .readers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        readers.insert(user.to_owned());
    }
}

impl Shared {
    fn serve(&self, mut client: TcpStream) -> Result<()> {
        client.set_read_timeout(Some(Duration::from_secs(10)))?;
        let mut connection = ServerConnection::new(Arc::clone(&self.tls))?;
        let mut stream = Stream::new(&mut connection, &mut client);
        let request = read_head(&mut stream)?;
        let (status, body) = self.answer(&request)?;
        let body = body.to_string();
        write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )?;
        stream.conn.send_close_notify();
        stream.flush()?;
        Ok(())
    }

    fn answer(&self, head: &[u8]) -> Result<(&'static str, Value)> {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut request = httparse::Request::new(&mut headers);
        request.parse(head)?;
        let token = request
            .headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case("authorization"))
            .and_then(|header| {
                std::str::from_utf8(header.value)
                    .ok()?
                    .strip_prefix("Bearer ")
            });
        let Some(user) = token.and_then(|token| self.pods.user_of(token)) else {
            return Ok((
                "401 Unauthorized",
                failure(401, "Unauthorized", "Unauthorized"),
            ));
        };
        let path = request.path.unwrap_or_default();
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let (Some("GET"), ["api", "v1", "namespaces", namespace, "pods", name]) =
            (request.method, parts.as_slice())
        else {
            return Ok(("404 Not Found", failure(404, "NotFound", "not served here")));
        };
        let readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        let is_of_namespace = user.split(':').nth(2) == Some(*namespace);
        if !readers.contains(&user) || !is_of_namespace {
            let message = format!(
                "pods \"{name}\" is forbidden: User \"{user}\" cannot get resource \"pods\" in API group \"\" in the namespace \"{namespace}\""
            );
            return Ok(("403 Forbidden", failure(403, "Forbidden", &message)));
        }
        Ok(match self.pods.pod(namespace, name) {
            Some(pod) => ("200 OK", pod),
            None => (
                "404 Not Found",
                failure(404, "NotFound", &format!("pods \"{name}\" not found")),
            ),
        })
    }
}

fn failure(code: u16, reason: &str, message: &str) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {},
        "status": "Failure", "message": message, "reason": reason, "code": code,
    })
}

/// The head of a request, which has no body here.
fn read_head(stream: &mut impl Read) -> Result<Vec<u8>> {
    let mut head = Vec::new();
    let mut buffer = [0; 4096];
    while !head.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
        let length = stream.read(&mut buffer).context("the client has gone")?;
        if length == 0 || head.len() > 64 * 1024 {
            bail!("this is no request");
        }
        head.extend_from_slice(&buffer[..length]);
    }
    Ok(head)
}
