//! A pipe that is written to without ever waiting for its reader.

use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::net::unix::pipe;

/// The writing end of a pipe that a program reads as its standard input.
#[derive(Debug)]
pub(crate) struct StdinFeed {
    bytes: Vec<u8>,
    written: usize,
    keep_open: bool,
    end: End,
}

#[derive(Debug)]
enum End {
    /// Everything is written and the pipe is kept open.
    Held {
        pipe: OwnedFd,
    },
    /// There is more to write than the pipe took so far.
    Writing(pipe::Sender),
    Closed,
}

impl StdinFeed {
    /// A pipe that already holds as much of `bytes` as fits. Most prompts fit, so most runs need no further writing
    /// and no registration of the pipe with the event loop.
    pub(crate) fn new(bytes: Vec<u8>, keep_open: bool) -> io::Result<(Self, OwnedFd)> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
        rustix::io::ioctl_fionbio(&write, true)?;
        let written = fill(&write, &bytes)?;
        let end = match (written == bytes.len(), keep_open) {
            (true, false) => End::Closed,
            (true, true) => End::Held { pipe: write },
            (false, _) => End::Writing(pipe::Sender::from_owned_fd(write)?),
        };
        Ok((Self { bytes, written, keep_open, end }, read))
    }

    pub(crate) fn is_open(&self) -> bool {
        !matches!(self.end, End::Closed)
    }

    pub(crate) fn has_more(&self) -> bool {
        matches!(self.end, End::Writing(_))
    }

    /// Waits until the program can take more and writes that. A program that closed its input gets nothing further.
    pub(crate) async fn write_some(&mut self) {
        let End::Writing(pipe) = &self.end else { return };
        if pipe.writable().await.is_err() {
            return self.close();
        }
        match pipe.try_write(&self.bytes[self.written..]) {
            Ok(count) => self.written += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return self.close(),
        }
        if self.written == self.bytes.len() {
            self.settle();
        }
    }

    /// Writes more, now or in a later [`write_some`](Self::write_some). Where the input was closed it is dropped.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        match &mut self.end {
            End::Closed => {}
            End::Writing(_) => {
                self.bytes.drain(..self.written);
                self.written = 0;
                self.bytes.extend_from_slice(bytes);
            }
            End::Held { pipe } => match fill(pipe, bytes) {
                Ok(written) if written == bytes.len() => {}
                Ok(written) => {
                    (self.bytes, self.written) = (bytes[written..].to_vec(), 0);
                    self.end = self.writing();
                }
                Err(_) => self.close(),
            },
        }
    }

    fn writing(&mut self) -> End {
        match std::mem::replace(&mut self.end, End::Closed) {
            End::Held { pipe } => pipe::Sender::from_owned_fd(pipe).map_or(End::Closed, End::Writing),
            other => other,
        }
    }

    /// Lets the program see the end of its input, once everything is written.
    pub(crate) fn close_when_written(&mut self) {
        self.keep_open = false;
        if let End::Held { .. } = self.end {
            self.close();
        }
    }

    /// Lets the program see the end of its input.
    pub(crate) fn close(&mut self) {
        self.end = End::Closed;
    }

    fn settle(&mut self) {
        self.end = match std::mem::replace(&mut self.end, End::Closed) {
            End::Writing(pipe) if self.keep_open => {
                pipe.into_nonblocking_fd().map_or(End::Closed, |pipe| End::Held { pipe })
            }
            _ => End::Closed,
        };
    }
}

/// Writes until everything is written or the pipe is full.
fn fill(pipe: &OwnedFd, bytes: &[u8]) -> io::Result<usize> {
    let mut written = 0;
    while written < bytes.len() {
        match rustix::io::write(pipe, &bytes[written..]) {
            Ok(count) => written += count,
            Err(Errno::AGAIN) => break,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(written)
}
