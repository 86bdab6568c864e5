//! The body of a streamed answer: server-sent events, with pauses and mishaps in between.

use std::fmt::Display;
use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures::{StreamExt, stream};
use serde_json::Value;

use super::reply::{Speech, TOKEN_INTERVAL, slow_token};

/// A stream gives a text in about this many pieces, however long it is.
const PIECES: usize = 200;

/// But in pieces of at least this many characters.
const SHORTEST_PIECE: usize = 16;

/// What a stream does next.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Frame {
    Data(Bytes),
    Pause(Duration),
    /// Nothing more, for ever; the client's leaving or the server's end drops the stream.
    Hang,
    /// Ends the connection without ending the body.
    Cut,
}

impl Frame {
    /// An event that bears the name of its type.
    pub(crate) fn event(event: &Value) -> Self {
        let name = event.get("type").and_then(Value::as_str).unwrap_or("message");
        Self::Data(format!("event: {name}\ndata: {event}\n\n").into())
    }

    /// An event without a name.
    pub(crate) fn data(event: &impl Display) -> Self {
        Self::Data(format!("data: {event}\n\n").into())
    }
}

/// A body that performs the frames one after the other.
pub(crate) fn body(frames: Vec<Frame>) -> Body {
    Body::from_stream(stream::iter(frames).filter_map(perform))
}

async fn perform(frame: Frame) -> Option<io::Result<Bytes>> {
    match frame {
        Frame::Data(bytes) => Some(Ok(bytes)),
        Frame::Pause(duration) => {
            tokio::time::sleep(duration).await;
            None
        }
        Frame::Hang => std::future::pending().await,
        Frame::Cut => {
            // hyper drops what it has not yet written when a body fails: let it write first.
            tokio::task::yield_now().await;
            Some(Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the script cuts the connection here")))
        }
    }
}

/// A text as a stream gives it, piece by piece.
pub(crate) fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let length = (text.len() / PIECES).max(SHORTEST_PIECE);
    let mut rest = text;
    std::iter::from_fn(move || {
        let end = (length..rest.len()).find(|at| rest.is_char_boundary(*at)).unwrap_or(rest.len());
        let (piece, after) = rest.split_at(end);
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

/// The frames of a text, spoken at once or slowly; `frame` makes one of a piece.
pub(crate) fn spoken(speech: Speech<'_>, frame: impl Fn(&str) -> Frame) -> Vec<Frame> {
    match speech {
        Speech::Fluent(text) => pieces(text).map(frame).collect(),
        Speech::Slow(tokens) => {
            (1..=tokens).flat_map(|number| [Frame::Pause(TOKEN_INTERVAL), frame(&slow_token(number))]).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_make_up_the_text_and_stay_few() {
        for text in ["", "é", "short", &"öäü€".repeat(40), &"x".repeat(300_000)] {
            assert_eq!(pieces(text).collect::<String>(), text);
            assert!(pieces(text).count() <= PIECES + 1);
        }
    }
}
