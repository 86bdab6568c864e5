//! `GET /v1/executions`

use axum::Json;
use axum::extract::{RawQuery, State};
use legwork_model::{ExecutionId, ExecutionState, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::query;
use super::view::ExecutionView;
use crate::admission::{Caller, Permission};
use crate::doors::{Doors, Problem};
use crate::store::executions::Filter;

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

fn parse_query(text: &str) -> Result<(Filter, u64), Problem> {
    let mut filter = Filter::default();
    let mut limit = query::DEFAULT_LIMIT;
    for (name, value) in url::form_urlencoded::parse(text.as_bytes()) {
        let wrong = |what: &str| query::wrong(&name, what);
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
            "since" => filter.since = Some(query::time(&name, &value)?),
            "until" => filter.until = Some(query::time(&name, &value)?),
            "cursor" => filter.before = Some(query::cursor(&value)?),
            "limit" => limit = query::limit(&name, &value)?,
            _ => return Err(query::unknown(&name, &KNOWN)),
        }
    }
    Ok((filter, limit))
}

fn cursor_after(id: ExecutionId) -> String {
    query::cursor_of(&id.to_string())
}
