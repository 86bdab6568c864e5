//! Lines and orders of Codex that were made up: bad ones, what the verdict rests on, and what is written.

use legwork_agents::{Dialogue, Opening, Order, Setup, find_agent};
use legwork_model::Task;

use crate::recordings::{self, Step, check, says, written};

fn dialogue() -> Box<dyn Dialogue> {
    recordings::dialogue("codex")
}

fn one_shot() -> Box<dyn Dialogue> {
    let agent = find_agent("codex").expect("the agent");
    agent.dialogue(&Task::default(), &Setup { one_shot: true, ..Setup::default() })
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

fn message(text: &str) -> Step {
    Step::Ordered(Order::Message(text.to_owned()))
}

fn decide(id: &str, allowed: bool) -> Step {
    Step::Ordered(Order::Decide { id: id.to_owned(), allowed, reason: "because".to_owned() })
}

#[test]
fn orders_become_requests() {
    let script = vec![
        message("before the thread"),
        says(THREAD),
        message("before the turn"),
        Step::Ordered(Order::Interrupt),
        says(TURN),
        message("in the turn"),
        says(r#"{"id":"steer-3","error":{"message":"no active turn to steer"}}"#),
        says(DONE),
        message("after the turn"),
        says(TURN),
        Step::Ordered(Order::Interrupt),
    ];
    insta::assert_snapshot!("orders", written(dialogue(), script));
}

#[test]
fn a_message_that_came_too_late_for_its_turn_begins_another() {
    let late = r#"{"id":"steer-2","error":{"message":"no active turn to steer"}}"#;
    let script = vec![says(THREAD), says(TURN), message("late"), says(DONE), says(late)];
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
        says(THREAD),
        says(TURN),
        decide("0", true),
        says(&command),
        decide("7", true),
        decide("0", true),
        decide("0", false),
        says(&again),
        decide("1", false),
        says(&command),
        says(resolved),
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
    let begin = || Step::Ordered(Order::Begin(Box::new(opening.clone())));
    let script = vec![says(r#"{"id":"hello","result":{}}"#), begin(), begin(), says(THREAD)];
    insta::assert_snapshot!("begin", written(dialogue, script));
}
