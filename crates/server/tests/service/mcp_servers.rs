//! MCP servers as callers ask for them.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::app::TestApp;

#[tokio::test(flavor = "multi_thread")]
async fn definitions_that_are_wrong_are_named_with_their_place() {
    let app = TestApp::with(|config, _| {
        config.secrets.insert("LINEAR_API_KEY".into(), legwork_server::config::Secret::new("lin-secret"));
    })
    .await;
    let long = "x".repeat(20_000);
    let cases: Vec<(&str, Value)> = vec![
        ("not an object", json!([])),
        ("a server that is none", json!({ "a": 1 })),
        ("unknown name", json!({ "githbu": {} })),
        ("bad name", json!({ "a b": { "command": "x" } })),
        ("newline in the name", json!({ "a\nb": { "command": "x" } })),
        ("unknown field", json!({ "a": { "comand": "x" } })),
        ("both ways", json!({ "a": { "command": "x", "url": "https://a.example" } })),
        ("empty command", json!({ "a": { "command": " " } })),
        ("command is an option", json!({ "a": { "command": "-x" } })),
        ("NUL in an argument", json!({ "a": { "command": "x", "args": ["b", "\0"] } })),
        ("secret in an argument", json!({ "a": { "command": "x", "args": ["${LINEAR_API_KEY}"] } })),
        ("bad variable", json!({ "a": { "command": "x", "env": { "1=": "y" } } })),
        ("headers of a program", json!({ "a": { "command": "x", "headers": { "b": "c" } } })),
        ("env of an address", json!({ "a": { "url": "https://a.example", "env": { "b": "c" } } })),
        ("no address", json!({ "a": { "url": "a.example" } })),
        ("file address", json!({ "a": { "url": "file:///etc/passwd" } })),
        ("password in the address", json!({ "a": { "url": "https://me:pw@a.example" } })),
        ("header with a newline", json!({ "a": { "url": "https://a.example", "headers": { "b": "c\r\nd: e" } } })),
        ("unknown transport", json!({ "a": { "url": "https://a.example", "type": "ws" } })),
        ("secret of the operator", json!({ "a": { "command": "x", "env": { "b": "${LINEAR_API_KEY}" } } })),
        ("secret for a known one", json!({ "fetch": { "env": { "b": "${LINEAR_API_KEY}" } } })),
        ("secret that is not there", json!({ "github": {} })),
        ("more than env for a known one", json!({ "fetch": { "args": ["x"] } })),
        ("too large", json!({ "a": { "command": "x", "args": [long] } })),
        (
            "too many",
            (0..21)
                .map(|number| (format!("s{number}"), json!({ "command": "x" })))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        ),
    ];
    let mut shown = String::new();
    for (what, servers) in cases {
        let answer = app.post("/v1/executions", &json!({ "prompt": "hi", "mcpServers": servers })).await;
        let problem = answer.expect(422).json();
        let _ = writeln!(shown, "{what}\n    {} [{}] {}", problem["code"], problem["field"], problem["detail"]);
    }
    insta::assert_snapshot!(shown);
    app.finish().await;
}
