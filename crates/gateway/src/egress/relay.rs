//! Carries bytes between a client and a server, counts them, and ends when none come.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::task::yield_now;

use super::ledger::Tally;

/// Bytes that are carried at once.
pub(super) const CHUNK: usize = 64 * 1024;

/// The same in a tunnel, at first and where much comes.
const FEW: usize = 16 * 1024;
const MANY: usize = 128 * 1024;

/// Carries bytes in both directions until both have ended, one fails, or none come for `idle`.
pub(super) async fn relay(mut client: TcpStream, mut server: TcpStream, tally: &Tally, idle: Duration) {
    let ((from_client, to_client), (from_server, to_server)) = (client.split(), server.split());
    let (up, down) = (carry(from_client, to_server, &tally.up), carry(from_server, to_client, &tally.down));
    tokio::select! {
        ended = async { tokio::try_join!(up, down) } => if let Err(error) = ended {
            tracing::debug!(%error, "a tunnel ended early");
        },
        () = silence(tally, idle) => tracing::debug!("a tunnel was idle"),
    }
}

/// Carries bytes in one direction until they end, then says so. Where much comes, more has come by the time that others had
/// their turn, and a large piece costs little more than a small one.
async fn carry(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, counter: &AtomicU64) -> io::Result<()> {
    let mut buffer = vec![0; FEW];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        add(counter, read);
        to.write_all(&buffer[..read]).await?;
        if read == buffer.len() && read < MANY {
            buffer = vec![0; (4 * read).min(MANY)];
        }
        if read >= FEW {
            yield_now().await;
        }
    }
}

/// Ends when nothing was counted for `idle`. Looking once in that time is enough, and costs a busy tunnel nothing.
pub(super) async fn silence(tally: &Tally, idle: Duration) {
    loop {
        let before = tally.total();
        tokio::time::sleep(idle).await;
        if tally.total() == before {
            return;
        }
    }
}

pub(super) fn add(counter: &AtomicU64, bytes: usize) {
    counter.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
}
