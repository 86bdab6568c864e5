//! The API's description, for machines and for people.

use axum::Json;
use axum::http::header;
use axum::response::{Html, IntoResponse, Response};
use utoipa::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};

use crate::doors::{claude_code, execute, generate, native, redis, web};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Legwork",
        description = "Runs coding agents as durable jobs: submit a prompt, follow its events, get the result.",
    ),
    paths(
        native::create::create,
        native::list::list,
        native::get::get,
        native::events::events,
        native::output::output,
        native::patch::patch,
        native::egress::egress,
        native::cancel::cancel,
        native::retry::retry,
        native::messages::message,
        native::messages::interrupt,
        native::agents::list,
        native::approvals::list,
        native::approvals::one,
        native::approvals::decide,
        native::tool_uses::list,
        native::budgets::list::list,
        native::budgets::put::put,
        native::budgets::remove::remove,
        native::budgets::refusals::list,
        native::usage::usage,
        generate::generate,
        claude_code::ask,
        execute::execute,
        execute::health::health,
        execute::status::status,
        redis::health,
        web::debug::debug,
        web::health::live,
        web::health::ready_by_another_name,
        web::health::ready,
        web::metrics::metrics,
    ),
    components(schemas(legwork_model::Event)),
    modifiers(&Bearer),
    security((), ("bearer" = [])),
)]
struct Api;

struct Bearer;

impl utoipa::Modify for Bearer {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        openapi.components.get_or_insert_with(Default::default).add_security_scheme("bearer", scheme);
    }
}

/// The OpenAPI 3.1 description of the native API.
pub fn description() -> utoipa::openapi::OpenApi {
    Api::openapi()
}

/// `GET /openapi.json`
pub async fn openapi() -> Response {
    Json(description()).into_response()
}

/// A page that shows the description. Everything it needs is in it.
pub async fn page() -> Response {
    let policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'";
    ([(header::CONTENT_SECURITY_POLICY, policy)], Html(include_str!("docs.html"))).into_response()
}
