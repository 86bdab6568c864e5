//! What the agent prints: the lines of Claude Code's stream-json, and things that are none.

use std::collections::BTreeMap;
use std::io::{Write, stdout};

use serde_json::{Value, json};

const SESSION: &str = "5c819ded-0000-4000-8000-000000000001";
const MODEL: &str = "scripted";

/// What was said in one turn.
#[derive(Debug, Default)]
pub(crate) struct Speech {
    said: String,
    failed: bool,
    messages: u32,
    session: String,
}

impl Speech {
    /// In the session of that name; in the one of all others where it has none.
    pub(crate) fn of(session: Option<&str>) -> Self {
        Self { session: session.unwrap_or(SESSION).to_owned(), ..Self::default() }
    }

    pub(crate) fn init(&self) {
        let directory = std::env::current_dir().unwrap_or_default();
        line(&json!({
            "type": "system", "subtype": "init", "cwd": directory, "session_id": self.session, "tools": ["Bash"],
            "mcp_servers": [], "model": MODEL, "permissionMode": "default", "apiKeySource": "none",
            "claude_code_version": "2.1.197",
        }));
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.messages += 1;
        text.clone_into(&mut self.said);
        line(&json!({
            "type": "assistant", "session_id": self.session, "parent_tool_use_id": null,
            "message": {
                "id": format!("msg_{}", self.messages), "type": "message", "role": "assistant", "model": MODEL,
                "content": [{"type": "text", "text": text}], "stop_reason": null,
                "usage": {"input_tokens": 12, "output_tokens": 1},
            },
        }));
    }

    pub(crate) fn fail(&mut self, text: &str) {
        text.clone_into(&mut self.said);
        self.failed = true;
    }

    pub(crate) fn result(&self) {
        line(&json!({
            "type": "result", "subtype": "success", "is_error": self.failed, "duration_ms": 1, "duration_api_ms": 1,
            "num_turns": 1, "result": self.said, "stop_reason": "end_turn", "session_id": self.session,
            "total_cost_usd": 0.000285, "permission_denials": [], "modelUsage": {},
            "usage": {
                "input_tokens": 12, "output_tokens": 9, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
            },
        }));
    }
}

/// The text of a user line.
pub(crate) fn prompt_of(message: &Value) -> String {
    match &message["message"]["content"] {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => blocks.iter().filter_map(|block| block["text"].as_str()).collect(),
        _ => String::new(),
    }
}

pub(crate) fn control_response(request: &Value) {
    let response = json!({"subtype": "success", "request_id": request, "response": {}});
    line(&json!({"type": "control_response", "response": response}));
}

/// Its arguments, environment and directory.
#[expect(clippy::disallowed_methods, reason = "its environment is what it is asked about")]
pub(crate) fn report() -> Value {
    let environment: BTreeMap<String, String> = std::env::vars().collect();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    json!({"args": arguments, "env": environment, "cwd": std::env::current_dir().unwrap_or_default()})
}

/// Prints lines of a thousand bytes, for ever where no number is given.
pub(crate) fn flood(bytes: Option<usize>) {
    let line = format!("{}\n", "x".repeat(999));
    let lines = bytes.map_or(usize::MAX, |bytes| bytes.div_ceil(line.len()));
    for _ in 0..lines {
        raw(line.as_bytes());
    }
}

/// Prints bytes as they are. Whoever should read them may be gone.
pub(crate) fn raw(bytes: &[u8]) {
    _ = stdout().write_all(bytes);
}

fn line(value: &Value) {
    raw(format!("{value}\n").as_bytes());
    _ = stdout().flush();
}
