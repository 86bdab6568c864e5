//! What is not part of a contract: health, metrics, documentation, and the layers around all routes.

pub mod debug;
pub mod docs;
pub mod health;
pub mod home;
pub mod metrics;

use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::request_id::{MakeRequestId, RequestId};
use tower_http::timeout::TimeoutBody;

use super::{Doors, Problem};
use crate::mask::Mask;

/// Bytes of an answer that is an error at the most.
const LARGEST_ERROR: usize = 1024 * 1024;

/// The layers around all routes, outermost last.
pub(super) fn layers(routes: Router<Doors>, doors: &Doors) -> Router<Doors> {
    let limit = doors.app.config.server.max_body_bytes;
    let patience = Duration::from_secs(doors.app.config.server.request_timeout_seconds);
    routes
        .layer(axum::extract::DefaultBodyLimit::max(limit))
        .layer(middleware::map_request(move |request: Request| async move {
            request.map(|body| Body::new(TimeoutBody::new(patience, body)))
        }))
        .layer(CatchPanicLayer::custom(|_| {
            tracing::error!("a request handler panicked");
            Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "Legwork failed to handle this request; its log says more",
            )
            .into_response()
        }))
        .layer(middleware::from_fn_with_state(doors.app.mask.clone(), mask_errors))
        .layer(middleware::from_fn(measure))
        .layer(middleware::from_fn(request_id))
}

/// Answers for paths that do not exist.
pub(super) async fn not_found() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not_found", "there is nothing at this path; /docs lists what there is")
}

/// Answers for methods that a path does not have.
pub(super) async fn method_not_allowed() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "this path does not take this method; /docs lists what there is",
    )
}

/// Counts and times requests under the names that existing alert rules know.
async fn measure(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = known(request.method()).to_owned();
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let response = next.run(request).await;
    let labels = [("method", method), ("route", route), ("status", response.status().as_u16().to_string())];
    ::metrics::counter!("http_requests_total", &labels).increment(1);
    ::metrics::histogram!("http_request_duration_seconds", &labels[..2]).record(started.elapsed());
    response
}

/// What callers make up becomes no label.
fn known(method: &Method) -> &str {
    let standard =
        [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::HEAD, Method::OPTIONS];
    if standard.contains(method) { method.as_str() } else { "other" }
}

/// Keeps secrets out of errors: they may quote what a library was called with.
async fn mask_errors(State(mask): State<Mask>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = axum::body::to_bytes(body, LARGEST_ERROR).await else { return status.into_response() };
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(mask.apply_to_bytes(bytes.into())))
}

/// Gives every request an id, or keeps the caller's own where it is a plain token.
async fn request_id(request: Request, next: Next) -> Response {
    const HEADER: &str = "x-request-id";
    let given = request.headers().get(HEADER).filter(|value| is_token(value)).cloned();
    let id = given.or_else(|| Numbered.make_request_id(&request).map(RequestId::into_header_value));
    let mut response = next.run(request).await;
    if let Some(id) = id {
        response.headers_mut().insert(HEADER, id);
    }
    response
}

fn is_token(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    (1..=128).contains(&bytes.len()) && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte))
}

/// Numbers requests from the start of the process.
#[derive(Clone, Copy)]
struct Numbered;

impl MakeRequestId for Numbered {
    fn make_request_id<B>(&mut self, _: &axum::http::Request<B>) -> Option<RequestId> {
        use std::sync::atomic::{AtomicU64, Ordering};
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        HeaderValue::from_str(&format!("req-{number}")).ok().map(RequestId::new)
    }
}

/// How long an answer that is asked of the database may take before the service calls itself not ready.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);
