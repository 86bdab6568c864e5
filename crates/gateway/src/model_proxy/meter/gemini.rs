//! Gemini: each chunk tells all tokens so far; the last one counts.
//! <https://ai.google.dev/api/generate-content#UsageMetadata>

use legwork_model::Usage;
use serde_json::Value;

use super::{Seen, count};

/// What every event with counts has in it.
pub(super) const COUNTS: &[u8] = b"usageMetadata";
/// What stands before text of the answer.
pub(super) const SAID: &[&[u8]] = &[b"text"];

/// Takes one chunk.
pub(super) fn counts(seen: &mut Seen, chunk: &Value) {
    seen.named(&chunk["modelVersion"]);
    let told = &chunk["usageMetadata"];
    let Some(prompt) = count(told, "promptTokenCount") else { return };
    let of = |key: &str| count(told, key).unwrap_or(0);
    let cached = of("cachedContentTokenCount").min(prompt);
    seen.tokens.usage = Usage {
        input_tokens: prompt - cached + of("toolUsePromptTokenCount"),
        // What it thought is billed as what it said.
        output_tokens: of("candidatesTokenCount") + of("thoughtsTokenCount"),
        cache_read_tokens: cached,
        cache_write_tokens: 0,
    };
    seen.has_input = true;
    let ended = |candidate: &Value| candidate.get("finishReason").is_some();
    let blocked = chunk["promptFeedback"].get("blockReason").is_some();
    seen.is_final |= blocked || chunk["candidates"].as_array().is_some_and(|all| all.iter().any(ended));
}
