//! An execution as callers see it.

use legwork_model::{ExecutionId, ExecutionState, Limits, Outcome, Repository, Timestamp, ToolPolicy, Waiting};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::app::App;
use crate::store::ExecutionRecord;

/// One execution.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExecutionView {
    /// Its id.
    pub id: ExecutionId,
    /// Where it stands.
    pub state: ExecutionState,
    /// The agent.
    pub agent: String,
    /// What the agent is to do. Cut to 200 characters in lists.
    pub prompt: String,
    /// The model asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The directory of the operator's that it works in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<String>,
    /// The repository that it works on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<Repository>,
    /// The session that it continues.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume_session: Option<String>,
    /// Seconds within which the outcome of an equal job stands for its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_ttl: Option<u64>,
    /// When it is stopped.
    pub limits: Limits,
    /// Tools it may or may not use.
    pub tools: ToolPolicy,
    /// What it belongs to, in the caller's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// For whom it is, in the caller's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The caller's own.
    #[schema(value_type = Object)]
    pub metadata: Map<String, Value>,
    /// The lane it waits or waited in.
    pub lane: String,
    /// The door it came in by, where that is not this API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub door: Option<String>,
    /// Higher runs earlier.
    pub priority: i32,
    /// The execution that it repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_of: Option<ExecutionId>,
    /// How often a worker took it.
    pub attempt: u32,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When a worker first took it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// The agent's own session, to be named in `resumeSession`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// The number of its last event.
    pub last_seq: u64,
    /// What it waits for, where that is more than a free slot of its lane.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Waiting>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
}

impl ExecutionView {
    /// The whole of `record`.
    pub fn new(record: ExecutionRecord, app: &App) -> Self {
        let waiting = record.waiting.or_else(|| held(&record, app));
        let task = record.task;
        Self {
            id: record.id,
            state: record.state,
            agent: task.agent,
            prompt: app.mask.apply(task.prompt),
            model: task.model,
            workspace: task.workspace,
            repository: task.repository,
            resume_session: task.resume_session,
            cache_ttl: task.cache_ttl_seconds,
            limits: task.limits,
            tools: task.tools,
            project: record.project,
            user: record.user,
            metadata: record.metadata,
            lane: record.lane,
            door: task.door,
            priority: record.priority,
            retry_of: record.retry_of,
            attempt: record.attempt,
            created_at: record.created_at,
            started_at: record.started_at,
            finished_at: record.finished_at,
            session_id: record.session_id,
            last_seq: record.last_seq,
            waiting,
            outcome: record.outcome,
        }
    }

    /// `record` as one of many.
    pub fn in_list(mut record: ExecutionRecord, app: &App) -> Self {
        if let Some((end, _)) = record.task.prompt.char_indices().nth(200) {
            record.task.prompt.truncate(end);
        }
        Self::new(record, app)
    }
}

/// What all jobs of its agent wait for.
fn held(record: &ExecutionRecord, app: &App) -> Option<Waiting> {
    if record.state != ExecutionState::Queued {
        return None;
    }
    app.executor.agent_waits(&record.task.agent, app.clock.now())
}
