//! The proxy as a client of SOCKS5 sees it (RFC 1928), with the name and token of the run (RFC 1929). The one command is
//! `CONNECT`, the one port 443: plain HTTP has no request line here that would have to name its host.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use legwork_model::HostName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::decision::Reason;
use super::gate::Gate;
use super::policy::{Credential, TLS_PORT};
use super::tunnel::tunnel;

/// The first byte of a client.
pub(super) const VERSION: u8 = 5;
/// The version of the exchange of name and password.
const PASSWORD_VERSION: u8 = 1;
/// The method of name and password, and the answer that no method is acceptable.
const BY_PASSWORD: u8 = 2;
const NO_METHOD: u8 = 255;
const CONNECT: u8 = 1;

/// Where a client asks to go.
type Destination = (HostName, u16);

/// Why a client gets no further: its connection broke, or it is denied.
enum Stop {
    Broken,
    Denied { reason: Reason, named: String, answer: Vec<u8> },
}

impl From<io::Error> for Stop {
    fn from(_: io::Error) -> Self {
        Self::Broken
    }
}

/// Serves a client that begins like one of SOCKS5. It has to have said what it wants at `deadline`.
pub(super) async fn serve(mut client: TcpStream, gate: &Gate, deadline: Instant) {
    match timeout_at(deadline, ask(&mut client, &gate.policy.credential)).await {
        Ok(Ok((host, port))) => connect(client, host, port, gate).await,
        Ok(Err(Stop::Broken)) => {}
        Ok(Err(Stop::Denied { reason, named, answer })) => {
            gate.ledger.deny(&named, 0, reason);
            let _ = client.write_all(&answer).await;
        }
        Err(_) => gate.ledger.deny("", 0, Reason::TimedOut),
    }
}

async fn connect(mut client: TcpStream, host: HostName, port: u16, gate: &Gate) {
    match gate.admit(host, port, TLS_PORT).await {
        Ok(admitted) => {
            if client.write_all(&reply(0)).await.is_ok() {
                tunnel(client, admitted, Vec::new(), gate).await;
            }
        }
        Err(reason) => drop(client.write_all(&reply(code(reason))).await),
    }
}

async fn ask(client: &mut TcpStream, credential: &Credential) -> Result<Destination, Stop> {
    authenticate(client, credential).await?;
    let [version, command, _reserved, kind] = bytes(client).await?;
    if version != VERSION {
        return Err(denied(Reason::Malformed, "", reply(1)));
    }
    let host = destination(client, kind).await?;
    let port = u16::from_be_bytes(bytes(client).await?);
    if command == CONNECT { Ok((host, port)) } else { Err(denied(Reason::Method, host.as_str(), reply(7))) }
}

async fn authenticate(client: &mut TcpStream, credential: &Credential) -> Result<(), Stop> {
    let [_version] = bytes(client).await?;
    if !short(client).await?.contains(&BY_PASSWORD) {
        return Err(denied(Reason::Credential, "", vec![VERSION, NO_METHOD]));
    }
    client.write_all(&[VERSION, BY_PASSWORD]).await?;
    let [version] = bytes(client).await?;
    let (user, token) = (short(client).await?, short(client).await?);
    if version != PASSWORD_VERSION || !credential.is(&user, &token) {
        return Err(denied(Reason::Credential, "", vec![PASSWORD_VERSION, 1]));
    }
    Ok(client.write_all(&[PASSWORD_VERSION, 0]).await?)
}

async fn destination(client: &mut TcpStream, kind: u8) -> Result<HostName, Stop> {
    match kind {
        1 => Ok(IpAddr::V4(Ipv4Addr::from(bytes::<4>(client).await?)).into()),
        4 => Ok(IpAddr::V6(Ipv6Addr::from(bytes::<16>(client).await?)).into()),
        3 => {
            let name = short(client).await?;
            let text = String::from_utf8_lossy(&name);
            text.parse().map_err(|_| denied(Reason::Malformed, &text, reply(2)))
        }
        _ => Err(denied(Reason::Malformed, "", reply(8))),
    }
}

fn denied(reason: Reason, named: &str, answer: Vec<u8>) -> Stop {
    Stop::Denied { reason, named: named.escape_default().take(80).collect(), answer }
}

/// An answer to a request; the address in it means nothing.
fn reply(code: u8) -> Vec<u8> {
    vec![VERSION, code, 0, 1, 0, 0, 0, 0, 0, 0]
}

fn code(reason: Reason) -> u8 {
    match reason {
        Reason::Unresolvable => 4,
        Reason::Unreachable => 5,
        // Not allowed by the rules.
        _ => 2,
    }
}

async fn bytes<const LENGTH: usize>(client: &mut TcpStream) -> io::Result<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    client.read_exact(&mut bytes).await?;
    Ok(bytes)
}

/// A byte with a length, and so many bytes.
async fn short(client: &mut TcpStream) -> io::Result<Vec<u8>> {
    let [length] = bytes(client).await?;
    let mut text = vec![0; length.into()];
    client.read_exact(&mut text).await?;
    Ok(text)
}
