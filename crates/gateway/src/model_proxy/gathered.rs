//! A body whose pieces are passed on together where they come faster than they can be sent one by one.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::body::{Body, Bytes, Frame, SizeHint};

/// Bytes that are gathered before they are passed on, at the most.
const MOST: usize = 64 * 1024;

/// How often it is looked for more before what there is is passed on. hyper's server looks twice in the same turn of the
/// scheduler, so only the third look comes after the sender had a turn of its own.
const LOOKS: u8 = 2;

/// A body whose pieces are gathered for as long as there are more of them, which is never longer than one turn of the
/// scheduler: what comes alone is passed on alone.
pub(super) struct Gathered {
    body: reqwest::Body,
    pieces: Vec<u8>,
    /// How often it was looked for more since the last piece.
    waited: u8,
    /// What ended it early, to be told after the pieces.
    failure: Option<reqwest::Error>,
    /// Whether it is about to be told.
    is_failing: bool,
}

impl Gathered {
    pub(super) fn new(body: reqwest::Body) -> Self {
        Self { body, pieces: Vec::new(), waited: 0, failure: None, is_failing: false }
    }

    /// Whether all is here that can be had now.
    fn poll_pieces(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.failure.is_none() && self.pieces.len() < MOST {
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    if let Some(data) = frame.data_ref() {
                        self.pieces.extend_from_slice(data);
                        self.waited = 0;
                    }
                }
                Poll::Ready(Some(Err(error))) => self.failure = Some(error),
                Poll::Ready(None) => break,
                Poll::Pending if self.pieces.is_empty() => return Poll::Pending,
                Poll::Pending if self.waited == LOOKS => break,
                Poll::Pending => {
                    self.waited += 1;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(())
    }
}

impl Body for Gathered {
    type Data = Bytes;
    type Error = reqwest::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, reqwest::Error>>> {
        ready!(self.poll_pieces(cx));
        let pieces = std::mem::take(&mut self.pieces);
        if !pieces.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(pieces.into()))));
        }
        // hyper drops what it has not yet written when a body fails: let it write first.
        if self.failure.is_some() && !std::mem::replace(&mut self.is_failing, true) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(self.failure.take().map(Err))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty() && self.failure.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.pieces.is_empty() { self.body.size_hint() } else { SizeHint::default() }
    }
}
