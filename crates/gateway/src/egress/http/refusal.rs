//! What a client is told that does not get what it wants. An agent reads it too, so it says what would be right.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::super::decision::Reason;

/// Characters of something malformed that are kept.
const MOST_CHARACTERS: usize = 80;
/// How long, and for how many bytes, a client is listened to that is still sending when it is refused. Closing at once would
/// destroy the answer on its way.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: u64 = 256 * 1024;

/// An answer of the proxy itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Refusal {
    status: &'static str,
    reason: Reason,
    host: String,
    port: u16,
    text: String,
}

impl Refusal {
    /// The answer to a request for a host that is denied.
    pub(in super::super) fn of(reason: Reason, host: &str, port: u16) -> Self {
        let text = format!("{} {}", if host.is_empty() { "a host" } else { host }, reason.in_words());
        Self { status: status(reason), reason, host: host.to_owned(), port, text }
    }

    /// The answer to a request that can't be understood.
    pub(super) fn malformed(what: &str) -> Self {
        Self { text: format!("the request is refused: {what}"), ..Self::of(Reason::Malformed, "", 0) }
    }

    pub(super) fn too_large() -> Self {
        Self { status: "431 Request Header Fields Too Large", ..Self::malformed("its head is too long") }
    }

    pub(super) fn length_required() -> Self {
        let what = "a body needs a Content-Length; chunked ones go through HTTPS only";
        Self { status: "411 Length Required", ..Self::malformed(what) }
    }

    /// The same, with what was asked for, however it is spelled.
    pub(super) fn about(self, host: &str) -> Self {
        Self { host: host.escape_default().take(MOST_CHARACTERS).collect(), ..self }
    }

    pub(super) fn reason(&self) -> Reason {
        self.reason
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(in super::super) fn to_bytes(&self) -> Vec<u8> {
        let Self { status, text, .. } = self;
        let challenge = match self.reason {
            Reason::Credential => "Proxy-Authenticate: Basic realm=\"legwork\"\r\n",
            _ => "",
        };
        let body = format!("Legwork's egress proxy: {text}.\n");
        let length = body.len();
        let kind = "Content-Type: text/plain; charset=utf-8";
        format!("HTTP/1.1 {status}\r\n{challenge}{kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
            .into_bytes()
    }

    /// Answers, and sees to it that the answer arrives.
    pub(super) async fn send(&self, mut client: TcpStream) {
        let answer = async {
            client.write_all(&self.to_bytes()).await?;
            client.shutdown().await?;
            tokio::io::copy(&mut (&mut client).take(LINGER_BYTES), &mut tokio::io::sink()).await
        };
        // A client that has left needs no answer.
        let _ = timeout(LINGER, answer).await;
    }
}

fn status(reason: Reason) -> &'static str {
    match reason {
        Reason::Malformed => "400 Bad Request",
        Reason::Method => "405 Method Not Allowed",
        Reason::Credential => "407 Proxy Authentication Required",
        Reason::TimedOut => "408 Request Timeout",
        Reason::HostMismatch => "421 Misdirected Request",
        Reason::Unresolvable | Reason::Unreachable => "502 Bad Gateway",
        Reason::Limit => "503 Service Unavailable",
        Reason::NotListed
        | Reason::IpLiteral
        | Reason::PrivateAddress
        | Reason::Port
        | Reason::SniMismatch
        | Reason::NotTls => "403 Forbidden",
    }
}
