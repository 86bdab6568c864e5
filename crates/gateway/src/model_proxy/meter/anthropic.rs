//! Anthropic's Messages: `message_start` tells the prompt, each `message_delta` the answer so far.
//! <https://docs.anthropic.com/en/api/messages-streaming>

use serde_json::Value;

use super::{Seen, count};

/// What every event has its counts in.
pub(super) const COUNTS: &[u8] = b"usage";
/// What text of the answer is in.
pub(super) const SAID: &[&[u8]] = &[b"text", b"thinking", b"partial_json"];

pub(super) fn event(seen: &mut Seen, event: &Value) {
    match event["type"].as_str() {
        Some("message_start") => {
            seen.named(&event["message"]["model"]);
            counts(seen, &event["message"]["usage"]);
        }
        Some("message_delta") => {
            counts(seen, &event["usage"]);
            seen.is_final = true;
        }
        _ => {}
    }
}

pub(super) fn whole(seen: &mut Seen, body: &Value) {
    seen.named(&body["model"]);
    counts(seen, &body["usage"]);
    seen.is_final = seen.has_input;
}

/// Later counts replace earlier ones; what is left out stays.
fn counts(seen: &mut Seen, counts: &Value) {
    let tokens = &mut seen.tokens;
    if let Some(input) = count(counts, "input_tokens") {
        tokens.usage.input_tokens = input;
        seen.has_input = true;
    }
    let told = [
        ("output_tokens", &mut tokens.usage.output_tokens),
        ("cache_read_input_tokens", &mut tokens.usage.cache_read_tokens),
        ("cache_creation_input_tokens", &mut tokens.usage.cache_write_tokens),
    ];
    for (key, slot) in told {
        *slot = count(counts, key).unwrap_or(*slot);
    }
    if let Some(one_hour) = count(&counts["cache_creation"], "ephemeral_1h_input_tokens") {
        tokens.cache_write_1h = one_hour;
    }
    if let Some(searches) = count(&counts["server_tool_use"], "web_search_requests") {
        tokens.web_searches = searches;
    }
}
