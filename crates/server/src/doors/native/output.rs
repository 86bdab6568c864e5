//! `GET /v1/executions/{id}/output`

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::{WrittenId, find};
use crate::admission::Caller;
use crate::doors::{Doors, Problem};

/// The agent's raw standard output as kept, up to the run's cap. Secrets of the server are masked.
#[utoipa::path(
    get, path = "/v1/executions/{id}/output", tag = "executions", params(("id" = String, Path)),
    responses(
        (status = 200, description = "The output", content_type = "application/octet-stream"),
        (status = 404, description = "There is no such execution, or its output is not kept on this node", body = Problem),
    ),
)]
pub async fn output(State(doors): State<Doors>, caller: Caller, WrittenId(id): WrittenId) -> Result<Response, Problem> {
    let record = find(&doors, &caller, &id).await?;
    match doors.app.executor.output(&record).await? {
        Some(output) => Ok(([(header::CONTENT_TYPE, "application/octet-stream")], output).into_response()),
        None => Err(Problem::new(
            StatusCode::NOT_FOUND,
            "output_not_kept",
            "no output of this execution is kept here: it has not begun, runs on another node, was lost with it, or was pruned",
        )),
    }
}
