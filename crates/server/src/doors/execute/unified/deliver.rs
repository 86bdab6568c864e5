//! Posts the events of an execution to the receiver that the operator has set: in order, in batches, again until they are
//! taken. The receiver may see a batch twice, never a gap.

use std::sync::LazyLock;
use std::time::Duration;

use futures::StreamExt;
use legwork_model::ExecutionId;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::events::translated;
use crate::app::App;
use crate::events::follow;
use crate::store::{RecordedEvent, StoreError};

/// Events of a batch at the most, and their bytes, roughly.
const MOST_EVENTS: usize = 100;
const MOST_BYTES: usize = 256 * 1024;
/// How long the receiver may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long to leave it alone after it failed, at first and at most.
const SHORTEST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long to try again what it does not take.
const GIVE_UP: Duration = Duration::from_secs(3_600);

/// Who gets the events of which execution.
pub(super) struct Delivery {
    pub(super) url: String,
    pub(super) session_id: String,
    pub(super) access_token: String,
    pub(super) execution: ExecutionId,
}

/// Why a batch was not taken.
enum Refused {
    /// It may be taken later.
    ForNow(String),
    /// It never will be.
    ForGood(StatusCode),
}

/// Why the rest is not delivered, for now or for good.
enum GivenUp {
    Unreadable(StoreError),
    NotTaken(String),
}

/// Delivers to the last event.
pub(super) async fn deliver(app: App, delivery: Delivery) {
    let (id, mut delivered) = (delivery.execution, 0);
    loop {
        match deliver_after(&app, &delivery, &mut delivered).await {
            Ok(()) => return,
            Err(GivenUp::Unreadable(error)) => {
                tracing::warn!(execution = %id, %error, "the log can't be read for its receiver; trying again");
                tokio::time::sleep(LONGEST_PAUSE).await;
            }
            Err(GivenUp::NotTaken(reason)) => {
                metrics::counter!("legwork_event_deliveries_given_up_total").increment(1);
                return tracing::warn!(execution = %id, reason, "the receiver does not take events; it gets no more of them");
            }
        }
    }
}

/// Delivers what comes after number `delivered`, which goes on with what is.
async fn deliver_after(app: &App, delivery: &Delivery, delivered: &mut u64) -> Result<(), GivenUp> {
    let events = follow(app.store.clone(), &app.hub, delivery.execution, *delivered).ready_chunks(MOST_EVENTS);
    let mut events = std::pin::pin!(events);
    while let Some(ready) = events.next().await {
        let ready: Vec<RecordedEvent> = ready.into_iter().collect::<Result<_, _>>().map_err(GivenUp::Unreadable)?;
        for batch in batches(&ready) {
            insist(delivery, batch).await.map_err(GivenUp::NotTaken)?;
            *delivered = batch.last().map_or(*delivered, |event| event.seq);
        }
    }
    Ok(())
}

/// Cuts what is ready into batches that are not too large.
fn batches(events: &[RecordedEvent]) -> impl Iterator<Item = &[RecordedEvent]> {
    let mut bytes = 0;
    events.chunk_by(move |_, next| {
        bytes += next.data.get().len();
        let fits = bytes < MOST_BYTES;
        bytes = if fits { bytes } else { 0 };
        fits
    })
}

async fn insist(delivery: &Delivery, batch: &[RecordedEvent]) -> Result<(), String> {
    let (begun, mut pause) = (tokio::time::Instant::now(), SHORTEST_PAUSE);
    loop {
        match post(delivery, batch).await {
            Ok(()) => return Ok(()),
            Err(Refused::ForGood(status)) => return Err(format!("it answered {status}")),
            Err(Refused::ForNow(reason)) if begun.elapsed() > GIVE_UP => return Err(reason),
            Err(Refused::ForNow(reason)) => tracing::debug!(reason, "the receiver failed; trying again"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn post(delivery: &Delivery, batch: &[RecordedEvent]) -> Result<(), Refused> {
    static CLIENT: LazyLock<Result<reqwest::Client, reqwest::Error>> = LazyLock::new(|| {
        reqwest::Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none()).no_proxy().build()
    });
    let client = CLIENT.as_ref().map_err(|error| Refused::ForNow(error.to_string()))?;
    let events: Vec<Value> = batch.iter().map(|event| event_json(delivery.execution, event)).collect();
    let body = json!({ "sessionId": delivery.session_id, "executionId": delivery.execution, "events": events });
    let sent = client.post(&delivery.url).bearer_auth(&delivery.access_token).json(&body).send().await;
    // The URL is the operator's, but may hold a password.
    let status = sent.map_err(|error| Refused::ForNow(error.without_url().to_string()))?.status();
    match status {
        _ if status.is_success() => Ok(()),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
            Err(Refused::ForNow(format!("it answered {status}")))
        }
        _ if status.is_server_error() => Err(Refused::ForNow(format!("it answered {status}"))),
        _ => Err(Refused::ForGood(status)),
    }
}

fn event_json(id: ExecutionId, event: &RecordedEvent) -> Value {
    let (name, data) = translated(id, event);
    json!({ "sequence": event.seq, "at": event.at, "event": name, "data": data })
}
