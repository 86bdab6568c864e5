//! Replays of real runs of Claude Code (`fixtures/claude-code`), and of what no program should print.

use std::sync::LazyLock;

use legwork_agents::{AgentReport, Decoded, Dialogue, Setup, find_agent};
use legwork_model::{EventBody, Exit, Task, Verdict};
use proptest::prelude::*;

use recordings::{Recording, events, exited, kinds, load, show, summary, table};

mod recordings;

static RECORDINGS: LazyLock<Vec<Recording>> = LazyLock::new(|| load("claude-code"));

fn recording(name: &str) -> &'static Recording {
    RECORDINGS.iter().find(|recording| recording.name == name).expect("a recording of that name")
}

fn dialogue() -> Box<dyn Dialogue> {
    let agent = find_agent("claude-code").expect("the agent");
    agent.dialogue(&Task::default(), &Setup::default())
}

/// Decodes in pieces of the given sizes, over and over.
fn replay(stdout: &[u8], stderr: &[u8], exit: Exit, sizes: &[usize]) -> (Vec<Decoded>, AgentReport) {
    recordings::replay(dialogue(), stdout, stderr, exit, sizes)
}

#[test]
fn every_recording() {
    insta::assert_snapshot!(table(&RECORDINGS));
}

#[test]
fn every_file_is_in_an_index() {
    recordings::every_file_is_in_an_index("claude-code");
}

#[test]
fn the_events_in_full() {
    for name in [
        "2.1.197/text",
        "2.1.197/edit-tool",
        "2.1.197/err-429-maxretries2",
        "2.1.197/max-turns",
        "2.1.197/max-budget",
        "2.1.197/resume-unknown",
        "2.1.197/sj-can-use-tool-allow",
        "2.1.197/sj-two-turns",
        "2.1.197/subagent",
        "2.1.329/denied",
        "2.1.329/resume",
        "2.1.329/tool-bash",
    ] {
        insta::assert_snapshot!(name.replace('/', "-"), events(recording(name)));
    }
}

#[test]
fn byte_by_byte_gives_the_same() {
    for recording in RECORDINGS.iter() {
        assert!(recording.play(&[1]) == recording.whole(), "{} differs", recording.name);
    }
}

proptest! {
    #[test]
    fn any_cutting_gives_the_same(
        index in any::<prop::sample::Index>(),
        sizes in prop::collection::vec(1_usize..3000, 1..50),
    ) {
        let recording = index.get(&RECORDINGS);
        prop_assert!(recording.play(&sizes) == recording.whole(), "{} differs", recording.name);
    }

    #[test]
    fn no_bytes_make_it_fail(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        sizes in prop::collection::vec(1_usize..50, 1..9),
    ) {
        let cut = replay(&bytes, &bytes, exited(0), &sizes);
        prop_assert_ne!(&cut.1.verdict, &Verdict::Succeeded);
        prop_assert_eq!(cut, replay(&bytes, &bytes, exited(0), &[usize::MAX]));
    }

    #[test]
    fn half_a_run_is_no_success(length in any::<prop::sample::Index>()) {
        let stdout = &recording("2.1.329/tool-bash").stdout;
        // All but the last newline, which the program may leave out, and its closing brace.
        let cut = &stdout[..length.index(stdout.len() - 1)];
        prop_assert_ne!(replay(cut, b"", exited(0), &[usize::MAX]).1.verdict, Verdict::Succeeded);
    }
}

#[test]
fn no_line_is_lost() {
    for recording in RECORDINGS.iter() {
        let mut dialogue = dialogue();
        for line in recording.stdout.split_inclusive(|byte| *byte == b'\n') {
            let mut decoded = Vec::new();
            dialogue.stdout(line, &mut decoded);
            if !line.ends_with(b"\n") {
                dialogue.finish(recording.exit, &mut decoded);
            }
            assert!(!decoded.is_empty(), "{}: {}", recording.name, String::from_utf8_lossy(line));
        }
    }
}

/// Decodes the standard output of a process that ended with exit code 0: kinds, then the verdict.
fn check(stdout: &str, expected: &str) {
    let played = replay(stdout.as_bytes(), b"", exited(0), &[usize::MAX]);
    let shown: String = stdout.chars().take(300).collect();
    assert_eq!(show(&played), expected, "{shown}");
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
    let (decoded, _) = replay(b"a\xffb\r\n", b"", exited(0), &[1]);
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
    let (decoded, report) = replay(long.as_bytes(), b"", exited(0), &[1 << 16]);
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
