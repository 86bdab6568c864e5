//! Calls of the CLI that come and are answered by Redis: by a channel, or by a stream, which loses nothing.
//!
//! Every server reads its share of the stream. Of what is published on the channel each server hears everything, so one of
//! them listens (`lead.rs`) and the others only remember for a while what they overhear. A request that was taken is
//! noted in Redis until it is answered, so that the answer does not depend on the server that took it.

mod delivery;
mod keys;
mod lead;
mod link;
mod listen;
mod request;
mod stream;

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::{Doors, web};
use crate::config::Secret;
use crate::lifecycle::Stage;
use delivery::Door;
pub use link::Link;

/// How long the last answers may take when the server ends.
const LAST_GRACE: Duration = Duration::from_secs(3);

/// The link to the Redis at `url`, not connected yet.
///
/// # Errors
/// Where the URL is none. Must be called within a runtime.
pub fn link(url: &Secret) -> Result<Link, String> {
    Link::new(url.expose()).map_err(|error| error.to_string())
}

/// Takes requests until the server drains, and answers them until it ends.
pub async fn serve(doors: Doors) {
    let Some(link) = doors.redis.clone() else { return };
    let phase = doors.app.phase.clone();
    let door = Arc::new(Door::new(doors, link));
    tokio::join!(lead::lead(&door), listen::listen(&door), stream::read(&door));
    phase.reached(Stage::Ended).await;
    door.finish(LAST_GRACE).await;
}

/// Whether requests by Redis are taken, and how many wait for their answer.
#[utoipa::path(
    get, path = "/claude-cli/health", operation_id = "redis_health", tag = "doors",
    responses((status = 200, description = "They are"), (status = 503, description = "They are not")),
)]
pub async fn health(State(doors): State<Doors>) -> Response {
    let Some(link) = doors.redis.clone() else { return web::not_found().await.into_response() };
    let pending = delivery::pending(&link, &doors).await;
    let healthy = doors.app.phase.stage() == Stage::Serving && pending.is_some();
    let (status, word) =
        if healthy { (StatusCode::OK, "healthy") } else { (StatusCode::SERVICE_UNAVAILABLE, "unhealthy") };
    let body = json!({ "status": word, "mode": "main-process", "pendingRequests": pending.unwrap_or(0) });
    (status, Json(body)).into_response()
}

/// Whether Redis answers; `None` where there is none to.
pub(super) fn is_open(doors: &Doors) -> Option<bool> {
    doors.redis.as_ref().map(Link::is_open)
}
