//! `GET /v1/executions/{id}/patch`

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::{WrittenId, find};
use crate::admission::{Caller, Refusal};
use crate::doors::{Doors, Problem};

/// What the job changed in its workspace, as a git diff. Empty where it changed nothing.
#[utoipa::path(
    get, path = "/v1/executions/{id}/patch", tag = "executions", params(("id" = String, Path)),
    responses(
        (status = 200, description = "The diff", content_type = "text/x-diff"),
        (status = 404, description = "There is no such execution, or its patch is not kept on this node", body = Problem),
        (status = 409, description = "It has not ended yet", body = Problem),
    ),
)]
pub async fn patch(State(doors): State<Doors>, caller: Caller, WrittenId(id): WrittenId) -> Result<Response, Problem> {
    let record = find(&doors, &caller, &id).await?;
    if !record.state.is_finished() {
        return Err(Refusal::NotFinished(record.state).into());
    }
    match doors.app.executor.patch(record.id).await? {
        Some(patch) => Ok(([(header::CONTENT_TYPE, "text/x-diff; charset=utf-8")], patch).into_response()),
        None => Err(Problem::new(
            StatusCode::NOT_FOUND,
            "patch_not_kept",
            "no patch of this execution is kept here: its agent never started, it was lost with its node, or it was pruned",
        )),
    }
}
