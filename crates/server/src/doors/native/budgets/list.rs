//! `GET /v1/budgets`

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::BudgetView;
use crate::admission::{Caller, Permission};
use crate::doors::{Doors, Problem};

/// All budgets.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Budgets {
    /// By scope, name and period.
    pub budgets: Vec<BudgetView>,
}

/// Lists the budgets and how they stand.
#[utoipa::path(
    get, path = "/v1/budgets", tag = "budgets", operation_id = "list_budgets",
    responses((status = 200, body = Budgets), (status = 403, description = "The key lacks `read`", body = Problem)),
)]
pub async fn list(State(doors): State<Doors>, caller: Caller) -> Result<Json<Budgets>, Problem> {
    caller.require(Permission::Read)?;
    let states = doors.app.store.budgets(None, doors.app.clock.now()).await?;
    Ok(Json(Budgets { budgets: states.into_iter().map(BudgetView::from).collect() }))
}
