//! `GET /v1/executions/{id}`

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;

use super::view::ExecutionView;
use super::{WrittenId, find};
use crate::admission::Caller;
use crate::doors::wait::Wait;
use crate::doors::{Doors, Problem};

/// Shows an execution; with `Prefer: wait=N` after up to N seconds for its end.
#[utoipa::path(
    get, path = "/v1/executions/{id}", tag = "executions",
    params(("id" = String, Path), ("Prefer" = Option<String>, Header, description = "`wait=30`: wait up to 30 s for the end")),
    responses((status = 200, body = ExecutionView), (status = 404, description = "There is none", body = Problem)),
)]
pub async fn get(
    State(doors): State<Doors>,
    caller: Caller,
    WrittenId(id): WrittenId,
    headers: HeaderMap,
) -> Result<Json<ExecutionView>, Problem> {
    let mut record = find(&doors, &caller, &id).await?;
    if let Some(mut wait) = Wait::wanted(&headers, &doors.app, record.id).filter(|_| !record.state.is_finished()) {
        // It may have ended between the look and the wait.
        record = find(&doors, &caller, &id).await?;
        if !record.state.is_finished() {
            record = match wait.for_end(&doors.app).await {
                Some(ended) => ended,
                None => find(&doors, &caller, &id).await?,
            };
        }
    }
    Ok(Json(ExecutionView::new(record, &doors.app)))
}
