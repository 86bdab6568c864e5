//! Metrics in Prometheus' text format.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use legwork_model::ExecutionState;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use super::PATIENCE;
use crate::doors::Doors;

/// Seconds; from a cached answer to an agent's long job.
const BUCKETS: [f64; 15] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0, 1800.0];

/// Starts to collect metrics for this process. A second call in one process fails.
///
/// # Errors
/// Where metrics are collected already.
pub fn install() -> Result<PrometheusHandle, BuildError> {
    let builder = PrometheusBuilder::new().set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &BUCKETS)?;
    builder.install_recorder()
}

/// The metrics of this process and the state of the queue. As JSON: the figures of `POST /execute`.
#[utoipa::path(get, path = "/metrics", tag = "health", responses((status = 200, description = "Prometheus text", content_type = "text/plain")))]
pub async fn metrics(State(doors): State<Doors>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accept.contains("application/json") {
        return Json(doors.statistics.to_json()).into_response();
    }
    for (state, names) in [
        (ExecutionState::Queued, ["legwork_executions_queued", "claude_worker_queue_depth"].as_slice()),
        (ExecutionState::Running, &["legwork_executions_running"]),
    ] {
        if let Ok(Ok(count)) = tokio::time::timeout(PATIENCE, doors.app.store.count(state)).await {
            #[expect(clippy::cast_precision_loss, reason = "a queue has fewer than 2^53 jobs")]
            names.iter().for_each(|name| ::metrics::gauge!(*name).set(count as f64));
        }
    }
    let text = doors.metrics.render();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}
