//! `POST /v1/executions/{id}/cancel`

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::view::ExecutionView;
use super::{WrittenId, find};
use crate::admission::{self, Caller, Permission, Refusal};
use crate::doors::{Doors, Problem};
use crate::store::cancel::Cancelled;

/// Cancels an execution. One that waits is cancelled at once; one that runs is stopped, and ends within seconds.
#[utoipa::path(
    post, path = "/v1/executions/{id}/cancel", tag = "executions", params(("id" = String, Path)),
    responses(
        (status = 202, description = "It ends", body = ExecutionView),
        (status = 404, description = "There is none", body = Problem),
        (status = 409, description = "It has already ended", body = Problem),
    ),
)]
pub async fn cancel(
    State(doors): State<Doors>,
    caller: Caller,
    WrittenId(id): WrittenId,
) -> Result<(StatusCode, Json<ExecutionView>), Problem> {
    caller.require(Permission::Execute)?;
    let any = Caller { permissions: crate::admission::Permissions::all(), ..caller.clone() };
    let record = find(&doors, &any, &id).await?;
    let message = match &caller.key {
        Some(key) => format!("Cancelled by {key}."),
        None => "Cancelled by a caller on this machine.".to_owned(),
    };
    let app = &doors.app;
    match admission::cancel(app, &doors.scheduler, record.id, message).await? {
        Cancelled::Ended | Cancelled::Requested => {}
        Cancelled::AlreadyFinished(state) => return Err(Refusal::AlreadyFinished(state).into()),
        Cancelled::Unknown => return Err(Refusal::NotFound(id).into()),
    }
    let record = find(&doors, &any, &id).await?;
    Ok((StatusCode::ACCEPTED, Json(ExecutionView::new(record, app))))
}
