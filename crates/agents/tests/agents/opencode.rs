//! Lines and orders of OpenCode that were made up: bad ones, what the verdict rests on, and what is written.

use legwork_agents::{Credential, Opening, Order, Setup, find_agent};
use legwork_model::Task;

use crate::recordings::{self, Step, exited, kinds, says, summary, written};

fn check(stdout: &str, expected: &str) {
    recordings::check(recordings::dialogue("opencode"), stdout, expected);
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
    let dialogue = agent.dialogue(&task, &Setup::default());
    let decide =
        |id: &str, allowed| Step::Ordered(Order::Decide { id: id.into(), allowed, reason: "not today".into() });
    let again = ASKED.replace("p1", "p2");
    let script = vec![
        Step::Ordered(Order::Interrupt),
        says(CONNECTED),
        Step::Ordered(Order::Message("before the session".into())),
        says(SESSION),
        says(BUSY),
        says(ASKED),
        decide("p7", true),
        decide("p1", true),
        decide("p1", false),
        says(&again),
        decide("p2", false),
        Step::Ordered(Order::Message("in the turn".into())),
        Step::Ordered(Order::Interrupt),
        says(IDLE),
        Step::Ordered(Order::Interrupt),
    ];
    insta::assert_snapshot!("orders", written(dialogue, script));
}

#[test]
fn a_program_that_waited_is_asked_for_a_session_once_it_has_its_job() {
    let agent = find_agent("opencode").expect("the agent");
    let setup = Setup { credential: Some(Credential::ApiKey("sk-1".into())), ..Setup::default() };
    let task = Task { model: Some("m".into()), system_prompt: Some("Be brief.".into()), ..Task::default() };
    let waiting = || agent.waiting(&task, &setup).expect("it can wait");
    assert_eq!(waiting().0, agent.launch(&task, &setup), "it has all of its settings");
    let begin = || Step::Ordered(Order::Begin(Box::new(Opening { prompt: "hi".into(), ..Opening::default() })));
    let late = vec![says(CONNECTED), begin(), begin(), says(CONNECTED), says(SESSION)];
    insta::assert_snapshot!("begin-opencode", written(waiting().1, late));
    let early = written(waiting().1, vec![begin(), says(CONNECTED), says(SESSION)]);
    assert_eq!(early.matches("\"path\":\"/session\"").count(), 1, "{early}");
}

#[test]
fn a_program_that_waits_is_ready_once_its_events_are_heard() {
    let agent = find_agent("opencode").expect("the agent");
    let (_, mut dialogue) = agent.waiting(&Task::default(), &Setup::default()).expect("it can wait");
    let mut decoded = Vec::new();
    dialogue.stdout(format!("{CONNECTED}\n").as_bytes(), &mut decoded);
    assert_eq!(kinds(&decoded), "ready");
    let env = [("A".to_owned(), "b".to_owned())].into();
    dialogue.order(Order::Begin(Box::new(Opening { env, ..Opening::default() })), &mut decoded);
    assert_eq!(kinds(&decoded), "ready turn_ended |");
    let report = dialogue.finish(exited(0), &mut decoded);
    assert!(summary(&report).contains("variables of its own"), "{}", summary(&report));
}
