//! OpenAI's Responses tell all at the end, in the response; Chat Completions in a last chunk, where the client asked for it.
//! <https://platform.openai.com/docs/api-reference/responses-streaming>

use legwork_model::Usage;
use serde_json::Value;

use super::{Seen, count};

/// What every event with counts has in it.
pub(super) const COUNTS: &[u8] = b"usage";
/// What stands before text of the answer.
pub(super) const SAID: &[&[u8]] = &[b"delta", b"content", b"arguments", b"reasoning_content"];

pub(super) fn event(seen: &mut Seen, event: &Value) {
    match event.get("response") {
        Some(response) => counts(seen, response),
        None => counts(seen, event),
    }
}

/// Takes a response, a completion or a chunk of one.
pub(super) fn counts(seen: &mut Seen, body: &Value) {
    seen.named(&body["model"]);
    let told = &body["usage"];
    let responses = [("input_tokens", "input_tokens_details"), ("prompt_tokens", "prompt_tokens_details")];
    let Some((prompt, details)) = responses.into_iter().find_map(|(key, details)| Some((count(told, key)?, details)))
    else {
        return;
    };
    let cached = count(&told[details], "cached_tokens").unwrap_or(0).min(prompt);
    let written = count(&told[details], "cache_write_tokens").unwrap_or(0).min(prompt - cached);
    let output = count(told, "output_tokens").or_else(|| count(told, "completion_tokens")).unwrap_or(0);
    seen.tokens.usage = Usage {
        input_tokens: prompt - cached - written,
        output_tokens: output,
        cache_read_tokens: cached,
        cache_write_tokens: written,
    };
    (seen.has_input, seen.is_final) = (true, true);
}
