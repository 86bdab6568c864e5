//! Workers that do one job.

use serde_json::{Value, json};

use super::{execute, last};
use crate::lab::{Setup, nothing_left};

#[tokio::test]
async fn an_ephemeral_worker_does_one_job_refuses_others_meanwhile_and_leaves() {
    let data = tempfile::tempdir().expect("a directory");
    let server = Setup::scripted(data.path()).ephemeral().start().await;
    let status = async || -> Value { serde_json::from_str(&server.client.get_text("/status").await).expect("JSON") };
    assert_eq!(status().await["status"], "idle");
    let wrong = json!({ "userRequest": "", "codingAssistantProvider": "claude-code" });
    assert_eq!(server.client.post_json("/execute", &wrong).await, 422, "what is refused is no job");

    let job = json!({ "userRequest": "text begun\nsleep 1s\ntext done", "codingAssistantProvider": "claude-code" });
    let (events, ()) = tokio::join!(execute(&server.client, &job), async {
        while status().await["status"] != "busy" {}
        let refused = server.client.request("POST", "/execute").json(&job).send().await.expect("an answer");
        assert_eq!(refused.status(), 429);
        assert_eq!(refused.headers()["retry-after"], "5");
        let refused: Value = refused.json().await.expect("JSON");
        assert_eq!(refused["code"], "busy", "{refused}");
    });
    last(&events, "completed");
    assert_eq!(server.ended().await, Some(0));
    nothing_left(data.path()).await;

    // A job that fails is a job that was done.
    let server = Setup::scripted(data.path()).ephemeral().start().await;
    let failing = json!({ "userRequest": "fail no", "codingAssistantProvider": "claude-code" });
    assert_eq!(last(&execute(&server.client, &failing).await, "error")["error"], "agent_error");
    assert_eq!(server.ended().await, Some(0));
}
