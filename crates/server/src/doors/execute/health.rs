//! `GET /health`: whether the CLI could be called.

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use crate::admission::{Caller, Permission};
use crate::doors::{Doors, Problem};
use crate::lifecycle::Stage;

const AGENT: &str = "claude-code";

/// How to ask.
#[derive(Debug, Deserialize)]
pub struct Depth {
    /// `1`: ask the CLI now, whatever is known.
    deep: Option<String>,
}

/// Whether the CLI could be called. It is asked at most once a minute; an admin may ask at any time by `deep=1`.
///
/// # Errors
/// Where somebody else than an admin asks to go deep.
#[utoipa::path(
    get, path = "/health", tag = "doors", params(("deep" = Option<String>, Query)),
    responses((status = 200, description = "It could"), (status = 503, description = "It could not")),
)]
pub async fn health(
    State(doors): State<Doors>,
    Query(Depth { deep }): Query<Depth>,
    caller: Result<Caller, Problem>,
) -> Result<Response, Problem> {
    let deep = deep.is_some_and(|deep| deep == "1" || deep == "true");
    if deep {
        caller?.require(Permission::Admin)?;
    }
    if doors.app.phase.stage() != Stage::Serving {
        return Ok(unhealthy(true, "the server is shutting down"));
    }
    Ok(match doors.app.executor.agent_health(AGENT, deep).await {
        Ok(_) => Json(json!({ "status": "healthy", "claudeAvailable": true, "testResponse": true })).into_response(),
        Err(error) => unhealthy(false, &error),
    })
}

fn unhealthy(claude: bool, error: &str) -> Response {
    let body = json!({ "status": "unhealthy", "claudeAvailable": claude, "error": error });
    (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
}
