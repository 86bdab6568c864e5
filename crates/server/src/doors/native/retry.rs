//! `POST /v1/executions/{id}/retry`

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::create::{answer, repeat};
use super::view::ExecutionView;
use super::{WrittenId, find};
use crate::admission::{Caller, Permission, Permissions, Request, retry as admit_retry};
use crate::doors::wait::Wait;
use crate::doors::{Doors, Problem};
use crate::store::Durability;

/// Submits the same job again, as a new execution whose `retryOf` names this one.
#[utoipa::path(
    post, path = "/v1/executions/{id}/retry", tag = "executions",
    params(("id" = String, Path), ("Prefer" = Option<String>, Header), ("Idempotency-Key" = Option<String>, Header)),
    responses(
        (status = 202, description = "Recorded; `Location` is where to look", body = ExecutionView),
        (status = 402, description = "A budget has no room; see `Retry-After`", body = Problem),
        (status = 404, description = "There is none", body = Problem),
        (status = 409, description = "It has not ended yet", body = Problem),
    ),
)]
pub async fn retry(
    State(doors): State<Doors>,
    caller: Caller,
    WrittenId(id): WrittenId,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    caller.require(Permission::Execute)?;
    let any = Caller { permissions: Permissions::all(), ..caller.clone() };
    let earlier = find(&doors, &any, &id).await?;
    let app = &doors.app;
    let id = app.ids.execution(app.clock.now());
    let wait = Wait::wanted(&headers, app, id);
    let request = Request { caller: &caller, id, repeat: repeat(&headers)?, quota: None, durability: Durability::Now };
    let accepted = admit_retry(app, &doors.scheduler, request, &earlier).await?;
    answer(app, &headers, accepted, wait).await
}
