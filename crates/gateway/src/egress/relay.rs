//! Carries bytes between a client and a server, counts them, and ends when none come.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::net::{Shutdown, shutdown};
use tokio::net::TcpStream;
use tokio::task::yield_now;

use super::ledger::Tally;

/// Bytes that are carried at once.
pub(super) const CHUNK: usize = 64 * 1024;

/// The same in a tunnel, at first and where much comes.
const FEW: usize = 16 * 1024;
const MANY: usize = 128 * 1024;

/// Carries bytes in both directions until both have ended, one fails, or none come for `idle`.
pub(super) async fn relay(client: TcpStream, server: TcpStream, tally: &Tally, idle: Duration) {
    let (up, down) = (carry(&client, &server, &tally.up), carry(&server, &client, &tally.down));
    tokio::select! {
        ended = async { tokio::try_join!(up, down) } => if let Err(error) = ended {
            tracing::debug!(%error, "a tunnel ended early");
        },
        () = silence(tally, idle) => tracing::debug!("a tunnel was idle"),
    }
}

/// Carries bytes in one direction until they end, then says so. Where much comes, more has come by the time that others had
/// their turn, and a large piece costs little more than a small one.
async fn carry(from: &TcpStream, to: &TcpStream, counter: &AtomicU64) -> io::Result<()> {
    let mut buffer = vec![0; FEW];
    loop {
        let read = read_some(from, &mut buffer).await?;
        if read == 0 {
            return Ok(shutdown(to, Shutdown::Write)?);
        }
        add(counter, read);
        write_all(to, &buffer[..read]).await?;
        if read == buffer.len() && read < MANY {
            buffer = vec![0; (4 * read).min(MANY)];
        }
        if read >= FEW {
            yield_now().await;
        }
    }
}

async fn read_some(from: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        from.readable().await?;
        match from.try_read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            read => return read,
        }
    }
}

async fn write_all(to: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match to.try_write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => to.writable().await?,
            written => bytes = &bytes[written?..],
        }
    }
    Ok(())
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
