//! The HTTP server.

use ipnet::IpNet;
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
    /// Networks whose clients need no API key, such as `["10.0.0.0/8"]`: whoever is there may submit jobs
    /// and look at them.
    #[schemars(with = "Vec<String>")]
    pub trusted_networks: Vec<IpNet>,
    /// Do one job, refuse others meanwhile, and end. What `legwork worker --ephemeral` sets.
    pub ephemeral: bool,
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
            trusted_networks: Vec::new(),
            ephemeral: false,
            max_body_bytes: 1024 * 1024,
            max_connections: 10_000,
            request_timeout_seconds: 10,
            heartbeat_seconds: 15,
        }
    }
}
