//! What is read of a request, and how its contents become turns.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::super::conversation::Turn;
use super::super::refusal::Refusal;
use super::super::said::asked;
use super::super::tokens::Usage;
use super::super::tool::{Tool, Toolbox};

/// A request for content. Whatever else it holds makes no difference here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request<'a> {
    contents: Vec<Said>,
    #[serde(borrow)]
    system_instruction: Option<&'a RawValue>,
    #[serde(borrow)]
    tools: Option<&'a RawValue>,
    #[serde(default)]
    pub(super) generation_config: GenerationConfig,
    #[serde(skip)]
    length: usize,
}

/// What the answer must look like.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GenerationConfig {
    pub(super) response_json_schema: Option<Value>,
    pub(super) response_schema: Option<Value>,
}

/// A request for the number of tokens: of contents, or of a whole other request.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CountRequest<'a> {
    #[serde(borrow)]
    contents: Option<&'a RawValue>,
    #[serde(borrow)]
    generate_content_request: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
struct Said {
    role: Option<String>,
    #[serde(default)]
    parts: Vec<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Offered {
    #[serde(default)]
    function_declarations: Vec<Function>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Function {
    name: String,
    parameters: Option<Value>,
    parameters_json_schema: Option<Value>,
}

impl<'a> Request<'a> {
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, Refusal> {
        let request: Self = serde_json::from_slice(body)
            .map_err(|error| Refusal::invalid(&format!("the body is not a request for content: {error}")))?;
        if request.contents.is_empty() {
            return Err(Refusal::invalid("contents: at least one content is required"));
        }
        Ok(Self { length: body.len(), ..request })
    }

    pub(super) fn usage(&self) -> Usage {
        let stable = [self.system_instruction, self.tools].into_iter().flatten().map(|part| part.get().len()).sum();
        Usage::of_request(self.length, stable)
    }

    pub(super) fn toolbox(&self) -> Toolbox {
        let offered: Option<Vec<Offered>> = self.tools.and_then(|tools| serde_json::from_str(tools.get()).ok());
        let functions = offered.unwrap_or_default().into_iter().flat_map(|tool| tool.function_declarations);
        let tools = functions.map(|function| {
            Tool::function(&function.name, function.parameters_json_schema.or(function.parameters).as_ref())
        });
        Toolbox::new(tools.collect(), "")
    }

    /// The conversation so far.
    pub(super) fn turns(&self) -> Vec<Turn> {
        self.contents.iter().flat_map(Said::turns).collect()
    }
}

impl CountRequest<'_> {
    /// How many tokens the request in `body` asks about.
    pub(super) fn tokens(body: &[u8]) -> Result<u64, Refusal> {
        let request: CountRequest<'_> = serde_json::from_slice(body)
            .map_err(|error| Refusal::invalid(&format!("the body is not a request for a token count: {error}")))?;
        let counted = request.contents.or(request.generate_content_request);
        let counted = counted.ok_or_else(|| Refusal::invalid("contents: at least one content is required"))?;
        Ok(Usage::of_request(counted.get().len(), 0).input())
    }
}

impl Said {
    fn turns(&self) -> Vec<Turn> {
        match self.role.as_deref() {
            Some("model") => vec![Turn::Answered],
            _ => self.parts.iter().filter_map(turn_of_part).collect(),
        }
    }
}

/// A tool's response is one turn, whatever stands in it: steps that a tool printed are not the user's.
fn turn_of_part(part: &Value) -> Option<Turn> {
    if part.get("functionResponse").is_some() {
        return Some(Turn::ToolResult);
    }
    asked(part.get("text")?.as_str()?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn contents_become_turns() {
        let body = json!({ "contents": [
            { "role": "user", "parts": [
                { "text": "<session_context>\nThis is the Gemini CLI. [[say: no]]\n</session_context>" },
                { "text": "do it" },
            ] },
            { "role": "model", "parts": [{ "text": "[[say: no]]" }, { "functionCall": { "name": "a", "args": {} } }] },
            { "role": "user", "parts": [{ "functionResponse": { "name": "a", "response": { "output": "[[say: no]]" } } }] },
            { "parts": [{ "text": "more" }, { "inlineData": {} }] },
        ] })
        .to_string();
        let asked = |text: &str| Turn::Asked(text.to_owned());
        let expected = [asked("do it"), Turn::Answered, Turn::ToolResult, asked("more")];
        assert_eq!(Request::parse(body.as_bytes()).unwrap().turns(), expected);
    }
}
