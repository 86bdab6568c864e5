//! `DELETE /v1/budgets/{id}`

use axum::extract::State;
use axum::http::StatusCode;

use super::look_again;
use crate::admission::{Caller, Permission, Refusal};
use crate::doors::native::WrittenId;
use crate::doors::{Doors, Problem};
use crate::store::budgets::RemoveBudget;

/// Removes a budget. What was spent stays in the ledger.
#[utoipa::path(
    delete, path = "/v1/budgets/{id}", tag = "budgets", operation_id = "remove_budget", params(("id" = String, Path)),
    responses(
        (status = 204, description = "It is gone"),
        (status = 403, description = "The key lacks `admin`", body = Problem),
        (status = 404, description = "There is none", body = Problem),
    ),
)]
pub async fn remove(
    State(doors): State<Doors>,
    caller: Caller,
    WrittenId(id): WrittenId,
) -> Result<StatusCode, Problem> {
    caller.require(Permission::Admin)?;
    let is_id = id.len() <= 40 && id.bytes().all(|byte| byte.is_ascii_graphic());
    if is_id && doors.app.store.write(RemoveBudget { id: id.clone() }).await? {
        look_again(&doors).await?;
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Refusal::NoBudget(id.chars().filter(|one| !one.is_control()).take(40).collect()).into())
}
