//! A tunnel: what is in it has to be TLS with the host that was asked for.

use legwork_model::HostName;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::decision::{Reason, Verdict};
use super::gate::{Admitted, Gate};
use super::hello;
use super::policy::Mode;
use super::relay::relay;

/// The fatal alert `unrecognized_name` of TLS (RFC 6066), so that a client can say more than that the connection broke.
const UNRECOGNIZED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];

/// Carries what goes between a client, which knows that it is connected, and the host. `read` is what the client has sent
/// already.
pub(super) async fn tunnel(mut client: TcpStream, admitted: Admitted, mut read: Vec<u8>, gate: &Gate) {
    let Admitted { host, port, mut server, verdict } = admitted;
    let opened = match open(&mut client, &host, &mut read, gate).await {
        Ok(()) => verdict,
        // The first reason is the one that a list can be made of.
        Err(reason) => match gate.policy.weigh(reason) {
            Verdict::Observed(_) if verdict != Verdict::Allowed => verdict,
            weighed => weighed,
        },
    };
    let tally = gate.ledger.record(host.as_str(), port, opened);
    if let Verdict::Denied(reason) = opened {
        if reason == Reason::SniMismatch {
            let _ = client.write_all(&UNRECOGNIZED_NAME).await;
        }
        return;
    }
    tally.began_with(read.len());
    if let Ok(Ok(())) = timeout(gate.limits.idle, server.write_all(&read)).await {
        drop(read);
        relay(client, server, &tally, gate.limits.idle).await;
    }
}

/// Waits for the first message and holds it against the host.
async fn open(client: &mut TcpStream, host: &HostName, read: &mut Vec<u8>, gate: &Gate) -> Result<(), Reason> {
    if gate.policy.mode == Mode::Public {
        return Ok(());
    }
    let name = timeout(gate.limits.opening, hello::server_name(client, read)).await.map_err(|_| Reason::TimedOut)??;
    let is_right = match name {
        Some(name) => name.parse().is_ok_and(|name: HostName| name == *host),
        None => false,
    };
    // An address is not a server name, so a client that asks for one names none or one that nothing can be held against.
    if is_right || host.address().is_some() { Ok(()) } else { Err(Reason::SniMismatch) }
}
