//! The ways in. A door knows its wire format and nothing else: it makes a submission of a request, and an answer of an
//! execution's events.

mod caller;
mod problem;

pub mod native;

pub mod web;

pub mod listen;

pub use problem::Problem;

use axum::Router;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;

use crate::app::App;
use crate::scheduler::SchedulerHandle;

/// What the doors work with.
#[derive(Clone)]
pub struct Doors {
    /// The service.
    pub app: App,
    /// The owner of this node's runs.
    pub scheduler: SchedulerHandle,
    /// The metrics of this process.
    pub metrics: PrometheusHandle,
}

/// All routes, on one screen.
pub fn router(doors: Doors) -> Router {
    let routes = Router::new()
        .nest("/v1/executions", native::routes())
        .route("/", get(web::home::page))
        .route("/docs", get(web::docs::page))
        .route("/openapi.json", get(web::docs::openapi))
        .route("/livez", get(web::health::live))
        .route("/readyz", get(web::health::ready))
        .route("/metrics", get(web::metrics::metrics))
        .fallback(web::not_found)
        .method_not_allowed_fallback(web::method_not_allowed);
    web::layers(routes, &doors).with_state(doors)
}
