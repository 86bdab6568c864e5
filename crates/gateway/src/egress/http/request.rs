//! What a head asks for, decided without I/O.

use std::net::{IpAddr, Ipv6Addr};

use legwork_model::HostName;

use super::super::decision::Reason;
use super::super::policy::PLAIN_PORT;
use super::head::Head;
use super::refusal::Refusal;

const METHODS: [&str; 8] = ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];
/// Fields that are meant for the next hop, which we are.
const HOP_BY_HOP: [&str; 11] = [
    "connection",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What a client wants.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// A tunnel to a host (`CONNECT`).
    Tunnel { host: HostName, port: u16 },
    /// One request that is forwarded to port 80.
    Plain(Plain),
}

/// A request to forward.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plain {
    pub(super) host: HostName,
    /// The head for the host, made anew, so that it says nothing that was not understood here.
    pub(super) head: Vec<u8>,
    /// Bytes of the body.
    pub(super) length: u64,
}

/// What `head` asks for, if it brings what `is_credential` takes.
///
/// # Errors
/// What to answer instead.
pub(super) fn understand(head: &Head, is_credential: impl Fn(&[u8]) -> bool) -> Result<Request, Refusal> {
    let length = length(head)?;
    if !METHODS.contains(&head.method.as_str()) {
        return Err(Refusal::of(Reason::Method, "", 0));
    }
    if !head.single("proxy-authorization")?.is_some_and(is_credential) {
        return Err(Refusal::of(Reason::Credential, "", 0));
    }
    if head.method == "CONNECT" { tunnel(head, length) } else { plain(head, length) }
        .map_err(|refusal| if refusal.host().is_empty() { refusal.about(authority_in(&head.target)) } else { refusal })
}

/// Bytes of the body. A length that can be read in two ways is refused, and so is a body that says itself where it ends.
pub(super) fn length(head: &Head) -> Result<u64, Refusal> {
    let declared = head.single("content-length")?;
    if head.fields().any(|(name, _)| name == "transfer-encoding") {
        let both = "it has both Content-Length and Transfer-Encoding";
        return Err(declared.map_or_else(Refusal::length_required, |_| Refusal::malformed(both)));
    }
    let Some(declared) = declared else { return Ok(0) };
    number(declared).ok_or_else(|| Refusal::malformed("its Content-Length is not a number"))
}

/// Digits alone: no sign, no list, no space.
fn number(text: &[u8]) -> Option<u64> {
    let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    if is_number { std::str::from_utf8(text).ok()?.parse().ok() } else { None }
}

fn tunnel(head: &Head, length: u64) -> Result<Request, Refusal> {
    if length > 0 {
        return Err(Refusal::malformed("CONNECT has no body"));
    }
    let (host, Some(port)) = authority(&head.target)? else {
        return Err(Refusal::malformed("CONNECT needs a host and a port, such as example.com:443"));
    };
    // Nothing of this head is passed on, so older clients may leave the field out (HTTP/1.0 knows none).
    if head.minor_version > 0 || head.single("host")?.is_some() {
        let (named, named_port) = named(head)?;
        if named != host || named_port.is_some_and(|named_port| named_port != port) {
            return Err(Refusal::of(Reason::HostMismatch, host.as_str(), port));
        }
    }
    Ok(Request::Tunnel { host, port })
}

fn plain(head: &Head, length: u64) -> Result<Request, Refusal> {
    let (host, path) = absolute(&head.target)?;
    let (named, port) = named(head)?;
    if named != host || port.is_some_and(|port| port != PLAIN_PORT) {
        return Err(Refusal::of(Reason::HostMismatch, host.as_str(), PLAIN_PORT));
    }
    let head = rewritten(head, &host, &path);
    Ok(Request::Plain(Plain { host, head, length }))
}

/// The part of a target that should name a host, for the record: what stands before and behind may be nobody's business.
fn authority_in(target: &str) -> &str {
    let rest = target.split_once("://").map_or(target, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit('@').next().unwrap_or_default()
}

/// The host and the path of `http://host/path`.
fn absolute(target: &str) -> Result<(HostName, String), Refusal> {
    let is_plain = |scheme: &str| scheme.eq_ignore_ascii_case("http");
    let Some((_, rest)) = target.split_once("://").filter(|(scheme, _)| is_plain(scheme)) else {
        return Err(Refusal::malformed("it needs a whole http:// address; for https use CONNECT"));
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (text, path) = rest.split_at(end);
    let (host, port) = authority(text)?;
    if !path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
        return Err(Refusal::malformed("its path has characters that need to be percent-encoded"));
    }
    match port.unwrap_or(PLAIN_PORT) {
        PLAIN_PORT if path.starts_with('/') => Ok((host, path.to_owned())),
        PLAIN_PORT => Ok((host, format!("/{path}"))),
        port => Err(Refusal::of(Reason::Port, host.as_str(), port)),
    }
}

/// What the `Host` field names.
fn named(head: &Head) -> Result<(HostName, Option<u16>), Refusal> {
    let text = head.single("host")?.ok_or_else(|| Refusal::malformed("it has no Host field"))?;
    authority(std::str::from_utf8(text).map_err(|_| Refusal::malformed("its Host field is not ASCII"))?)
}

/// A host, and a port if there is one. A name before an `@` makes the host invalid.
fn authority(text: &str) -> Result<(HostName, Option<u16>), Refusal> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !text.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let wrong_port = || Refusal::malformed("its port is not a number up to 65535");
    let port =
        port.map(|port| number(port.as_bytes()).and_then(|port| u16::try_from(port).ok()).ok_or_else(wrong_port));
    Ok((host_of(host)?, port.transpose()?))
}

fn host_of(text: &str) -> Result<HostName, Refusal> {
    let wrong = |error: &dyn std::fmt::Display| Refusal::malformed(&error.to_string());
    match text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        Some(address) => {
            address.parse::<Ipv6Addr>().map(|address| IpAddr::V6(address).into()).map_err(|error| wrong(&error))
        }
        // Without brackets there is no telling where an IPv6 address ends and a port begins.
        None if text.contains(':') || !text.is_ascii() => {
            Err(wrong(&"its host is not a name or an address in brackets"))
        }
        None => text.parse::<HostName>().map_err(|error| wrong(&error)),
    }
}

/// The head as the host gets it: in origin form, for this one request, without what was for the proxy.
fn rewritten(head: &Head, host: &HostName, path: &str) -> Vec<u8> {
    let nominated = nominated(head);
    let authority = match host.address() {
        Some(IpAddr::V6(address)) => format!("[{address}]"),
        _ => host.to_string(),
    };
    let mut bytes = format!("{} {path} HTTP/1.1\r\nhost: {authority}\r\n", head.method).into_bytes();
    for (name, value) in head.fields() {
        if !HOP_BY_HOP.contains(&name) && !nominated.iter().any(|other| other == name) {
            bytes.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
    }
    bytes.extend(b"connection: close\r\n\r\n");
    bytes
}

/// The fields that `Connection` says are for the next hop only. The length is not among them, whoever says so.
fn nominated(head: &Head) -> Vec<String> {
    let values =
        head.fields().filter(|(name, _)| *name == "connection").map(|(_, value)| String::from_utf8_lossy(value));
    let names =
        values.flat_map(|value| value.split(',').map(|name| name.trim().to_ascii_lowercase()).collect::<Vec<_>>());
    names.filter(|name| name != "content-length").collect()
}
