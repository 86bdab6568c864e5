//! How messages and bytes follow each other on a connection: one byte that says what comes, four that say how long it is
//! (least significant first), and that.

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Larger messages are refused; bytes are cut before.
const LARGEST: usize = 256 * 1024 * 1024;
const HEAD: usize = 5;

const MESSAGE: u8 = 0;
const BYTES: u8 = 1;
const ERROR_BYTES: u8 = 2;

/// One thing on a connection.
#[derive(Debug)]
pub(super) enum Frame<M> {
    /// A message.
    Message(M),
    /// Standard input or output.
    Bytes(Vec<u8>),
    /// Standard error.
    ErrorBytes(Vec<u8>),
}

/// Takes frames out of what was read.
#[derive(Debug, Default)]
pub(super) struct Frames {
    buffer: Vec<u8>,
    taken: usize,
}

impl Frames {
    /// Where to read to.
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        if self.taken > 0 {
            self.buffer.drain(..self.taken);
            self.taken = 0;
        }
        &mut self.buffer
    }

    /// The next frame, once all of it is there.
    pub(super) fn next<M: DeserializeOwned>(&mut self) -> io::Result<Option<Frame<M>>> {
        let rest = &self.buffer[self.taken..];
        let Some((&[kind, a, b, c, d], body)) = rest.split_first_chunk::<HEAD>() else { return Ok(None) };
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        if length > LARGEST {
            return Err(broken("a frame is too large"));
        }
        let Some(body) = body.get(..length) else { return Ok(None) };
        let frame = match kind {
            MESSAGE => Frame::Message(serde_json::from_slice(body).map_err(|error| broken(&error.to_string()))?),
            BYTES => Frame::Bytes(body.to_vec()),
            ERROR_BYTES => Frame::ErrorBytes(body.to_vec()),
            _ => return Err(broken("a frame of no known kind")),
        };
        self.taken += HEAD + length;
        Ok(Some(frame))
    }
}

/// Adds a message to what is to be written.
pub(super) fn put_message(to: &mut Vec<u8>, message: &impl Serialize) {
    let head = to.len();
    to.extend([MESSAGE, 0, 0, 0, 0]);
    // Plain data always serialises; were it not so, an empty message is refused at the other end.
    let _ = serde_json::to_writer(&mut *to, message);
    let length = u32::try_from(to.len() - head - HEAD).unwrap_or(u32::MAX);
    to[head + 1..head + HEAD].copy_from_slice(&length.to_le_bytes());
}

/// Adds standard input or output to what is to be written.
pub(super) fn put_bytes(to: &mut Vec<u8>, bytes: &[u8]) {
    put(to, BYTES, bytes);
}

/// Adds standard error to what is to be written.
pub(super) fn put_error_bytes(to: &mut Vec<u8>, bytes: &[u8]) {
    put(to, ERROR_BYTES, bytes);
}

fn put(to: &mut Vec<u8>, kind: u8, bytes: &[u8]) {
    to.push(kind);
    to.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
    to.extend(bytes);
}

pub(super) fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::message::Request;
    use super::*;

    #[test]
    fn frames_come_out_as_they_went_in_wherever_they_are_cut() {
        let mut wire = Vec::new();
        put_message(&mut wire, &Request::List);
        put_bytes(&mut wire, b"abc");
        put_error_bytes(&mut wire, b"");
        for cut in 0..wire.len() {
            let mut frames = Frames::default();
            let mut seen = Vec::new();
            for part in [&wire[..cut], &wire[cut..]] {
                frames.buffer().extend(part);
                while let Some(frame) = frames.next::<Request>().expect("whole") {
                    seen.push(format!("{frame:?}"));
                }
            }
            assert_eq!(seen, ["Message(List)", "Bytes([97, 98, 99])", "ErrorBytes([])"]);
        }
    }

    #[test]
    fn what_is_no_frame_is_an_error() {
        for wire in [&[7, 0, 0, 0, 0][..], &[0, 1, 0, 0, 0, b'x'], &[1, 255, 255, 255, 255]] {
            let mut frames = Frames::default();
            frames.buffer().extend(wire);
            assert!(frames.next::<Request>().is_err(), "{wire:?}");
        }
    }
}
