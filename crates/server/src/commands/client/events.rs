//! Following an execution's events over connections that break.

use std::collections::VecDeque;
use std::time::Duration;

use legwork_model::{Event, ExecutionId};
use reqwest::{Response, StatusCode};
use serde::Deserialize;
use tokio::time::Instant;

use super::sse::Parser;
use super::{Client, ClientError};

/// Without so much as a heartbeat for this long a connection is taken for dead.
const SILENCE: Duration = Duration::from_secs(60);
/// How long the server may be away, for a restart for instance.
const PATIENCE: Duration = Duration::from_secs(60);
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// One event as the server wrote it and, where its kind is known here, decoded.
#[derive(Debug, Clone)]
pub struct StreamedEvent {
    /// One line of JSON.
    pub json: String,
    /// The same, decoded; `None` for what a newer server may say.
    pub event: Option<Event>,
    seq: Option<u64>,
    last: bool,
}

#[derive(Deserialize)]
struct Envelope {
    seq: u64,
    kind: String,
}

impl StreamedEvent {
    pub(super) fn new(json: String) -> Self {
        let envelope: Option<Envelope> = serde_json::from_str(&json).ok();
        let last = envelope.as_ref().is_some_and(|event| event.kind == legwork_model::EventBody::FINISHED);
        let seq = envelope.map(|event| event.seq);
        Self { event: serde_json::from_str(&json).ok(), json, seq, last }
    }
}

/// What comes next while following an execution.
#[derive(Debug)]
pub enum Next {
    /// An event.
    Event(StreamedEvent),
    /// The connection broke; said once for each time, then it is tried again.
    Lost(ClientError),
    /// The execution has ended; the last event was given before.
    End,
}

/// The events of one execution, each once and in order, over as many connections as it takes.
#[derive(Debug)]
pub struct Events {
    client: Client,
    id: ExecutionId,
    /// The number of the last event given.
    last_seq: u64,
    ready: VecDeque<StreamedEvent>,
    connection: Option<(Response, Parser)>,
    outage: Outage,
    ended: bool,
}

/// Since when nothing came, and how long to wait before the next try.
#[derive(Debug, Default)]
struct Outage {
    since: Option<Instant>,
    pause: Duration,
}

impl Events {
    pub(super) fn new(client: Client, id: ExecutionId) -> Self {
        let (ready, outage) = (VecDeque::new(), Outage::default());
        Self { client, id, last_seq: 0, ready, connection: None, outage, ended: false }
    }

    /// Waits for what comes next.
    ///
    /// # Errors
    /// Where the server refuses, or was away for a minute.
    pub async fn next(&mut self) -> Result<Next, ClientError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.last_seq = event.seq.unwrap_or(self.last_seq);
                self.ended = event.last;
                return Ok(Next::Event(event));
            }
            if self.ended {
                return Ok(Next::End);
            }
            if let Err(error) = self.go_on().await {
                self.connection = None;
                if let Some(news) = self.outage.goes_on(error, Instant::now())? {
                    return Ok(Next::Lost(news));
                }
            }
        }
    }

    /// Connects, or reads once.
    async fn go_on(&mut self) -> Result<(), ClientError> {
        let Some((response, parser)) = &mut self.connection else {
            tokio::time::sleep(self.outage.pause).await;
            let response = self.client.stream(self.id, self.last_seq).await?;
            // The server's way to say that nothing follows.
            self.ended = response.status() == StatusCode::NO_CONTENT;
            self.connection = Some((response, Parser::default()));
            return Ok(());
        };
        let bytes = read(&self.client, response).await?;
        let events = parser.push(&bytes).into_iter().map(StreamedEvent::new);
        // Numbers make sure that nothing is given twice, whatever a proxy in between repeats.
        let last_seq = self.last_seq;
        self.ready.extend(events.filter(|event| event.seq.is_none_or(|seq| seq > last_seq)));
        self.outage = Outage::default();
        Ok(())
    }
}

impl Outage {
    /// Gives the error on where it is the first of this outage.
    fn goes_on(&mut self, error: ClientError, now: Instant) -> Result<Option<ClientError>, ClientError> {
        let first = self.since.is_none();
        let since = *self.since.get_or_insert(now);
        if !error.may_pass() || now - since >= PATIENCE {
            return Err(error);
        }
        self.pause = (self.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        Ok(first.then_some(error))
    }
}

async fn read(client: &Client, response: &mut Response) -> Result<bytes::Bytes, ClientError> {
    let broken = |why: &str| ClientError::Unreachable { server: client.base().to_owned(), why: why.to_owned() };
    match tokio::time::timeout(SILENCE, response.chunk()).await {
        Ok(Ok(Some(bytes))) => Ok(bytes),
        Ok(Ok(None)) => Err(broken("the stream ended early")),
        Ok(Err(error)) => Err(ClientError::unreachable(&client.base, &error)),
        Err(_) => Err(broken("the connection fell silent")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken() -> ClientError {
        ClientError::Unreachable { server: "http://x".into(), why: "gone".into() }
    }

    #[test]
    fn an_outage_is_told_once_and_borne_for_a_minute() {
        let (mut outage, start) = (Outage::default(), Instant::now());
        assert_eq!(outage.goes_on(broken(), start), Ok(Some(broken())), "told at first");
        let (mut now, mut tries) = (start + outage.pause, 0);
        while outage.goes_on(broken(), now).is_ok_and(|told| told.is_none()) {
            now += outage.pause;
            tries += 1;
        }
        assert!((10..30).contains(&tries), "{tries} tries");
        assert!(now - start >= PATIENCE);
    }

    #[test]
    fn what_will_not_pass_is_not_tried_again() {
        let unknown = ClientError::Refused { status: 404, code: "not_found".into(), detail: String::new() };
        assert_eq!(Outage::default().goes_on(unknown.clone(), Instant::now()), Err(unknown));
    }

    #[test]
    fn an_event_of_an_unknown_kind_is_kept_as_it_came() {
        let known = StreamedEvent::new(
            r#"{"seq":2,"at":"2026-03-01T12:00:00.000Z","kind":"stderr","data":{"line":"x"}}"#.into(),
        );
        assert!(known.event.is_some() && known.seq == Some(2) && !known.last);
        let unknown =
            StreamedEvent::new(r#"{"seq":3,"at":"2026-03-01T12:00:00.000Z","kind":"telepathy","data":{}}"#.into());
        assert!(unknown.event.is_none() && unknown.seq == Some(3) && !unknown.last);
    }
}
