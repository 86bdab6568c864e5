//! What is written to an agent, a line each, and what was asked of it and not answered yet.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::agent::Decoded;

/// What was asked of the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Initialize,
    Authenticate,
    NewSession,
    LoadSession,
    SetMode,
    Prompt,
}

impl Call {
    fn method(self) -> &'static str {
        match self {
            Self::Initialize => "initialize",
            Self::Authenticate => "authenticate",
            Self::NewSession => "session/new",
            Self::LoadSession => "session/load",
            Self::SetMode => "session/set_mode",
            Self::Prompt => "session/prompt",
        }
    }
}

/// The calls that wait for their answer. The first, [`initialize`], is written by whoever starts the program.
#[derive(Debug)]
pub(super) struct Calls {
    open: BTreeMap<u64, Call>,
    next: u64,
}

impl Default for Calls {
    fn default() -> Self {
        Self { open: BTreeMap::from([(FIRST, Call::Initialize)]), next: FIRST + 1 }
    }
}

const FIRST: u64 = 1;

impl Calls {
    /// Asks the agent for something.
    pub(super) fn call(&mut self, call: Call, params: &Value, decoded: &mut Vec<Decoded>) {
        let id = self.next;
        self.next += 1;
        self.open.insert(id, call);
        decoded.push(input(&request(id, call, params)));
    }

    /// What an answer is about; `None` where nothing was asked.
    pub(super) fn answered(&mut self, id: u64) -> Option<Call> {
        self.open.remove(&id)
    }
}

/// The line that begins a conversation. Files and terminals of ours are not offered.
pub(super) fn initialize() -> Vec<u8> {
    let params = json!({
        "protocolVersion": 1,
        "clientInfo": {"name": "legwork", "version": env!("CARGO_PKG_VERSION")},
        "clientCapabilities": {"fs": {"readTextFile": false, "writeTextFile": false}, "terminal": false},
    });
    line(&request(FIRST, Call::Initialize, &params))
}

fn request(id: u64, call: Call, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": call.method(), "params": params})
}

/// Tells the agent something that it does not answer.
pub(super) fn notify(method: &str, params: &Value) -> Decoded {
    input(&json!({"jsonrpc": "2.0", "method": method, "params": params}))
}

/// Answers what the agent asked.
pub(super) fn answer(id: &Value, result: &Value) -> Decoded {
    input(&json!({"jsonrpc": "2.0", "id": id, "result": result}))
}

/// Tells the agent that there is no such method here.
pub(super) fn refuse(id: &Value, method: &str) -> Decoded {
    let message = format!("Legwork does not offer `{method}`.");
    input(&json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32601, "message": message}}))
}

fn input(message: &Value) -> Decoded {
    Decoded::Input(line(message))
}

fn line(message: &Value) -> Vec<u8> {
    format!("{message}\n").into_bytes()
}
