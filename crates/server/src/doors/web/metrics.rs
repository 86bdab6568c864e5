//! Metrics in Prometheus' text format.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use legwork_model::ExecutionState;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use super::PATIENCE;
use crate::doors::Doors;

/// Seconds; from a cached answer to an agent's long job.
const BUCKETS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0];

/// Starts to collect metrics for this process. A second call in one process fails.
///
/// # Errors
/// Where metrics are collected already.
pub fn install() -> Result<PrometheusHandle, BuildError> {
    let builder = PrometheusBuilder::new().set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &BUCKETS)?;
    builder.install_recorder()
}

/// The metrics of this process and the state of the queue.
#[utoipa::path(get, path = "/metrics", tag = "health", responses((status = 200, description = "Prometheus text", content_type = "text/plain")))]
pub async fn metrics(State(doors): State<Doors>) -> Response {
    for (state, name) in
        [(ExecutionState::Queued, "legwork_executions_queued"), (ExecutionState::Running, "legwork_executions_running")]
    {
        if let Ok(Ok(count)) = tokio::time::timeout(PATIENCE, doors.app.store.count(state)).await {
            #[expect(clippy::cast_precision_loss, reason = "a queue has fewer than 2^53 jobs")]
            ::metrics::gauge!(name).set(count as f64);
        }
    }
    let text = doors.metrics.render();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}
