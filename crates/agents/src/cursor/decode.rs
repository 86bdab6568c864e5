//! From what Cursor's agent prints in a single run to events.

use legwork_model::{EventBody, Failure, FailureReason, Usage, Verdict};
use serde_json::Value;

use super::NAME;
use super::wire::{Init, RunResult, Said, ToolCall};
use crate::agent::{AgentReport, Decoded};
use crate::ending::{reported, without_result};
use crate::fields::{self, Fields, parse};
use crate::lines::{End, Lines, push};
use crate::speech::Speech;

/// Fields that say nothing new on a line of a run.
const ENVELOPE: [&str; 4] = ["type", "subtype", "session_id", "timestamp_ms"];

/// What is known of the run so far.
#[derive(Debug, Default)]
pub(super) struct Run {
    session_id: Option<String>,
    model: Option<String>,
    /// What it thinks comes in pieces.
    thoughts: Speech,
    result: Option<RunResult>,
}

impl Lines for Run {
    fn read(&mut self, line: &[u8], decoded: &mut Vec<Decoded>) -> Option<()> {
        let fields: Fields = serde_json::from_slice(line).ok()?;
        let subtype = fields.get("subtype").and_then(Value::as_str);
        match (fields.get("type")?.as_str()?, subtype) {
            ("system", Some("init")) => self.started(parse(fields)?, decoded),
            ("assistant", _) => {
                let text = text_of(parse(fields)?);
                self.thoughts.flush(decoded);
                push(decoded, EventBody::Text { text, parent_tool_call_id: None });
            }
            ("user", _) => {
                push(decoded, fields::message("user", [("text", text_of(parse(fields)?).into())]));
            }
            ("thinking", Some("delta")) => self.thoughts.think(fields.get("text")?.as_str()?, decoded),
            ("thinking", _) => self.thoughts.flush(decoded),
            ("tool_call", _) => self.tool(parse(fields)?, decoded)?,
            ("result", _) => self.ended(parse(fields)?, decoded),
            ("system", Some(topic)) => {
                let topic = topic.to_owned();
                push(decoded, fields::message(topic, fields::without(fields, &ENVELOPE)));
            }
            _ => return None,
        }
        Some(())
    }

    fn report(&mut self, end: &End<'_>, decoded: &mut Vec<Decoded>) -> AgentReport {
        self.thoughts.flush(decoded);
        let result = self.result.take();
        let succeeded = result.as_ref().is_some_and(|result| result.is_error == Some(false));
        AgentReport {
            session_id: self.session_id.take(),
            usage: result.as_ref().and_then(|result| result.usage).map(Usage::from),
            result: result.as_ref().and_then(|result| result.result.clone()).filter(|_| succeeded),
            ..AgentReport::bare(judge(result.as_ref(), end))
        }
    }
}

impl Run {
    fn started(&mut self, init: Init, decoded: &mut Vec<Decoded>) {
        let Init { session_id, model } = init;
        self.session_id.clone_from(&session_id);
        self.model.clone_from(&model);
        push(decoded, EventBody::Started { session_id, model, tools: Vec::new(), version: None });
    }

    fn tool(&mut self, told: ToolCall, decoded: &mut Vec<Decoded>) -> Option<()> {
        let ToolCall { subtype, call_id: id, tool_call } = told;
        let (field, told) = tool_call.into_iter().find(|(_, told)| told.is_object())?;
        let event = match subtype.as_str() {
            "started" => {
                let (name, input) = call(&field, told);
                EventBody::ToolCall { id, name, input, parent_tool_call_id: None }
            }
            "completed" => {
                let (output, is_error) = outcome(&told["result"]);
                EventBody::ToolResult { id, output, is_error, parent_tool_call_id: None }
            }
            _ => return None,
        };
        self.thoughts.flush(decoded);
        push(decoded, event);
        Some(())
    }

    fn ended(&mut self, result: RunResult, decoded: &mut Vec<Decoded>) {
        self.thoughts.flush(decoded);
        if let Some(usage) = result.usage {
            push(decoded, EventBody::Usage { model: self.model.clone(), usage: usage.into(), call: None });
        }
        if result.session_id.is_some() {
            self.session_id.clone_from(&result.session_id);
        }
        let is_error = result.is_error != Some(false);
        push(decoded, EventBody::TurnEnded { result: result.result.clone(), is_error });
        decoded.push(Decoded::TurnEnded);
        self.result = Some(result);
    }
}

/// Name and input of a call that is told as `{"readToolCall":{"args":{…}}}` or `{"function":{"name":…,"arguments":…}}`.
fn call(field: &str, mut told: Value) -> (String, Value) {
    let named = told["name"].as_str().filter(|_| field == "function").map(str::to_owned);
    let name = named.unwrap_or_else(|| field.strip_suffix("ToolCall").unwrap_or(field).to_owned());
    let input = ["args", "arguments"].into_iter().map(|field| told[field].take()).find(|input| !input.is_null());
    (name, input.unwrap_or_default())
}

/// The answer of a tool, which is `{"success":{…}}` or has another word for what went wrong.
fn outcome(result: &Value) -> (String, bool) {
    let (success, other) = (&result["success"], result.as_object().and_then(|result| result.values().next()));
    let is_error = success.is_null() && other.is_some();
    let told = if is_error { other.unwrap_or(success) } else { success };
    let texts = ["content", "stdout", "output", "message", "error"];
    let text =
        texts.into_iter().filter_map(|field| told[field].as_str()).find(|text| !text.is_empty()).map(str::to_owned);
    let failed = told["exitCode"].as_i64().is_some_and(|code| code != 0);
    let rest = || if told.is_null() { String::new() } else { told.to_string() };
    (text.unwrap_or_else(rest), is_error || failed)
}

fn judge(result: Option<&RunResult>, end: &End<'_>) -> Verdict {
    let failure = match result {
        Some(RunResult { is_error: Some(false), subtype, .. }) if subtype == "success" => return Verdict::Succeeded,
        Some(result) => reported(NAME, result.result.as_deref().unwrap_or("no details were given")),
        None if end.stderr.is_some_and(needs_login) => Failure::new(
            FailureReason::CredentialsMissing,
            format!("{NAME} is not logged in. Give Legwork an API key for `cursor`."),
        ),
        None => without_result(NAME, end),
    };
    Verdict::Failed(failure)
}

fn needs_login(said: &str) -> bool {
    let said = said.to_lowercase();
    said.contains("not authenticated") || said.contains("not logged in") || said.contains("authentication required")
}

fn text_of(said: Said) -> String {
    said.message.content.into_iter().map(|block| block.text).collect()
}
