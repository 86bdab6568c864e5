//! How an answer leaves: whole or as a stream, with its pauses and mishaps. The same for every API.

use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use legwork_model::ModelApi;
use serde_json::Value;

use super::frame::{self, Frame};
use super::refusal::Refusal;
use super::reply::{Ending, Reply};
use super::step::Mishap;

/// One API's form of an answer.
pub(crate) trait Wire {
    /// Which API it is.
    const API: ModelApi;

    /// How the API calls a key that it rejects.
    const BAD_KEY: &str;

    /// Whether the client wants to see the answer grow.
    fn streamed(&self) -> bool;

    /// The body of an answer that is not streamed.
    fn whole(&self, reply: &Reply) -> Value;

    /// The events of a streamed answer, to its ending.
    fn frames(&self, reply: &Reply) -> Vec<Frame>;
}

/// The response that gives `reply`, or its mishap.
pub(crate) async fn perform<W: Wire>(wire: &W, reply: &Reply) -> Response {
    let started = wire.streamed() && !reply.blocks.is_empty();
    match reply.ending {
        Ending::Mishap(Mishap::Error(status)) if !started => {
            return Refusal::scripted(status, W::BAD_KEY).respond(W::API);
        }
        Ending::Mishap(Mishap::Hang) if !started => std::future::pending().await,
        _ => {}
    }
    if wire.streamed() {
        let events = frame::body(wire.frames(reply));
        return ([(header::CONTENT_TYPE, "text/event-stream")], events).into_response();
    }
    tokio::time::sleep(reply.duration()).await;
    ([(header::CONTENT_TYPE, "application/json")], whole(wire.whole(reply).to_string(), reply.ending)).into_response()
}

fn whole(mut text: String, ending: Ending) -> Body {
    match ending {
        Ending::Mishap(_) => {
            let half = (0..=text.len() / 2).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            text.truncate(half);
            frame::body(vec![Frame::Data(text.into()), Frame::Cut])
        }
        _ => Body::from(text),
    }
}

/// The body of a request, if it arrived.
pub(crate) fn body(arrived: Result<Bytes, BytesRejection>) -> Result<Bytes, Refusal> {
    arrived.map_err(|rejection| Refusal::unreadable(&rejection))
}

/// Whoever asks; any credential will do, but as with a real API there must be one. `given` is where it may be.
pub(crate) fn credential<'a>(given: Option<&'a [u8]>, status: StatusCode, wanted: &str) -> Result<&'a [u8], Refusal> {
    given.filter(|credential| !credential.is_empty()).ok_or_else(|| {
        Refusal::new(status, &format!("{wanted} is required: the rehearsal model takes any key, but needs one"))
    })
}

/// Puts the request's id into the header that the API has for it.
pub(crate) fn identified(mut response: Response, header: &'static str, number: u64) -> Response {
    if let Ok(id) = HeaderValue::try_from(format!("req_rehearsal{number:06}")) {
        response.headers_mut().insert(header, id);
    }
    response
}
