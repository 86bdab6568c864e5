//! What one execution may use before it is stopped.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::money::Cost;

/// The limits of one execution, all decided at admission. Every wait of a run has one of these deadlines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Wall-clock seconds from the start of the agent to its end (`timeout`).
    pub timeout_seconds: u64,
    /// Seconds to prepare the workspace and start the process (`start_timeout`).
    pub start_seconds: u64,
    /// Seconds from the start of the process to the first line it prints (`first_event_timeout`).
    pub first_event_seconds: u64,
    /// Seconds without a byte of output while the agent works (`silence_timeout`).
    pub silence_seconds: u64,
    /// Seconds the process may take to leave after it said it is finished (`exit_timeout`).
    pub exit_seconds: u64,
    /// Bytes of standard output after which the run is stopped (`output_limit`).
    pub max_output_bytes: u64,
    /// Turns the agent may take (`max_turns`); unlimited where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_turns: Option<u32>,
    /// What the run may cost in US dollars (`budget_exceeded`); unlimited where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_cost_usd: Option<Cost>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            timeout_seconds: 30 * 60,
            start_seconds: 120,
            first_event_seconds: 60,
            silence_seconds: 10 * 60,
            exit_seconds: 15,
            max_output_bytes: 10 * 1024 * 1024,
            max_turns: None,
            max_cost_usd: None,
        }
    }
}
