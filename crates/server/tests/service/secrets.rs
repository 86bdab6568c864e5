//! Secrets of the operator in what callers ask for.

use std::fmt::Write as _;

use legwork_model::Ids;
use legwork_server::config::{Config, Secret};
use legwork_server::secrets::MasterKey;
use legwork_server::store::secrets::{RemoveSecret, SetSecret};
use serde_json::{Value, json};

use crate::app::{NOW, TestApp};

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHv8=";

fn configure(config: &mut Config) {
    config.secret_store.master_key = Some(Secret::new(KEY));
    config.secret_store.in_requests = ["DEPLOY", "GONE", "LOCKED"].map(str::to_owned).into();
    config.secrets.insert("LINEAR".into(), Secret::new("linear-secret"));
}

async fn set(app: &TestApp, key: &MasterKey, name: &str, value: &str) {
    let record = key.seal(name, value, &Ids::from_system(), NOW).expect("sealed");
    app.service().app.store.write(SetSecret(record)).await.expect("set");
}

fn master_key(app: &TestApp) -> MasterKey {
    MasterKey::of(&app.service().app.config).expect("a key")
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_that_a_caller_can_not_have_are_named_with_their_place() {
    let app = TestApp::with(|config, _| configure(config)).await;
    set(&app, &MasterKey::new(&[9; 32]), "LOCKED", "of another key").await;
    set(&app, &master_key(&app), "GITHUB_TOKEN", "github-secret").await;
    let cases: [(&str, Value); 6] = [
        ("not listed", json!({ "env": { "A": "${LINEAR}" } })),
        ("a variable of a shell", json!({ "env": { "A": "$${HOME} ${HOME}/x" } })),
        ("unknown", json!({ "env": { "A": "a", "B": "Bearer ${GONE}" } })),
        ("encrypted with another key", json!({ "env": { "A": "${LOCKED}" } })),
        ("not listed, for a server", json!({ "mcpServers": { "a": { "command": "x", "env": { "B": "${LINEAR}" } } } })),
        ("unknown, for a server", json!({ "mcpServers": { "a": { "command": "x", "env": { "B": "${GONE}" } } } })),
    ];
    let mut shown = String::new();
    for (what, mut body) in cases {
        body["prompt"] = json!("hi");
        let problem = app.post("/v1/executions", &body).await.expect(422).json();
        let _ = writeln!(shown, "{what}\n    {} [{}] {}", problem["code"], problem["field"], problem["detail"]);
    }
    insta::assert_snapshot!(shown);
    let known = json!({ "prompt": "hi", "mcpServers": { "github": {} }, "env": { "A": "$${LINEAR} $ ${" } });
    let accepted = app.post("/v1/executions", &known).await.expect(202).json();
    app.ended(accepted["id"].as_str().expect("an id")).await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_gets_what_is_stored_when_it_begins_and_shows_the_name_alone() {
    let app = TestApp::with(|config, _| configure(config)).await;
    let key = master_key(&app);
    let body = json!({ "prompt": "tell the token", "env": { "TOKEN": "a ${DEPLOY}" } });
    for value in ["first-value ${LINEAR}", "second-value"] {
        set(&app, &key, "DEPLOY", value).await;
        let id = app.post("/v1/executions", &body).await.expect(202).json()["id"].as_str().expect("an id").to_owned();
        app.ended(&id).await;
        let token = std::fs::read_to_string(app.folder().join("gate.token")).expect("the agent wrote it");
        assert_eq!(token, format!("a {value}"), "each name is replaced once");
        let record = app.service().app.store.execution(id.parse().expect("an id")).await.expect("an answer");
        assert_eq!(record.expect("a record").task.env["TOKEN"], "a ${DEPLOY}");
        let events = app.get(&format!("/v1/executions/{id}/events")).await.expect(200);
        assert!(events.text().contains("the token is a ***"), "{}", events.text());
        let output = app.get(&format!("/v1/executions/{id}/output")).await.expect(200);
        assert!(output.text().contains("the token is a ***"), "{}", output.text());
        assert!(!format!("{}{}", events.text(), output.text()).contains(value));
    }
    app.service().app.store.write(RemoveSecret { name: "DEPLOY".into() }).await.expect("removed");
    assert_eq!(app.post("/v1/executions", &body).await.expect(422).json()["field"], "env.TOKEN");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_does_not_say_a_secret_back() {
    let app = TestApp::with(|config, _| configure(config)).await;
    for path in ["/v1/executions", "/execute", "/generate"] {
        let answer = app.post(path, &json!({ "linear-secret": 1, "prompt": "hi", "agent": "linear-secret" })).await;
        assert!(answer.status.is_client_error(), "{path}: {answer:?}");
        assert!(!answer.text().contains("linear-secret"), "{path}: {}", answer.text());
    }
    app.finish().await;
}
