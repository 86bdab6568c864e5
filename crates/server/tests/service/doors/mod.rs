//! The doors beside the native API, by the letter of their contracts.

mod claude_code;
mod execute;
mod generate;
mod unified;

use hmac::{Hmac, KeyInit, Mac};
use legwork_server::app::hex;
use legwork_server::config::Secret;
use serde_json::json;
use sha2::Sha256;

use crate::app::{NOW, TestApp};
use crate::http::{Answer, Call};

const SECRET: &str = "a secret of the tests";

/// A service with both signed doors open.
async fn app() -> TestApp {
    TestApp::with(|config, folder| {
        config.doors.generate.secret = Some(Secret::new(SECRET));
        config.doors.execute.secret = Some(Secret::new(SECRET));
        let root = folder.join("root");
        std::fs::create_dir_all(root.join("project")).expect("a folder");
        std::os::unix::fs::symlink("/etc", root.join("way-out")).expect("a link");
        config.workspaces.roots = vec![root];
    })
    .await
}

/// The signature of `text`, as callers make it.
fn sign(text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any key will do");
    mac.update(text.as_bytes());
    hex(&mac.finalize().into_bytes())
}

/// A request to `/generate`, signed as the contract says.
fn generate(app: &TestApp, body: &str) -> Call {
    let call = app.call("POST", "/generate").header("content-type", "application/json");
    call.header("x-sheen-signature", sign(body)).body(body.to_owned())
}

/// A request to `/execute`, signed at `millis`.
fn execute_at(app: &TestApp, millis: i64, body: &str) -> Call {
    let call = app.call("POST", "/execute").header("content-type", "application/json");
    let call = call.header("x-claude-timestamp", millis.to_string());
    call.header("x-claude-signature", sign(&format!("{millis}:{body}"))).body(body.to_owned())
}

fn execute(app: &TestApp, body: &str) -> Call {
    execute_at(app, NOW.as_millis(), body)
}

/// What an answer says, short enough for a table; ids and paths of this run are left out.
fn shown(app: &TestApp, answer: &Answer) -> String {
    let text = answer.text().replace(app.folder().to_str().expect("UTF-8"), "FOLDER");
    format!("{} {text}", answer.status.as_u16())
}

/// Requests that are wrong in every way that a body can be, for a door that wants `prompt` and these other fields.
fn malformed() -> Vec<(&'static str, String)> {
    let own = |bodies: &[(&'static str, &str)]| -> Vec<(&'static str, String)> {
        bodies.iter().map(|(what, body)| (*what, (*body).to_owned())).collect()
    };
    let mut all = own(&[
        ("nothing", ""),
        ("half an object", "{\"prompt\": \"hi"),
        ("a list", "[\"hi\"]"),
        ("a text", "\"hi\""),
        ("null", "null"),
        ("a number", "1"),
        ("two objects", "{\"prompt\":\"a\"}{\"prompt\":\"b\"}"),
        ("single quotes", "{'prompt': 'hi'}"),
        ("a comment", "{/* */\"prompt\": \"hi\"}"),
        ("a trailing comma", "{\"prompt\": \"hi\",}"),
        ("a form", "prompt=hi"),
        ("no prompt", "{}"),
        ("a prompt of null", "{\"prompt\": null}"),
        ("a prompt of 1", "{\"prompt\": 1}"),
        ("a prompt of true", "{\"prompt\": true}"),
        ("a prompt in a list", "{\"prompt\": [\"hi\"]}"),
        ("a prompt in an object", "{\"prompt\": {\"text\": \"hi\"}}"),
        ("an empty prompt", "{\"prompt\": \"\"}"),
        ("a prompt of spaces", "{\"prompt\": \" \\n \"}"),
        ("a NUL", "{\"prompt\": \"a\\u0000b\"}"),
        ("half a surrogate", "{\"prompt\": \"\\ud800\"}"),
        ("prompt twice", "{\"prompt\": \"a\", \"prompt\": \"b\"}"),
        ("another case", "{\"Prompt\": \"hi\"}"),
        ("a raw line break", "{\"prompt\": \"a\nb\"}"),
        ("a byte order mark", "\u{feff}{\"prompt\": \"hi\"}"),
    ]);
    all.push(("a hundred thousand lists", "[".repeat(100_000)));
    all.push(("a deep prompt", format!("{{\"prompt\": {}1{}}}", "[".repeat(500), "]".repeat(500))));
    all.push(("a prompt of a million characters", format!("{{\"prompt\": \"{}\"}}", "x".repeat(1_000_000))));
    all.push(("a body of two megabytes", format!("{{\"prompt\": \"{}\"}}", "x".repeat(2_000_000))));
    all
}

/// Each door tells it in its own shape: the status, the code, and when to come again.
#[tokio::test(flavor = "multi_thread")]
async fn a_budget_without_room_is_told_in_the_words_of_each_door() {
    let app = app().await;
    let budget = json!({ "scope": "install", "period": "day", "limitUsd": 0 });
    app.call("PUT", "/v1/budgets").json(&budget).send().await.expect(200);
    let prompt = r#"{"prompt": "hello"}"#;
    let line = app.call("POST", "/claude-code").json(&json!({ "prompt": "hello" }));
    let answers = [
        ("generate", generate(&app, prompt).send().await),
        ("execute", execute(&app, prompt).send().await),
        ("claude-code", line.send().await),
    ];
    for (door, answer) in answers {
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (402, "43200"), "{door}: {answer:?}");
        let code = answer.json()[if door == "execute" { "code" } else { "error" }].clone();
        assert!(code.as_str().is_some_and(|code| code.eq_ignore_ascii_case("budget_exceeded")), "{door}: {answer:?}");
    }
    let refusals = app.get("/v1/budgets/refusals").await.expect(200).json();
    assert_eq!(refusals["refusals"].as_array().map(Vec::len), Some(3), "{refusals}");
    app.finish().await;
}
