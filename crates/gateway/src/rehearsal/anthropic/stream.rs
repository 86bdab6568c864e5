//! The body of a streamed answer: server-sent events, with pauses and mishaps in between.

use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures::{StreamExt, stream};
use serde_json::Value;

/// What a stream does next.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Frame {
    Data(Bytes),
    Pause(Duration),
    /// Nothing more, for ever; the client's leaving or the server's end drops the stream.
    Hang,
    /// Ends the connection without ending the body.
    Cut,
}

impl Frame {
    /// An event that bears the name of its type.
    pub(super) fn event(event: &Value) -> Self {
        let name = event.get("type").and_then(Value::as_str).unwrap_or("message");
        Self::Data(format!("event: {name}\ndata: {event}\n\n").into())
    }
}

/// A body that performs the frames one after the other.
pub(super) fn body(frames: Vec<Frame>) -> Body {
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
