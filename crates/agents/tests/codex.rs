//! Replays of real runs of Codex (`fixtures/codex`), and of what no program should print.
#![expect(clippy::expect_used, reason = "a test may panic, also in its helpers")]

mod replays;

use std::sync::LazyLock;

use legwork_agents::{Decoded, Dialogue, Opening, Order, Setup, find_agent};
use legwork_model::{EventBody, Task, Verdict};
use proptest::prelude::*;
use replays::{Recordings, exited, kinds, replay};

static RECORDINGS: LazyLock<Recordings> = LazyLock::new(|| Recordings::of("codex"));

fn dialogue() -> Box<dyn Dialogue> {
    replays::dialogue("codex")
}

fn one_shot() -> Box<dyn Dialogue> {
    let agent = find_agent("codex").expect("the agent");
    agent.dialogue(&Task::default(), &Setup { one_shot: true, ..Setup::default() })
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
        "tool-bash",
        "think",
        "edit",
        "mcp",
        "mcp-policy",
        "policy-deny",
        "ask-allowed",
        "default-denied",
        "two-turns",
        "interrupt",
        "err-401",
        "err-conn-refused",
        "resume",
        "resume-unknown",
        "warm",
        "exec-tools-danger",
        "exec-err-401",
        "exec-resume",
    ] {
        insta::assert_snapshot!(name, RECORDINGS.in_full(&format!("0.169.0/{name}")));
    }
}

#[test]
fn byte_by_byte_gives_the_same() {
    RECORDINGS.check_bytewise();
}

/// Answers that ask for nothing further, and what another line tells as a whole.
#[test]
fn no_line_is_lost() {
    let silent = [
        r#""id":"hello""#,
        r#""id":"turn-"#,
        r#""id":"steer-"#,
        r#""id":"interrupt""#,
        r#""method":"item/started""#,
        r#""method":"serverRequest/resolved""#,
        r#""method":"thread/tokenUsage/updated""#,
        r#""method":"turn/started""#,
        r#""type":"userMessage""#,
        r#"{"type":"turn.started"}"#,
        r#"/delta""#,
    ];
    RECORDINGS.check_lines(|line| silent.iter().any(|known| line.contains(known)));
}

#[test]
fn nothing_in_the_recordings_is_news() {
    for recording in RECORDINGS.iter() {
        // What is no line of the protocol: the program was started without it.
        if recording.name.ends_with("exec-text-plain") {
            continue;
        }
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
        for dialogue in [dialogue, one_shot] {
            let cut = replay(dialogue(), &bytes, &bytes, exited(0), &sizes);
            prop_assert_ne!(&cut.1.verdict, &Verdict::Succeeded);
            prop_assert_eq!(cut, replay(dialogue(), &bytes, &bytes, exited(0), &[usize::MAX]));
        }
    }

    #[test]
    fn half_a_run_is_no_success(length in any::<prop::sample::Index>()) {
        for name in ["0.169.0/tool-bash", "0.169.0/exec-tools-danger"] {
            let recording = RECORDINGS.named(name);
            let cut = &recording.stdout[..length.index(recording.stdout.len() - 1)];
            let (_, report) = replay(RECORDINGS.dialogue(recording), cut, b"", exited(0), &[usize::MAX]);
            prop_assert_ne!(report.verdict, Verdict::Succeeded, "{}", name);
        }
    }
}

/// Decodes what a process printed that ended with exit code 0: kinds, then the verdict.
fn check(dialogue: Box<dyn Dialogue>, stdout: &str, expected: &str) {
    let (decoded, report) = replay(dialogue, stdout.as_bytes(), b"", exited(0), &[usize::MAX]);
    let verdict = match &report.verdict {
        Verdict::Failed(failure) => failure.reason.as_str(),
        other => other.state().as_str(),
    };
    assert_eq!(format!("{} -> {verdict}", kinds(&decoded)), expected, "{stdout}");
}

const THREAD: &str = r#"{"id":"thread","result":{"thread":{"id":"t1"}}}"#;
const TURN: &str = r#"{"method":"turn/started","params":{"threadId":"t1","turn":{"id":"u1"}}}"#;
const DONE: &str = r#"{"method":"turn/completed","params":{"threadId":"t1","turn":{"id":"u1","status":"completed"}}}"#;

#[test]
fn what_is_not_understood_is_kept() {
    check(dialogue(), "", " -> incomplete_output");
    for (line, kind) in [
        ("", "unparsed"),
        ("hello", "unparsed"),
        ("[1]", "unparsed"),
        ("{}", "unparsed"),
        (r#"{"id":"thread"}"#, "unparsed"),
        (r#"{"id":7,"result":{}}"#, "unparsed"),
        (r#"{"id":"thread","result":{"thread":7}}"#, "unparsed"),
        (r#"{"method":7}"#, "unparsed"),
        (r#"{"method":"news/told","params":{}}"#, "unparsed"),
        (r#"{"method":"warning","params":{"message":"a"}}"#, "message:warning"),
        (r#"{"method":"item/completed","params":{"item":{"type":"news","id":"a"}}}"#, "unparsed"),
        (r#"{"method":"item/completed","params":{"item":{"type":"agentMessage","id":"a"}}}"#, "unparsed"),
        (r#"{"method":"item/started","params":{"item":{"type":"commandExecution","id":"a"}}}"#, "unparsed"),
        (r#"{"method":"turn/completed","params":{"turn":{"status":"completed"}}}"#, "unparsed"),
        (r#"{"method":"error","params":{"error":{"message":"a"}}}"#, "unparsed"),
        (r#"{"method":"thread/tokenUsage/updated","params":{"threadId":"t1"}}"#, "unparsed"),
        // Somebody waits for the answer, whatever the question is.
        (r#"{"id":1,"method":"item/tool/call","params":{}}"#, "message:item/tool/call <"),
        (r#"{"id":1,"method":"news/asked","params":{}}"#, "message:unknown_request <"),
        (r#"{"id":1,"method":"mcpServer/elicitation/request","params":{}}"#, "message:mcpServer/elicitation/request <"),
    ] {
        check(dialogue(), &format!("{line}\n"), &format!("{kind} -> incomplete_output"));
    }
    for line in ["hello", r#"{"type":"news"}"#, r#"{"type":"item.completed","item":7}"#, r#"{"type":"turn.failed"}"#] {
        check(one_shot(), &format!("{line}\n"), "unparsed -> incomplete_output");
    }
}

#[test]
fn success_needs_a_turn_that_says_so() {
    check(dialogue(), THREAD, "started < -> incomplete_output");
    check(dialogue(), &format!("{THREAD}\n{TURN}"), "started < -> incomplete_output");
    check(dialogue(), &format!("{THREAD}\n{TURN}\n{DONE}"), "started < turn_ended | -> succeeded");
    check(dialogue(), &format!("{THREAD}\n{TURN}\n{DONE}\n{TURN}"), "started < turn_ended | ^ -> incomplete_output");
    let status = |status: &str| format!("{THREAD}\n{TURN}\n{}", DONE.replace("completed\"}", &format!("{status}\"}}")));
    check(dialogue(), &status("interrupted"), "started < turn_ended | -> interrupted");
    check(dialogue(), &status("news"), "started < turn_ended | -> agent_error");
    let refused = r#"{"id":"turn-1","error":{"code":-32600,"message":"no"}}"#;
    check(dialogue(), &format!("{THREAD}\n{refused}"), "started < turn_ended | -> agent_error");
}

#[test]
fn a_thread_of_a_sub_agent_is_not_the_run() {
    let other = |line: &str| line.replace("t1", "t2").replace("u1", "u2");
    let foreign = format!("{}\n{}", other(TURN), other(DONE));
    check(
        dialogue(),
        &format!("{THREAD}\n{TURN}\n{foreign}\n"),
        "started < message:turn/started message:turn/completed -> incomplete_output",
    );
}

/// Feeds lines and orders in turn; shows what is written to the program.
fn written(mut dialogue: Box<dyn Dialogue>, script: Vec<Result<&str, Order>>) -> String {
    let mut decoded = Vec::new();
    let mut shown = String::new();
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
    shown
}

fn message(text: &str) -> Result<&'static str, Order> {
    Err(Order::Message(text.to_owned()))
}

fn decide(id: &str, allowed: bool) -> Result<&'static str, Order> {
    Err(Order::Decide { id: id.to_owned(), allowed, reason: "because".to_owned() })
}

#[test]
fn orders_become_requests() {
    let script = vec![
        message("before the thread"),
        Ok(THREAD),
        message("before the turn"),
        Err(Order::Interrupt),
        Ok(TURN),
        message("in the turn"),
        Ok(r#"{"id":"steer-3","error":{"message":"no active turn to steer"}}"#),
        Ok(DONE),
        message("after the turn"),
        Ok(TURN),
        Err(Order::Interrupt),
    ];
    insta::assert_snapshot!("orders", written(dialogue(), script));
}

#[test]
fn a_message_that_came_too_late_for_its_turn_begins_another() {
    let late = r#"{"id":"steer-2","error":{"message":"no active turn to steer"}}"#;
    let script = vec![Ok(THREAD), Ok(TURN), message("late"), Ok(DONE), Ok(late)];
    insta::assert_snapshot!("too_late", written(dialogue(), script));
}

#[test]
fn decisions_answer_what_was_asked_and_nothing_else() {
    let agent = find_agent("codex").expect("the agent");
    let task = Task { permissions: Some(Default::default()), ..Task::default() };
    let command = r#"{"id":0,"method":"item/commandExecution/requestApproval","params":{"command":"ls","itemId":"a"}}"#
        .to_owned();
    let resolved = r#"{"method":"serverRequest/resolved","params":{"threadId":"t1","requestId":0}}"#;
    let again = command.replace("\"id\":0", "\"id\":1");
    let script = vec![
        Ok(THREAD),
        Ok(TURN),
        decide("0", true),
        Ok(command.as_str()),
        decide("7", true),
        decide("0", true),
        decide("0", false),
        Ok(again.as_str()),
        decide("1", false),
        Ok(command.as_str()),
        Ok(resolved),
        decide("0", true),
    ];
    insta::assert_snapshot!("decisions", written(agent.dialogue(&task, &Setup::default()), script));
}

#[test]
fn a_program_that_waited_gets_its_job_once() {
    let agent = find_agent("codex").expect("the agent");
    let task = Task { model: Some("m".into()), ..Task::default() };
    let (_, dialogue) = agent.waiting(&task, &Setup::default()).expect("it can wait");
    let credential = Some(legwork_agents::Credential::ApiKey("sk-1".into()));
    let env = [("A".to_owned(), "b".to_owned())].into();
    let opening = Opening { prompt: "hi".into(), credential, base_url: Some("http://127.0.0.1:1".into()), env };
    let begin = || Err(Order::Begin(Box::new(opening.clone())));
    let script = vec![Ok(r#"{"id":"hello","result":{}}"#), begin(), begin(), Ok(THREAD)];
    insta::assert_snapshot!("begin", written(dialogue, script));
}
