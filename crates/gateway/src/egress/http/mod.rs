//! The proxy as a client of HTTP/1.1 sees it: `CONNECT` to port 443, and requests in absolute form that are forwarded to port
//! 80. `CONNECT` to port 80 is not offered, since nothing in such a tunnel would have to name its host.
//!
//! One request a connection: what follows a request can't be taken for another one.

mod request;

mod head;

mod counted;
mod plain;
mod refusal;

#[cfg(test)]
mod tests;

use legwork_model::HostName;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

pub(super) use self::refusal::Refusal;

use self::request::Request;
use super::decision::Reason;
use super::gate::Gate;
use super::policy::{PLAIN_PORT, TLS_PORT};
use super::tunnel::tunnel;

const ESTABLISHED: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";

/// Serves a client that begins like one of HTTP. It has to have said what it wants at `deadline`.
pub(super) async fn serve(mut client: TcpStream, gate: &Gate, deadline: Instant) {
    let mut read = Vec::new();
    let asked = match timeout_at(deadline, head::read(&mut client, &mut read)).await {
        Ok(Ok(length)) => understand(&mut read, length, gate),
        Ok(Err(None)) => return,
        Ok(Err(Some(refusal))) => Err(refusal),
        Err(_) => Err(Refusal::of(Reason::TimedOut, "", 0)),
    };
    match asked {
        Ok(request) => carry_out(client, request, read, gate).await,
        Err(refusal) => {
            gate.ledger.deny(refusal.host(), refusal.port(), refusal.reason());
            refusal.send(client).await;
        }
    }
}

/// Takes the head from what was read.
fn understand(read: &mut Vec<u8>, length: usize, gate: &Gate) -> Result<Request, Refusal> {
    let rest = read.split_off(length);
    let head = head::parse(&std::mem::replace(read, rest))?;
    request::understand(&head, |value| gate.policy.credential.is_basic(value))
}

async fn carry_out(client: TcpStream, request: Request, read: Vec<u8>, gate: &Gate) {
    match request {
        Request::Tunnel { host, port } => connect(client, host, port, read, gate).await,
        Request::Plain(plain) => {
            let host = plain.host.clone();
            match gate.admit(host.clone(), PLAIN_PORT, PLAIN_PORT).await {
                Ok(admitted) => plain::forward(client, admitted, plain, read, gate).await,
                Err(reason) => Refusal::of(reason, host.as_str(), PLAIN_PORT).send(client).await,
            }
        }
    }
}

async fn connect(mut client: TcpStream, host: HostName, port: u16, read: Vec<u8>, gate: &Gate) {
    match gate.admit(host.clone(), port, TLS_PORT).await {
        Ok(admitted) => {
            if client.write_all(ESTABLISHED).await.is_ok() {
                tunnel(client, admitted, read, gate).await;
            }
        }
        Err(reason) => Refusal::of(reason, host.as_str(), port).send(client).await,
    }
}
