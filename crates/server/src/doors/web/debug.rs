//! `GET /debug`: what is in effect, for who runs this server.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::admission::{Caller, Permission};
use crate::doors::{Doors, Problem};

/// The settings in effect, without secrets, and what they led to.
///
/// # Errors
/// Where the caller is no admin.
#[utoipa::path(get, path = "/debug", tag = "health", responses((status = 200, description = "They are"), (status = 403, description = "The key lacks `admin`", body = Problem)))]
pub async fn debug(State(doors): State<Doors>, caller: Caller) -> Result<Json<Value>, Problem> {
    caller.require(Permission::Admin)?;
    let app = &doors.app;
    let claude = app.executor.agent_health("claude-code", false).await;
    let all = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "node": app.node,
        "config": &*app.config,
        "agents": { "claude-code": { "version": claude.as_ref().ok(), "error": claude.as_ref().err() } },
    });
    // A secret may stand where none is expected.
    Ok(Json(app.mask.apply_to_value(all)))
}
