//! What Gemini CLI asks on the side: which model suits the prompt, who speaks next, whether it runs in circles. Such a
//! request quotes the user's prompt, so its steps must not be acted out again.

use axum::http::{HeaderMap, HeaderValue, header};
use serde_json::{Map, Value, json};

use super::super::tool::Toolbox;
use super::request::Request;

/// A question on the side.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Aside {
    /// To be answered with this JSON.
    Json(String),
    /// To be answered with any text.
    Text,
}

impl Aside {
    /// Whether `request` is one: Gemini CLI 0.61 offers no function to those, but does in every real request.
    pub(super) fn of(request: &Request<'_>, tools: &Toolbox, headers: &HeaderMap) -> Option<Self> {
        let agent = headers.get(header::USER_AGENT).map_or(&b""[..], HeaderValue::as_bytes);
        if !agent.starts_with(b"GeminiCLI") || !tools.is_empty() {
            return None;
        }
        let config = &request.generation_config;
        let schema = config.response_json_schema.as_ref().or(config.response_schema.as_ref());
        Some(schema.map_or(Self::Text, |schema| Self::Json(sample(schema).to_string())))
    }
}

/// The plainest value that `schema` allows: the first choice, the smallest number. To Gemini CLI this says that the
/// task is easy, that the user speaks next, and that nothing runs in circles.
fn sample(schema: &Value) -> Value {
    if let Some(first) = schema.get("enum").and_then(|choices| choices.get(0)) {
        return first.clone();
    }
    let kind = schema.get("type").and_then(Value::as_str).unwrap_or("object").to_ascii_lowercase();
    let least = || schema.get("minimum").cloned();
    match kind.as_str() {
        "object" => {
            let fields = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
            Value::Object(fields.map(|(name, field)| (name.clone(), sample(field))).collect::<Map<_, _>>())
        }
        "array" => json!([]),
        "integer" => least().unwrap_or(json!(1)),
        "number" => least().unwrap_or(json!(0)),
        "boolean" => json!(false),
        "null" => Value::Null,
        _ => json!("rehearsed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aside(agent: &'static str, more: &Value) -> Option<Aside> {
        let mut body = json!({ "contents": [{ "parts": [{ "text": "[[say: no]]" }] }] });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let body = body.to_string();
        let request = Request::parse(body.as_bytes()).unwrap();
        let headers = HeaderMap::from_iter([(header::USER_AGENT, HeaderValue::from_static(agent))]);
        Aside::of(&request, &request.toolbox(), &headers)
    }

    #[test]
    fn asides_are_told_from_real_requests() {
        let cli = "GeminiCLI-tui/0.61.0/gemini-3.1-pro-preview (linux; x64; terminal)";
        let search = json!({ "tools": [{ "googleSearch": {} }] });
        let real = json!({ "tools": [{ "functionDeclarations": [{ "name": "glob" }] }] });
        assert_eq!(aside(cli, &json!({})), Some(Aside::Text));
        assert_eq!(aside(cli, &search), Some(Aside::Text));
        assert_eq!(aside(cli, &real), None);
        assert_eq!(aside("curl", &json!({})), None);
    }

    #[test]
    fn json_is_answered_as_its_schema_wants_it() {
        let schema = json!({ "type": "OBJECT", "properties": {
            "reasoning": { "type": "STRING" },
            "complexity_score": { "type": "INTEGER" },
            "next_speaker": { "type": "string", "enum": ["user", "model"] },
            "confidence": { "type": "number", "minimum": 0.5 },
            "all": { "type": "array" },
        } });
        let config = json!({ "generationConfig": { "responseJsonSchema": schema } });
        let Some(Aside::Json(text)) = aside("GeminiCLI", &config) else { panic!("JSON is wanted") };
        let expected = json!({
            "reasoning": "rehearsed", "complexity_score": 1, "next_speaker": "user", "confidence": 0.5, "all": [],
        });
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
    }
}
