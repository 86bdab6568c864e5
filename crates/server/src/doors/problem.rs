//! Errors as `application/problem+json` (RFC 9457) with stable codes: the one mapping of refusals to HTTP.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use legwork_model::{Cost, Period, Timestamp};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::admission::Refusal;
use crate::alarm;
use crate::parse::JsonProblem;
use crate::store::StoreError;
use crate::store::budgets::{BudgetScope, ExceededBudget};

/// An error as callers get it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Problem {
    /// `about:blank`: the code says what kind of problem it is.
    #[serde(rename = "type")]
    #[schema(example = "about:blank")]
    kind: &'static str,
    /// The HTTP status in words.
    title: &'static str,
    /// The HTTP status.
    pub(super) status: u16,
    /// A stable name for this kind of problem.
    #[schema(example = "prompt_empty")]
    pub(super) code: &'static str,
    /// What is wrong and what would be right.
    pub(super) detail: String,
    /// The field that is wrong, such as `limits.timeoutSeconds`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) field: Option<String>,
    /// Which budget has no room, and how it stands.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = BudgetMembers)]
    budget: Option<Box<BudgetMembers>>,
    /// Seconds after which to try again.
    #[serde(skip)]
    pub(super) retry_after: Option<u32>,
}

/// Which budget has no room, and how it stands. All of it, or nothing.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct BudgetMembers {
    /// The budget's id.
    #[schema(required = false)]
    budget_id: String,
    /// What it is for.
    #[schema(required = false)]
    scope: BudgetScope,
    /// Whose it is.
    #[schema(required = false)]
    name: String,
    /// For whom it has no room.
    #[schema(required = false)]
    subject: String,
    /// After which counting begins anew.
    #[schema(required = false)]
    period: Period,
    /// What may be spent in a period.
    #[schema(required = false)]
    limit_usd: Cost,
    /// What was spent in this period.
    #[schema(required = false)]
    spent_usd: Cost,
    /// What is set aside for jobs that wait or run.
    #[schema(required = false)]
    reserved_usd: Cost,
    /// What was to be set aside for this one.
    #[schema(required = false)]
    requested_usd: Cost,
    /// When counting begins anew; absent where it never does.
    #[serde(skip_serializing_if = "Option::is_none")]
    resets_at: Option<Timestamp>,
}

impl From<ExceededBudget> for BudgetMembers {
    fn from(exceeded: ExceededBudget) -> Self {
        let budget = exceeded.budget;
        Self {
            budget_id: budget.id,
            scope: budget.scope,
            name: budget.name,
            subject: exceeded.subject,
            period: budget.period,
            limit_usd: budget.limit,
            spent_usd: exceeded.spent,
            reserved_usd: exceeded.reserved,
            requested_usd: exceeded.requested,
            resets_at: exceeded.resets_at,
        }
    }
}

impl Problem {
    /// A problem without a field.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            code,
            detail: detail.into(),
            field: None,
            budget: None,
            retry_after: None,
        }
    }

    /// A request that is larger than the server takes.
    pub(super) fn too_large() -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "the body is larger than the server takes")
    }

    /// The same problem for a door whose callers have other names for the fields of a submission.
    pub(super) fn in_words_of(mut self, names: &[(&str, &str)]) -> Self {
        let theirs = |field: &String| names.iter().find(|(ours, _)| ours == field).map(|(_, theirs)| *theirs);
        if let Some(field) = &self.field
            && let Some(name) = theirs(field)
        {
            self.detail = self.detail.replacen(field.as_str(), name, 1);
            self.field = Some(name.to_owned());
        }
        self
    }

    /// The problem as an answer in a door's own shape.
    pub(super) fn shaped(self, body: Value) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(body)).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }

    pub(super) fn in_field(mut self, field: String) -> Self {
        self.field = (!field.is_empty()).then_some(field);
        self
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let (status, code) = match &refusal {
            Refusal::InvalidField { code, .. } => (StatusCode::UNPROCESSABLE_ENTITY, *code),
            Refusal::Unauthorized(_) => (StatusCode::UNAUTHORIZED, "unauthorized"),
            Refusal::Forbidden(_) => (StatusCode::FORBIDDEN, "forbidden"),
            Refusal::NotFound(_) => (StatusCode::NOT_FOUND, "not_found"),
            Refusal::AlreadyFinished(_) => (StatusCode::CONFLICT, "already_finished"),
            Refusal::NotFinished(_) => (StatusCode::CONFLICT, "not_finished"),
            Refusal::NotRunning => (StatusCode::CONFLICT, "not_running"),
            Refusal::NoSession => (StatusCode::CONFLICT, "no_session"),
            Refusal::NotOffered { .. } => (StatusCode::CONFLICT, "not_offered"),
            Refusal::NoBudget(_) => (StatusCode::NOT_FOUND, "not_found"),
            Refusal::NoApproval(_) => (StatusCode::NOT_FOUND, "not_found"),
            Refusal::Decided(_) => (StatusCode::CONFLICT, "already_decided"),
            Refusal::OwnApproval => (StatusCode::FORBIDDEN, "own_approval"),
            Refusal::CredentialsGone => (StatusCode::CONFLICT, "credentials_gone"),
            Refusal::SessionBusy => (StatusCode::CONFLICT, "session_busy"),
            Refusal::KeyReused => (StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused"),
            Refusal::QuotaReached(_) => (StatusCode::TOO_MANY_REQUESTS, "quota_reached"),
            Refusal::BudgetExceeded { .. } => (StatusCode::PAYMENT_REQUIRED, "budget_exceeded"),
            Refusal::Busy => (StatusCode::TOO_MANY_REQUESTS, "busy"),
            Refusal::UsedBefore => (StatusCode::UNAUTHORIZED, "used_before"),
            Refusal::QueueFull => (StatusCode::SERVICE_UNAVAILABLE, "queue_full"),
            Refusal::ShuttingDown => (StatusCode::SERVICE_UNAVAILABLE, "shutting_down"),
            Refusal::Unavailable(error) => {
                tracing::error!(%error, "the database can't be used");
                alarm::service_failed("database_unavailable");
                (StatusCode::SERVICE_UNAVAILABLE, "database_unavailable")
            }
            Refusal::Broken(error) => {
                tracing::error!(%error, "the database does not do as asked");
                alarm::service_failed("internal");
                (StatusCode::INTERNAL_SERVER_ERROR, "internal")
            }
        };
        let retry_after = refusal.retry_after().map(|pause| u32::try_from(pause.as_secs()).unwrap_or(u32::MAX));
        let detail = refusal.to_string();
        let (field, budget) = match refusal {
            Refusal::InvalidField { field, .. } => (field, None),
            Refusal::BudgetExceeded { exceeded, .. } => (String::new(), Some(Box::new((*exceeded).into()))),
            _ => (String::new(), None),
        };
        Self { retry_after, budget, ..Self::new(status, code, detail).in_field(field) }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Refusal::from(error).into()
    }
}

impl From<JsonProblem> for Problem {
    fn from(problem: JsonProblem) -> Self {
        match problem {
            JsonProblem::Syntax(message) => {
                Self::new(StatusCode::BAD_REQUEST, "invalid_json", format!("the body is not valid JSON: {message}"))
            }
            JsonProblem::Field { field, message, unknown } => {
                let code = if unknown { "unknown_field" } else { "invalid_field" };
                let place = if field.is_empty() { "the body" } else { field.as_str() };
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, format!("{place}: {message}")).in_field(field)
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
