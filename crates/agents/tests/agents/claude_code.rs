//! Lines of Claude Code that were made up: bad ones, and what the verdict rests on.

use legwork_agents::{AgentReport, Decoded};
use legwork_model::EventBody;

use crate::recordings::{self, dialogue, exited, kinds, summary};

/// Decodes the standard output of a process that ended with exit code 0, in pieces of the given size.
fn replay(stdout: &[u8], size: usize) -> (Vec<Decoded>, AgentReport) {
    recordings::replay(dialogue("claude-code"), stdout, b"", exited(0), &[size])
}

fn check(stdout: &str, expected: &str) {
    recordings::check(dialogue("claude-code"), stdout, expected);
}

#[test]
fn what_is_not_understood_is_kept() {
    check("", " -> incomplete_output");
    for (line, kind) in [
        ("", "unparsed"),
        ("hello", "unparsed"),
        ("\0", "unparsed"),
        ("[1]", "unparsed"),
        ("{}", "unparsed"),
        (r#"{"type":7}"#, "unparsed"),
        (r#"{"type":"result","subtype":"succ"#, "unparsed"),
        (r#"{"type":"news","text":"x"}"#, "unparsed"),
        (r#"{"type":"system"}"#, "unparsed"),
        (r#"{"type":"system","subtype":"news","more":{"a":1}}"#, "message:news"),
        (r#"{"type":"assistant","message":{"content":7}}"#, "unparsed"),
        (r#"{"type":"assistant","message":{"content":[{"type":"text","text":"a"},{"type":"news"}]}}"#, "unparsed"),
        (r#"{"type":"assistant","message":{"content":[]}}"#, "message:assistant"),
        (r#"{"type":"user","message":{"content":[{"type":"tool_result"}]}}"#, "unparsed"),
        (r#"{"type":"control_request","request":{"subtype":"news"}}"#, "message:control_request"),
        (r#"{"type":"control_request","request":{"subtype":"can_use_tool"}}"#, "unparsed"),
    ] {
        check(&format!("{line}\n"), &format!("{kind} -> incomplete_output"));
    }
}

#[test]
fn an_unparsed_line_is_given_as_it_came() {
    let (decoded, _) = replay(b"a\xffb\r\n", 1);
    let line = "a\u{fffd}b\r".to_owned();
    assert_eq!(decoded, [Decoded::Event(EventBody::Unparsed { line, truncated: false })]);
}

#[test]
fn json_that_is_nested_too_deeply_is_kept_unread() {
    let (open, close) = ("[".repeat(100_000), "]".repeat(100_000));
    let deep = format!(r#"{{"type":"assistant","message":{{"content":{open}{close}}}}}"#);
    check(&deep, "unparsed -> incomplete_output");
}

#[test]
fn a_line_over_the_cap_is_marked_and_what_follows_is_read() {
    let cap = legwork_agents::framing::DEFAULT_LINE_CAP;
    let long = format!("{{\"type\":\"assistant\",\"x\":\"{}\"}}\n{{\"type\":\"keep_alive\"}}\n", "x".repeat(2 * cap));
    let (decoded, report) = replay(long.as_bytes(), 1 << 16);
    assert_eq!(kinds(&decoded), "unparsed message:keep_alive");
    let Decoded::Event(EventBody::Unparsed { line, truncated: true }) = &decoded[0] else {
        panic!("not marked as cut")
    };
    assert_eq!(line.len(), cap);
    assert!(summary(&report).contains("a line that was too long"), "{}", summary(&report));
}

#[test]
fn success_needs_a_result_that_says_so() {
    for (fields, verdict) in [
        (r#""subtype":"success","is_error":false"#, "succeeded"),
        (r#""subtype":"success""#, "agent_error"),
        (r#""subtype":"news","is_error":false"#, "agent_error"),
        (r#""subtype":"success","is_error":true"#, "agent_error"),
        (r#""subtype":"success","is_error":true,"result":"Claude AI usage limit reached|1795226731""#, "usage_limit"),
        (r#""subtype":"success","is_error":false,"stop_reason":"max_tokens""#, "answer_truncated"),
        // What decides nothing may have any shape.
        (r#""subtype":"success","is_error":false,"usage":7,"modelUsage":[],"errors":{},"num_turns":"2""#, "succeeded"),
    ] {
        check(&format!(r#"{{"type":"result",{fields}}}"#), &format!("turn_ended | -> {verdict}"));
    }
    check(r#"{"type":"result","is_error":false}"#, "unparsed -> incomplete_output");
}

const INIT: &str = r#"{"type":"system","subtype":"init"}"#;
const RESULT: &str = r#"{"type":"result","subtype":"success","is_error":false}"#;

#[test]
fn a_turn_after_the_result_counts() {
    check(&format!("{INIT}\n{RESULT}\n{INIT}\n"), "started turn_ended | ^ started -> incomplete_output");
    check(&format!("{INIT}\n{RESULT}\n{INIT}\n{RESULT}"), "started turn_ended | ^ started turn_ended | -> succeeded");
}

#[test]
fn a_refusal_told_twice_is_one_decision() {
    let denial = r#""tool_name":"Bash","tool_use_id":"t1""#;
    let live = format!(r#"{{"type":"system","subtype":"permission_denied",{denial}}}"#);
    let result = RESULT.replace('}', &format!(r#","permission_denials":[{{{denial}}}]}}"#));
    check(&result, "permission_decision turn_ended | -> permission_denied");
    check(&format!("{live}\n{result}"), "permission_decision turn_ended | -> permission_denied");
    check(&format!("{live}\n{live}"), "permission_decision message:permission_denied -> incomplete_output");
}
