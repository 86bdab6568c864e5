//! How an execution ended. A failed run is a value of these types, never an `Err`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::clock::Timestamp;
use crate::execution::ExecutionState;
use crate::id::ExecutionId;
use crate::model_call::Metered;
use crate::money::Cost;
use crate::usage::Usage;

/// How an execution ended and what it left.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// Success, or why not.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// The agent's last answer, also kept where the run failed after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// The agent's own session, to be named in `resumeSession`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// Tokens used, where the agent reported them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// US dollars, where the agent reported them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<Cost>,
    /// What the gateway metered of its requests to the model, where it stood between them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metered: Option<Box<Metered>>,
    /// Turns the agent took, where it reported them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turns: Option<u32>,
    /// How the process ended; absent where none was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<Exit>,
    /// Milliseconds from the start of the process to its end; 0 where none was started.
    pub duration_ms: u64,
    /// Where it comes from, when no agent ran for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached: Option<Box<Cached>>,
}

/// The run whose outcome an execution was given instead of a run of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cached {
    /// The execution that ran.
    pub execution_id: ExecutionId,
    /// When it ended.
    pub at: Timestamp,
}

impl Outcome {
    /// What it cost: as metered, else as the agent reported.
    pub fn cost(&self) -> Option<Cost> {
        self.metered.as_ref().map(|metered| metered.cost_usd).or(self.cost_usd)
    }

    /// An outcome of a run that never reached the agent.
    pub fn without_run(verdict: Verdict) -> Self {
        Self {
            verdict,
            result: None,
            session_id: None,
            usage: None,
            cost_usd: None,
            metered: None,
            turns: None,
            exit: None,
            duration_ms: 0,
            cached: None,
        }
    }
}

/// Success, or why not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Verdict {
    /// The agent said that it finished, without an error, in a run nobody stopped.
    Succeeded,
    /// It did not; the reason is one of a closed list.
    Failed(Failure),
    /// Somebody asked for the end.
    Cancelled {
        /// Who or what asked.
        message: String,
    },
}

impl Verdict {
    /// Failed for `reason`.
    pub fn failed(reason: FailureReason, message: impl Into<String>) -> Self {
        Self::Failed(Failure::new(reason, message))
    }

    /// The final state that goes with it.
    pub const fn state(&self) -> ExecutionState {
        match self {
            Self::Succeeded => ExecutionState::Succeeded,
            Self::Failed(_) => ExecutionState::Failed,
            Self::Cancelled { .. } => ExecutionState::Cancelled,
        }
    }
}

/// Why a run failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// The class of the failure; stable.
    pub reason: FailureReason,
    /// A sentence for a person: what happened and, where there is something to do, what.
    pub message: String,
    /// The HTTP status of the model's API, where that was the cause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_status: Option<u16>,
}

impl Failure {
    /// A failure without an API status.
    pub fn new(reason: FailureReason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), api_status: None }
    }
}

/// The closed list of reasons why a run fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FailureReason {
    /// The wall-clock limit passed.
    Timeout,
    /// Preparing the workspace and starting the process took too long.
    StartTimeout,
    /// The process started but printed nothing.
    FirstEventTimeout,
    /// The agent fell silent.
    SilenceTimeout,
    /// The agent said it was finished but its process did not leave.
    ExitTimeout,
    /// The agent printed more than it may.
    OutputLimit,
    /// Its processes took more memory than they may.
    MemoryLimit,
    /// It started more processes than it may.
    PidsLimit,
    /// It wrote more to the disk than it may.
    DiskLimit,
    /// The sandbox that was asked for can't be had here.
    SandboxUnavailable,
    /// The agent's process could not be started.
    SpawnFailed,
    /// The workspace could not be prepared (clone, directory).
    WorkspaceFailed,
    /// The process ended with an error before saying anything.
    ExitNonzero,
    /// The process ended without the line that says how the run went.
    IncompleteOutput,
    /// The agent reported an error of its own.
    AgentError,
    /// The model's API answered with an error.
    ApiError,
    /// The model's API refused the credential.
    CredentialsRejected,
    /// The model's API refused because a usage or rate limit is reached.
    UsageLimit,
    /// The turn limit was reached.
    MaxTurns,
    /// The cost limit was reached.
    BudgetExceeded,
    /// The model has no price, so that nobody would know what the run costs.
    PriceMissing,
    /// The agent was refused a tool it needed.
    PermissionDenied,
    /// The answer was cut off by the model's own length limit.
    AnswerTruncated,
    /// The session to continue does not exist (any more).
    SessionNotFound,
    /// The agent began another session than the one it was to continue.
    SessionLost,
    /// The agent has nothing to authenticate with at its model's API.
    CredentialsMissing,
    /// The agent's program is older than this server can use.
    AgentTooOld,
    /// The turn was interrupted, and no other came after it.
    Interrupted,
    /// The worker was lost after the agent had begun; what it did is unknown.
    Lost,
    /// Two workers in a row were lost while they ran it.
    WorkerCrashed,
    /// Refused by the operator's policy.
    RefusedByPolicy,
    /// Legwork itself failed; its log says more.
    Internal,
}

impl FailureReason {
    /// Whether something took too long.
    pub const fn is_timeout(self) -> bool {
        matches!(
            self,
            Self::Timeout | Self::StartTimeout | Self::FirstEventTimeout | Self::SilenceTimeout | Self::ExitTimeout
        )
    }

    /// As it is written in JSON, in the database and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::StartTimeout => "start_timeout",
            Self::FirstEventTimeout => "first_event_timeout",
            Self::SilenceTimeout => "silence_timeout",
            Self::ExitTimeout => "exit_timeout",
            Self::OutputLimit => "output_limit",
            Self::MemoryLimit => "memory_limit",
            Self::PidsLimit => "pids_limit",
            Self::DiskLimit => "disk_limit",
            Self::SandboxUnavailable => "sandbox_unavailable",
            Self::SpawnFailed => "spawn_failed",
            Self::WorkspaceFailed => "workspace_failed",
            Self::ExitNonzero => "exit_nonzero",
            Self::IncompleteOutput => "incomplete_output",
            Self::AgentError => "agent_error",
            Self::ApiError => "api_error",
            Self::CredentialsRejected => "credentials_rejected",
            Self::UsageLimit => "usage_limit",
            Self::MaxTurns => "max_turns",
            Self::BudgetExceeded => "budget_exceeded",
            Self::PriceMissing => "price_missing",
            Self::PermissionDenied => "permission_denied",
            Self::AnswerTruncated => "answer_truncated",
            Self::SessionNotFound => "session_not_found",
            Self::SessionLost => "session_lost",
            Self::CredentialsMissing => "credentials_missing",
            Self::AgentTooOld => "agent_too_old",
            Self::Interrupted => "interrupted",
            Self::Lost => "lost",
            Self::WorkerCrashed => "worker_crashed",
            Self::RefusedByPolicy => "refused_by_policy",
            Self::Internal => "internal",
        }
    }
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Exit {
    /// Its exit code, where it ended by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// The number of the signal that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_spelled_the_same_everywhere() {
        for reason in [FailureReason::Timeout, FailureReason::SessionNotFound, FailureReason::CredentialsRejected] {
            assert_eq!(serde_json::to_value(reason).ok(), Some(reason.as_str().into()));
        }
    }

    #[test]
    fn an_outcome_is_flat_json_with_its_state() {
        let outcome = Outcome::without_run(Verdict::failed(FailureReason::Timeout, "Stopped after 5 s."));
        let json = serde_json::to_value(&outcome).expect("serialises");
        assert_eq!(json["state"], "failed");
        assert_eq!(json["reason"], "timeout");
        assert_eq!(serde_json::from_value::<Outcome>(json).expect("reads back"), outcome);
    }
}
