//! `PUT /v1/budgets`

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::HeaderMap;
use legwork_model::{Cost, Period, WrittenCost};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{BudgetView, each, look_again};
use crate::admission::{self, BudgetRequest, Caller, Permission};
use crate::doors::body::json_body;
use crate::doors::{Doors, Problem};
use crate::parse::parse_json;
use crate::store::budgets::BudgetScope;

/// A budget to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PutBudget {
    /// What it is for.
    scope: BudgetScope,
    /// Whose it is: the name of the project or user, the API key by name or id, or an execution of the session. `*`, as where
    /// absent: each of them by itself, or the whole installation.
    #[serde(default = "each")]
    name: String,
    /// After which counting begins anew.
    period: Period,
    /// What may be spent in a period.
    #[schema(value_type = WrittenCost)]
    limit_usd: Cost,
    /// The share of the limit, in percent, at which somebody is told; nobody is where absent.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 100)]
    alert_at_percent: Option<u32>,
    /// Whether a run that meets the limit waits until there is room, instead of ending.
    #[serde(default)]
    pause_on_exceed: bool,
    /// Where its days and months begin; where the settings say where absent.
    #[serde(default)]
    #[schema(example = "Europe/Berlin")]
    time_zone: Option<String>,
}

/// Makes a budget, or replaces the one of the same scope, name and period.
///
/// In the middle of a period it begins with what was spent since the period began, and with what is set aside for jobs that wait
/// or run.
#[utoipa::path(
    put, path = "/v1/budgets", tag = "budgets", operation_id = "put_budget", request_body = PutBudget,
    responses(
        (status = 200, description = "The budget as it stands now", body = BudgetView),
        (status = 403, description = "The key lacks `admin`", body = Problem),
        (status = 422, description = "A field is wrong", body = Problem),
    ),
)]
pub async fn put(
    State(doors): State<Doors>,
    caller: Caller,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<BudgetView>, Problem> {
    caller.require(Permission::Admin)?;
    let body = json_body(&headers, body)?;
    let asked: PutBudget = parse_json(&body)?;
    let request = BudgetRequest {
        scope: asked.scope,
        name: asked.name,
        period: asked.period,
        limit: asked.limit_usd,
        alert_at_percent: asked.alert_at_percent,
        pause_on_exceed: asked.pause_on_exceed,
        time_zone: asked.time_zone,
    };
    let budget = admission::put_budget(&doors.app, &caller, request).await?;
    look_again(&doors).await?;
    Ok(Json(budget.into()))
}
