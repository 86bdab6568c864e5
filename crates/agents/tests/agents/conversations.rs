//! Conversations that were made up: what orders write, and what agents should not say.

use legwork_agents::{Decoded, Dialogue, Order, Setup, find_agent};
use legwork_model::{PermissionPolicy, Task};
use serde_json::{Value, json};

use crate::recordings::{exited, kinds, show, summary};

/// A conversation that can be followed step by step.
struct Talk {
    dialogue: Box<dyn Dialogue>,
    decoded: Vec<Decoded>,
}

impl Talk {
    fn with(agent: &str, task: Task) -> Self {
        let task = Task { session_idle_seconds: Some(60), prompt: "hi".into(), ..task };
        let setup = Setup { workspace: "/w".into(), ..Setup::default() };
        let dialogue = find_agent(agent).expect("the agent").dialogue(&task, &setup);
        Self { dialogue, decoded: Vec::new() }
    }

    fn new(agent: &str) -> Self {
        Self::with(agent, Task::default())
    }

    /// Copilot in its first turn, whose call has the id 3.
    fn prompted(task: Task) -> Self {
        let mut talk = Self::with("copilot", task);
        talk.hears(&json!({"id": 1, "result": {}}));
        talk.hears(&json!({"id": 2, "result": {"sessionId": "s"}}));
        talk.decoded.clear();
        talk
    }

    fn hears(&mut self, message: &Value) -> &mut Self {
        self.dialogue.stdout(format!("{message}\n").as_bytes(), &mut self.decoded);
        self
    }

    fn updated(&mut self, update: &Value) -> &mut Self {
        self.hears(&json!({"method": "session/update", "params": {"sessionId": "s", "update": update}}))
    }

    fn ordered(&mut self, order: Order) -> &mut Self {
        self.dialogue.order(order, &mut self.decoded);
        self
    }

    /// Kinds, and the inputs as they are; forgets them.
    fn shown(&mut self) -> String {
        let items = std::mem::take(&mut self.decoded);
        let show = |item: &Decoded| match item {
            Decoded::Input(bytes) => format!("< {}", String::from_utf8_lossy(bytes).trim()),
            other => kinds(std::slice::from_ref(other)),
        };
        items.iter().map(show).collect::<Vec<_>>().join("\n")
    }

    fn ends(mut self) -> String {
        let report = self.dialogue.finish(exited(0), &mut self.decoded);
        show(&(self.decoded, report))
    }
}

fn ended(id: u64) -> Value {
    json!({"id": id, "result": {"stopReason": "end_turn"}})
}

fn said(text: &str) -> Value {
    json!({"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": text}})
}

fn decide(id: &str, allowed: bool) -> Order {
    Order::Decide { id: id.into(), allowed, reason: String::new() }
}

fn asks(id: u64) -> Value {
    let call = json!({"toolCallId": format!("c{id}"), "kind": "execute", "rawInput": {"command": "make"}});
    let options = json!([{"optionId": "yes", "kind": "allow_once"}, {"optionId": "no", "kind": "reject_once"}]);
    json!({"id": id, "method": "session/request_permission", "params": {"toolCall": call, "options": options}})
}

fn asking() -> Task {
    Task { permissions: Some(PermissionPolicy::default()), ..Task::default() }
}

#[test]
fn orders_are_written_in_the_words_of_the_protocol() {
    let mut talk = Talk::prompted(asking());
    let mut shown = Vec::new();
    shown.push(talk.ordered(Order::Message("later".into())).shown());
    shown.push(talk.hears(&asks(0)).shown());
    shown.push(talk.ordered(decide("0", true)).shown());
    shown.push(talk.ordered(decide("0", true)).shown());
    shown.push(talk.ordered(decide("9", true)).shown());
    shown.push(talk.hears(&asks(1)).ordered(decide("1", false)).shown());
    shown.push(talk.hears(&asks(2)).ordered(Order::Interrupt).shown());
    shown.push(talk.ordered(decide("2", true)).shown());
    shown.push(talk.hears(&json!({"id": 3, "result": {"stopReason": "cancelled"}})).shown());
    shown.push(talk.updated(&said("fine")).hears(&ended(4)).shown());
    shown.push(talk.ordered(Order::Interrupt).shown());
    shown.push(talk.ordered(Order::Message("more".into())).shown());
    insta::assert_snapshot!(shown.join("\n---\n"));
}

#[test]
fn what_is_not_offered_is_refused() {
    let mut talk = Talk::prompted(Task::default());
    for method in ["fs/read_text_file", "terminal/create", "news"] {
        talk.hears(&json!({"id": "x", "method": method, "params": {}}));
    }
    insta::assert_snapshot!(talk.shown());
}

#[test]
fn bad_messages_are_kept_and_change_nothing() {
    let mut talk = Talk::prompted(asking());
    for line in [
        json!(7),
        json!([]),
        json!({}),
        json!({"id": 99, "result": {}}),
        json!({"id": "3", "result": {}}),
        json!({"id": 3}),
        json!({"id": 3, "error": 7}),
        json!({"method": "session/update", "params": {"update": 7}}),
        json!({"method": "session/update", "params": {"update": {}}}),
        json!({"method": "session/update", "params": {"update": {"sessionUpdate": "tool_call"}}}),
        json!({"method": "session/update", "params": {"update": {"sessionUpdate": "agent_message_chunk", "content": 7}}}),
        json!({"id": 5, "method": "session/request_permission", "params": {}}),
        json!({"id": null, "method": "session/request_permission"}),
    ] {
        talk.hears(&line);
    }
    assert_eq!(talk.shown(), ["unparsed"; 13].join("\n"));
    talk.hears(&json!({"method": "news", "params": {"a": 1}}));
    talk.updated(&json!({"sessionUpdate": "plan", "entries": []}));
    talk.updated(&json!({"sessionUpdate": "tool_call", "toolCallId": "c", "title": 7, "content": 7, "locations": 7}));
    assert_eq!(talk.shown(), "message:news\nmessage:plan\ntool_call");
    talk.updated(&said("ok")).hears(&ended(3));
    assert_eq!(talk.ends(), "text turn_ended | -> succeeded");
}

#[test]
fn a_call_and_its_result_are_told_once() {
    let mut talk = Talk::prompted(Task::default());
    let call = |status: &str| json!({"sessionUpdate": "tool_call_update", "toolCallId": "c", "status": status});
    talk.updated(&json!({"sessionUpdate": "tool_call", "toolCallId": "c", "kind": "read", "status": "pending"}));
    talk.updated(&call("in_progress")).updated(&call("completed")).updated(&call("completed"));
    assert_eq!(talk.shown(), "tool_call\nmessage:tool_call_update\ntool_result\nmessage:tool_call_update");
}

#[test]
fn how_a_turn_ended_decides() {
    for (result, expected) in [
        (json!({"stopReason": "end_turn"}), "succeeded"),
        (json!({"stopReason": "end_turn", "usage": 7, "_meta": []}), "succeeded"),
        (json!({"stopReason": "max_tokens"}), "answer_truncated"),
        (json!({"stopReason": "max_turn_requests"}), "max_turns"),
        (json!({"stopReason": "refusal"}), "agent_error"),
        (json!({"stopReason": "cancelled"}), "interrupted"),
        (json!({"stopReason": "news"}), "agent_error"),
        (json!({}), "agent_error"),
        (Value::Null, "agent_error"),
    ] {
        let mut talk = Talk::prompted(Task::default());
        talk.hears(&json!({"id": 3, "result": result}));
        assert_eq!(talk.ends(), format!("turn_ended | -> {expected}"), "{result}");
    }
}

#[test]
fn a_conversation_that_can_not_begin_says_why() {
    for (agent, code, message, expected) in [
        ("gemini", 429, "x", "usage_limit"),
        ("gemini", 400, "API key not valid", "credentials_rejected"),
        ("gemini", -32000, "x", "credentials_rejected"),
        ("copilot", -32000, "x", "credentials_rejected"),
        ("copilot", -32603, "x", "agent_error"),
    ] {
        let mut talk = Talk::new(agent);
        talk.hears(&json!({"id": 1, "result": {}}));
        talk.hears(&json!({"id": 2, "error": {"code": code, "message": message}}));
        talk.decoded.clear();
        // It does not help to say more.
        talk.ordered(Order::Message("again".into()));
        assert_eq!(talk.ends(), format!("^ turn_ended | -> {expected}"), "{agent} {code} {message}");
    }
}

#[test]
fn a_process_that_leaves_in_its_turn_has_failed() {
    let mut talk = Talk::prompted(Task::default());
    talk.updated(&said("half"));
    assert_eq!(talk.ends(), "text -> incomplete_output");
}

#[test]
fn cursor_is_logged_in_before_its_session() {
    let mut talk = Talk::new("cursor");
    talk.hears(&json!({"id": 1, "result": {}})).hears(&json!({"id": 2, "result": {}}));
    talk.hears(&json!({"id": 3, "result": {"sessionId": "s"}}));
    insta::assert_snapshot!(talk.shown());
}

#[test]
fn copilot_waits_with_its_credential_and_opens_its_session_for_its_job() {
    let agent = find_agent("copilot").expect("the agent");
    let setup = Setup {
        workspace: "/w".into(),
        credential: Some(legwork_agents::Credential::ApiKey("sk-1".into())),
        base_url: Some("http://a/v1".into()),
        ..Setup::default()
    };
    assert!(agent.waiting(&Task::default(), &setup).is_none(), "a single run asks for less");
    let task = Task { session_idle_seconds: Some(5), ..Task::default() };
    let (launch, dialogue) = agent.waiting(&task, &setup).expect("it can wait");
    assert_eq!(launch, agent.launch(&task, &setup));
    assert!(launch.env.iter().any(|(_, value)| value == "sk-1"), "{launch:?}");
    let mut talk = Talk { dialogue, decoded: Vec::new() };
    talk.hears(&json!({"id": 1, "result": {}}));
    let opening = legwork_agents::Opening { prompt: "hi".into(), credential: setup.credential, ..Default::default() };
    talk.ordered(Order::Begin(Box::new(opening))).hears(&json!({"id": 2, "result": {"sessionId": "s"}}));
    insta::assert_snapshot!("copilot-waits", talk.shown());
}

#[test]
fn a_program_that_waits_can_not_take_variables() {
    let agent = find_agent("gemini").expect("the agent");
    let (_, mut dialogue) = agent.waiting(&asking(), &Setup::default()).expect("it can wait");
    let mut decoded = Vec::new();
    dialogue.stdout(b"{\"id\":1,\"result\":{}}\n", &mut decoded);
    let env = [("A".to_owned(), "b".to_owned())].into();
    dialogue.order(Order::Begin(Box::new(legwork_agents::Opening { env, ..Default::default() })), &mut decoded);
    let report = dialogue.finish(exited(0), &mut decoded);
    assert_eq!(kinds(&decoded), "ready turn_ended |");
    assert!(summary(&report).contains("variables of its own"), "{}", summary(&report));
}
