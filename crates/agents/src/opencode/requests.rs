//! The requests that the bridge makes, a line of JSON each.

use legwork_model::Task;
use serde_json::{Value, json};

use super::launch::model;
use crate::agent::Setup;

/// The id of the request for the session.
pub(super) const SESSION: &str = "session";

/// Makes a session, looks one up to continue it, or makes a copy of one.
pub(super) fn session(resume: Option<&str>, fork: bool) -> String {
    match resume {
        // With a title it needs no call to the model to make one up.
        None => post(SESSION, "/session", &json!({"title": "Legwork"})),
        Some(id) if fork => post(SESSION, &format!("/session/{}/fork", segment(id)), &json!({})),
        Some(id) => line(&json!({"id": SESSION, "method": "GET", "path": format!("/session/{}", segment(id))})),
    }
}

/// What goes with every message.
#[derive(Debug, Clone, Default)]
pub(super) struct Manner {
    model: Option<Value>,
    system: Option<String>,
}

impl Manner {
    pub(super) fn of(task: &Task, setup: &Setup) -> Self {
        let model = model(task, setup).map(|(vendor, name)| json!({"providerID": vendor, "modelID": name}));
        Self { model, system: task.system_prompt.clone() }
    }
}

/// Gives a message to the session; where a turn goes on it is taken up in that.
pub(super) fn prompt(id: &str, session: &str, text: &str, manner: &Manner) -> String {
    let mut body = json!({"parts": [{"type": "text", "text": text}]});
    if let Some(model) = &manner.model {
        body["model"] = model.clone();
    }
    if let Some(system) = &manner.system {
        body["system"] = system.clone().into();
    }
    post(id, &format!("/session/{}/prompt_async", segment(session)), &body)
}

/// Ends the turn that goes on.
pub(super) fn abort(session: &str) -> String {
    post("abort", &format!("/session/{}/abort", segment(session)), &json!({}))
}

/// Answers a question. A refusal without a message would end the turn.
pub(super) fn reply(ask: &str, allowed: bool, reason: &str) -> String {
    let body = match (allowed, reason) {
        (true, _) => json!({"reply": "once"}),
        (false, "") => json!({"reply": "reject", "message": "This is not allowed here. Go on without it."}),
        (false, reason) => json!({"reply": "reject", "message": reason}),
    };
    post(&format!("reply-{ask}"), &format!("/permission/{}/reply", segment(ask)), &body)
}

/// An id as a part of a path, whatever somebody wrote into it.
fn segment(id: &str) -> String {
    let kept = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    id.bytes().map(|byte| if kept(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn post(id: &str, path: &str, body: &Value) -> String {
    line(&json!({"id": id, "method": "POST", "path": path, "body": body}))
}

fn line(value: &Value) -> String {
    format!("{value}\n")
}
