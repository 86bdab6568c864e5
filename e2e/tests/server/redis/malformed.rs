//! Requests that make no sense, by both ways.

use serde_json::{Value, json};

use super::Redis;
use crate::lab::Setup;

#[tokio::test]
async fn every_wrong_request_is_answered_with_what_is_wrong() {
    let Some(redis) = Redis::start().await else { return };
    let (data, root) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    std::os::unix::fs::symlink("/etc", root.path().join("way-out")).expect("a link");
    let roots = json!([root.path()]).to_string();
    let setup = Setup::scripted(data.path()).env("REDIS_URL", redis.url()).env("LEGWORK_WORKSPACES__ROOTS", roots);
    let server = setup.start().await;
    redis.until_heard_by(1).await;
    let mut answers = redis.listen().await;
    let way_out = root.path().join("way-out").display().to_string();
    let huge = format!(r#"{{"id": "huge", "prompt": "{}"}}"#, "x".repeat(2 * 1024 * 1024));
    let table: [(&str, Value, &str); 30] = [
        ("", json!(null), "INVALID_JSON"),
        ("hello", json!(null), "INVALID_JSON"),
        ("null", json!(null), "INVALID_FIELD"),
        ("[]", json!(null), "INVALID_FIELD"),
        ("\"id\"", json!(null), "INVALID_FIELD"),
        (r#"{"id": "1", "prompt": "hi""#, json!(null), "INVALID_JSON"),
        (r#"{"id": "1", "prompt": "hi"} more"#, json!(null), "INVALID_JSON"),
        ("{}", json!(null), "ID_MISSING"),
        (r#"{"prompt": "hi"}"#, json!(null), "ID_MISSING"),
        (r#"{"id": null, "prompt": "hi"}"#, json!(null), "ID_MISSING"),
        (r#"{"id": 7, "prompt": "hi"}"#, json!(null), "INVALID_FIELD"),
        (r#"{"id": "", "prompt": "hi"}"#, json!(""), "INVALID_ID"),
        (r#"{"id": "a\nb", "prompt": "hi"}"#, json!("a\nb"), "INVALID_ID"),
        (r#"{"id": "1"}"#, json!("1"), "PROMPT_MISSING"),
        (r#"{"id": "1", "prompt": null}"#, json!("1"), "PROMPT_MISSING"),
        (r#"{"id": "1", "prompt": ""}"#, json!("1"), "PROMPT_EMPTY"),
        (r#"{"id": "1", "prompt": " \n"}"#, json!("1"), "PROMPT_EMPTY"),
        (r#"{"id": "1", "prompt": ["hi"]}"#, json!("1"), "INVALID_FIELD"),
        (r#"{"id": "1", "prompt": "a\u0000b"}"#, json!("1"), "PROMPT_INVALID"),
        (r#"{"id": "1", "prompt": "hi", "args": "-p"}"#, json!("1"), "INVALID_FIELD"),
        (r#"{"id": "1", "prompt": "hi", "args": [1]}"#, json!("1"), "INVALID_FIELD"),
        (r#"{"id": "1", "prompt": "hi", "args": ["--mcp-config", "x"]}"#, json!("1"), "ARG_NOT_ALLOWED"),
        (r#"{"id": "1", "prompt": "hi", "args": ["--dangerously-skip-permissions"]}"#, json!("1"), "ARG_NOT_ALLOWED"),
        (r#"{"id": "1", "prompt": "hi", "args": ["; rm -rf /"]}"#, json!("1"), "ARG_NOT_ALLOWED"),
        (r#"{"id": "1", "prompt": "hi", "cwd": "/etc"}"#, json!("1"), "WORKSPACE_NOT_ALLOWED"),
        (r#"{"id": "1", "prompt": "hi", "cwd": "../x"}"#, json!("1"), "WORKSPACE_NOT_ALLOWED"),
        (&format!(r#"{{"id": "1", "prompt": "hi", "cwd": "{way_out}"}}"#), json!("1"), "WORKSPACE_NOT_ALLOWED"),
        (r#"{"id": "1", "prompt": "hi", "timeout": 0}"#, json!("1"), "INVALID_LIMIT"),
        (r#"{"id": "1", "prompt": "hi", "timeout": "60"}"#, json!("1"), "INVALID_FIELD"),
        (&huge, json!("huge"), "BODY_TOO_LARGE"),
    ];
    for (request, id, code) in &table {
        for by_stream in [false, true] {
            if by_stream {
                redis.add(request).await;
            } else {
                redis.publish(request).await;
            }
            let answer = answers.answer().await;
            let short: String = request.chars().take(80).collect();
            assert_eq!((&answer["id"], &answer["success"]), (id, &json!(false)), "{short}: {answer}");
            assert_eq!(answer["code"], *code, "{short}: {answer}");
            assert!(answer["error"].as_str().is_some_and(|error| error.len() > 10), "{short}: {answer}");
        }
    }
    assert_eq!(redis.cli(&["xlen", "claude:cli:requests:stream"]).await, "0");
    let listed: Value = serde_json::from_str(&server.client.get_text("/v1/executions").await).expect("JSON");
    assert_eq!(listed["executions"], json!([]), "nothing is half-recorded");
}
