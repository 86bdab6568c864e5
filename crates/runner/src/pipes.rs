//! What a program prints, as it comes.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// Most programs print little at once.
const BUFFER: usize = 8 * 1024;
/// The whole of a pipe, so that a flood costs few reads.
const MOST: usize = 64 * 1024;

/// What a program prints, or what takes its place.
pub(crate) type Source = Box<dyn AsyncRead + Send + Unpin>;

/// Both output pipes of a program.
pub(crate) struct Pipes {
    stdout: Pipe,
    stderr: Pipe,
}

/// Which pipe has something to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

struct Pipe {
    source: Option<Source>,
    buffer: Vec<u8>,
}

impl Pipes {
    pub(crate) fn new(stdout: Option<Source>, stderr: Option<Source>) -> Self {
        Self { stdout: Pipe::new(stdout), stderr: Pipe::new(stderr) }
    }

    /// Whether both have ended.
    pub(crate) fn ended(&self) -> bool {
        self.stdout.source.is_none() && self.stderr.source.is_none()
    }

    /// Waits for the next bytes of either; they are then in [`bytes`](Self::bytes), empty at its end.
    pub(crate) async fn next(&mut self) -> Stream {
        tokio::select! {
            biased;
            () = self.stdout.fill(), if self.stdout.source.is_some() => Stream::Stdout,
            () = self.stderr.fill(), if self.stderr.source.is_some() => Stream::Stderr,
            else => std::future::pending().await,
        }
    }

    /// Takes out what came last; its room is to be [given back](Self::give_back).
    pub(crate) fn take(&mut self, stream: Stream) -> Vec<u8> {
        std::mem::take(self.buffer(stream))
    }

    pub(crate) fn give_back(&mut self, stream: Stream, room: Vec<u8>) {
        *self.buffer(stream) = room;
    }

    fn buffer(&mut self, stream: Stream) -> &mut Vec<u8> {
        match stream {
            Stream::Stdout => &mut self.stdout.buffer,
            Stream::Stderr => &mut self.stderr.buffer,
        }
    }

    /// What came last.
    pub(crate) fn bytes(&self, stream: Stream) -> &[u8] {
        match stream {
            Stream::Stdout => &self.stdout.buffer,
            Stream::Stderr => &self.stderr.buffer,
        }
    }
}

impl Pipe {
    fn new(source: Option<Source>) -> Self {
        Self { source, buffer: Vec::with_capacity(BUFFER) }
    }

    async fn fill(&mut self) {
        let Some(source) = &mut self.source else { return };
        let was_full = self.buffer.len() == self.buffer.capacity();
        self.buffer.clear();
        if was_full && self.buffer.capacity() < MOST {
            self.buffer.reserve(MOST);
        }
        let read: io::Result<usize> = source.read_buf(&mut self.buffer).await;
        // A pipe that can't be read has nothing more to tell than one that has ended.
        if matches!(read, Ok(0) | Err(_)) {
            self.source = None;
        }
    }
}
