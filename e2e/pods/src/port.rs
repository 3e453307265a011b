//! Ports at 127.0.0.1.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below those that the system gives to whoever asks for any, so that nobody takes a port while its server
/// is away.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// A port that nobody listens on now, and that is given out once only.
///
/// # Errors
///
/// If there is none left.
pub fn free() -> io::Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(PORTS.start);
    loop {
        let port = NEXT.fetch_add(1, Ordering::Relaxed);
        if !PORTS.contains(&port) {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_given_out_once() {
        assert_ne!(free().unwrap(), free().unwrap());
    }
}
