//! Limits of executions.

use legwork_model::{Cost, Limits};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// `[limits]`: what an execution gets that names no limits. The `most_*` are ceilings for what callers may ask.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LimitSettings {
    /// Wall-clock seconds of a run.
    pub timeout_seconds: u64,
    /// Seconds to prepare the workspace and start the process.
    pub start_seconds: u64,
    /// Seconds to the first line that the agent prints.
    pub first_event_seconds: u64,
    /// Seconds without any output while the agent works.
    pub silence_seconds: u64,
    /// Seconds the process may take to leave after its answer.
    pub exit_seconds: u64,
    /// Bytes of standard output.
    pub max_output_bytes: u64,
    /// Turns of the agent; unlimited where absent.
    pub max_turns: Option<u32>,
    /// US dollars of a run, as a number or `"$2.50"`; unlimited where absent.
    #[schemars(schema_with = "optional_cost")]
    pub max_cost_usd: Option<Cost>,
    /// The longest wall-clock time a caller may ask for, in seconds.
    pub most_timeout_seconds: u64,
    /// The most output a caller may ask for, in bytes.
    pub most_output_bytes: u64,
    /// Characters of a prompt at the most.
    pub max_prompt_chars: usize,
}

fn optional_cost(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["number", "string", "null"] })
}

impl Default for LimitSettings {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            timeout_seconds: limits.timeout_seconds,
            start_seconds: limits.start_seconds,
            first_event_seconds: limits.first_event_seconds,
            silence_seconds: limits.silence_seconds,
            exit_seconds: limits.exit_seconds,
            max_output_bytes: limits.max_output_bytes,
            max_turns: None,
            max_cost_usd: None,
            most_timeout_seconds: 24 * 60 * 60,
            most_output_bytes: 256 * 1024 * 1024,
            max_prompt_chars: 500_000,
        }
    }
}

impl LimitSettings {
    /// The limits of an execution that names none.
    pub fn defaults(&self) -> Limits {
        Limits {
            timeout_seconds: self.timeout_seconds,
            start_seconds: self.start_seconds,
            first_event_seconds: self.first_event_seconds,
            silence_seconds: self.silence_seconds,
            exit_seconds: self.exit_seconds,
            max_output_bytes: self.max_output_bytes,
            max_turns: self.max_turns,
            max_cost_usd: self.max_cost_usd,
        }
    }
}
