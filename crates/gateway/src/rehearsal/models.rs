//! The models that are listed. Requests may name any other, too.

use axum::Json;
use serde_json::{Value, json};

/// Of each vendor: the id, the name, and whose it is in place of.
const MODELS: [(&str, &str, &str); 4] = [
    ("claude-opus-4-8", "Rehearsal in place of Claude Opus", "anthropic"),
    ("claude-sonnet-4-6", "Rehearsal in place of Claude Sonnet", "anthropic"),
    ("claude-haiku-4-5", "Rehearsal in place of Claude Haiku", "anthropic"),
    ("gpt-5.5", "Rehearsal in place of GPT", "openai"),
];

/// When models and answers are said to be made, in seconds since 1970: the same in every rehearsal.
pub(super) const CREATED: u64 = 1_767_225_600;

/// Gemini's own list has another form.
const GEMINI_MODELS: [(&str, &str); 2] =
    [("gemini-3-pro", "Rehearsal in place of Gemini Pro"), ("gemini-3-flash", "Rehearsal in place of Gemini Flash")];

/// One list for two vendors that have it at the same path: every model has the fields of both.
pub(super) async fn list() -> Json<Value> {
    let model = |(id, name, owner): &(&str, &str, &str)| {
        json!({
            "type": "model", "id": id, "display_name": name, "created_at": "2026-01-01T00:00:00Z",
            "object": "model", "created": CREATED, "owned_by": owner,
        })
    };
    let data: Vec<_> = MODELS.iter().map(model).collect();
    let (first, last) = (MODELS[0].0, MODELS[MODELS.len() - 1].0);
    Json(json!({ "object": "list", "data": data, "has_more": false, "first_id": first, "last_id": last }))
}

/// The models of Gemini.
pub(super) async fn gemini() -> Json<Value> {
    let model = |(id, name): &(&str, &str)| {
        json!({
            "name": format!("models/{id}"), "displayName": name, "version": "rehearsal",
            "inputTokenLimit": 1_048_576, "outputTokenLimit": 65_536,
            "supportedGenerationMethods": ["generateContent", "countTokens"],
        })
    };
    Json(json!({ "models": GEMINI_MODELS.iter().map(model).collect::<Vec<_>>() }))
}
