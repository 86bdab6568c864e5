//! From what Claude Code prints to events.

use std::collections::{BTreeMap, BTreeSet};

use legwork_model::{EventBody, PermissionAction, PermissionPolicy};
use serde_json::Value;

use super::accounting::Accounts;
use super::control::{self, Asked, READY, SETTINGS};
use super::risk::risk;
use super::verdict::{Told, judge};
use super::wire::{
    ApiRetry, CanUseTool, Content, ControlRequest, Denial, HookInput, HookRequest, Init, TextBlock, ThinkingBlock,
    ToolResultBlock, ToolUseBlock, Turn, TurnResult,
};
use crate::agent::{AgentReport, Decoded, Order};
use crate::fields::{self, Fields, parse};
use crate::lines::{End, Lines, input, push};
use crate::mcp;
use crate::permissions::Wanted;

/// Lines that are known and passed on as they are. What else comes may be news in the program's protocol.
const OTHER_TYPES: [&str; 10] = [
    "auth_status",
    "control_request",
    "control_response",
    "conversation_reset",
    "keep_alive",
    "prompt_suggestion",
    "rate_limit_event",
    "stream_event",
    "tool_progress",
    "tool_use_summary",
];

/// Blocks of the model's answers that are known and passed on as they are.
const OTHER_BLOCKS: [&str; 4] =
    ["redacted_thinking", "server_tool_use", "web_fetch_tool_result", "web_search_tool_result"];

/// Fields that say nothing new on a line of a run.
const ENVELOPE: [&str; 4] = ["type", "subtype", "session_id", "uuid"];

/// What is known of the run so far.
#[derive(Debug, Default)]
pub(super) struct Run {
    session_id: Option<String>,
    accounts: Accounts,
    turns: Option<u32>,
    answer: Option<String>,
    /// The tool calls that were refused, each once.
    denials: Vec<Denial>,
    /// The word for the API's refusal, of the turn that goes on.
    api_error: Option<String>,
    /// The last turn that ended, with its `api_error`.
    last: Option<(TurnResult, Option<String>)>,
    turn_open: bool,
    /// What the program asked and nobody answered yet.
    asked: Asked,
    /// The tool calls of those questions.
    calls: BTreeMap<String, String>,
    /// The tool calls that somebody else than the program refused.
    refused: BTreeSet<String>,
    /// What decides about tools.
    policy: Option<PermissionPolicy>,
    /// Whether the program was started with its credential.
    knows_credential: bool,
}

impl Lines for Run {
    fn read(&mut self, line: &[u8], decoded: &mut Vec<Decoded>) -> Option<()> {
        let fields: Fields = serde_json::from_slice(line).ok()?;
        let subtype = fields.get("subtype").and_then(Value::as_str);
        match (fields.get("type")?.as_str()?, subtype) {
            ("system", Some("init")) => self.started(parse(fields)?, decoded),
            ("system", Some("api_retry")) => push(decoded, retrying(parse(fields)?)),
            ("system", Some("permission_denied")) => {
                let again = || message("permission_denied", Fields::new());
                push(decoded, self.denied(parse(fields)?).unwrap_or_else(again));
            }
            ("system", Some(topic)) => push(decoded, message(topic.to_owned(), fields)),
            ("assistant", _) => self.assistant(parse(fields)?, decoded)?,
            ("user", _) => user(parse(fields)?, decoded)?,
            ("result", _) => self.turn_ended(parse(fields)?, decoded),
            ("control_request", _) if is_request(&fields, "can_use_tool") => {
                self.permission_request(parse(fields)?, decoded);
            }
            ("control_request", _) if is_request(&fields, "hook_callback") => self.hook(parse(fields)?, decoded),
            ("control_cancel_request", _) => {
                self.withdrawn(&fields);
                push(decoded, message("control_cancel_request", fields));
            }
            ("control_response", _) if answers(&fields, READY) => decoded.push(Decoded::Ready),
            ("control_response", _) if answers(&fields, SETTINGS) && fields["response"]["subtype"] == "success" => {}
            (topic, _) if OTHER_TYPES.contains(&topic) => push(decoded, message(topic.to_owned(), fields)),
            _ => return None,
        }
        Some(())
    }

    fn order(&mut self, order: Order, decoded: &mut Vec<Decoded>) {
        if let Order::Decide { id, allowed: false, .. } = &order {
            self.refused(id);
        }
        control::write(order, &mut self.asked, self.knows_credential, decoded);
    }

    fn report(&mut self, end: &End<'_>, _: &mut Vec<Decoded>) -> AgentReport {
        let last = self.last.as_ref().filter(|_| !self.turn_open);
        let verdict = judge(&Told {
            turn: last.map(|(turn, _)| turn),
            api_error: last.and_then(|(_, error)| error.as_deref()),
            denials: &self.denials,
            end,
        });
        AgentReport {
            verdict,
            result: self.answer.clone(),
            session_id: self.session_id.clone(),
            usage: self.accounts.usage(),
            cost_usd: self.accounts.cost(),
            turns: self.turns,
        }
    }
}

impl Run {
    /// Of a run in which `policy` decides about tools.
    pub(super) fn new(policy: Option<PermissionPolicy>, knows_credential: bool) -> Self {
        Self { policy, knows_credential, ..Self::default() }
    }

    fn permission_request(&mut self, asked: ControlRequest, decoded: &mut Vec<Decoded>) {
        let ControlRequest { request_id: id, request: CanUseTool { tool_name: tool, input, tool_use_id } } = asked;
        let risk = Some(risk(&tool, &input));
        self.calls.extend(tool_use_id.clone().map(|call| (id.clone(), call)));
        self.asked.insert(id.clone(), input.clone());
        push(decoded, EventBody::PermissionRequest { id, tool, input, risk, tool_call_id: tool_use_id });
    }

    /// The program asks before each use of a tool. What rules say it is told at once; where they say that somebody is to be
    /// asked, it asks a second time.
    fn hook(&mut self, asked: HookRequest, decoded: &mut Vec<Decoded>) {
        let HookInput { tool_name, tool_input, tool_use_id } = asked.request.input;
        let wanted = Wanted::new(tool_name, tool_input, risk);
        let action = self.policy.as_ref().map_or(PermissionAction::Ask, |policy| wanted.decided_by(policy));
        input(decoded, control::hook_answer(&asked.request_id, action));
        if action == PermissionAction::Ask {
            return;
        }
        let (id, allowed) = (tool_use_id.unwrap_or(asked.request_id), action == PermissionAction::Allow);
        if !allowed {
            self.refused.insert(id.clone());
        }
        push(decoded, EventBody::PermissionDecision { id, tool: wanted.tool, allowed, by: Some("policy".to_owned()) });
    }

    /// Somebody refused what the program asked: that does not make its run a failure.
    fn refused(&mut self, request: &str) {
        self.refused.extend(self.calls.remove(request));
    }

    /// The program does not wait for that answer any more: its turn was interrupted.
    fn withdrawn(&mut self, fields: &Fields) {
        if let Some(id) = fields.get("request_id").and_then(Value::as_str) {
            self.asked.remove(id);
        }
    }

    fn started(&mut self, init: Init, decoded: &mut Vec<Decoded>) {
        self.turn_open = true;
        if self.last.is_some() {
            decoded.push(Decoded::TurnStarted);
        }
        self.session_id.clone_from(&init.session_id);
        let Init { session_id, model, tools, claude_code_version: version } = init;
        push(decoded, EventBody::Started { session_id, model, tools, version });
    }

    fn assistant(&mut self, turn: Turn, decoded: &mut Vec<Decoded>) -> Option<()> {
        let parent = turn.parent_tool_use_id;
        if parent.is_none() && turn.error.is_some() {
            self.api_error = turn.error;
        }
        match turn.message.content {
            Content::Text(text) => push(decoded, EventBody::Text { text, parent_tool_call_id: parent }),
            Content::Blocks(blocks) if blocks.is_empty() => {
                push(decoded, message("assistant", Fields::new()));
            }
            Content::Blocks(blocks) => {
                for block in blocks {
                    push(decoded, said(block, parent.clone())?);
                }
            }
        }
        Some(())
    }

    /// `None` for a refusal that is known: some versions tell of it when it happens and again in the result.
    fn denied(&mut self, denial: Denial) -> Option<EventBody> {
        if self.refused.contains(&denial.tool_use_id) {
            return None;
        }
        if self.denials.iter().any(|known| known.tool_use_id == denial.tool_use_id) {
            return None;
        }
        let (id, tool) = (denial.tool_use_id.clone(), denial.tool_name.clone());
        self.denials.push(denial);
        Some(EventBody::PermissionDecision { id, tool, allowed: false, by: None })
    }

    fn turn_ended(&mut self, turn: TurnResult, decoded: &mut Vec<Decoded>) {
        for (model, usage) in self.accounts.add(&turn) {
            push(decoded, EventBody::Usage { model, usage, call: None });
        }
        for denial in &turn.permission_denials {
            decoded.extend(self.denied(denial.clone()).map(Decoded::Event));
        }
        let is_error = turn.is_error != Some(false);
        if !is_error {
            self.answer.clone_from(&turn.result);
        }
        if let Some(turns) = turn.num_turns {
            self.turns = Some(self.turns.unwrap_or_default().saturating_add(turns));
        }
        push(decoded, EventBody::TurnEnded { result: turn.result.clone(), is_error });
        decoded.push(Decoded::TurnEnded);
        self.turn_open = false;
        self.last = Some((turn, self.api_error.take()));
    }
}

/// A block of the model's answer.
fn said(block: Value, parent_tool_call_id: Option<String>) -> Option<EventBody> {
    let Value::Object(block) = block else { return None };
    Some(match block.get("type")?.as_str()? {
        "text" => {
            let TextBlock { text } = parse(block)?;
            EventBody::Text { text, parent_tool_call_id }
        }
        "thinking" => {
            let ThinkingBlock { thinking } = parse(block)?;
            EventBody::Thinking { text: thinking, parent_tool_call_id }
        }
        "tool_use" => {
            let ToolUseBlock { id, name, input } = parse(block)?;
            EventBody::ToolCall { id, name, input, parent_tool_call_id }
        }
        known if OTHER_BLOCKS.contains(&known) => message(known.to_owned(), block),
        _ => return None,
    })
}

/// Results of tools, and what was told to the model in the user's name (a replayed or interrupting message, the task of a
/// sub-agent).
fn user(turn: Turn, decoded: &mut Vec<Decoded>) -> Option<()> {
    let parent = turn.parent_tool_use_id;
    let blocks = match turn.message.content {
        Content::Text(text) => vec![Value::String(text)],
        Content::Blocks(blocks) => blocks,
    };
    let (results, told): (Vec<_>, Vec<_>) = blocks.into_iter().partition(|block| block["type"] == "tool_result");
    if !told.is_empty() || results.is_empty() {
        let told = told.into_iter().map(flatten).collect::<Vec<_>>().join("\n");
        let parent = parent.clone().map(|parent| ("parentToolCallId", parent.into()));
        push(decoded, fields::message("user", [("text", told.into())].into_iter().chain(parent)));
    }
    for result in results {
        let ToolResultBlock { tool_use_id: id, content, is_error } = parse(result)?;
        push(
            decoded,
            EventBody::ToolResult { id, output: flatten(content), is_error, parent_tool_call_id: parent.clone() },
        );
    }
    Some(())
}

/// Content as text, in whichever shape it came.
fn flatten(content: Value) -> String {
    match content {
        Value::Null => String::new(),
        Value::String(text) => text,
        Value::Array(blocks) => blocks.into_iter().map(flatten).collect::<Vec<_>>().join("\n"),
        block => mcp::text(&block),
    }
}

fn retrying(retry: ApiRetry) -> EventBody {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates; NaN becomes 0")]
    let delay_ms = retry.retry_delay_ms.round() as u64;
    EventBody::Retrying {
        attempt: retry.attempt,
        max_attempts: retry.max_retries,
        delay_ms,
        api_status: retry.error_status,
        error: retry.error.unwrap_or_else(|| "unknown".to_owned()),
    }
}

fn is_request(fields: &Fields, subtype: &str) -> bool {
    fields.get("request").is_some_and(|request| request["subtype"] == subtype)
}

fn answers(fields: &Fields, request: &str) -> bool {
    fields.get("response").is_some_and(|response| response["request_id"] == request)
}

fn message(topic: impl Into<String>, fields: Fields) -> EventBody {
    fields::message(topic, fields::without(fields, &ENVELOPE))
}
