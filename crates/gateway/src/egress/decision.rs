//! What the proxy decided, as it is told to whoever watches the run.

use serde::Serialize;

/// What was decided about one host and port, and how often. The numbers are those of the whole run so far: a decision
/// replaces what was told before with the same host, port and verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// The host in its canonical spelling; where it has none, what was sent instead, escaped and shortened. Empty where nothing
    /// was named, `*` for all that came after there were too many to tell apart.
    pub host: String,
    /// The port; 0 where none was named.
    pub port: u16,
    /// What was decided.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// How often, at least 1.
    pub count: u64,
    /// Bytes from the run to the host.
    pub bytes_up: u64,
    /// Bytes from the host to the run.
    pub bytes_down: u64,
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "verdict", content = "reason", rename_all = "snake_case")]
pub enum Verdict {
    /// It is let through.
    Allowed,
    /// It is let through, and would have been denied if the list were enforced.
    Observed(Reason),
    /// It is not let through.
    Denied(Reason),
}

/// Why something is not let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// No allowed domain matches the host.
    NotListed,
    /// The host is an address that is not listed as such.
    IpLiteral,
    /// The host has an address that is not of the public internet.
    PrivateAddress,
    /// The port is neither 443 nor, for plain HTTP, 80.
    Port,
    /// A method of HTTP or a command of SOCKS that is not offered.
    Method,
    /// The request breaks the rules of its protocol, or leaves open what is meant.
    Malformed,
    /// The `Host` header names another host than the request.
    HostMismatch,
    /// TLS begins with another server name than the host asked for, or with none.
    SniMismatch,
    /// What goes through the tunnel is not TLS.
    NotTls,
    /// The credential of the run is missing or wrong.
    Credential,
    /// The host has no address.
    Unresolvable,
    /// No address of the host accepts a connection.
    Unreachable,
    /// The run has too many connections.
    Limit,
    /// The client did not say in time what it wants.
    TimedOut,
}

impl Reason {
    /// As it is written in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotListed => "not_listed",
            Self::IpLiteral => "ip_literal",
            Self::PrivateAddress => "private_address",
            Self::Port => "port",
            Self::Method => "method",
            Self::Malformed => "malformed",
            Self::HostMismatch => "host_mismatch",
            Self::SniMismatch => "sni_mismatch",
            Self::NotTls => "not_tls",
            Self::Credential => "credential",
            Self::Unresolvable => "unresolvable",
            Self::Unreachable => "unreachable",
            Self::Limit => "limit",
            Self::TimedOut => "timed_out",
        }
    }

    /// The reason in words, as the second half of a sentence about a host.
    pub(super) fn in_words(self) -> &'static str {
        match self {
            Self::NotListed => "is not in allowedDomains",
            Self::IpLiteral => "is an IP address that is not in allowedDomains; use the host's name",
            Self::PrivateAddress => "has an address that is not of the public internet",
            Self::Port => "is asked for at a port other than 443 (or 80 for plain HTTP requests)",
            Self::Method => "is asked for by a method or command that is not offered",
            Self::Malformed => "is asked for by a request that is not well-formed",
            Self::HostMismatch => "is not the host that the Host header names",
            Self::SniMismatch => "is not the server name that TLS begins with",
            Self::NotTls => "is reached by something other than TLS",
            Self::Credential => "needs the credential of the run",
            Self::Unresolvable => "has no address that could be found",
            Self::Unreachable => "does not accept a connection",
            Self::Limit => "can't be reached: the run has too many connections",
            Self::TimedOut => "was not asked for in time",
        }
    }
}
