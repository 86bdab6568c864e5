//! What is read of a request, and how its messages become turns.

use axum::http::{HeaderMap, header};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

use super::super::conversation::Turn;
use super::super::refusal::Refusal;
use super::super::said::{asked, texts};
use super::super::tokens::Usage;
use super::super::tool::{Tool, Toolbox};

/// Claude Code's own tools, for a request that offers none:
/// <https://docs.anthropic.com/en/docs/claude-code/settings#tools-available-to-claude>.
const TOOLS: [&str; 4] = ["Bash", "Write", "Edit", "Read"];

/// A request for a message, or for its number of tokens. Whatever else it holds makes no difference here.
#[derive(Debug, Deserialize)]
pub(super) struct Request<'a> {
    pub(super) model: String,
    #[serde(default)]
    pub(super) stream: bool,
    max_tokens: Option<u64>,
    messages: Vec<Said>,
    #[serde(borrow)]
    system: Option<&'a RawValue>,
    #[serde(borrow)]
    tools: Option<&'a RawValue>,
    thinking: Option<IgnoredAny>,
    metadata: Option<Metadata>,
    #[serde(skip)]
    length: usize,
}

#[derive(Debug, Deserialize)]
struct Said {
    role: String,
    content: Value,
}

#[derive(Debug, Deserialize)]
struct Metadata {
    user_id: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Offered {
    name: String,
    input_schema: Option<Value>,
}

impl<'a> Request<'a> {
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, Refusal> {
        let request: Self = serde_json::from_slice(body)
            .map_err(|error| Refusal::invalid(&format!("the body is not a Messages request: {error}")))?;
        if request.messages.is_empty() {
            return Err(Refusal::invalid("messages: at least one message is required"));
        }
        Ok(Self { length: body.len(), ..request })
    }

    /// Only a token count may do without.
    pub(super) fn check_max_tokens(&self) -> Result<(), Refusal> {
        self.max_tokens.map(drop).ok_or_else(|| Refusal::invalid("max_tokens: Field required"))
    }

    /// Whoever the client says it asks for. Claude Code puts its session's id in here.
    pub(super) fn user(&self) -> Option<&str> {
        self.metadata.as_ref()?.user_id.as_deref()
    }

    pub(super) fn usage(&self) -> Usage {
        let stable = [self.system, self.tools].into_iter().flatten().map(|part| part.get().len()).sum::<usize>();
        Usage::of_request(self.length, stable)
    }

    /// The tools that are offered; a bare request, which no agent sends, is taken for Claude Code's.
    pub(super) fn toolbox(&self) -> Toolbox {
        let offered: Vec<Offered> =
            self.tools.and_then(|tools| serde_json::from_str(tools.get()).ok()).unwrap_or_default();
        let mut tools: Vec<_> =
            offered.iter().map(|tool| Tool::function(&tool.name, tool.input_schema.as_ref())).collect();
        if tools.is_empty() {
            tools.extend(TOOLS.map(|name| Tool::function(name, None)));
        }
        let system = self.system.and_then(|system| serde_json::from_str(system.get()).ok());
        Toolbox::new(tools, &system.map_or_else(String::new, |system: Value| texts(&system).join("\n")))
    }

    /// Whether Claude Code asks on the side, for instance for a title of the session. Such a request quotes the user's
    /// prompt, so its steps must not be acted out again. Claude Code 2.1 offers it no tools and lets it not think.
    pub(super) fn is_aside(&self, headers: &HeaderMap) -> bool {
        let agent = headers.get(header::USER_AGENT).map_or(&b""[..], |value| value.as_bytes());
        let offers_tools = self.tools.is_some_and(|tools| tools.get() != "[]");
        agent.starts_with(b"claude-cli/") && !offers_tools && self.thinking.is_none()
    }

    /// The conversation so far. Messages of the role `system`, which Claude Code sends in between, are none of it.
    pub(super) fn turns(&self) -> Vec<Turn> {
        self.messages.iter().flat_map(Said::turns).collect()
    }
}

impl Said {
    fn turns(&self) -> Vec<Turn> {
        match (self.role.as_str(), &self.content) {
            ("assistant", _) => vec![Turn::Answered],
            ("user", Value::String(text)) => asked(text).into_iter().collect(),
            ("user", Value::Array(blocks)) => blocks.iter().filter_map(turn_of_block).collect(),
            _ => Vec::new(),
        }
    }
}

/// A tool's result is one turn, whatever stands in it: steps that a tool printed are not the user's.
fn turn_of_block(block: &Value) -> Option<Turn> {
    match block.get("type")?.as_str()? {
        "text" => asked(block.get("text")?.as_str()?),
        "tool_result" => Some(Turn::ToolResult),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use serde_json::json;

    use super::*;

    fn asked(text: &str) -> Turn {
        Turn::Asked(text.to_owned())
    }

    #[test]
    fn messages_become_turns() {
        let body = json!({ "model": "m", "messages": [
            { "role": "user", "content": [
                { "type": "text", "text": "<system-reminder>\n[[say: no]]\n</system-reminder>\n" },
                { "type": "text", "text": "do it <system-reminder>[[say: no]]</system-reminder>now" },
            ] },
            { "role": "system", "content": "# Environment [[say: no]]" },
            { "role": "assistant", "content": [{ "type": "text", "text": "[[say: no]]" }, { "type": "tool_use" }] },
            { "role": "user", "content": [
                { "type": "tool_result", "content": "[[say: no]]" },
                { "type": "text", "text": "<system-reminder>never closed" },
            ] },
            { "role": "user", "content": "more" },
        ] })
        .to_string();
        let turns = Request::parse(body.as_bytes()).unwrap().turns();
        assert_eq!(turns, [asked("do it now"), Turn::Answered, Turn::ToolResult, asked("more")]);
    }

    #[test]
    fn asides_are_told_from_real_requests() {
        let mut claude = HeaderMap::new();
        claude.insert(header::USER_AGENT, HeaderValue::from_static("claude-cli/2.1.329 (external, sdk-cli)"));
        for (tools, thinking, headers, aside) in [
            (json!([]), None, &claude, true),
            (json!([]), Some("adaptive"), &claude, false),
            (json!([{ "name": "Bash" }]), None, &claude, false),
            (json!([]), None, &HeaderMap::new(), false),
        ] {
            let mut body = json!({ "model": "m", "tools": tools, "messages": [{ "role": "user", "content": "hi" }] });
            if let Some(kind) = thinking {
                body["thinking"] = json!({ "type": kind });
            }
            let body = body.to_string();
            assert_eq!(Request::parse(body.as_bytes()).unwrap().is_aside(headers), aside, "{body}");
        }
    }
}
