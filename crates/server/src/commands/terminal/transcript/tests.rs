use legwork_model::{FailureReason, Timestamp, Verdict};
use serde_json::json;

use super::*;

fn shown(transcript: &mut Transcript, body: EventBody) -> String {
    let event = Event { seq: 1, at: Timestamp::from_millis(0), turn: None, body };
    let lines = transcript.take(&event);
    lines.iter().map(|line| format!("{:<8}|{}\n", format!("{:?}", line.style), line.text)).collect()
}

fn event(kind: &str, data: Value) -> EventBody {
    let event = [("kind".to_owned(), kind.into()), ("data".to_owned(), data)];
    serde_json::from_value(Value::Object(event.into_iter().collect())).expect("an event")
}

fn finished(result: Option<&str>) -> EventBody {
    let outcome = Outcome { result: result.map(str::to_owned), ..Outcome::without_run(Verdict::Succeeded) };
    EventBody::Finished { outcome }
}

/// Every kind of event, and what each adds.
fn story() -> Vec<EventBody> {
    let long: String = (1..=9).map(|n| format!("line {n}\n")).collect();
    vec![
        event("queued", json!({ "lane": "default" })),
        event("claimed", json!({ "attempt": 1, "node": "node_1" })),
        event("claimed", json!({ "attempt": 2, "node": "node_1" })),
        event("workspace", json!({ "path": "/srv/shop" })),
        event("started", json!({ "sessionId": "s", "model": "opus", "version": "2.1.0" })),
        event("thinking", json!({ "text": "Let me see.\n\nIndeed." })),
        event("text", json!({ "text": "I'll write\n\n  a file.\n" })),
        event("tool_call", json!({ "id": "1", "name": "Write", "input": { "content": "hi", "file_path": "a/b.txt" } })),
        event("tool_result", json!({ "id": "1", "output": "File created", "isError": false })),
        event(
            "tool_call",
            json!({ "id": "2", "name": "Bash", "input": { "command": "seq 9 |\n  cat", "description": "Count" } }),
        ),
        event("tool_result", json!({ "id": "2", "output": long, "isError": false })),
        event("tool_call", json!({ "id": "3", "name": "Odd", "input": { "n": 1 } })),
        event("tool_result", json!({ "id": "3", "output": "no\u{1b}[2J such tool", "isError": true })),
        event("tool_call", json!({ "id": "4", "name": "Empty", "input": {} })),
        event(
            "tool_call",
            json!({ "id": "5", "name": "Read", "input": { "file_path": "x" }, "parentToolCallId": "4" }),
        ),
        event("text", json!({ "text": "from below", "parentToolCallId": "4" })),
        event("permission_request", json!({ "id": "6", "tool": "Bash", "input": { "command": "rm -r /" } })),
        event("permission_decision", json!({ "id": "6", "tool": "Bash", "allowed": false })),
        event("permission_decision", json!({ "id": "7", "tool": "Bash", "allowed": true })),
        event(
            "usage",
            json!({ "inputTokens": 1000, "outputTokens": 25, "cacheReadTokens": 200, "cacheWriteTokens": 34 }),
        ),
        event(
            "retrying",
            json!({ "attempt": 2, "maxAttempts": 3, "delayMs": 1500, "apiStatus": 529, "error": "overloaded" }),
        ),
        event("stderr", json!({ "line": "warning:\u{7} deprecated" })),
        event("unparsed", json!({ "line": "???" })),
        event("message", json!({ "topic": "status" })),
        event("requeued", json!({ "message": "The worker was lost." })),
        event("turn_ended", json!({ "result": "done", "isError": false })),
        event("stopping", json!({ "reason": "timeout" })),
        finished(Some("done")),
    ]
}

#[test]
fn every_kind_of_event_reads_well() {
    let mut transcript = Transcript::whole();
    let mut table = String::new();
    for body in story() {
        table.push_str(&format!("{}\n", body.kind()));
        table.push_str(&shown(&mut transcript, body));
        table.push_str(&format!("    [{}]\n", transcript.status()));
    }
    insta::assert_snapshot!(table);
    assert_eq!(transcript.workspace(), Some("/srv/shop"));
}

#[test]
fn the_result_is_left_out_where_it_is_printed_by_itself() {
    let text = |text: &str| event("text", json!({ "text": text }));
    let call = || event("tool_call", json!({ "id": "1", "name": "Read", "input": {} }));
    let play = |bodies: Vec<EventBody>| {
        let mut transcript = Transcript::without_result();
        bodies.into_iter().map(|body| shown(&mut transcript, body)).collect::<String>()
    };
    let usage =
        || event("usage", json!({ "inputTokens": 1, "outputTokens": 1, "cacheReadTokens": 0, "cacheWriteTokens": 0 }));
    assert_eq!(
        play(vec![text("First."), call(), text("Second."), text("done\n"), usage(), finished(Some("done"))]),
        "Plain   |First.\nBold    |> Read\nPlain   |Second.\n"
    );
    // Another result than what was said last, or none: nothing that was said is lost.
    assert_eq!(play(vec![text("done?"), finished(Some("done"))]), "Plain   |done?\n");
    assert_eq!(play(vec![text("done?"), finished(None)]), "Plain   |done?\n");
}

#[test]
fn nothing_that_an_agent_says_reaches_the_terminal_as_a_command() {
    let evil = "\u{1b}]0;owned\u{7}\u{1b}[31mx\u{9b}2J\u{202e}\r\n";
    let failed = Verdict::failed(FailureReason::AgentError, evil);
    let bodies = [
        event("started", json!({ "model": evil, "version": evil })),
        event("text", json!({ "text": evil })),
        event("thinking", json!({ "text": evil })),
        event("tool_call", json!({ "id": evil, "name": evil, "input": { "command": evil } })),
        event("tool_call", json!({ "id": evil, "name": evil, "input": { evil: evil } })),
        event("tool_result", json!({ "id": evil, "output": evil, "isError": true })),
        event("permission_request", json!({ "id": evil, "tool": evil, "input": { "x": evil } })),
        event("permission_decision", json!({ "id": evil, "tool": evil, "allowed": false })),
        event("retrying", json!({ "attempt": 1, "delayMs": 1, "error": evil })),
        event("stderr", json!({ "line": evil })),
        event("unparsed", json!({ "line": evil })),
        event("requeued", json!({ "message": evil })),
        event("stopping", json!({ "reason": evil })),
        event("workspace", json!({ "path": evil })),
        event("queued", json!({ "lane": evil })),
    ];
    let mut transcript = Transcript::whole();
    let is_harmless = |text: &str| !text.chars().any(|character| character.is_control() || character == '\u{202e}');
    for body in bodies {
        let kind = body.kind();
        let lines = transcript.take(&Event { seq: 1, at: Timestamp::from_millis(0), turn: None, body });
        assert!(lines.iter().all(|line| is_harmless(&line.text)), "{kind}: {lines:?}");
        assert!(is_harmless(&transcript.status()), "{kind}: {:?}", transcript.status());
    }
    assert!(is_harmless(&super::super::summary(&Outcome::without_run(failed)).text));
    assert!(is_harmless(transcript.workspace().expect("known")));
}
