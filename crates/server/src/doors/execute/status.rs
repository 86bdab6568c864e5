//! `GET /status`: whether this server works.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::doors::Doors;

/// Whether agents run here.
#[utoipa::path(
    get, path = "/status", tag = "doors",
    responses((status = 200, description = "`{status: \"idle\" | \"busy\", running}`")),
)]
pub async fn status(State(doors): State<Doors>) -> Response {
    let running = doors.scheduler.running();
    let status = if running == 0 { "idle" } else { "busy" };
    Json(json!({ "status": status, "running": running, "node": doors.app.node })).into_response()
}
