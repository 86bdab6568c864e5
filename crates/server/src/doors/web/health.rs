//! Whether the process lives, and whether it can take work.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::PATIENCE;
use crate::doors::{Doors, Problem, redis};
use crate::lifecycle::Stage;

/// Whether the process lives.
#[utoipa::path(get, path = "/livez", tag = "health", responses((status = 200, description = "It does")))]
pub async fn live() -> Response {
    Json(json!({ "status": "alive" })).into_response()
}

/// The same under the name that callers of `POST /generate` know.
#[utoipa::path(get, path = "/myhealthz", tag = "doors", responses((status = 200, description = "It can take work"), (status = 503, description = "It can't")))]
pub async fn ready_by_another_name(doors: State<Doors>) -> Response {
    ready(doors).await
}

/// Whether the process can take work.
#[utoipa::path(get, path = "/readyz", tag = "health", responses(
    (status = 200, description = "It can"),
    (status = 503, description = "It starts, ends, or can't use its database", body = Problem),
))]
pub async fn ready(State(doors): State<Doors>) -> Response {
    let problem = |code, detail: &str| Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, detail).into_response();
    if doors.app.phase.stage() != Stage::Serving {
        return problem("shutting_down", "the server is shutting down");
    }
    match tokio::time::timeout(PATIENCE, doors.app.store.ping()).await {
        Ok(Ok(())) => Json(ready_body(&doors)).into_response(),
        Ok(Err(error)) => problem("database_unavailable", &error.to_string()),
        Err(_) => problem("database_unavailable", "the database does not answer"),
    }
}

/// Without Redis, jobs that come by other ways run all the same; so it is told, and no reason to take the server out.
fn ready_body(doors: &Doors) -> Value {
    let mut body = json!({ "status": "ready", "node": doors.app.node });
    if let Some(open) = redis::is_open(doors) {
        body["redis"] = if open { "connected" } else { "unavailable" }.into();
    }
    body
}
