//! What is written to Claude Code while it runs: messages, and requests and answers of its control protocol, a line each.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::launch::credential_variable;
use crate::agent::{Decoded, Opening, Order};

/// The requests that the program has made and nobody has answered yet, with what the tool would be called with: an answer
/// that allows has to repeat it.
pub(super) type Asked = BTreeMap<String, Value>;

/// The id of the request by which a program that waits says that it is ready.
pub(super) const READY: &str = "legwork-ready";

/// The prompt as one message, in one line of JSON.
pub(super) fn message(prompt: &str) -> String {
    line(&json!({"type": "user", "message": {"role": "user", "content": prompt}}))
}

/// Asks for an answer that only comes once everything is loaded.
pub(super) fn initialize() -> String {
    request(READY, &json!({"subtype": "initialize"}))
}

/// What an order says to the program.
pub(super) fn write(order: Order, asked: &mut Asked, decoded: &mut Vec<Decoded>) {
    let text = match order {
        Order::Begin(opening) => begin(&opening),
        Order::Message(text) => message(&text),
        Order::Interrupt => request("legwork-interrupt", &json!({"subtype": "interrupt"})),
        Order::Decide { id, allowed, reason } => match asked.remove(&id) {
            Some(input) => answer(&id, allowed, &input, &reason),
            // The program has withdrawn it.
            None => return,
        },
    };
    decoded.push(Decoded::Input(text.into_bytes()));
}

/// The settings that a program could not know when it was started, then the prompt. They are taken in this order.
fn begin(opening: &Opening) -> String {
    let mut env: Map<String, Value> = Map::new();
    let credential = opening.credential.as_ref().and_then(credential_variable);
    let credential = credential.map(|(name, value)| (name.to_owned(), value));
    let base_url = opening.base_url.clone().map(|url| ("ANTHROPIC_BASE_URL".to_owned(), url));
    env.extend(
        credential.into_iter().chain(base_url).chain(opening.env.clone()).map(|(name, value)| (name, value.into())),
    );
    let settings = request("legwork-settings", &json!({"subtype": "apply_flag_settings", "settings": {"env": env}}));
    settings + &message(&opening.prompt)
}

fn answer(id: &str, allowed: bool, input: &Value, reason: &str) -> String {
    let response = if allowed {
        json!({"behavior": "allow", "updatedInput": input})
    } else {
        json!({"behavior": "deny", "message": reason})
    };
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
