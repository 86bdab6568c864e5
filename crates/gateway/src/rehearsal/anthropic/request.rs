//! What is read of a request, and how its messages become turns.

use axum::http::{HeaderMap, header};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

use super::super::conversation::Turn;
use super::error::ApiError;

const REMINDER_OPENS: &str = "<system-reminder>";
const REMINDER_CLOSES: &str = "</system-reminder>";

/// Characters of JSON for one token, roughly.
const CHARS_PER_TOKEN: usize = 4;

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

/// How many tokens a request has, made up from its length.
#[derive(Debug, Clone, Copy)]
pub(super) struct RequestTokens {
    /// System prompt and tools, which a real API would have cached.
    pub(super) cached: u64,
    pub(super) fresh: u64,
}

impl RequestTokens {
    pub(super) fn total(self) -> u64 {
        self.cached + self.fresh
    }
}

impl<'a> Request<'a> {
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, ApiError> {
        let request: Self = serde_json::from_slice(body)
            .map_err(|error| ApiError::invalid(&format!("the body is not a Messages request: {error}")))?;
        if request.messages.is_empty() {
            return Err(ApiError::invalid("messages: at least one message is required"));
        }
        Ok(Self { length: body.len(), ..request })
    }

    /// Only a token count may do without.
    pub(super) fn check_max_tokens(&self) -> Result<(), ApiError> {
        self.max_tokens.map(drop).ok_or_else(|| ApiError::invalid("max_tokens: Field required"))
    }

    /// Whoever the client says it asks for. Claude Code puts its session's id in here.
    pub(super) fn user(&self) -> Option<&str> {
        self.metadata.as_ref()?.user_id.as_deref()
    }

    pub(super) fn tokens(&self) -> RequestTokens {
        let stable = [self.system, self.tools].into_iter().flatten().map(|part| part.get().len()).sum::<usize>();
        RequestTokens { cached: tokens_in(stable), fresh: tokens_in(self.length.saturating_sub(stable)).max(1) }
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

fn asked(text: &str) -> Option<Turn> {
    let text = without_reminders(text);
    (!text.trim().is_empty()).then_some(Turn::Asked(text))
}

/// Agents put instructions of their own between the user's words, marked as reminders: project files, for instance,
/// which may well hold examples of steps.
fn without_reminders(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, reminder)) = rest.split_once(REMINDER_OPENS) {
        kept.push_str(before);
        rest = reminder.split_once(REMINDER_CLOSES).map_or("", |(_, after)| after);
    }
    kept.push_str(rest);
    kept
}

/// About how many tokens so many characters are.
pub(super) fn tokens_in(chars: usize) -> u64 {
    u64::try_from(chars.div_ceil(CHARS_PER_TOKEN)).unwrap_or(u64::MAX)
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
