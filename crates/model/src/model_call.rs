//! What the gateway saw of an agent's requests to its model.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::money::Cost;
use crate::usage::Usage;

/// An API that models are talked to by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ModelApi {
    /// Anthropic's Messages.
    Anthropic,
    /// OpenAI's Responses and Chat Completions.
    Openai,
    /// Google's Gemini.
    Gemini,
}

impl ModelApi {
    /// As it is written in JSON, in the database and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::Openai => "openai",
            Self::Gemini => "gemini",
        }
    }
}

/// One request to a model, beside its model and its tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelCall {
    /// Names it, on all nodes.
    pub id: String,
    /// The API it was made by.
    pub api: ModelApi,
    /// The name of the credential that paid for it.
    pub credential: String,
    /// The HTTP status that the API answered with.
    pub status: u16,
    /// What it cost, by the price table.
    pub cost_usd: Cost,
    /// Whether tokens had to be estimated: the answer was cut off, or did not tell them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub estimated: bool,
    /// Whether nobody is billed for it by the token: a subscription paid.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub imputed: bool,
    /// Milliseconds from the request to the first byte of the answer.
    pub first_byte_ms: u64,
    /// Milliseconds from the request to the end of the answer.
    pub duration_ms: u64,
}

/// All requests of one run to its models, as the gateway metered them.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Metered {
    /// How many there were.
    pub calls: u64,
    /// Their tokens.
    pub usage: Usage,
    /// What they cost, by the price table.
    pub cost_usd: Cost,
    /// Dollars by which this is more (or, negative, less) than the agent itself reported, where it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more_than_reported_usd: Option<f64>,
    /// Whether tokens of some had to be estimated.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub estimated: bool,
    /// Whether a subscription paid for some.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub imputed: bool,
}

impl Metered {
    /// Counts a request in.
    pub fn count(&mut self, usage: Usage, call: &ModelCall) {
        self.calls += 1;
        self.usage += usage;
        self.cost_usd += call.cost_usd;
        self.estimated |= call.estimated;
        self.imputed |= call.imputed;
    }
}

impl AddAssign for Metered {
    fn add_assign(&mut self, other: Self) {
        self.calls += other.calls;
        self.usage += other.usage;
        self.cost_usd += other.cost_usd;
        self.estimated |= other.estimated;
        self.imputed |= other.imputed;
    }
}
