//! What one run may take of the proxy.

use std::time::Duration;

/// What one run may take of the proxy. Every wait for a client or a server has one of these deadlines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections at one time; further ones are turned away. Each takes up to two descriptors and 128 KiB of memory.
    pub connections: usize,
    /// How long a client may take to say what it wants, and then again to begin with TLS.
    pub opening: Duration,
    /// How long looking a host up may take, and then again connecting to it.
    pub connect: Duration,
    /// After so long without a byte in either direction a connection is closed; at the latest after twice the time.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { connections: 256, opening: seconds(10), connect: seconds(10), idle: seconds(5 * 60) }
    }
}
