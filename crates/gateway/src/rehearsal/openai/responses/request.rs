//! What is read of a request, and how its items become turns.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::super::super::conversation::Turn;
use super::super::super::refusal::Refusal;
use super::super::super::said::{asked, texts};
use super::super::super::tokens::Usage;
use super::super::super::tool::Toolbox;
use super::super::request::{length_of, tools};

/// A request for a response. Whatever else it holds makes no difference here.
#[derive(Debug, Deserialize)]
pub(in super::super) struct Request<'a> {
    pub(super) model: String,
    #[serde(default)]
    pub(super) stream: bool,
    input: Value,
    #[serde(borrow)]
    instructions: Option<&'a RawValue>,
    #[serde(borrow)]
    tools: Option<&'a RawValue>,
    previous_response_id: Option<String>,
    prompt_cache_key: Option<String>,
    #[serde(skip)]
    length: usize,
}

impl<'a> Request<'a> {
    pub(in super::super) fn parse(body: &'a [u8]) -> Result<Self, Refusal> {
        let request: Self = serde_json::from_slice(body)
            .map_err(|error| Refusal::invalid(&format!("the body is not a Responses request: {error}")))?;
        if request.previous_response_id.is_some() {
            return Err(Refusal::invalid("the rehearsal model stores no responses: send the whole conversation"));
        }
        match &request.input {
            Value::String(_) => {}
            Value::Array(items) if !items.is_empty() => {}
            _ => return Err(Refusal::invalid("input: a text or a list with at least one item is required")),
        }
        Ok(Self { length: body.len(), ..request })
    }

    /// What the client wants to have in one cache, which is its session.
    pub(in super::super) fn cache_key(&self) -> Option<&str> {
        self.prompt_cache_key.as_deref()
    }

    pub(super) fn usage(&self) -> Usage {
        Usage::of_request(self.length, length_of(&[self.instructions, self.tools]))
    }

    pub(in super::super) fn toolbox(&self) -> Toolbox {
        let instructions: Option<String> = self.instructions.and_then(|text| serde_json::from_str(text.get()).ok());
        Toolbox::new(tools(self.tools), &instructions.unwrap_or_default())
    }

    /// The conversation so far. One answer is several items: what it thought, said and called.
    pub(in super::super) fn turns(&self) -> Vec<Turn> {
        let mut turns: Vec<_> = match &self.input {
            Value::Array(items) => items.iter().flat_map(turns_of_item).collect(),
            input => texts(input).into_iter().filter_map(asked).collect(),
        };
        turns.dedup_by(|turn, before| *turn == Turn::Answered && *before == Turn::Answered);
        turns
    }
}

/// A tool's output is one turn, whatever stands in it: steps that a tool printed are not the user's.
fn turns_of_item(item: &Value) -> Vec<Turn> {
    let field = |name: &str| item.get(name).and_then(Value::as_str);
    match (field("type").unwrap_or("message"), field("role")) {
        ("message", Some("user")) => {
            item.get("content").map(texts).unwrap_or_default().into_iter().filter_map(asked).collect()
        }
        ("message", Some("assistant")) | ("reasoning", _) => vec![Turn::Answered],
        (kind, _) if kind.ends_with("_call") => vec![Turn::Answered],
        (kind, _) if kind.ends_with("_output") => vec![Turn::ToolResult],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn turns(input: &Value) -> Vec<Turn> {
        let body = json!({ "model": "m", "input": input }).to_string();
        Request::parse(body.as_bytes()).unwrap().turns()
    }

    fn asked(text: &str) -> Turn {
        Turn::Asked(text.to_owned())
    }

    #[test]
    fn items_become_turns() {
        let user = |text: &str| json!({ "type": "message", "role": "user", "content": [{ "type": "input_text", "text": text }] });
        let input = json!([
            { "type": "message", "role": "developer", "content": [{ "type": "input_text", "text": "[[say: no]]" }] },
            { "type": "message", "role": "user", "content": [
                { "type": "input_text", "text": "# AGENTS.md instructions for /w\n<INSTRUCTIONS>[[say: no]]</INSTRUCTIONS>" },
                { "type": "input_text", "text": "<environment_context>[[say: no]]</environment_context>" },
            ] },
            user("do it"),
            { "type": "reasoning", "summary": [] },
            { "type": "message", "role": "assistant", "content": [{ "type": "output_text", "text": "[[say: no]]" }] },
            { "type": "function_call", "name": "exec_command", "arguments": "{}", "call_id": "1" },
            { "type": "function_call_output", "call_id": "1", "output": "[[say: no]]" },
            { "type": "custom_tool_call", "name": "apply_patch", "input": "", "call_id": "2" },
            { "type": "custom_tool_call_output", "call_id": "2", "output": "" },
            { "role": "assistant", "content": "done" },
            { "role": "user", "content": "more" },
            { "type": "item_reference", "id": "x" },
        ]);
        let (answered, result) = (Turn::Answered, Turn::ToolResult);
        let expected =
            [asked("do it"), answered.clone(), result.clone(), answered.clone(), result, answered, asked("more")];
        assert_eq!(turns(&input), expected);
        assert_eq!(turns(&json!("hi")), [asked("hi")]);
    }
}
