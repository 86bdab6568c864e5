//! `GET /v1/executions/{id}/events`

use axum::Json;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::stream::{Format, ndjson, sse};
use super::{WrittenId, find};
use crate::admission::Caller;
use crate::doors::{Doors, Problem};
use crate::store::RecordedEvent;

const DEFAULT_LIMIT: u64 = 100;
const MOST: u64 = 1_000;

/// Where to begin, and how much.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    after: Option<String>,
    limit: Option<String>,
}

/// A page of events.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventPage {
    /// The events, in order.
    #[schema(value_type = Vec<legwork_model::Event>)]
    pub events: Vec<RecordedEvent>,
    /// Send as `after` to get what follows.
    pub next_after: u64,
    /// Whether nothing will follow.
    pub complete: bool,
}

/// Reads an execution's events: a live stream (`Accept: text/event-stream` or `application/x-ndjson`) that begins with
/// what is on record and ends with the last event, or JSON pages of what is on record.
#[utoipa::path(
    get, path = "/v1/executions/{id}/events", tag = "executions",
    params(
        ("id" = String, Path),
        ("after" = Option<u64>, Query, description = "only events with a higher number"),
        ("limit" = Option<u64>, Query, description = "events of a page: 1 to 1000; 100 where absent"),
        ("Last-Event-ID" = Option<u64>, Header, description = "like `after`; what an SSE client sends when it reconnects"),
    ),
    responses(
        (status = 200, description = "Events", body = EventPage),
        (status = 204, description = "Nothing will follow: a stream after the last event"),
        (status = 400, description = "A parameter is wrong", body = Problem),
        (status = 404, description = "There is no such execution", body = Problem),
    ),
)]
pub async fn events(
    State(doors): State<Doors>,
    caller: Caller,
    WrittenId(id): WrittenId,
    range: Result<Query<Range>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let record = find(&doors, &caller, &id).await?;
    let Query(range) = range.map_err(|error| {
        invalid(error.body_text().trim_start_matches("Failed to deserialize query string: ").to_owned())
    })?;
    let after = match headers.get("last-event-id") {
        Some(id) => number("Last-Event-ID", id.to_str().ok())?,
        None => number("after", Some(range.after.as_deref().unwrap_or("0")))?,
    };
    // What comes after an event that is not there yet begins with the next one.
    let after = after.min(record.last_seq);
    let over = record.state.is_finished() && after == record.last_seq;
    match Format::of(&headers) {
        // It also makes a browser stop, which connects again after every end.
        Format::Sse | Format::Ndjson if over => Ok(StatusCode::NO_CONTENT.into_response()),
        Format::Sse => Ok(sse(&doors.app, record.id, after)),
        Format::Ndjson => Ok(ndjson(&doors.app, record.id, after)),
        Format::Pages => {
            let limit = range.limit.as_deref().map_or(Ok(DEFAULT_LIMIT), |limit| number("limit", Some(limit)))?;
            if !(1..=MOST).contains(&limit) {
                return Err(invalid(format!("limit: must be from 1 to {MOST}")));
            }
            let events = doors.app.store.events_after(record.id, after, limit).await?;
            let next_after = events.last().map_or(after, |event| event.seq);
            let complete = record.state.is_finished() && next_after >= record.last_seq;
            Ok(Json(EventPage { events, next_after, complete }).into_response())
        }
    }
}

fn number(name: &str, text: Option<&str>) -> Result<u64, Problem> {
    // A database counts in signed 64 bits.
    let number = text.and_then(|text| text.parse::<u64>().ok()).filter(|number| i64::try_from(*number).is_ok());
    number.ok_or_else(|| invalid(format!("{name}: must be the number of an event, 0 or more")))
}

fn invalid(detail: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "invalid_parameter", detail)
}
