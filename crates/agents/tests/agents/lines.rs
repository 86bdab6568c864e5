//! Lines of Gemini, Copilot and Cursor that were made up: bad ones, and what the verdict rests on.

use crate::recordings::{dialogue, exited, replay, show};

/// Decodes the two outputs of a process of an agent.
fn check(agent: &str, stdout: &str, stderr: &str, exit_code: i32, expected: &str) {
    let shown = show(&replay(dialogue(agent), stdout.as_bytes(), stderr.as_bytes(), exited(exit_code), &[usize::MAX]));
    assert_eq!(shown, expected, "{agent}: {stdout}{stderr}");
}

#[test]
fn what_is_not_understood_is_kept() {
    for agent in ["gemini", "copilot", "cursor"] {
        check(agent, "", "", 0, " -> incomplete_output");
        for line in ["hello", "\0", "[1]", "{}", "7", "null", r#"{"type":7}"#, r#"{"type":"result""#, r#""x""#] {
            check(agent, &format!("{line}\n"), "", 0, "unparsed -> incomplete_output");
        }
    }
    for (agent, line) in [
        ("gemini", r#"{"type":"news"}"#),
        ("gemini", r#"{"type":"message","role":"assistant","content":7}"#),
        ("gemini", r#"{"type":"tool_use","tool_id":"a"}"#),
        ("gemini", r#"{"type":"result"}"#),
        ("copilot", r#"{"type":"tool.execution_start","data":{"toolCallId":7}}"#),
        ("copilot", r#"{"type":"tool.execution_complete","data":{"toolCallId":"a"}}"#),
        ("copilot", r#"{"type":"news","data":[]}"#),
        ("cursor", r#"{"type":"assistant","message":{"content":"a"}}"#),
        ("cursor", r#"{"type":"tool_call","subtype":"started","call_id":"a","tool_call":{}}"#),
        ("cursor", r#"{"type":"tool_call","subtype":"news","call_id":"a","tool_call":{"x":{}}}"#),
        ("cursor", r#"{"type":"news"}"#),
    ] {
        check(agent, line, "", 0, "unparsed -> incomplete_output");
    }
    check("copilot", r#"{"type":"news","data":{"a":1}}"#, "", 0, "message:news -> incomplete_output");
    check("copilot", r#"{"type":"news","data":{"a":1},"ephemeral":true}"#, "", 0, " -> incomplete_output");
    check("cursor", r#"{"type":"system","subtype":"news"}"#, "", 0, "message:news -> incomplete_output");
}

#[test]
fn gemini_succeeds_where_its_result_says_so() {
    let check = |result: &str, exit_code, verdict: &str| {
        check(
            "gemini",
            &format!(r#"{{"type":"result",{result}}}"#),
            "",
            exit_code,
            &format!("turn_ended | -> {verdict}"),
        );
    };
    check(r#""status":"success""#, 0, "succeeded");
    check(r#""status":"success","stats":7"#, 0, "succeeded");
    check(r#""status":"news""#, 0, "agent_error");
    check(r#""status":"error""#, 1, "agent_error");
    for (message, exit_code, verdict) in [
        ("[API Error: x]", 145, "credentials_rejected"),
        ("[API Error: x]", 173, "usage_limit"),
        ("[API Error: x]", 244, "api_error"),
        ("[API Error: terminated]", 1, "api_error"),
        (r#"[API Error: {\"code\":429}]"#, 1, "usage_limit"),
        ("[API Error: API key not valid.]", 144, "credentials_rejected"),
        ("x", 1, "agent_error"),
    ] {
        let error = format!(r#""status":"error","error":{{"type":"unknown","message":"{message}"}}"#);
        check(&error, exit_code, verdict);
    }
    check(r#""status":"error","error":{"type":"FatalTurnLimitedError"}"#, 53, "max_turns");
}

#[test]
fn gemini_tells_by_its_exit_code_why_it_gave_no_result() {
    for (stderr, exit_code, verdict) in [
        ("x", 41, "credentials_missing"),
        ("Error resuming session: Invalid session identifier\nUse --list-sessions", 42, "session_not_found"),
        ("Unknown argument", 42, "exit_nonzero"),
        ("x", 53, "max_turns"),
        ("x", 55, "exit_nonzero"),
        ("x", 145, "credentials_rejected"),
        ("x", 143, "exit_nonzero"),
        ("x", 0, "incomplete_output"),
    ] {
        let lines = stderr.lines().count();
        let shown = if lines > 1 { format!("stderr×{lines}") } else { "stderr".to_owned() };
        check("gemini", "", stderr, exit_code, &format!("{shown} -> {verdict}"));
    }
}

#[test]
fn gemini_that_repeats_itself_has_not_succeeded() {
    let warning = r#"{"type":"error","severity":"warning","message":"Loop detected, stopping execution"}"#;
    let result = r#"{"type":"result","status":"success"}"#;
    check("gemini", &format!("{warning}\n{result}"), "", 0, "message:error turn_ended | -> agent_error");
}

#[test]
fn copilot_succeeds_where_nothing_speaks_against_it() {
    let result = |code: &str| format!(r#"{{"type":"result","sessionId":"a"{code}}}"#);
    let done = result(r#","exitCode":0"#);
    let error = |fields: &str| format!(r#"{{"type":"session.error","data":{{"message":"x"{fields}}}}}"#);
    check("copilot", &done, "", 0, "turn_ended | -> succeeded");
    check("copilot", &result(""), "", 0, "turn_ended | -> agent_error");
    check("copilot", &result(r#","exitCode":1"#), "", 1, "turn_ended | -> agent_error");
    let aborted = format!("{}\n{done}", r#"{"type":"abort","data":{"reason":"user_abort"}}"#);
    check("copilot", &aborted, "", 0, "message:abort turn_ended | -> interrupted");
    for (fields, verdict) in [
        (r#","statusCode":401"#, "credentials_rejected"),
        (r#","statusCode":429"#, "usage_limit"),
        (r#","statusCode":500"#, "api_error"),
        (r#","errorType":"authentication""#, "credentials_rejected"),
        (r#","errorType":"news","statusCode":"x""#, "agent_error"),
    ] {
        let expected = format!("message:session.error turn_ended | -> {verdict}");
        check("copilot", &format!("{}\n{done}", error(fields)), "", 1, &expected);
    }
    let missing = "Error: No authentication information found.";
    check("copilot", "", missing, 1, "stderr -> credentials_missing");
    check("copilot", "", "Error: No session, task, or name matched 'x'.", 1, "stderr -> session_not_found");
}

#[test]
fn what_copilot_had_said_when_it_was_stopped_is_kept() {
    let delta = |text: &str| {
        format!(r#"{{"type":"assistant.message_delta","data":{{"deltaContent":"{text}"}},"ephemeral":true}}"#)
    };
    check("copilot", &format!("{}\n{}", delta("a"), delta("b")), "", 0, "text -> incomplete_output");
    let whole = r#"{"type":"assistant.message","data":{"content":"ab"}}"#;
    check("copilot", &format!("{}\n{}\n{whole}", delta("a"), delta("b")), "", 0, "text -> incomplete_output");
}

#[test]
fn cursor_succeeds_where_its_result_says_so() {
    for (fields, verdict) in [
        (r#""subtype":"success","is_error":false"#, "succeeded"),
        (r#""subtype":"success","is_error":true"#, "agent_error"),
        (r#""subtype":"success""#, "agent_error"),
        (r#""subtype":"news","is_error":false"#, "agent_error"),
    ] {
        check("cursor", &format!(r#"{{"type":"result",{fields}}}"#), "", 0, &format!("turn_ended | -> {verdict}"));
    }
}
