//! The body of an answer on its way back: passed on as it comes, read along, and closed in the books when it ends, however it
//! ends.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::time::Instant;

use super::gathered::Gathered;
use super::meter::{Meter, Reading};
use super::prices::Prices;
use super::run::{Answered, Run};
use super::tokens::Tokens;

/// The body of an answer.
pub(super) struct AnswerBody {
    body: Gathered,
    /// What is to be written into the books, until it is.
    line: Option<Line>,
}

/// A line of the books that is being written.
pub(super) struct Line {
    pub(super) run: Arc<Run>,
    pub(super) prices: Arc<Prices>,
    /// None where the API refused, which takes no tokens.
    pub(super) meter: Option<Meter>,
    /// The model that was asked for, where that could be read.
    pub(super) model: Option<String>,
    pub(super) credential: String,
    pub(super) imputed: bool,
    pub(super) status: u16,
    pub(super) began: Instant,
    pub(super) first_byte: Option<u64>,
}

impl AnswerBody {
    pub(super) fn new(body: reqwest::Body, line: Option<Line>) -> Self {
        Self { body: Gathered::new(body), line }
    }

    fn close(&mut self) {
        if let Some(line) = self.line.take() {
            line.close();
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = reqwest::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, reqwest::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                if let (Some(line), Some(data)) = (&mut self.line, frame.data_ref()) {
                    line.read(data);
                }
            }
            Some(Err(_)) | None => self.close(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        self.close();
    }
}

impl Line {
    fn read(&mut self, data: &[u8]) {
        self.first_byte.get_or_insert_with(|| millis(self.began));
        if let Some(meter) = &mut self.meter {
            meter.read(data);
        }
    }

    fn close(self) {
        let Self { run, prices, meter, model, credential, imputed, status, began, first_byte } = self;
        let Reading { tokens, model: answering, estimated } = meter.map(Meter::finish).unwrap_or_default();
        let duration_ms = millis(began);
        let price = |model: &Option<String>| prices.cost(model.as_deref()?, &tokens);
        let stand_in = || prices.cost(run.pass.priced_as?, &tokens);
        // Nothing is for nothing: a request whose model nobody could read costs what the dearest does.
        let cost = price(&model).or_else(|| price(&answering)).or_else(stand_in);
        let took_some = tokens != Tokens::default();
        run.pass.books.answered(Answered {
            model: model.or(answering).unwrap_or_else(|| "unknown".to_owned()),
            usage: tokens.usage,
            api: run.pass.api,
            credential,
            status,
            cost: cost.unwrap_or_else(|| prices.dearest(&tokens)),
            estimated: estimated || cost.is_none() && took_some,
            imputed: imputed && took_some,
            first_byte_ms: first_byte.unwrap_or(duration_ms),
            duration_ms,
        });
    }
}

pub(super) fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
