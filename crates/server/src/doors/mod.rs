//! The ways in. A door knows its wire format and nothing else: it makes a submission of a request, and an answer of an
//! execution's events.

mod body;
mod caller;
mod cli_call;
mod client;
mod live;
mod peer;
mod problem;
mod signature;
mod wait;

pub mod native;

pub mod claude_code;
pub mod execute;
pub mod generate;
pub mod redis;

pub mod web;

pub mod listen;

pub use problem::Problem;

use axum::Router;
use axum::routing::{get, post};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio_util::task::TaskTracker;

use crate::app::App;
use crate::scheduler::SchedulerHandle;
pub use execute::statistics::Statistics;

/// What the doors work with.
#[derive(Clone)]
pub struct Doors {
    /// The service.
    pub app: App,
    /// The owner of this node's runs.
    pub scheduler: SchedulerHandle,
    /// The metrics of this process.
    pub metrics: PrometheusHandle,
    /// The figures of `POST /execute`.
    pub statistics: Statistics,
    /// The way to Redis, where there is one.
    pub redis: Option<redis::Link>,
    /// What goes on beside requests; the end of the server waits for it a little.
    pub tasks: TaskTracker,
}

/// All routes, on one screen.
pub fn router(doors: Doors) -> Router {
    let routes = Router::new()
        .nest("/v1/executions", native::routes())
        .route("/v1/agents", get(native::agents::list))
        .nest("/v1/approvals", native::approvals::routes())
        .route("/v1/tool-uses", get(native::tool_uses::list))
        .nest("/v1/budgets", native::budgets::routes())
        .route("/v1/usage", get(native::usage::usage))
        .route("/generate", post(generate::generate))
        .route("/claude-code", post(claude_code::ask))
        .route("/execute", post(execute::execute))
        .route("/", get(web::home::page))
        .route("/docs", get(web::docs::page))
        .route("/openapi.json", get(web::docs::openapi))
        .route("/livez", get(web::health::live))
        .route("/readyz", get(web::health::ready))
        .route("/myhealthz", get(web::health::ready_by_another_name))
        .route("/health", get(execute::health::health))
        .route("/status", get(execute::status::status))
        .route("/claude-cli/health", get(redis::health))
        .route("/debug", get(web::debug::debug))
        .route("/metrics", get(web::metrics::metrics))
        .fallback(web::not_found)
        .method_not_allowed_fallback(web::method_not_allowed);
    web::layers(routes, &doors).with_state(doors)
}
