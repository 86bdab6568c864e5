//! `GET /v1/tool-uses`

use std::str::FromStr;

use axum::Json;
use axum::extract::{RawQuery, State};
use legwork_model::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::query;
use crate::admission::{Caller, Permission};
use crate::doors::{Doors, Problem};
use crate::store::tool_uses::{ToolDecision, ToolUse, ToolUseFilter, ToolUsePlace};

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

fn parse_query(text: &str) -> Result<(ToolUseFilter, u64), Problem> {
    let mut filter = ToolUseFilter::default();
    let mut limit = query::DEFAULT_LIMIT;
    for (name, value) in url::form_urlencoded::parse(text.as_bytes()) {
        let wrong = |what: &str| query::wrong(&name, what);
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
            "since" => filter.since = Some(query::time(&name, &value)?),
            "until" => filter.until = Some(query::time(&name, &value)?),
            "cursor" => filter.before = Some(query::cursor::<Place>(&value)?.0),
            "limit" => limit = query::limit(&name, &value)?,
            _ => return Err(query::unknown(&name, &KNOWN)),
        }
    }
    Ok((filter, limit))
}

fn cursor_after(last: &ToolUse) -> String {
    query::cursor_of(&format!("{} {} {}", last.at.as_millis(), last.execution_id, last.seq))
}

/// A place in the list, as a cursor has it.
struct Place(ToolUsePlace);

impl FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let [at, execution, seq] = text.split(' ').collect::<Vec<_>>().try_into().map_err(|_| ())?;
        let at = Timestamp::from_millis(at.parse().map_err(|_| ())?);
        let (execution, seq) = (execution.parse().map_err(|_| ())?, seq.parse().map_err(|_| ())?);
        Ok(Self(ToolUsePlace { at, execution, seq }))
    }
}
