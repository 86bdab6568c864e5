//! `GET /v1/tool-uses`

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use legwork_model::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::admission::{Caller, Permission};
use crate::doors::{Doors, Problem};
use crate::parse::nearest;
use crate::store::tool_uses::{ToolDecision, ToolUse, ToolUseFilter, ToolUsePlace};

const DEFAULT_LIMIT: u64 = 50;
const MOST: u64 = 200;
const TIME: &str = "must be a time such as 2026-03-01T12:00:00Z";
const KNOWN: [&str; 8] = ["executionId", "project", "tool", "decision", "since", "until", "cursor", "limit"];

/// A page of uses of tools, newest first.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ToolUsePage {
    /// The uses.
    pub tool_uses: Vec<ToolUse>,
    /// Send as `cursor` to get the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Lists what agents did with their tools, or wanted to, and who let them, newest first.
#[utoipa::path(
    get, path = "/v1/tool-uses", tag = "approvals", operation_id = "list_tool_uses",
    params(
        ("executionId" = Option<String>, Query, description = "by the agent of this execution"),
        ("project" = Option<String>, Query, description = "in executions of this project"),
        ("tool" = Option<String>, Query, description = "of this tool, as its agent names it"),
        ("decision" = Option<ToolDecision>, Query, description = "with this decision"),
        ("since" = Option<Timestamp>, Query, description = "at this time or later"),
        ("until" = Option<Timestamp>, Query, description = "before this time"),
        ("cursor" = Option<String>, Query, description = "where the page before ended"),
        ("limit" = Option<u64>, Query, description = "1 to 200; 50 where absent"),
    ),
    responses((status = 200, body = ToolUsePage), (status = 400, description = "A parameter is wrong", body = Problem)),
)]
pub async fn list(
    State(doors): State<Doors>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<ToolUsePage>, Problem> {
    caller.require(Permission::Read)?;
    let (filter, limit) = parse_query(query.as_deref().unwrap_or_default())?;
    // One more than asked for tells whether there is a next page.
    let mut tool_uses = doors.app.store.tool_uses(&filter, limit + 1).await?;
    let more = tool_uses.len() as u64 > limit;
    tool_uses.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let next_cursor = tool_uses.last().filter(|_| more).map(cursor_after);
    Ok(Json(ToolUsePage { tool_uses, next_cursor }))
}

fn parse_query(query: &str) -> Result<(ToolUseFilter, u64), Problem> {
    let mut filter = ToolUseFilter::default();
    let mut limit = DEFAULT_LIMIT;
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let wrong = |what: &str| invalid(format!("{name}: {what}"));
        if value.contains('\0') {
            return Err(wrong("holds a NUL character, which nothing on record does"));
        }
        match name.as_ref() {
            "executionId" => filter.execution = Some(value.parse().map_err(|_| wrong("is no id of an execution"))?),
            "project" => filter.project = Some(value.into_owned()),
            "tool" => filter.tool = Some(value.into_owned()),
            "decision" => {
                let all = ToolDecision::ALL.map(ToolDecision::as_str).join(", ");
                filter.decision =
                    Some(ToolDecision::parse(&value).ok_or_else(|| wrong(&format!("must be one of {all}")))?);
            }
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

fn cursor_after(last: &ToolUse) -> String {
    URL_SAFE_NO_PAD.encode(format!("{} {} {}", last.at.as_millis(), last.execution_id, last.seq))
}

fn cursor(value: &str) -> Result<ToolUsePlace, Problem> {
    let text = URL_SAFE_NO_PAD.decode(value).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let detail = "this cursor was not made by this server; start again without one";
    text.as_deref().and_then(place).ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, "invalid_cursor", detail))
}

fn place(text: &str) -> Option<ToolUsePlace> {
    let mut parts = text.split(' ');
    let at = Timestamp::from_millis(parts.next()?.parse().ok()?);
    let (execution, seq) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    parts.next().is_none().then_some(ToolUsePlace { at, execution, seq })
}
