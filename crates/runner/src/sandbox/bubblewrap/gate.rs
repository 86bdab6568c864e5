//! Where a sandbox waits before the first instruction of its program, while what it needs is set up around it.
//!
//! `bwrap` tells the first process of the sandbox in one descriptor, and waits for a byte in another once everything
//! inside is in place. The other is a socket, for what becomes of it then tells how it went: when the byte was read and the
//! socket closed, there is an end; when the reader died with the byte unread, an error.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as Blocking;

use rustix::pipe::{PipeFlags, pipe_with};
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;

/// Our ends.
#[derive(Debug)]
pub(super) struct Gate {
    told: pipe::Receiver,
    barrier: UnixStream,
}

/// The ends of `bwrap`.
#[derive(Debug)]
pub(super) struct Inside {
    pub(super) info: OwnedFd,
    pub(super) block: OwnedFd,
}

/// What `bwrap` tells.
#[derive(Deserialize)]
struct Info {
    #[serde(rename = "child-pid")]
    child: i32,
}

impl Gate {
    pub(super) fn new() -> io::Result<(Self, Inside)> {
        let (read, info) = pipe_with(PipeFlags::CLOEXEC)?;
        // The other end has to block.
        let (near, far) = Blocking::pair()?;
        near.set_nonblocking(true)?;
        let gate = Self { told: pipe::Receiver::from_owned_fd(read)?, barrier: UnixStream::from_std(near)? };
        Ok((gate, Inside { info, block: far.into() }))
    }

    /// The first process of the sandbox, by its pid out here. It comes in more than one piece.
    pub(super) async fn first_process(&mut self) -> io::Result<i32> {
        let mut text = Vec::new();
        while !text.ends_with(b"}") && !text.trim_ascii_end().ends_with(b"}") {
            if self.told.read_buf(&mut text).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(serde_json::from_slice::<Info>(&text)?.child)
    }

    /// Lets the program begin; an error where there is no sandbox for it to begin in.
    pub(super) async fn open(mut self) -> io::Result<()> {
        self.barrier.write_all(b"\n").await?;
        self.barrier.read_exact(&mut [0]).await.map(drop).or_else(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => Ok(()),
            _ => Err(error),
        })
    }
}
