//! Why a request is refused.

use std::time::Duration;

use legwork_model::{ExecutionState, Timestamp};

use crate::mcp::McpError;
use crate::store::StoreError;
use crate::store::approvals::ApprovalState;
use crate::store::budgets::ExceededBudget;

/// Why a request is refused. Nothing was recorded.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// A field's value is wrong.
    #[error("{field}: {message}")]
    InvalidField {
        /// The field's path, such as `limits.timeoutSeconds`.
        field: String,
        /// Stable name of this kind of mistake.
        code: &'static str,
        /// What is wrong and what would be right.
        message: String,
    },
    /// No key, or one that is not known (any more).
    #[error("{0}")]
    Unauthorized(&'static str),
    /// The key lacks a permission.
    #[error("this API key lacks the permission `{0}`")]
    Forbidden(&'static str),
    /// There is no such execution, or the caller may not know of it.
    #[error("there is no execution {0}")]
    NotFound(String),
    /// The execution has ended.
    #[error("the execution has already ended: {}", .0.as_str())]
    AlreadyFinished(ExecutionState),
    /// The execution has not ended yet.
    #[error("the execution has not ended yet: {}", .0.as_str())]
    NotFinished(ExecutionState),
    /// The execution waits and has no agent yet.
    #[error("the execution does not run yet; cancel it instead")]
    NotRunning,
    /// The execution left no session to continue.
    #[error("the execution left no session that could be continued; submit a new job")]
    NoSession,
    /// The agent can't do this.
    #[error("`{agent}` does not offer `{capability}`; these agents do: {others}")]
    NotOffered {
        /// The agent.
        agent: String,
        /// What it can't do.
        capability: &'static str,
        /// Those that can.
        others: String,
    },
    /// There is no such approval.
    #[error("there is no approval {0}")]
    NoApproval(String),
    /// An approval was decided before.
    #[error("this was decided before: {}", .0.as_str())]
    Decided(ApprovalState),
    /// Whoever submitted the job may not decide for it.
    #[error("this key submitted the job; on this server somebody else has to decide what its agent may do")]
    OwnApproval,
    /// The execution had credentials of its own, which are not kept.
    #[error("the execution ran with credentials of its own, which are not kept; submit the job again with them")]
    CredentialsGone,
    /// Another execution works in the session.
    #[error("another execution works in this session; wait for its end")]
    SessionBusy,
    /// The idempotency key was used for another request.
    #[error("this Idempotency-Key was used for another request; use a new key for a new request")]
    KeyReused,
    /// The server does one job at a time, and has one.
    #[error("this worker does one job and is busy; try again, another takes its place")]
    Busy,
    /// As many jobs wait as may.
    #[error("the queue is full; try again later")]
    QueueFull,
    /// A quota is used up; there is room again after so long.
    #[error("as many jobs were taken as are allowed in this time; try again in {} s", seconds(*.0))]
    QuotaReached(Duration),
    /// A budget has no room for the job.
    #[error("{exceeded}")]
    BudgetExceeded {
        /// The budget and its state.
        exceeded: Box<ExceededBudget>,
        /// When it was judged.
        now: Timestamp,
    },
    /// There is no such budget.
    #[error("there is no budget {0}")]
    NoBudget(String),
    /// What vouches for the request was used before.
    #[error("this request was made before; sign a new one")]
    UsedBefore,
    /// The server is about to end.
    #[error("the server is shutting down; try again later")]
    ShuttingDown,
    /// The database can't be used.
    #[error("the database can't be used right now; nothing was recorded")]
    Unavailable(#[source] StoreError),
    /// The database doesn't take it, or holds what this version can't read.
    #[error("the server could not do this, and trying again will not help; its log says why")]
    Broken(#[source] StoreError),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Rejected(_) | StoreError::Unreadable { .. } => Self::Broken(error),
            error => Self::Unavailable(error),
        }
    }
}

impl From<McpError> for Refusal {
    fn from(error: McpError) -> Self {
        Self::invalid(error.field, "invalid_mcp_server", error.message)
    }
}

impl Refusal {
    /// A wrong value.
    pub fn invalid(field: impl Into<String>, code: &'static str, message: impl Into<String>) -> Self {
        Self::InvalidField { field: field.into(), code, message: message.into() }
    }

    /// When it makes sense to try the same again.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::QueueFull | Self::Busy => Some(Duration::from_secs(5)),
            Self::QuotaReached(wait) => Some(Duration::from_secs(seconds(*wait))),
            Self::BudgetExceeded { exceeded, now } => {
                let wait = exceeded.resets_at?.millis_since(*now);
                Some(Duration::from_secs(seconds(Duration::from_millis(wait))))
            }
            Self::ShuttingDown => Some(Duration::from_secs(10)),
            Self::Unavailable(_) => Some(Duration::from_secs(2)),
            _ => None,
        }
    }
}

/// Whole seconds after which it is certainly over.
const fn seconds(wait: Duration) -> u64 {
    let whole = wait.as_secs() + if wait.subsec_nanos() > 0 { 1 } else { 0 };
    if whole == 0 { 1 } else { whole }
}
