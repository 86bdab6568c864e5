//! Tells a server of one run, from its beginning on and no faster than the server listens.

use std::io;
use std::os::fd::OwnedFd;

use super::frame::{Frame, put_bytes, put_error_bytes, put_message};
use super::gate;
use super::message::{Answer, Request};
use super::serve::Connection;
use super::ward::Said;

const CHUNK: usize = 64 * 1024;

/// The connection with a server, and how far it was told.
#[derive(Debug)]
pub(super) struct Teller {
    connection: Connection,
    out: u64,
    err: u64,
    out_ended: bool,
    err_ended: bool,
    exited: bool,
    ended: u32,
    /// What is being written.
    pending: Vec<u8>,
    written: usize,
    chunk: Vec<u8>,
}

/// What a connection is ready for.
pub(super) enum Turn {
    /// The server said this.
    Heard(Frame<Request>),
    /// It can be told more.
    CanTell,
    /// It has gone.
    Gone,
}

impl Teller {
    /// Tells `first` before anything else.
    pub(super) fn new(connection: Connection, first: Vec<u8>) -> Self {
        Self {
            connection,
            out: 0,
            err: 0,
            out_ended: false,
            err_ended: false,
            exited: false,
            ended: 0,
            pending: first,
            written: 0,
            chunk: vec![0; CHUNK],
        }
    }

    /// Waits until the server says something, or can be told more. Nothing is lost where this is given up.
    pub(super) async fn next(&mut self) -> io::Result<Turn> {
        let has_more = self.has_more();
        let Connection { stream, frames, files } = &mut self.connection;
        loop {
            if let Some(frame) = frames.next()? {
                return Ok(Turn::Heard(frame));
            }
            tokio::select! {
                there = gate::receive(stream, frames.buffer(), files) => {
                    if !there? {
                        return Ok(Turn::Gone);
                    }
                }
                // An error shows at the next write.
                _ = stream.writable(), if has_more => return Ok(Turn::CanTell),
            }
        }
    }

    /// The next file that came along.
    pub(super) fn file(&mut self) -> Option<OwnedFd> {
        let files = &mut self.connection.files;
        (!files.is_empty()).then(|| files.remove(0))
    }

    fn has_more(&self) -> bool {
        self.written < self.pending.len()
    }

    /// Tells what can be told without waiting.
    pub(super) fn tell(&mut self, said: &Said) -> io::Result<()> {
        loop {
            if !self.has_more() {
                self.pending.clear();
                self.written = 0;
                self.lay_out(said)?;
            }
            if !self.has_more() {
                return Ok(());
            }
            match self.connection.stream.try_write(&self.pending[self.written..]) {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    fn lay_out(&mut self, said: &Said) -> io::Result<()> {
        let count = said.out.read(self.out, &mut self.chunk)?;
        if count > 0 {
            put_bytes(&mut self.pending, &self.chunk[..count]);
            self.out += count as u64;
        }
        let count = said.err.read(self.err, &mut self.chunk)?;
        if count > 0 {
            put_error_bytes(&mut self.pending, &self.chunk[..count]);
            self.err += count as u64;
        }
        if said.out_ended && !self.out_ended && self.out == said.out.len() {
            self.out_ended = true;
            put_message(&mut self.pending, &Answer::StdoutEnded);
        }
        if said.err_ended && !self.err_ended && self.err == said.err.len() {
            self.err_ended = true;
            put_message(&mut self.pending, &Answer::StderrEnded);
        }
        if let (Some((exit, left_others)), false) = (said.exit, self.exited) {
            self.exited = true;
            put_message(&mut self.pending, &Answer::Exited { exit, left_others });
        }
        if self.ended < said.ended {
            self.ended = said.ended;
            put_message(&mut self.pending, &Answer::Ended);
        }
        Ok(())
    }
}
