//! `/v1/approvals`: calls of tools that people decide about.

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::WrittenId;
use crate::admission::{self, Caller, Decision, Permission, Refusal};
use crate::doors::body::json_body;
use crate::doors::{Doors, Problem};
use crate::parse::parse_json;
use crate::store::approvals::{Approval, ApprovalState};

/// As many are listed.
const MOST: u64 = 200;

/// `/v1/approvals`
pub(in crate::doors) fn routes() -> Router<Doors> {
    Router::new().route("/", get(list)).route("/{id}", get(one).post(decide))
}

/// Which approvals.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Which {
    /// Those of one execution.
    execution_id: Option<String>,
    /// Those in one state.
    state: Option<ApprovalState>,
}

/// Approvals, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct Approvals {
    /// At most 200.
    approvals: Vec<Approval>,
}

/// Lists what agents asked.
#[utoipa::path(
    get, path = "/v1/approvals", tag = "approvals", operation_id = "list_approvals", params(Which),
    responses((status = 200, description = "The newest first", body = Approvals)),
)]
pub async fn list(
    State(doors): State<Doors>,
    caller: Caller,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Json<Approvals>, Problem> {
    caller.require(Permission::Read)?;
    let Query(which) =
        which.map_err(|error| Problem::new(StatusCode::BAD_REQUEST, "invalid_query", error.body_text()))?;
    let unknown = |_| Refusal::invalid("executionId", "invalid_value", "is no id of an execution");
    let execution = which.execution_id.map(|id| id.parse()).transpose().map_err(unknown)?;
    let approvals = doors.app.store.approvals(execution, which.state, MOST).await?;
    Ok(Json(Approvals { approvals }))
}

/// Shows what an agent asked.
#[utoipa::path(
    get, path = "/v1/approvals/{id}", tag = "approvals", operation_id = "get_approval", params(("id" = String, Path)),
    responses(
        (status = 200, description = "The question and where it stands", body = Approval),
        (status = 404, description = "There is none", body = Problem),
    ),
)]
pub async fn one(
    State(doors): State<Doors>,
    caller: Caller,
    WrittenId(id): WrittenId,
) -> Result<Json<Approval>, Problem> {
    caller.require(Permission::Read)?;
    let approval = doors.app.store.approval(&id).await?;
    approval.map(Json).ok_or_else(|| Refusal::NoApproval(id).into())
}

/// A decision about one call of a tool.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DecisionRequest {
    /// What is decided.
    decision: Choice,
    /// The `digest` of the approval: what is decided is this call and no other.
    digest: String,
    /// For the agent where the call may not be made: why.
    #[serde(default)]
    reason: Option<String>,
}

/// What is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Choice {
    /// The call may be made.
    Allow,
    /// The call may not be made.
    Deny,
}

/// Decides about a call. Only the first decision counts, and only before the question expires.
#[utoipa::path(
    post, path = "/v1/approvals/{id}", tag = "approvals", operation_id = "decide_approval", request_body = DecisionRequest,
    params(("id" = String, Path)),
    responses(
        (status = 200, description = "Decided; the agent is told", body = Approval),
        (status = 403, description = "The key lacks `approve`, or it submitted the job itself", body = Problem),
        (status = 404, description = "There is none", body = Problem),
        (status = 409, description = "It was decided before, or expired", body = Problem),
        (status = 422, description = "The digest is of another call", body = Problem),
    ),
)]
pub async fn decide(
    State(doors): State<Doors>,
    caller: Caller,
    WrittenId(id): WrittenId,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Approval>, Problem> {
    caller.require(Permission::Approve)?;
    let body = json_body(&headers, body)?;
    let DecisionRequest { decision, digest, reason } = parse_json(&body)?;
    let decision = Decision { allowed: decision == Choice::Allow, digest, reason };
    Ok(Json(admission::approve(&doors.app, &doors.scheduler, &caller, &id, decision).await?))
}
