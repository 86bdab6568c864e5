//! The one vocabulary of events that every agent's output is turned into.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::clock::Timestamp;
use crate::model_call::ModelCall;
use crate::money::Cost;
use crate::outcome::Outcome;
use crate::permission::Risk;
use crate::usage::Usage;
use crate::waiting::Waiting;

/// One numbered entry of an execution's log: `{"seq":3,"at":"…","kind":"text","data":{…}}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Its number within the execution: 1, 2, 3, … without gaps.
    pub seq: u64,
    /// When it was recorded.
    pub at: Timestamp,
    /// The turn of the agent that it belongs to, from 1: each message that the agent gets begins one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<u32>,
    /// What happened.
    #[serde(flatten)]
    pub body: EventBody,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", content = "data", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum EventBody {
    /// The job is on record and waits.
    Queued {
        /// The lane it waits in.
        lane: String,
    },
    /// A worker took it.
    Claimed {
        /// Which try this is, from 1.
        attempt: u32,
        /// The worker.
        node: String,
    },
    /// The repository is on its way into the workspace.
    RepositoryProgress {
        /// What git is doing, in its own words: `Receiving objects`.
        phase: String,
        /// How much of it is done, from 0 to 100.
        percent: u8,
    },
    /// The workspace is ready.
    Workspace {
        /// Its path on the worker.
        path: String,
        /// What was checked out, for a repository.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        commit: Option<String>,
    },
    /// The agent began to work.
    #[schema(rename_all = "camelCase")]
    Started {
        /// Its own session.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session_id: Option<String>,
        /// The model it uses.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        model: Option<String>,
        /// The tools it offers its model.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tools: Vec<String>,
        /// The version of its program.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<String>,
    },
    /// The agent began another session than the one it was to continue, and goes on in it.
    #[schema(rename_all = "camelCase")]
    SessionReplaced {
        /// The session that was to be continued.
        lost_session_id: String,
        /// The one that goes on instead.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session_id: Option<String>,
    },
    /// A further message for the agent.
    UserMessage {
        /// The message.
        text: String,
        /// Whether the agent got it: `false` where it came in the moment in which the run ended.
        delivered: bool,
    },
    /// The agent said something.
    #[schema(rename_all = "camelCase")]
    Text {
        /// What it said.
        text: String,
        /// The tool call of the sub-agent that said it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parent_tool_call_id: Option<String>,
    },
    /// The agent thought aloud.
    #[schema(rename_all = "camelCase")]
    Thinking {
        /// What it thought.
        text: String,
        /// The tool call of the sub-agent that thought it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parent_tool_call_id: Option<String>,
    },
    /// The agent called a tool.
    #[schema(rename_all = "camelCase")]
    ToolCall {
        /// Joins the call to its result.
        id: String,
        /// The tool.
        name: String,
        /// What it was called with.
        input: Value,
        /// The tool call of the sub-agent that made it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parent_tool_call_id: Option<String>,
    },
    /// A tool answered.
    #[schema(rename_all = "camelCase")]
    ToolResult {
        /// The call that it answers.
        id: String,
        /// The answer as text.
        output: String,
        /// Whether the tool says that it failed.
        is_error: bool,
        /// The tool call of the sub-agent that it answers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parent_tool_call_id: Option<String>,
    },
    /// The agent asks for a permission.
    #[schema(rename_all = "camelCase")]
    PermissionRequest {
        /// Joins the request to its decision.
        id: String,
        /// The tool.
        tool: String,
        /// What it would be called with.
        input: Value,
        /// What the call may do.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        risk: Option<Risk>,
        /// The tool call that it is for, where the agent says it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tool_call_id: Option<String>,
    },
    /// A permission was given or refused.
    PermissionDecision {
        /// The request that it decides, or the tool call that was refused.
        id: String,
        /// The tool.
        tool: String,
        /// Whether it may be used.
        allowed: bool,
        /// Who decided: `policy`, `timeout`, or the API key of a person; the agent itself where absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// Tokens were used; never a running total. With `call` it is one request that the gateway metered. Without, it is what the
    /// agent itself told of a turn: the same tokens once more.
    Usage {
        /// The model that used them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        model: Option<String>,
        /// How many.
        #[serde(flatten)]
        usage: Usage,
        /// The request that used them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        call: Option<Box<ModelCall>>,
    },
    /// The agent's call to its model failed and is tried again.
    #[schema(rename_all = "camelCase")]
    Retrying {
        /// The number of the next try.
        attempt: u32,
        /// How many there will be at most.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_attempts: Option<u32>,
        /// Milliseconds until then.
        delay_ms: u64,
        /// The HTTP status of the model's API.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        api_status: Option<u16>,
        /// What went wrong.
        error: String,
    },
    /// The run reached for a host, or tried to. Told at the first time, the second, the fourth and so on, and at the end of the
    /// run; the last one for a host, a port and a verdict counts.
    #[schema(rename_all = "camelCase")]
    Egress {
        /// The host as it was asked for.
        host: String,
        /// The port.
        port: u16,
        /// What was decided.
        verdict: EgressVerdict,
        /// Why it is not let through, or would not be: `not_listed`, `private_address`, `sni_mismatch`, ...
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// How often so far.
        count: u64,
        /// Bytes that the run sent so far.
        bytes_up: u64,
        /// Bytes that came back so far.
        bytes_down: u64,
    },
    /// A line of the agent's error output.
    Stderr {
        /// The line.
        line: String,
    },
    /// A line that the adapter does not know; kept as it came.
    Unparsed {
        /// The line, lossily decoded as UTF-8.
        line: String,
        /// Whether its end was cut off at the line cap.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        truncated: bool,
    },
    /// Something the agent told about itself that fits no other kind (sub-tasks, hooks, status).
    Message {
        /// What kind of thing, in the agent's own word.
        topic: String,
        /// Its content as the agent gave it.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        fields: BTreeMap<String, Value>,
    },
    /// A turn of the agent ended with this answer.
    #[schema(rename_all = "camelCase")]
    TurnEnded {
        /// Its answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        result: Option<String>,
        /// Whether the agent calls it an error.
        is_error: bool,
    },
    /// The run is being stopped.
    Stopping {
        /// Why: `cancelled`, or the failure reason it will end with.
        reason: String,
    },
    /// The run waits for what ends by itself, or by somebody's doing, and then goes on in the same session.
    Waiting {
        /// Why, and until when.
        #[serde(flatten)]
        waiting: Waiting,
        /// What happened, in a sentence.
        message: String,
    },
    /// So much of a budget is spent that somebody is to be told; once in each of its periods.
    #[schema(rename_all = "camelCase")]
    BudgetAlert {
        /// The budget.
        budget: String,
        /// What it is for: `install`, `project`, `user`, `key` or `session`.
        scope: String,
        /// Whose it is.
        subject: String,
        /// After which counting begins anew: `day`, `month` or `total`.
        period: String,
        /// What is spent.
        spent_usd: Cost,
        /// What may be spent.
        limit_usd: Cost,
    },
    /// The worker was lost; the job waits again.
    Requeued {
        /// Why.
        message: String,
    },
    /// The end; nothing follows.
    Finished {
        /// How it ended.
        outcome: Outcome,
    },
}

/// What the egress proxy decides about a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EgressVerdict {
    /// It is let through.
    Allowed,
    /// It is let through because the run is only observed: its `allowedDomains` do not have it.
    Observed,
    /// It is not let through.
    Denied,
}

impl EventBody {
    /// The kind as it is written in JSON, in the database and as the SSE event name.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Queued { .. } => "queued",
            Self::Claimed { .. } => "claimed",
            Self::RepositoryProgress { .. } => "repository_progress",
            Self::Workspace { .. } => "workspace",
            Self::Started { .. } => "started",
            Self::SessionReplaced { .. } => "session_replaced",
            Self::UserMessage { .. } => "user_message",
            Self::Text { .. } => "text",
            Self::Thinking { .. } => "thinking",
            Self::ToolCall { .. } => "tool_call",
            Self::ToolResult { .. } => "tool_result",
            Self::PermissionRequest { .. } => "permission_request",
            Self::PermissionDecision { .. } => "permission_decision",
            Self::Usage { .. } => "usage",
            Self::Retrying { .. } => "retrying",
            Self::Egress { .. } => "egress",
            Self::Stderr { .. } => "stderr",
            Self::Unparsed { .. } => "unparsed",
            Self::Message { .. } => "message",
            Self::TurnEnded { .. } => "turn_ended",
            Self::Stopping { .. } => "stopping",
            Self::Waiting { .. } => "waiting",
            Self::BudgetAlert { .. } => "budget_alert",
            Self::Requeued { .. } => "requeued",
            Self::Finished { .. } => Self::FINISHED,
        }
    }

    /// The kind of the one event that ends every execution.
    pub const FINISHED: &'static str = "finished";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_kind_and_data() {
        let body =
            EventBody::ToolResult { id: "t1".into(), output: "ok".into(), is_error: false, parent_tool_call_id: None };
        let event = Event { seq: 3, at: Timestamp::from_millis(0), turn: Some(1), body };
        let json = serde_json::to_value(&event).expect("serialises");
        assert_eq!(
            json,
            serde_json::json!({
                "seq": 3, "at": "1970-01-01T00:00:00.000Z", "turn": 1, "kind": "tool_result",
                "data": {"id": "t1", "output": "ok", "isError": false},
            })
        );
        assert_eq!(json["kind"], event.body.kind());
        assert_eq!(serde_json::from_value::<Event>(json).expect("reads back"), event);
    }
}
