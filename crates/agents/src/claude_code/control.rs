//! What is written to Claude Code while it runs: messages, and requests and answers of its control protocol, a line each.

use std::collections::BTreeMap;

use legwork_model::{PermissionAction, Task};
use serde_json::{Map, Value, json};

use super::launch::credential_variable;
use crate::agent::{Decoded, Opening, Order};
use crate::lines::input;

/// The requests that the program has made and nobody has answered yet, with what the tool would be called with: an answer
/// that allows has to repeat it.
pub(super) type Asked = BTreeMap<String, Value>;

/// The id of the request by which a program that waits says that it is ready.
pub(super) const READY: &str = "legwork-ready";

/// How long the program waits for what rules say, which they do at once.
const HOOK_SECONDS: u32 = 60;

/// The id of the request by which a program that waited learns of its job.
pub(super) const SETTINGS: &str = "legwork-settings";

/// The prompt as one message, in one line of JSON.
pub(super) fn message(prompt: &str) -> String {
    line(&json!({"type": "user", "message": {"role": "user", "content": prompt}}))
}

/// What a program is told at its start.
pub(super) fn opening(task: &Task) -> String {
    let hooks = if task.permissions.is_some() { initialize(true) } else { String::new() };
    hooks + &message(&task.prompt)
}

/// Asks for an answer that only comes once everything is loaded; with `hooked` also to be asked before each use of a tool.
pub(super) fn initialize(hooked: bool) -> String {
    let mut wanted = json!({"subtype": "initialize"});
    if hooked {
        wanted["hooks"] = json!({"PreToolUse": [{"hookCallbackIds": ["legwork"], "timeout": HOOK_SECONDS}]});
    }
    request(READY, &wanted)
}

/// What the program is told about a use of a tool that it asked about.
pub(super) fn hook_answer(id: &str, action: PermissionAction) -> String {
    let decision = match action {
        PermissionAction::Allow => "allow",
        PermissionAction::Ask => "ask",
        PermissionAction::Deny => "deny",
    };
    let decided = json!({
        "hookEventName": "PreToolUse",
        "permissionDecision": decision,
        "permissionDecisionReason": "The permissions of this job say so.",
    });
    respond(id, &json!({ "hookSpecificOutput": decided }))
}

/// What an order says to the program, which may have been started with its credential.
pub(super) fn write(order: Order, asked: &mut Asked, knows_credential: bool, decoded: &mut Vec<Decoded>) {
    let text = match order {
        Order::Begin(opening) => begin(&opening, knows_credential),
        Order::Message(text) => message(&text),
        Order::Interrupt => request("legwork-interrupt", &json!({"subtype": "interrupt"})),
        Order::Decide { id, allowed, reason } => match asked.remove(&id) {
            Some(input) => answer(&id, allowed, &input, &reason),
            // The program has withdrawn it.
            None => return,
        },
    };
    input(decoded, text);
}

/// The settings that a program could not know when it was started, then the prompt. They are taken in this order. Taking
/// settings costs it some 30 ms, so there are none where it knows everything; the model's address it has known from its start.
fn begin(opening: &Opening, knows_credential: bool) -> String {
    let mut env: Map<String, Value> = Map::new();
    let credential = opening.credential.as_ref().filter(|_| !knows_credential).and_then(credential_variable);
    let credential = credential.map(|(name, value)| (name.to_owned(), value));
    env.extend(credential.into_iter().chain(opening.env.clone()).map(|(name, value)| (name, value.into())));
    if env.is_empty() {
        return message(&opening.prompt);
    }
    let settings = request(SETTINGS, &json!({"subtype": "apply_flag_settings", "settings": {"env": env}}));
    settings + &message(&opening.prompt)
}

fn answer(id: &str, allowed: bool, input: &Value, reason: &str) -> String {
    let response = if allowed {
        json!({"behavior": "allow", "updatedInput": input})
    } else {
        json!({"behavior": "deny", "message": reason})
    };
    respond(id, &response)
}

fn respond(id: &str, response: &Value) -> String {
    line(&json!({
        "type": "control_response",
        "response": {"subtype": "success", "request_id": id, "response": response},
    }))
}

fn request(id: &str, request: &Value) -> String {
    line(&json!({"type": "control_request", "request_id": id, "request": request}))
}

fn line(value: &Value) -> String {
    format!("{value}\n")
}
