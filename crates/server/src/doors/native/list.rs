//! `GET /v1/executions`

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use legwork_model::{ExecutionId, ExecutionState, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::view::ExecutionView;
use crate::admission::{Caller, Permission};
use crate::doors::{Doors, Problem};
use crate::parse::nearest;
use crate::store::executions::Filter;

const DEFAULT_LIMIT: u64 = 50;
const MOST: u64 = 200;
const TIME: &str = "must be a time such as 2026-03-01T12:00:00Z";
const KNOWN: [&str; 10] =
    ["state", "agent", "lane", "sessionId", "project", "user", "since", "until", "cursor", "limit"];

/// A page of executions, newest first.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExecutionPage {
    /// The executions.
    pub executions: Vec<ExecutionView>,
    /// Send as `cursor` to get the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Lists executions, newest first.
#[utoipa::path(
    get, path = "/v1/executions", tag = "executions",
    params(
        ("state" = Option<ExecutionState>, Query, description = "in this state"),
        ("agent" = Option<String>, Query, description = "by this agent"),
        ("lane" = Option<String>, Query, description = "in this lane"),
        ("sessionId" = Option<String>, Query, description = "in this session of the agent"),
        ("project" = Option<String>, Query, description = "of this project"),
        ("user" = Option<String>, Query, description = "for this user"),
        ("since" = Option<Timestamp>, Query, description = "accepted at this time or later"),
        ("until" = Option<Timestamp>, Query, description = "accepted before this time"),
        ("cursor" = Option<String>, Query, description = "where the page before ended"),
        ("limit" = Option<u64>, Query, description = "1 to 200; 50 where absent"),
    ),
    responses((status = 200, body = ExecutionPage), (status = 400, description = "A parameter is wrong", body = Problem)),
)]
pub async fn list(
    State(doors): State<Doors>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<ExecutionPage>, Problem> {
    caller.require(Permission::Read)?;
    let (filter, limit) = parse_query(query.as_deref().unwrap_or_default())?;
    // One more than asked for tells whether there is a next page.
    let mut records = doors.app.store.executions(&filter, limit + 1).await?;
    let more = records.len() as u64 > limit;
    records.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let next_cursor = records.last().filter(|_| more).map(|last| cursor_after(last.id));
    let executions = records.into_iter().map(|record| ExecutionView::in_list(record, &doors.app)).collect();
    Ok(Json(ExecutionPage { executions, next_cursor }))
}

fn parse_query(query: &str) -> Result<(Filter, u64), Problem> {
    let mut filter = Filter::default();
    let mut limit = DEFAULT_LIMIT;
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let wrong = |what: &str| invalid(format!("{name}: {what}"));
        if value.contains('\0') {
            return Err(wrong("holds a NUL character, which nothing on record does"));
        }
        match name.as_ref() {
            "state" => {
                let states = ExecutionState::ALL.map(ExecutionState::as_str).join(", ");
                filter.state =
                    Some(ExecutionState::parse(&value).ok_or_else(|| wrong(&format!("must be one of {states}")))?);
            }
            "agent" => filter.agent = Some(value.into_owned()),
            "lane" => filter.lane = Some(value.into_owned()),
            "sessionId" => filter.session_id = Some(value.into_owned()),
            "project" => filter.project = Some(value.into_owned()),
            "user" => filter.user = Some(value.into_owned()),
            "since" => filter.since = Some(time(&value).ok_or_else(|| wrong(TIME))?),
            "until" => filter.until = Some(time(&value).ok_or_else(|| wrong(TIME))?),
            "cursor" => filter.before = Some(cursor(&value)?),
            "limit" => {
                let within = value.parse().ok().filter(|limit| (1..=MOST).contains(limit));
                limit = within.ok_or_else(|| wrong("must be from 1 to 200"))?;
            }
            _ => {
                let near = nearest(&name, KNOWN).map_or(".".to_owned(), |near| format!(", did you mean `{near}`?"));
                return Err(invalid(format!("unknown parameter `{name}`{near} Known: {}", KNOWN.join(", "))));
            }
        }
    }
    Ok((filter, limit))
}

fn invalid(detail: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "invalid_parameter", detail)
}

/// A `+` of a time zone that was not percent-encoded arrives as a space.
fn time(value: &str) -> Option<Timestamp> {
    Timestamp::parse(&value.replace(' ', "+"))
}

fn cursor_after(id: ExecutionId) -> String {
    URL_SAFE_NO_PAD.encode(id.to_string())
}

fn cursor(value: &str) -> Result<ExecutionId, Problem> {
    let id = URL_SAFE_NO_PAD.decode(value).ok().and_then(|bytes| String::from_utf8(bytes).ok()?.parse().ok());
    let detail = "this cursor was not made by this server; start again without one";
    id.ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, "invalid_cursor", detail))
}
