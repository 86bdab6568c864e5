//! The HTTP server.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[server]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ServerSettings {
    /// Address and port to listen on. Without any API key only loopback addresses are used.
    pub listen: String,
    /// Addresses of proxies in front of this server: what they say of a client's address (`X-Forwarded-For`) is believed.
    pub trusted_proxies: Vec<std::net::IpAddr>,
    /// Bytes of a request body at the most; more is a 413.
    pub max_body_bytes: usize,
    /// Connections at once; further ones wait.
    pub max_connections: usize,
    /// Seconds a client may take to send its request head, and its body.
    pub request_timeout_seconds: u64,
    /// Seconds between the comments that keep an idle event stream open.
    pub heartbeat_seconds: u64,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:7070".into(),
            trusted_proxies: Vec::new(),
            max_body_bytes: 1024 * 1024,
            max_connections: 10_000,
            request_timeout_seconds: 10,
            heartbeat_seconds: 15,
        }
    }
}
