//! The native API: executions as a resource. File = operation.

pub mod agents;
pub mod approvals;
pub mod budgets;
pub mod cancel;
pub mod create;
pub mod egress;
pub mod events;
pub mod get;
pub mod list;
pub mod messages;
pub mod output;
pub mod patch;
mod query;
pub mod retry;
mod stream;
pub mod tool_uses;
pub mod usage;
mod view;

use axum::Router;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::routing::{get, post};
use legwork_model::ExecutionId;

use super::{Doors, Problem};
use crate::admission::{Caller, Permission, Refusal};
use crate::store::ExecutionRecord;

pub use view::ExecutionView;

/// `/v1/executions`
pub(super) fn routes() -> Router<Doors> {
    Router::new()
        .route("/", post(create::create).get(list::list))
        .route("/{id}", get(get::get))
        .route("/{id}/events", get(events::events))
        .route("/{id}/output", get(output::output))
        .route("/{id}/egress", get(egress::egress))
        .route("/{id}/patch", get(patch::patch))
        .route("/{id}/messages", post(messages::message))
        .route("/{id}/interrupt", post(messages::interrupt))
        .route("/{id}/cancel", post(cancel::cancel))
        .route("/{id}/retry", post(retry::retry))
}

/// The id in a path, as the caller wrote it.
pub struct WrittenId(String);

impl FromRequestParts<Doors> for WrittenId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, doors: &Doors) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, doors).await;
        // What is not even text is nobody's id.
        path.map(|Path(id)| Self(id)).map_err(|_| Refusal::NotFound("of that id".into()).into())
    }
}

/// The execution that a path names, for a caller who may look at it.
async fn find(doors: &Doors, caller: &Caller, id: &str) -> Result<ExecutionRecord, Refusal> {
    caller.require(Permission::Read)?;
    let unknown = || Refusal::NotFound(id.chars().filter(|one| !one.is_control()).take(40).collect());
    let id: ExecutionId = id.parse().map_err(|_| unknown())?;
    doors.app.store.execution(id).await?.ok_or_else(unknown)
}
