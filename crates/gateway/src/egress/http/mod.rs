//! The proxy as a client of HTTP/1.1 sees it. One request a connection: what follows a request can't be taken for another one.

mod request;

mod head;

mod plain;
mod refusal;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

pub(super) use self::refusal::Refusal;

use self::request::Request;
use super::decision::Reason;
use super::policy::{PLAIN_PORT, TLS_PORT};
use super::session::Session;
use super::tunnel::tunnel;

const ESTABLISHED: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";

/// Serves a client that begins like one of HTTP. It has to have said what it wants at `deadline`.
pub(super) async fn serve(mut client: TcpStream, session: &Session, deadline: Instant) {
    let mut read = Vec::new();
    let asked = match timeout_at(deadline, head::read(&mut client, &mut read)).await {
        Ok(Ok(length)) => understand(&mut read, length, session),
        Ok(Err(None)) => return,
        Ok(Err(Some(refusal))) => Err(refusal),
        Err(_) => Err(Refusal::of(Reason::TimedOut, "", 0)),
    };
    match asked {
        Ok(request) => carry_out(client, request, read, session).await,
        Err(refusal) => {
            session.ledger.deny(refusal.host(), refusal.port(), refusal.reason());
            refusal.send(client).await;
        }
    }
}

/// Takes the head from what was read.
fn understand(read: &mut Vec<u8>, length: usize, session: &Session) -> Result<Request, Refusal> {
    let rest = read.split_off(length);
    let head = head::parse(&std::mem::replace(read, rest))?;
    request::understand(&head, |value| session.policy.credential.is_basic(value))
}

async fn carry_out(client: TcpStream, request: Request, read: Vec<u8>, session: &Session) {
    match request {
        Request::Tunnel { host, port } => connect(client, (host, port), read, session).await,
        Request::Plain(plain) => {
            let host = plain.host.clone();
            match session.admit(host.clone(), PLAIN_PORT, PLAIN_PORT).await {
                Ok(admitted) => plain::forward(client, admitted, plain, read, session).await,
                Err(reason) => Refusal::of(reason, host.as_str(), PLAIN_PORT).send(client).await,
            }
        }
    }
}

async fn connect(
    mut client: TcpStream,
    (host, port): (legwork_model::HostName, u16),
    read: Vec<u8>,
    session: &Session,
) {
    match session.admit(host.clone(), port, TLS_PORT).await {
        Ok(admitted) => {
            if client.write_all(ESTABLISHED).await.is_ok() {
                tunnel(client, admitted, read, session).await;
            }
        }
        Err(reason) => Refusal::of(reason, host.as_str(), port).send(client).await,
    }
}
