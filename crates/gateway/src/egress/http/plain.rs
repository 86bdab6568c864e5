//! Forwards one plain request and its answer.

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader, copy_buf, split};
use tokio::net::TcpStream;

use super::super::gate::{Admitted, Gate};
use super::super::ledger::Tally;
use super::super::relay::{CHUNK, silence};
use super::counted::Counted;
use super::request::Plain;

/// Forwards a request, of whose body `read` is what has been read already, and gives the client all that comes back.
///
/// The answer ends when the host closes the connection, as it was asked to. What the client sends beyond its one request is
/// never read.
pub(super) async fn forward(client: TcpStream, admitted: Admitted, plain: Plain, read: Vec<u8>, gate: &Gate) {
    let Admitted { host, port, server, verdict } = admitted;
    let tally = gate.ledger.record(host.as_str(), port, verdict);
    tally.began_with(plain.head.len() + read.len());
    tokio::select! {
        exchanged = exchange(client, server, plain, &read, &tally) => if let Err(error) = exchanged {
            tracing::debug!(%error, "a plain request ended early");
        },
        () = silence(&tally, gate.limits.idle) => tracing::debug!("a plain request was idle"),
    }
}

async fn exchange(
    client: TcpStream,
    server: TcpStream,
    plain: Plain,
    read: &[u8],
    tally: &Tally,
) -> std::io::Result<()> {
    let (from_client, mut to_client) = split(Counted::new(client, tally));
    let (from_server, mut to_server) = server.into_split();
    let up = async {
        let body = read.chain(from_client).take(plain.length);
        let mut body = BufReader::with_capacity(CHUNK, body);
        let sent = async {
            to_server.write_all(&plain.head).await?;
            copy_buf(&mut body, &mut to_server).await
        };
        // Where the client broke off, the host has to know. Where the host did, its answer may still be on the way.
        if !sent.await.is_ok_and(|sent| sent == plain.length) {
            let _ = to_server.shutdown().await;
        }
    };
    let down = async {
        copy_buf(&mut BufReader::with_capacity(CHUNK, from_server), &mut to_client).await?;
        to_client.shutdown().await
    };
    let ((), received) = tokio::join!(up, down);
    received
}
