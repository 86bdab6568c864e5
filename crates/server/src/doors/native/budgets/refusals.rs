//! `GET /v1/budgets/refusals`

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use legwork_model::{Cost, ExecutionId, Period, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::admission::{Caller, Permission};
use crate::doors::{Doors, Problem};
use crate::store::budgets::{BudgetRefusal, BudgetScope};

const DEFAULT_LIMIT: u64 = 50;
const MOST: u64 = 200;

/// A page of refusals, newest first.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefusalPage {
    /// The refusals.
    pub refusals: Vec<RefusalView>,
    /// Send as `cursor` to get the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// A job that a budget had no room for, or a run that was stopped or made to wait because of one. The numbers are those of
/// that moment.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefusalView {
    /// Its id.
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// The execution that was stopped; absent where none was begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_id: Option<ExecutionId>,
    /// The budget.
    pub budget_id: String,
    /// What the budget was for.
    pub scope: BudgetScope,
    /// Whose it was.
    pub name: String,
    /// For whom it had no room.
    pub subject: String,
    /// Its period.
    pub period: Period,
    /// What could be spent.
    pub limit_usd: Cost,
    /// What was spent.
    pub spent_usd: Cost,
    /// What was set aside for others.
    pub reserved_usd: Cost,
    /// What was to be set aside.
    pub requested_usd: Cost,
    /// When counting was to begin anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resets_at: Option<Timestamp>,
    /// The agent.
    pub agent: String,
    /// The job's project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// The job's user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The API key that submitted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

impl From<BudgetRefusal> for RefusalView {
    fn from(refusal: BudgetRefusal) -> Self {
        Self {
            id: refusal.id,
            at: refusal.at,
            execution_id: refusal.execution,
            budget_id: refusal.budget,
            scope: refusal.scope,
            name: refusal.name,
            subject: refusal.subject,
            period: refusal.period,
            limit_usd: refusal.limit,
            spent_usd: refusal.spent,
            reserved_usd: refusal.reserved,
            requested_usd: refusal.requested,
            resets_at: refusal.resets_at,
            agent: refusal.agent,
            project: refusal.project,
            user: refusal.user,
            key: refusal.key,
        }
    }
}

/// Lists what budgets had no room for, newest first. Refusals are kept for 90 days.
#[utoipa::path(
    get, path = "/v1/budgets/refusals", tag = "budgets", operation_id = "list_budget_refusals",
    params(
        ("cursor" = Option<String>, Query, description = "where the page before ended"),
        ("limit" = Option<u64>, Query, description = "1 to 200; 50 where absent"),
    ),
    responses((status = 200, body = RefusalPage), (status = 400, description = "A parameter is wrong", body = Problem)),
)]
pub async fn list(
    State(doors): State<Doors>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<RefusalPage>, Problem> {
    caller.require(Permission::Read)?;
    let (before, limit) = parse_query(query.as_deref().unwrap_or_default())?;
    // One more than asked for tells whether there is a next page.
    let mut refusals = doors.app.store.budget_refusals(before.as_deref(), limit + 1).await?;
    let more = refusals.len() as u64 > limit;
    refusals.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let next_cursor = refusals.last().filter(|_| more).map(|last| URL_SAFE_NO_PAD.encode(&last.id));
    Ok(Json(RefusalPage { refusals: refusals.into_iter().map(RefusalView::from).collect(), next_cursor }))
}

fn parse_query(query: &str) -> Result<(Option<String>, u64), Problem> {
    let (mut before, mut limit) = (None, DEFAULT_LIMIT);
    let invalid = |detail: String| Problem::new(StatusCode::BAD_REQUEST, "invalid_parameter", detail);
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match name.as_ref() {
            "cursor" => before = Some(cursor(&value)?),
            "limit" => {
                let within = value.parse().ok().filter(|limit| (1..=MOST).contains(limit));
                limit = within.ok_or_else(|| invalid("limit: must be from 1 to 200".into()))?;
            }
            _ => return Err(invalid(format!("unknown parameter `{name}`. Known: cursor, limit"))),
        }
    }
    Ok((before, limit))
}

fn cursor(value: &str) -> Result<String, Problem> {
    let id = URL_SAFE_NO_PAD.decode(value).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let detail = "this cursor was not made by this server; start again without one";
    id.filter(|id| id.starts_with("ref_") && id.is_ascii() && !id.contains('\0'))
        .ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, "invalid_cursor", detail))
}
