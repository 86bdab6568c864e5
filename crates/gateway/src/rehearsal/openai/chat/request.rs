//! What is read of a request, and how its messages become turns.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::super::super::conversation::Turn;
use super::super::super::refusal::Refusal;
use super::super::super::said::{asked, texts};
use super::super::super::tokens::Usage;
use super::super::super::tool::Toolbox;
use super::super::request::{length_of, tools};

/// A request for a completion. Whatever else it holds makes no difference here.
#[derive(Debug, Deserialize)]
pub(in super::super) struct Request<'a> {
    pub(super) model: String,
    #[serde(default)]
    pub(super) stream: bool,
    stream_options: Option<StreamOptions>,
    messages: Vec<Said>,
    #[serde(borrow)]
    tools: Option<&'a RawValue>,
    user: Option<String>,
    #[serde(skip)]
    length: usize,
}

#[derive(Debug, Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

#[derive(Debug, Deserialize)]
struct Said {
    role: String,
    #[serde(default)]
    content: Value,
}

impl<'a> Request<'a> {
    pub(in super::super) fn parse(body: &'a [u8]) -> Result<Self, Refusal> {
        let request: Self = serde_json::from_slice(body)
            .map_err(|error| Refusal::invalid(&format!("the body is not a Chat Completions request: {error}")))?;
        if request.messages.is_empty() {
            return Err(Refusal::invalid("messages: at least one message is required"));
        }
        Ok(Self { length: body.len(), ..request })
    }

    /// Whoever the client says it asks for.
    pub(in super::super) fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Whether a stream is to end with the tokens.
    pub(super) fn wants_usage(&self) -> bool {
        self.stream_options.as_ref().is_some_and(|options| options.include_usage)
    }

    pub(super) fn usage(&self) -> Usage {
        Usage::of_request(self.length, length_of(&[self.tools]) + self.instructions().len())
    }

    pub(in super::super) fn toolbox(&self) -> Toolbox {
        Toolbox::new(tools(self.tools), &self.instructions())
    }

    fn instructions(&self) -> String {
        let messages = self.messages.iter().filter(|message| matches!(message.role.as_str(), "system" | "developer"));
        messages.flat_map(|message| texts(&message.content)).collect::<Vec<_>>().join("\n")
    }

    /// The conversation so far.
    pub(in super::super) fn turns(&self) -> Vec<Turn> {
        self.messages.iter().flat_map(Said::turns).collect()
    }
}

impl Said {
    fn turns(&self) -> Vec<Turn> {
        match self.role.as_str() {
            "user" => texts(&self.content).into_iter().filter_map(asked).collect(),
            "assistant" => vec![Turn::Answered],
            "tool" | "function" => vec![Turn::ToolResult],
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn messages_become_turns() {
        let body = json!({ "model": "m", "messages": [
            { "role": "system", "content": "[[say: no]]" },
            { "role": "user", "content": "<current_datetime>[[say: no]]</current_datetime>do it" },
            { "role": "assistant", "content": null, "tool_calls": [{ "id": "1" }, { "id": "2" }] },
            { "role": "tool", "tool_call_id": "1", "content": "[[say: no]]" },
            { "role": "tool", "tool_call_id": "2", "content": "" },
            { "role": "assistant", "content": "[[say: no]]" },
            { "role": "user", "content": [{ "type": "text", "text": "more" }, { "type": "image_url" }] },
        ] })
        .to_string();
        let asked = |text: &str| Turn::Asked(text.to_owned());
        let (answered, result) = (Turn::Answered, Turn::ToolResult);
        let expected = [asked("do it"), answered.clone(), result.clone(), result, answered, asked("more")];
        assert_eq!(Request::parse(body.as_bytes()).unwrap().turns(), expected);
    }
}
