//! The standard input of a program, which its run never waits for: a program that does not read must not hang it.

mod feed;

pub(crate) use feed::StdinFeed;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::mpsc;

use crate::supervisor::Speaker;

/// The writing end of a program's standard input.
#[derive(Debug)]
pub(crate) enum Stdin {
    /// There is none (any more).
    Closed,
    /// A pipe.
    Pipe(StdinFeed),
    /// A supervisor, which writes what it is sent.
    Link(Speaker),
    /// Nobody: what was written before is written again, for whoever wrote it to be as it was.
    Muted(Muted),
    /// Somebody who takes everything at once and passes it on; it ends with this.
    Passed(mpsc::UnboundedSender<Vec<u8>>),
}

/// What is written again, of which the program had the first bytes.
#[derive(Debug)]
pub(crate) struct Muted {
    had: u64,
    /// What it did not have: whoever wrote it before had no time left to.
    pub(crate) rest: Vec<u8>,
    pub(crate) closed: bool,
}

impl Muted {
    pub(crate) fn new(had: u64) -> Self {
        Self { had, rest: Vec::new(), closed: false }
    }

    fn push(&mut self, bytes: &[u8]) {
        let had = usize::try_from(self.had).unwrap_or(usize::MAX).min(bytes.len());
        self.had -= had as u64;
        self.rest.extend_from_slice(&bytes[had..]);
    }
}

impl Stdin {
    /// What passes on all that it is given, as fast as it is taken.
    pub(crate) fn passed_to(mut input: impl AsyncWrite + Send + Unpin + 'static) -> Self {
        let (sender, mut pieces) = mpsc::unbounded_channel::<Vec<u8>>();
        tokio::spawn(async move {
            while let Some(piece) = pieces.recv().await {
                if input.write_all(&piece).await.is_err() || input.flush().await.is_err() {
                    return;
                }
            }
            let _ = input.shutdown().await;
        });
        Self::Passed(sender)
    }

    /// The same for a connection. What comes from its other end is read and dropped, so that it holds up nobody.
    pub(crate) fn passed_over(connection: UnixStream) -> Self {
        let (mut from, to) = connection.into_split();
        tokio::spawn(async move { tokio::io::copy(&mut from, &mut tokio::io::sink()).await });
        Self::passed_to(to)
    }

    /// Whether more can be pushed.
    pub(crate) fn is_open(&self) -> bool {
        match self {
            Self::Closed => false,
            Self::Pipe(feed) => feed.is_open(),
            Self::Link(_) => true,
            Self::Muted(muted) => !muted.closed,
            Self::Passed(sender) => !sender.is_closed(),
        }
    }

    /// Whether [`write_some`](Self::write_some) has something to do.
    pub(crate) fn has_more(&self) -> bool {
        match self {
            Self::Pipe(feed) => feed.has_more(),
            Self::Closed | Self::Link(_) | Self::Muted(_) | Self::Passed(_) => false,
        }
    }

    /// Waits until the program can take more and writes that.
    pub(crate) async fn write_some(&mut self) {
        if let Self::Pipe(feed) = self {
            feed.write_some().await;
        }
    }

    /// Writes more, now or in a later [`write_some`](Self::write_some). Where the input was closed it is dropped.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        match self {
            Self::Pipe(feed) => feed.push(bytes),
            Self::Link(speaker) => speaker.input(bytes),
            // Where nobody takes it any more, it comes too late.
            Self::Passed(sender) => _ = sender.send(bytes.to_vec()),
            Self::Muted(muted) => muted.push(bytes),
            Self::Closed => {}
        }
    }

    /// What was pushed so far belongs to the start of the program.
    pub(crate) fn has_begun(&self) {
        if let Self::Link(speaker) = self {
            speaker.begun();
        }
    }

    /// Lets the program see the end of its input.
    pub(crate) fn close(&mut self) {
        match self {
            Self::Link(speaker) => speaker.close_input(),
            Self::Muted(muted) => return muted.closed = true,
            Self::Closed | Self::Pipe(_) | Self::Passed(_) => {}
        }
        *self = Self::Closed;
    }

    /// The same, once everything that was pushed is written.
    pub(crate) fn close_when_written(&mut self) {
        match self {
            Self::Pipe(feed) => feed.close_when_written(),
            _ => self.close(),
        }
    }
}
