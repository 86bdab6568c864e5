//! The whole model, as a client sees it over HTTP.

use std::time::Duration;

use futures::future::join_all;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{Rehearsal, Script};

mod gemini;
mod openai;

/// A prompt for every kind of step that has an answer to its end.
const STEPS: [&str; 12] = [
    "hello",
    "[[say: a]] [[say: b]]",
    "[[think: a]] [[say: é]]",
    "[[bash: ls]]",
    "[[say: a]] [[write: a | b]]",
    "[[read: a]]",
    "[[edit: a | b | c]]",
    r#"[[tool: missing | {"a":[1]}]]"#,
    "[[loop: Bash true]]",
    "[[slow: 300ms]]",
    "[[long: 5000]]",
    "[[usage: 1 2]] [[truncate]]",
];

/// Far longer than anything here takes: whatever reaches it hangs.
const DEADLINE: Duration = Duration::from_secs(30);

struct Client {
    base_url: String,
    key: String,
    http: reqwest::Client,
}

impl Client {
    fn of(rehearsal: &Rehearsal) -> Self {
        Self { base_url: rehearsal.base_url(), key: "key".to_owned(), http: http_client() }
    }

    fn with_key(&self, key: &str) -> Self {
        Self { base_url: self.base_url.clone(), key: key.to_owned(), http: self.http.clone() }
    }

    async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> Response {
        let request = self.http.post(format!("{}{path}", self.base_url)).header("x-api-key", &self.key);
        timeout(DEADLINE, request.body(body).send()).await.expect("an answer in time").expect("an answer")
    }

    async fn converse(&self, messages: &Value, stream: bool) -> Response {
        let body = json!({ "model": "some-model", "max_tokens": 100, "stream": stream, "messages": messages });
        self.post("/v1/messages", body.to_string()).await
    }

    async fn ask(&self, prompt: &str, stream: bool) -> Response {
        self.converse(&json!([{ "role": "user", "content": prompt }]), stream).await
    }

    async fn whole(&self, prompt: &str) -> Value {
        json_of(self.ask(prompt, false).await).await
    }

    async fn events(&self, prompt: &str) -> Vec<Value> {
        events_in(&text_of(self.ask(prompt, true).await).await)
    }
}

/// The workspace builds reqwest without a provider of cryptography, though plain HTTP needs none.
fn http_client() -> reqwest::Client {
    // An error means that another test was first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

async fn text_of(response: Response) -> String {
    timeout(DEADLINE, response.text()).await.expect("an end in time").expect("a whole body")
}

async fn json_of(response: Response) -> Value {
    serde_json::from_str(&text_of(response).await).expect("JSON")
}

/// The events in the text of a stream, whose names must be their types.
fn events_in(text: &str) -> Vec<Value> {
    let event = |event: &str| {
        let (name, data) = event.strip_prefix("event: ").unwrap().split_once("\ndata: ").unwrap();
        let data: Value = serde_json::from_str(data).unwrap();
        assert_eq!(data["type"], name);
        data
    };
    text.split_terminator("\n\n").map(event).collect()
}

/// The data in the text of a stream whose events have no names.
fn data_in(text: &str) -> Vec<Value> {
    let event = |event: &str| serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap();
    text.split_terminator("\n\n").map(event).collect()
}

/// What a stream is made of, with one word for all deltas of the same kind in a row.
fn outline(events: &[Value]) -> String {
    let word = |event: &Value| match event["type"].as_str().unwrap() {
        "content_block_start" => format!("<{}", event["content_block"]["type"].as_str().unwrap()),
        "content_block_delta" => event["delta"]["type"].as_str().unwrap().to_owned(),
        "content_block_stop" => ">".to_owned(),
        "message_delta" => event["delta"]["stop_reason"].as_str().unwrap().to_owned(),
        "error" => format!("error:{}", event["error"]["type"].as_str().unwrap()),
        other => other.to_owned(),
    };
    let mut words: Vec<_> = events.iter().map(word).collect();
    words.dedup();
    words.join(" ")
}

fn streamed_text(events: &[Value]) -> String {
    events.iter().filter_map(|event| event["delta"]["text"].as_str()).collect()
}

async fn start() -> (Rehearsal, Client) {
    let rehearsal = Rehearsal::start(None, None).await.unwrap();
    let client = Client::of(&rehearsal);
    (rehearsal, client)
}

#[tokio::test]
async fn every_step_streams_its_events_in_order() {
    let (_rehearsal, client) = start().await;
    for (prompt, expected) in [
        ("hello", "message_start <text ping text_delta > end_turn message_stop"),
        ("[[say: a]]", "message_start <text ping text_delta > end_turn message_stop"),
        ("[[bash: ls]]", "message_start <tool_use ping input_json_delta > tool_use message_stop"),
        ("[[write: a | b]]", "message_start <tool_use ping input_json_delta > tool_use message_stop"),
        ("[[loop: Bash true]]", "message_start <tool_use ping input_json_delta > tool_use message_stop"),
        (
            "[[say: a]] [[read: b]]",
            "message_start <text ping text_delta > <tool_use input_json_delta > tool_use message_stop",
        ),
        (
            "[[think: a]]",
            "message_start <thinking ping thinking_delta signature_delta > <text text_delta > end_turn message_stop",
        ),
        ("[[slow: 300ms]]", "message_start <text ping text_delta > end_turn message_stop"),
        ("[[long: 5000]]", "message_start <text ping text_delta > end_turn message_stop"),
        ("[[truncate]]", "message_start <text ping text_delta > max_tokens message_stop"),
        ("[[say: a]] [[error: 529]]", "message_start <text ping text_delta > error:overloaded_error"),
    ] {
        assert_eq!(outline(&client.events(prompt).await), expected, "{prompt}");
    }
}

#[tokio::test]
async fn every_step_answers_whole_too() {
    let (_rehearsal, client) = start().await;
    let text = |text: &str| json!([{ "type": "text", "text": text }]);
    let tool = |name: &str, input: Value| json!([{ "type": "tool_use", "name": name, "input": input }]);
    for (prompt, stop_reason, content) in [
        ("[[say: a]]", "end_turn", text("a")),
        ("[[truncate]]", "max_tokens", text("This answer is cut off in the")),
        ("[[slow: 300ms]]", "end_turn", text("token 1 token 2 token 3 ")),
        ("[[long: 20]]", "end_turn", text("Sentence 1 of a long")),
        ("[[bash: ls]]", "tool_use", tool("Bash", json!({ "command": "ls", "description": "Rehearse a command" }))),
        ("[[write: a | b]]", "tool_use", tool("Write", json!({ "file_path": "a", "content": "b" }))),
        ("[[read: a]]", "tool_use", tool("Read", json!({ "file_path": "a" }))),
        (
            "[[edit: a | b | c]]",
            "tool_use",
            tool("Edit", json!({ "file_path": "a", "old_string": "b", "new_string": "c" })),
        ),
        (r#"[[tool: Glob | {"pattern":"*"}]]"#, "tool_use", tool("Glob", json!({ "pattern": "*" }))),
    ] {
        let mut message = client.whole(prompt).await;
        if let Some(block) = message["content"][0].as_object_mut() {
            block.remove("id");
        }
        assert_eq!(message["content"], content, "{prompt}");
        assert_eq!(message["stop_reason"], stop_reason, "{prompt}");
        assert_eq!(message["model"], "some-model");
    }
}

#[tokio::test]
async fn a_stream_has_the_fields_of_the_api() {
    let (_rehearsal, client) = start().await;
    let events = client.events("[[usage: 1200 25]] [[think: hm]] [[say: It is a list.]] [[bash: ls]]").await;
    let suffix = events[0]["message"]["id"].as_str().unwrap().strip_prefix("msg_").unwrap();
    let lines: String = events.iter().map(|event| format!("{event}\n").replace(suffix, "ID")).collect();
    insta::assert_snapshot!(lines, @r#"
    {"message":{"content":[],"id":"msg_ID","model":"some-model","role":"assistant","stop_reason":null,"stop_sequence":null,"type":"message","usage":{"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"input_tokens":1200,"output_tokens":1}},"type":"message_start"}
    {"content_block":{"signature":"","thinking":"","type":"thinking"},"index":0,"type":"content_block_start"}
    {"type":"ping"}
    {"delta":{"thinking":"hm","type":"thinking_delta"},"index":0,"type":"content_block_delta"}
    {"delta":{"signature":"cmVoZWFyc2Fs","type":"signature_delta"},"index":0,"type":"content_block_delta"}
    {"index":0,"type":"content_block_stop"}
    {"content_block":{"text":"","type":"text"},"index":1,"type":"content_block_start"}
    {"delta":{"text":"It is a list.","type":"text_delta"},"index":1,"type":"content_block_delta"}
    {"index":1,"type":"content_block_stop"}
    {"content_block":{"id":"toolu_ID","input":{},"name":"Bash","type":"tool_use"},"index":2,"type":"content_block_start"}
    {"delta":{"partial_json":"{\"command\":\"ls\",\"description\":\"Rehearse a command\"}","type":"input_json_delta"},"index":2,"type":"content_block_delta"}
    {"index":2,"type":"content_block_stop"}
    {"delta":{"stop_reason":"tool_use","stop_sequence":null},"type":"message_delta","usage":{"output_tokens":25}}
    {"type":"message_stop"}
    "#);
}

#[tokio::test]
async fn a_long_answer_has_all_its_characters() {
    let (_rehearsal, client) = start().await;
    assert_eq!(streamed_text(&client.events("[[long: 300000]]").await).len(), 300_000);
    assert_eq!(client.whole("[[long: 300000]]").await["content"][0]["text"].as_str().unwrap().len(), 300_000);
}

#[tokio::test]
async fn errors_have_the_shape_of_the_api() {
    let (_rehearsal, client) = start().await;
    for (status, kind) in [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (413, "request_too_large"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (503, "api_error"),
        (529, "overloaded_error"),
    ] {
        for stream in [true, false] {
            let response = client.ask(&format!("[[error: {status}]]"), stream).await;
            assert_eq!(response.status().as_u16(), status);
            assert_eq!(response.headers().contains_key("retry-after"), status == 429);
            assert!(response.headers().contains_key("request-id"));
            let body = json_of(response).await;
            assert_eq!((&body["type"], &body["error"]["type"]), (&json!("error"), &json!(kind)));
        }
    }
}

#[tokio::test]
async fn what_is_no_request_is_refused() {
    let (_rehearsal, client) = start().await;
    let too_large = "x".repeat((32 << 20) + 1);
    for (path, body, status, kind) in [
        ("/v1/elsewhere", "{}", 404, "not_found_error"),
        ("/v1/models", "{}", 405, "invalid_request_error"),
        ("/v1/messages", "{", 400, "invalid_request_error"),
        ("/v1/messages", r#"{"model":"m","max_tokens":1}"#, 400, "invalid_request_error"),
        ("/v1/messages", r#"{"model":"m","max_tokens":1,"messages":[]}"#, 400, "invalid_request_error"),
        ("/v1/messages", r#"{"model":"m","messages":[{"role":"user","content":"a"}]}"#, 400, "invalid_request_error"),
        ("/v1/messages/count_tokens", "[", 400, "invalid_request_error"),
        ("/v1/messages", &too_large, 413, "request_too_large"),
    ] {
        let response = client.post(path, body.to_owned()).await;
        assert_eq!(response.status().as_u16(), status, "{path}");
        assert_eq!(json_of(response).await["error"]["type"], kind, "{path}");
    }
    let keyless = client.with_key("").ask("hi", false).await;
    assert_eq!(keyless.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_step_written_wrong_is_named() {
    let (_rehearsal, client) = start().await;
    let message = client.whole("[[error: soon]]").await["error"]["message"].clone();
    let expected = "rehearsal: `error: soon` is not complete or not right; \
                    write `error: 429` or `error: 429 x2`, with a status from 400 to 599";
    assert_eq!(message, expected);
}

#[tokio::test]
async fn errors_pass_after_some_tries_for_each_conversation_by_itself() {
    let (_rehearsal, client) = start().await;
    let clients: Vec<_> = (0..20).map(|number| client.with_key(&format!("run-{number}"))).collect();
    for expected in [429, 429, 529, 200, 200] {
        let answers =
            clients.iter().map(|client| client.ask("[[error: 429 x2]] [[error: 529 x1]] [[say: done]]", true));
        let statuses: Vec<_> = join_all(answers).await.iter().map(|answer| answer.status().as_u16()).collect();
        assert_eq!(statuses, [expected; 20]);
    }
    assert_eq!(client.ask("[[error: 429 x2]] another", true).await.status(), StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn sessions_that_share_a_key_count_for_themselves() {
    let (_rehearsal, client) = start().await;
    for session in ["one", "two"] {
        for expected in [500, 200] {
            let body = json!({
                "model": "m", "max_tokens": 1, "metadata": { "user_id": session },
                "messages": [{ "role": "user", "content": "[[error: 500 x1]]" }],
            });
            assert_eq!(client.post("/v1/messages", body.to_string()).await.status().as_u16(), expected);
        }
    }
}

#[tokio::test]
async fn tool_results_lead_through_the_steps_and_ids_never_repeat() {
    let (_rehearsal, client) = start().await;
    let mut messages = vec![json!({ "role": "user", "content": "[[bash: a]] [[bash: b]] [[say: c]]" })];
    let mut ids = Vec::new();
    for expected in ["a", "b"] {
        let message = json_of(client.converse(&json!(messages), false).await).await;
        let call = &message["content"][0];
        assert_eq!(call["input"]["command"], expected);
        ids.extend([call["id"].clone(), message["id"].clone()]);
        let result = json!({ "type": "tool_result", "tool_use_id": call["id"], "content": "[[say: not mine]]" });
        messages.push(json!({ "role": "assistant", "content": message["content"] }));
        messages.push(json!({ "role": "user", "content": [result] }));
    }
    let last = json_of(client.converse(&json!(messages), false).await).await;
    assert_eq!(last["content"][0]["text"], "c");
    ids.sort_by_key(Value::to_string);
    ids.dedup();
    assert_eq!(ids.len(), 4);
}

#[tokio::test]
async fn a_cut_breaks_off_what_has_begun() {
    let (_rehearsal, client) = start().await;
    let mut streamed = client.ask("[[say: so far]] [[cut: x1]] [[say: whole]]", true).await;
    let mut received = Vec::new();
    while let Ok(chunk) = timeout(DEADLINE, streamed.chunk()).await.unwrap() {
        received.extend(chunk.expect("a stream that is cut has no end"));
    }
    let received = events_in(&String::from_utf8(received).unwrap());
    assert_eq!(outline(&received), "message_start <text ping text_delta > <text text_delta");
    assert!(client.ask("[[cut]]", false).await.text().await.is_err());
    let again = client.events("[[say: so far]] [[cut: x1]] [[say: whole]]").await;
    assert_eq!(streamed_text(&again), "so farwhole");
}

#[tokio::test]
async fn what_hangs_ends_when_the_client_leaves() {
    let (rehearsal, client) = start().await;
    for stream in [true, false] {
        let body = json!({
            "model": "m", "max_tokens": 1, "stream": stream, "messages": [{ "role": "user", "content": "[[hang]]" }],
        });
        // A client of its own, so that no idle connection stays in a pool.
        let impatient = http_client().post(format!("{}/v1/messages", rehearsal.base_url()));
        let answer = impatient.header("x-api-key", "key").timeout(Duration::from_millis(200)).body(body.to_string());
        assert!(answer.send().await.unwrap_err().is_timeout());
    }
    let mut stalled = client.ask("[[say: so far]] [[hang]]", true).await;
    assert!(stalled.chunk().await.unwrap().is_some());
    let mut slow = client.ask("[[slow: 1000s]]", true).await;
    assert!(slow.chunk().await.unwrap().is_some());
    drop((stalled, slow, client));
    timeout(DEADLINE, rehearsal.idle()).await.expect("every connection to end");
}

#[tokio::test]
async fn shutdown_and_drop_end_what_hangs() {
    for gracefully in [true, false] {
        let (rehearsal, client) = start().await;
        let mut stalled = client.ask("[[say: so far]] [[hang]]", true).await;
        if gracefully {
            timeout(DEADLINE, rehearsal.shutdown()).await.expect("an end in time");
        } else {
            drop(rehearsal);
        }
        let rest = async { while stalled.chunk().await.is_ok() {} };
        timeout(DEADLINE, rest).await.expect("the connection to end");
    }
}

#[tokio::test]
async fn scripts_answer_prompts_without_steps() {
    let script = "[[rule]]\nmatch = \"notes\"\nsteps = [\"write: N.md | # Notes\"]\n\n[[rule]]\nalways = true\nsteps = [\"say: no\"]";
    let rehearsal = Rehearsal::start(Some(Script::parse(script).unwrap()), None).await.unwrap();
    let client = Client::of(&rehearsal);
    assert_eq!(client.whole("release notes, please").await["content"][0]["input"]["file_path"], "N.md");
    assert_eq!(client.whole("anything else").await["content"][0]["text"], "no");
    assert_eq!(client.whole("notes [[say: mine]]").await["content"][0]["text"], "mine");
}

#[tokio::test]
async fn an_aside_of_the_agent_gets_a_plain_answer() {
    let (_rehearsal, client) = start().await;
    let body = json!({
        "model": "m", "max_tokens": 1, "tools": [],
        "messages": [{ "role": "user", "content": "<session>[[error: 401]]</session> Write a title." }],
    });
    let request = client.http.post(format!("{}/v1/messages", client.base_url)).header("x-api-key", "key");
    let response =
        request.header("user-agent", "claude-cli/2.1.329 (external, cli)").body(body.to_string()).send().await;
    let message = json_of(response.unwrap()).await;
    assert!(message["content"][0]["text"].as_str().unwrap().starts_with("Hello! This is a rehearsal"));
}

#[tokio::test]
async fn tokens_and_models_can_be_asked_for() {
    let (_rehearsal, client) = start().await;
    let body = json!({ "model": "m", "messages": [{ "role": "user", "content": "x".repeat(4000) }] });
    let counted = json_of(client.post("/v1/messages/count_tokens", body.to_string()).await).await;
    assert!((1000..1100).contains(&counted["input_tokens"].as_u64().unwrap()), "{counted}");
    let models = client.http.get(format!("{}/v1/models", client.base_url)).send().await.unwrap();
    assert_eq!(json_of(models).await["data"][0]["type"], "model");
}
