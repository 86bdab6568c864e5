//! What the requests of both APIs have in common.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::Value;
use serde_json::value::RawValue;

use super::super::refusal::Refusal;
use super::super::tool::{Tool, Toolbox};
use super::super::wire;

/// Where agents put their session's id: Codex, then OpenCode.
const SESSION_HEADERS: [&str; 2] = ["session-id", "x-session-id"];

/// Whoever asks.
pub(super) fn credential(headers: &HeaderMap) -> Result<&[u8], Refusal> {
    let given = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
    wire::credential(given, StatusCode::UNAUTHORIZED, "an authorization header")
}

/// The session, as the agent calls it in a header or else in the body.
pub(super) fn session<'a>(headers: &'a HeaderMap, in_body: Option<&'a str>) -> Option<&'a str> {
    let in_header = SESSION_HEADERS.iter().find_map(|name| headers.get(*name)?.to_str().ok());
    in_header.or(in_body)
}

/// Whether an agent asks on the side, for instance for a title of the session. Such a request quotes the user's prompt,
/// so its steps must not be acted out again. OpenCode and Copilot offer it no tools, but do in every real request.
pub(super) fn is_aside(headers: &HeaderMap, tools: &Toolbox) -> bool {
    let agent = headers.get(header::USER_AGENT).map_or(&b""[..], HeaderValue::as_bytes);
    tools.is_empty() && (agent.starts_with(b"opencode/") || headers.contains_key("x-initiator"))
}

/// The tools that are offered. Chat Completions wraps each once more than Responses does.
pub(super) fn tools(given: Option<&RawValue>) -> Vec<Tool> {
    let given: Option<Vec<Value>> = given.and_then(|tools| serde_json::from_str(tools.get()).ok());
    given.unwrap_or_default().iter().flat_map(offered).collect()
}

fn offered(tool: &Value) -> Vec<Tool> {
    let kind = tool.get("type").and_then(Value::as_str).unwrap_or_default();
    let tool = tool.get(kind).filter(|inner| inner.is_object()).unwrap_or(tool);
    let Some(name) = tool.get("name").and_then(Value::as_str) else { return Vec::new() };
    match kind {
        "function" => vec![Tool::function(name, tool.get("parameters"))],
        "custom" => vec![Tool::freeform(name)],
        "namespace" => {
            let members = tool.get("tools").and_then(Value::as_array).into_iter().flatten();
            members.flat_map(offered).map(|member| member.within(name)).collect()
        }
        _ => Vec::new(),
    }
}

/// How many characters of a request are the same in all requests of a conversation.
pub(super) fn length_of(parts: &[Option<&RawValue>]) -> usize {
    parts.iter().flatten().map(|part| part.get().len()).sum()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tools_of_every_kind_are_read() {
        let schema = json!({ "type": "object", "properties": { "a": {} } });
        let written = json!([
            { "type": "function", "name": "one", "parameters": schema },
            { "type": "function", "function": { "name": "one", "parameters": schema } },
            { "type": "custom", "name": "two", "format": { "type": "grammar" } },
            { "type": "custom", "custom": { "name": "two" } },
            { "type": "namespace", "name": "group", "tools": [{ "type": "function", "name": "one", "parameters": schema }] },
            { "type": "web_search" },
            "nonsense",
        ]);
        let raw = RawValue::from_string(written.to_string()).unwrap();
        let one = || Tool::function("one", Some(&schema));
        let two = || Tool::freeform("two");
        assert_eq!(tools(Some(&raw)), [one(), one(), two(), two(), one().within("group")]);
        assert_eq!(tools(None), []);
    }

    #[test]
    fn asides_are_told_from_real_requests() {
        let headers = |name: &'static str, value: &'static str| {
            HeaderMap::from_iter([(header::HeaderName::from_static(name), HeaderValue::from_static(value))])
        };
        let some = Toolbox::new(vec![Tool::freeform("t")], "");
        for (headers, tools, aside) in [
            (headers("user-agent", "opencode/1.18.33 runtime/bun"), Toolbox::default(), true),
            (headers("x-initiator", "agent"), Toolbox::default(), true),
            (headers("user-agent", "curl"), Toolbox::default(), false),
            (headers("x-initiator", "agent"), some, false),
        ] {
            assert_eq!(is_aside(&headers, &tools), aside, "{headers:?}");
        }
    }
}
