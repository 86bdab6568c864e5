//! Replays of real runs of OpenCode (`fixtures/opencode`), and of what no program should print.

mod replays;

use std::sync::LazyLock;

use legwork_agents::{Decoded, Dialogue, Order, Setup, find_agent};
use legwork_model::{EventBody, Task, Verdict};
use proptest::prelude::*;
use replays::{Recordings, exited, kinds, replay};

static RECORDINGS: LazyLock<Recordings> = LazyLock::new(|| Recordings::of("opencode"));

fn dialogue() -> Box<dyn Dialogue> {
    replays::dialogue("opencode")
}

#[test]
fn every_recording() {
    insta::assert_snapshot!(RECORDINGS.overview());
}

#[test]
fn every_file_is_in_an_index() {
    RECORDINGS.check_index();
}

#[test]
fn the_events_in_full() {
    for name in [
        "think",
        "tool-bash",
        "edit",
        "mcp",
        "policy",
        "ask-denied",
        "two-turns",
        "interrupt",
        "err-429",
        "resume-unknown",
    ] {
        insta::assert_snapshot!(name, RECORDINGS.in_full(&format!("1.18.33/{name}")));
    }
}

#[test]
fn byte_by_byte_gives_the_same() {
    RECORDINGS.check_bytewise();
}

/// Answers that ask for nothing further, and steps on the way to what is told in the end.
#[test]
fn no_line_is_lost() {
    let silent = [
        r#"{"body":"#,
        r#"{"error":"the stream of events"#,
        r#""type":"message.updated""#,
        r#""type":"message.part.updated""#,
        r#""type":"permission.replied""#,
        r#""type":"session.status""#,
        r#""type":"session.idle""#,
        // Of sub-agents and copies, whose session is another.
        r#""type":"session.created""#,
    ];
    RECORDINGS.check_lines(|line| silent.iter().any(|known| line.contains(known)));
}

#[test]
fn nothing_in_the_recordings_is_news() {
    for recording in RECORDINGS.iter() {
        let (decoded, _) = RECORDINGS.whole(recording);
        let unread = decoded.iter().find(|item| matches!(item, Decoded::Event(EventBody::Unparsed { .. })));
        assert_eq!(unread, None, "{}", recording.name);
    }
}

proptest! {
    #[test]
    fn any_cutting_gives_the_same(
        index in any::<prop::sample::Index>(),
        sizes in prop::collection::vec(1_usize..3000, 1..50),
    ) {
        let recording = index.get(RECORDINGS.all());
        prop_assert!(RECORDINGS.replay(recording, &sizes) == RECORDINGS.whole(recording), "{} differs", recording.name);
    }

    #[test]
    fn no_bytes_make_it_fail(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        sizes in prop::collection::vec(1_usize..50, 1..9),
    ) {
        let cut = replay(dialogue(), &bytes, &bytes, exited(0), &sizes);
        prop_assert_ne!(&cut.1.verdict, &Verdict::Succeeded);
        prop_assert_eq!(cut, replay(dialogue(), &bytes, &bytes, exited(0), &[usize::MAX]));
    }
}

/// Decodes what came from a process that ended with exit code 0: kinds, then the verdict.
fn check(stdout: &str, expected: &str) {
    let (decoded, report) = replay(dialogue(), stdout.as_bytes(), b"", exited(0), &[usize::MAX]);
    let verdict = match &report.verdict {
        Verdict::Failed(failure) => failure.reason.as_str(),
        other => other.state().as_str(),
    };
    assert_eq!(format!("{} -> {verdict}", kinds(&decoded)), expected, "{stdout}");
}

const CONNECTED: &str = r#"{"event":{"type":"server.connected","properties":{}}}"#;
const SESSION: &str = r#"{"id":"session","status":200,"body":{"id":"s1"}}"#;
const BUSY: &str = r#"{"event":{"type":"session.status","properties":{"sessionID":"s1","status":{"type":"busy"}}}}"#;
const IDLE: &str = r#"{"event":{"type":"session.idle","properties":{"sessionID":"s1"}}}"#;
const ASKED: &str = r#"{"event":{"type":"permission.asked","properties":{"id":"p1","sessionID":"s1","permission":"bash","metadata":{"command":"ls"}}}}"#;

#[test]
fn what_is_not_understood_is_kept() {
    check("", " -> incomplete_output");
    for (line, kind) in [
        ("", "unparsed"),
        ("hello", "unparsed"),
        ("{}", "unparsed"),
        (r#"{"event":7}"#, "unparsed"),
        (r#"{"event":{"type":"news"}}"#, "unparsed"),
        (r#"{"event":{"type":"todo.updated"}}"#, "message:todo.updated"),
        (r#"{"event":{"type":"permission.asked","properties":{"id":"p"}}}"#, "unparsed"),
        (r#"{"line":"Warning: x"}"#, "message:printed"),
    ] {
        check(&format!("{line}\n"), &format!("{kind} -> incomplete_output"));
    }
    check(r#"{"id":"session","status":200,"body":7}"#, "unparsed -> incomplete_output");
    check(r#"{"id":"session","status":500,"body":"x"}"#, "turn_ended | -> agent_error");
    check(r#"{"error":"the stream of events ended"}"#, "turn_ended | -> agent_error");
}

#[test]
fn success_needs_a_turn_that_came_to_rest() {
    check(&format!("{CONNECTED}\n{SESSION}\n"), "< started < -> incomplete_output");
    check(&format!("{CONNECTED}\n{SESSION}\n{IDLE}\n"), "< started < -> incomplete_output");
    check(&format!("{CONNECTED}\n{SESSION}\n{BUSY}\n{BUSY}\n"), "< started < -> incomplete_output");
    check(&format!("{CONNECTED}\n{SESSION}\n{BUSY}\n{IDLE}\n{IDLE}\n"), "< started < turn_ended | -> succeeded");
    check(
        &format!("{CONNECTED}\n{SESSION}\n{BUSY}\n{IDLE}\n{BUSY}\n"),
        "< started < turn_ended | ^ -> incomplete_output",
    );
    check(
        &format!("{CONNECTED}\n{SESSION}\n{BUSY}\n{ASKED}\n{IDLE}\n"),
        "< started < permission_decision < turn_ended | -> permission_denied",
    );
}

#[test]
fn orders_become_requests() {
    let agent = find_agent("opencode").expect("the agent");
    let task = Task {
        prompt: "hi".into(),
        model: Some("m".into()),
        system_prompt: Some("Be brief.".into()),
        resume_session: Some("../s 1".into()),
        permissions: Some(Default::default()),
        ..Task::default()
    };
    let mut dialogue = agent.dialogue(&task, &Setup::default());
    let decide = |id: &str, allowed| Err(Order::Decide { id: id.into(), allowed, reason: "not today".into() });
    let again = ASKED.replace("p1", "p2");
    let script: Vec<Result<&str, Order>> = vec![
        Err(Order::Interrupt),
        Ok(CONNECTED),
        Err(Order::Message("before the session".into())),
        Ok(SESSION),
        Ok(BUSY),
        Ok(ASKED),
        decide("p7", true),
        decide("p1", true),
        decide("p1", false),
        Ok(&again),
        decide("p2", false),
        Err(Order::Message("in the turn".into())),
        Err(Order::Interrupt),
        Ok(IDLE),
        Err(Order::Interrupt),
    ];
    let mut shown = String::new();
    let mut decoded = Vec::new();
    for step in script {
        match step {
            Ok(line) => dialogue.stdout(format!("{line}\n").as_bytes(), &mut decoded),
            Err(order) => {
                shown += &format!("# {order:?}\n");
                dialogue.order(order, &mut decoded);
            }
        }
        for item in decoded.drain(..) {
            if let Decoded::Input(bytes) = item {
                shown += &String::from_utf8(bytes).expect("text");
            }
        }
    }
    insta::assert_snapshot!("orders", shown);
}
