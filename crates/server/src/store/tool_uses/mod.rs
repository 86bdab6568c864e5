//! The log of tool uses: what agents did with their tools, or wanted to, and who let them.
//!
//! A row is written in the transaction of the event that tells of the use first, and has that event's number; what is known
//! of it later is written with the events that tell that. So none is missing and none is there twice, whatever happens to
//! the server.

mod list;
mod record;

use legwork_model::{ExecutionId, Risk, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use list::{ToolUseFilter, ToolUsePlace};
pub(super) use record::record_tool_uses;

/// Whether a tool may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ToolDecision {
    /// Nobody has decided yet; once the execution has ended: nobody did, and the tool was not used.
    Pending,
    /// It may.
    Allowed,
    /// It may not.
    Denied,
}

impl ToolDecision {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Allowed, Self::Denied];

    /// As it is written in JSON and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Allowed => "allowed",
            Self::Denied => "denied",
        }
    }

    /// The decision of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|decision| decision.as_str() == name)
    }
}

/// What an event tells of a use of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolUseNews {
    /// That there is one.
    Begun {
        /// The tool.
        tool: String,
        /// What is known of the call.
        call: CallFacts,
        /// What was decided; `None` where nothing is yet.
        ruling: Option<Ruling>,
    },
    /// What the call is, where earlier events did not say that, or that somebody is asked about it.
    Described {
        /// The number of the event that told of the use first.
        of: u64,
        /// What is known of the call.
        call: CallFacts,
    },
    /// A decision about it.
    Ruled {
        /// The number of the event that told of the use first.
        of: u64,
        /// The decision.
        ruling: Ruling,
    },
}

/// What is known of a call.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CallFacts {
    /// SHA-256 over tool and input.
    pub digest: Option<String>,
    /// What it may do.
    pub risk: Option<Risk>,
    /// The approval in which somebody is asked about it.
    pub approval: Option<String>,
}

/// A decision about a use of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruling {
    /// Whether the tool may be used.
    pub allowed: bool,
    /// Who decided.
    pub by: String,
}

/// A use of a tool by an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ToolUse {
    /// The execution whose agent it is.
    pub execution_id: ExecutionId,
    /// The number of the first event of the execution that tells of it, which is the `tool_call` as a rule.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// The turn of the agent, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<u32>,
    /// The tool, as the agent names it.
    #[schema(example = "Bash")]
    pub tool: String,
    /// What the call may do; absent where the agent did not say what it would be called with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<Risk>,
    /// SHA-256 in hex over tool and input, each ended by a zero byte, the input as compact JSON: the `digest` of its approval.
    /// Absent where the agent did not say what it would be called with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Whether the tool could be used.
    pub decision: ToolDecision,
    /// Who decided: `agent` (its own mode and rules), `policy` (a rule of the job), `timeout`, the id of an API key, or `local` for
    /// a person on a server without keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<String>,
    /// When that was on record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<Timestamp>,
    /// The approval in which somebody was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval_id: Option<String>,
}
