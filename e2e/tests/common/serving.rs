//! An agent that serves HTTP, and the other end of its dialogue.

use legwork_agents::{AgentReport, Decoded, Dialogue, HttpServer, Launch, Order};
use legwork_model::{EventBody, Exit, Verdict};
use serde_json::{Value, json};

/// What runs it.
pub(crate) const PYTHON: &str = "/usr/bin/python3";

const AGENT: &str = include_str!("serving.py");

/// Starts it with what `launch` has of an environment.
pub(crate) fn serving(launch: &mut Launch) {
    launch.program = PYTHON.into();
    launch.args = vec!["-c".into(), AGENT.into()];
    launch.stdin.bytes = Vec::new();
    launch.stdin.open_until_turn_ends = true;
    launch.serves = true;
    launch.http = Some(HttpServer {
        announced_by: "listening on ".into(),
        events: "/event".into(),
        unwanted: Vec::new(),
        user: "me".into(),
        password_variable: "PASSWORD".into(),
    });
}

/// Answers what it asks, and passes on what else it tells. It is done when it tells of `done`.
#[derive(Default)]
pub(crate) struct Other {
    unread: Vec<u8>,
}

impl Other {
    fn hear(line: &[u8], decoded: &mut Vec<Decoded>) {
        let line: Value = serde_json::from_slice(line).expect("JSON");
        match line["event"]["type"].as_str() {
            Some("ask") => decoded.push(say("answered")),
            Some("done") => decoded.push(Decoded::TurnEnded),
            Some(text) => {
                decoded.push(Decoded::Event(EventBody::Text { text: text.to_owned(), parent_tool_call_id: None }));
            }
            None => {}
        }
    }
}

impl Dialogue for Other {
    fn stdout(&mut self, bytes: &[u8], decoded: &mut Vec<Decoded>) {
        self.unread.extend_from_slice(bytes);
        while let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.unread.drain(..=end).collect();
            Self::hear(&line, decoded);
        }
    }

    fn stderr(&mut self, _: &[u8], _: &mut Vec<Decoded>) {}

    fn order(&mut self, order: Order, decoded: &mut Vec<Decoded>) {
        if let Order::Message(text) = order {
            decoded.push(say(&text));
        }
    }

    fn finish(&mut self, _: Exit, _: &mut Vec<Decoded>) -> AgentReport {
        AgentReport::bare(Verdict::Succeeded)
    }
}

fn say(text: &str) -> Decoded {
    let request = json!({ "id": text, "method": "POST", "path": "/say", "body": { "text": text } });
    Decoded::Input(format!("{request}\n").into_bytes())
}
