//! Carries bytes between a client and a server, counts them, and ends when none come.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional_with_sizes};
use tokio::net::TcpStream;

use super::ledger::Tally;

/// Bytes that are carried at once. Loopback and TCP hand over as much as this in one piece.
pub(super) const CHUNK: usize = 64 * 1024;

/// The side of the client: what is read from it goes up, what is written to it goes down.
pub(super) struct Counted<'a> {
    stream: TcpStream,
    tally: &'a Tally,
}

/// Carries bytes in both directions until both have ended, one fails, or none come for `idle`.
pub(super) async fn relay(client: TcpStream, mut server: TcpStream, tally: &Tally, idle: Duration) {
    let mut client = Counted::new(client, tally);
    let carried = copy_bidirectional_with_sizes(&mut client, &mut server, CHUNK, CHUNK);
    tokio::select! {
        ended = carried => if let Err(error) = ended {
            tracing::debug!(%error, "a tunnel ended early");
        },
        () = silence(tally, idle) => tracing::debug!("a tunnel was idle"),
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

impl<'a> Counted<'a> {
    pub(super) fn new(stream: TcpStream, tally: &'a Tally) -> Self {
        Self { stream, tally }
    }
}

fn add(counter: &AtomicU64, bytes: usize) {
    counter.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
}

impl AsyncRead for Counted<'_> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        add(&self.tally.up, buf.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Counted<'_> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, buf))?;
        add(&self.tally.down, written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
