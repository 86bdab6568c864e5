//! `POST /v1/executions/{id}/messages` and `…/interrupt`

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::create::{answer, repeat};
use super::view::ExecutionView;
use super::{WrittenId, find};
use crate::admission::{self, Caller, Permission, Permissions, Request};
use crate::doors::body::json_body;
use crate::doors::wait::Wait;
use crate::doors::{Doors, Problem};
use crate::parse::parse_json;
use crate::store::Durability;

/// A further message for an agent.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Message {
    /// What to tell the agent.
    #[schema(example = "Now add a test for it.")]
    message: String,
}

/// Gives the agent a further message.
///
/// While the execution runs, its agent gets it as soon as it takes messages: during its turn where it can, else after it.
/// Once the execution has ended, another one continues its session; `Location` says which one got the message.
#[utoipa::path(
    post, path = "/v1/executions/{id}/messages", tag = "executions", request_body = Message,
    params(
        ("id" = String, Path),
        ("Prefer" = Option<String>, Header, description = "`wait=30`: wait up to 30 s for the end"),
        ("Idempotency-Key" = Option<String>, Header, description = "the same key is the same message"),
    ),
    responses(
        (status = 202, description = "Recorded; `Location` is the execution that got it", body = ExecutionView),
        (status = 404, description = "There is none", body = Problem),
        (status = 409, description = "There is no session to continue, or the agent takes no further messages", body = Problem),
        (status = 422, description = "A field is wrong", body = Problem),
    ),
)]
pub async fn message(
    State(doors): State<Doors>,
    caller: Caller,
    WrittenId(id): WrittenId,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    caller.require(Permission::Execute)?;
    let body = json_body(&headers, body)?;
    let Message { message } = parse_json(&body)?;
    let record = find(&doors, &any(&caller), &id).await?;
    let app = &doors.app;
    let id = app.ids.execution(app.clock.now());
    let request = Request { caller: &caller, id, repeat: repeat(&headers)?, quota: None, durability: Durability::Now };
    let accepted = admission::message(app, &doors.scheduler, request, &record, message).await?;
    let wait = Wait::wanted(&headers, app, accepted.id);
    answer(app, &headers, accepted, wait).await
}

/// Ends the turn that the agent is in, but not its execution where that waits for further messages.
#[utoipa::path(
    post, path = "/v1/executions/{id}/interrupt", tag = "executions", params(("id" = String, Path)),
    responses(
        (status = 202, description = "The agent is told", body = ExecutionView),
        (status = 404, description = "There is none", body = Problem),
        (status = 409, description = "It does not run, or its agent can't be interrupted", body = Problem),
    ),
)]
pub async fn interrupt(
    State(doors): State<Doors>,
    caller: Caller,
    WrittenId(id): WrittenId,
) -> Result<(StatusCode, Json<ExecutionView>), Problem> {
    caller.require(Permission::Execute)?;
    let record = find(&doors, &any(&caller), &id).await?;
    let app = &doors.app;
    let request = Request {
        caller: &caller,
        id: record.id,
        repeat: admission::Repeat::Another,
        quota: None,
        durability: Durability::Now,
    };
    admission::interrupt(app, &doors.scheduler, request, &record).await?;
    Ok((StatusCode::ACCEPTED, Json(ExecutionView::new(record, app))))
}

/// Who may submit may also talk with what runs.
fn any(caller: &Caller) -> Caller {
    Caller { permissions: Permissions::all(), ..caller.clone() }
}
