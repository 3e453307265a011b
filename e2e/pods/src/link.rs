//! The way from a pod to a server: a relay on loopback that can be cut, and that knows what was asked.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::port;

/// A relay. It starts whole, and is cut for good when it is dropped.
pub struct Link {
    /// The port at 127.0.0.1 that leads to the server.
    pub port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    server: SocketAddr,
    is_cut: AtomicBool,
    connections: Mutex<Vec<TcpStream>>,
    requests: Mutex<Vec<String>>,
}

impl Link {
    /// Makes a relay to a server at a port of 127.0.0.1.
    ///
    /// # Errors
    ///
    /// If no port is free.
    pub fn to(server_port: u16) -> Result<Self> {
        let port = port::free()?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let link = Self {
            port,
            shared: Arc::new(Shared {
                server: (Ipv4Addr::LOCALHOST, server_port).into(),
                is_cut: AtomicBool::new(false),
                connections: Mutex::default(),
                requests: Mutex::default(),
            }),
        };
        link.accept(listener)?;
        Ok(link)
    }

    /// Ends all connections, and rejects new ones.
    pub fn cut(&self) {
        self.shared.is_cut.store(true, Ordering::SeqCst);
        // One more connection, so that the listener notices, and closes.
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
            thread::sleep(Duration::from_millis(5));
        }
        for connection in lock(&self.shared.connections).drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    /// Lets connections through again.
    ///
    /// # Errors
    ///
    /// If somebody has taken the port meanwhile.
    pub fn restore(&self) -> Result<()> {
        if !self.shared.is_cut.swap(false, Ordering::SeqCst) {
            bail!("the link is not cut");
        }
        self.accept(TcpListener::bind((Ipv4Addr::LOCALHOST, self.port))?)
    }

    /// How many requests of a method to a path were made, if the server speaks HTTP without TLS.
    pub fn count(&self, method_and_path: &str) -> usize {
        let wanted = format!("{method_and_path} HTTP/1.1");
        let requests = lock(&self.shared.requests);
        requests.iter().filter(|line| **line == wanted).count()
    }

    fn accept(&self, listener: TcpListener) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        thread::Builder::new().spawn(move || {
            for client in listener.incoming().flatten() {
                if shared.is_cut.load(Ordering::SeqCst) {
                    return;
                }
                // A server that does not answer looks the same to the client as one that hangs up.
                let _ = shared.relay(client);
            }
        })?;
        Ok(())
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.cut();
    }
}

impl Shared {
    fn relay(self: &Arc<Self>, client: TcpStream) -> io::Result<()> {
        let server = TcpStream::connect(self.server)?;
        lock(&self.connections).extend([client.try_clone()?, server.try_clone()?]);
        let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
        let shared = Arc::clone(self);
        thread::Builder::new().spawn(move || {
            let mut lines = RequestLines::default();
            copy(&mut from_client, &mut to_server, |bytes| {
                lock(&shared.requests).extend(lines.in_next(bytes));
            });
        })?;
        let (mut from_server, mut to_client) = (server, client);
        thread::Builder::new().spawn(move || copy(&mut from_server, &mut to_client, |_| {}))?;
        Ok(())
    }
}

fn copy(from: &mut TcpStream, to: &mut TcpStream, mut see: impl FnMut(&[u8])) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        see(&buffer[..length]);
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

/// Finds the lines of HTTP requests in what a client sends, however it is cut into pieces.
#[derive(Default)]
struct RequestLines {
    line: Vec<u8>,
}

impl RequestLines {
    fn in_next(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        for &byte in bytes {
            match byte {
                b'\n' => {
                    let line = String::from_utf8_lossy(&self.line);
                    if let Some(request) = line.strip_suffix('\r')
                        && request.ends_with(" HTTP/1.1")
                        // A body has no line break at its end: the next request is on its last line.
                        && let Some(begin) = ["GET /", "PUT /", "POST /", "LIST /"]
                            .iter()
                            .filter_map(|method| request.rfind(method))
                            .max()
                    {
                        found.push(request[begin..].to_owned());
                    }
                    self.line.clear();
                }
                _ => self.line.push(byte),
            }
        }
        found
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_lines_are_found_in_pieces_and_behind_bodies() {
        let mut lines = RequestLines::default();
        assert!(lines.in_next(b"PUT /v1/auth/kubernetes/lo").is_empty());
        let found =
            lines.in_next(b"gin HTTP/1.1\r\nHost: a\r\n\r\n{\"role\":\"a\"}GET /v1/b HTTP/1.1\r\n");
        assert_eq!(
            found,
            [
                "PUT /v1/auth/kubernetes/login HTTP/1.1",
                "GET /v1/b HTTP/1.1"
            ]
        );
    }

    #[test]
    fn a_link_can_be_cut_and_restored() {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let link = Link::to(server.local_addr().unwrap().port()).unwrap();
        let connect = || TcpStream::connect((Ipv4Addr::LOCALHOST, link.port));
        let mut client = connect().unwrap();
        let (mut accepted, _) = server.accept().unwrap();
        accepted.write_all(b"x").unwrap();
        assert_eq!(client.read(&mut [0]).unwrap(), 1);

        link.cut();
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
        assert!(connect().is_err());

        link.restore().unwrap();
        assert!(connect().is_ok());
    }
}
