//! `POST /generate`

use std::fmt::Write;

use futures::future::join_all;
use legwork_server::config::Secret;
use serde_json::{Value, json};

use super::{SECRET, app, generate, malformed, shown, sign};
use crate::app::{NOW, TestApp};

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_prompt_is_answered() {
    let app = app().await;
    let answer = generate(&app, r#"{"prompt": "hello", "more": "than anybody asked for"}"#).send().await;
    let mut answer = answer.expect(200).json();
    let id = answer["executionId"].take();
    assert!(answer["durationMs"].take().is_u64() && answer["sessionId"].take().is_string(), "{answer}");
    let usage = answer["usage"].take();
    assert_eq!((&usage["inputTokens"], &usage["outputTokens"]), (&json!(12), &json!(9)), "{usage}");
    let rest = json!({
        "success": true, "result": "done", "costUsd": 0.0025,
        "executionId": null, "sessionId": null, "durationMs": null, "usage": null,
    });
    assert_eq!(answer, rest);
    let id = id.as_str().expect("an id");
    let execution = app.get(&format!("/v1/executions/{id}")).await.expect(200).json();
    assert_eq!((&execution["lane"], &execution["limits"]["timeoutSeconds"]), (&json!("generate"), &json!(120)));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_fails_is_told_by_code_and_status() {
    let app = TestApp::with(|config, _| {
        config.doors.generate.secret = Some(Secret::new(SECRET));
        config.doors.generate.timeout_seconds = 1;
        config.limits.max_output_bytes = 20_000;
    })
    .await;
    for (prompt, status, code) in [
        ("fail", 502, "agent_error"),
        ("silent", 502, "incomplete_output"),
        ("hang", 504, "timeout"),
        ("many", 502, "output_too_large"),
    ] {
        let answer = generate(&app, &format!(r#"{{"prompt": "{prompt}"}}"#)).send().await.expect(status).json();
        assert_eq!((&answer["success"], &answer["error"]), (&json!(false), &json!(code)), "{answer}");
        assert!(answer["executionId"].is_string() && answer["message"].is_string(), "{answer}");
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_right_signature_there_is_one_answer() {
    let app = app().await;
    let body = r#"{"prompt": "hello"}"#;
    let right = sign(body);
    let wrong = [
        vec![],
        vec![String::new()],
        vec![right.to_uppercase()],
        vec![right[1..].to_owned()],
        vec![format!("{right}0")],
        vec![format!("sha1={right}")],
        vec![sign("{\"prompt\": \"another\"}")],
        vec!["0".repeat(64)],
        vec!["zz".repeat(32)],
        vec![right.clone(), right.clone()],
        vec![format!(" {right} {right}")],
    ];
    let mut answers = Vec::new();
    for signatures in wrong {
        let mut call = app.call("POST", "/generate").header("content-type", "application/json");
        for signature in signatures {
            call = call.header("x-sheen-signature", signature);
        }
        answers.push(shown(&app, &call.body(body).send().await));
    }
    // Also where the body is none, or of another kind.
    for (kind, body) in [("application/json", "{"), ("text/plain", "hello")] {
        let call = app.call("POST", "/generate").header("content-type", kind);
        answers.push(shown(&app, &call.header("x-sheen-signature", right.clone()).body(body).send().await));
    }
    answers.dedup();
    assert_eq!(
        answers,
        [r#"401 {"error":"unauthorized","message":"the signature is missing or wrong","success":false}"#]
    );
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_time_is_good_once_and_can_be_demanded() {
    let app = TestApp::with(|config, _| {
        config.doors.generate.secret = Some(Secret::new(SECRET));
        config.doors.generate.require_timestamp = true;
    })
    .await;
    let body = r#"{"prompt": "hello"}"#;
    generate(&app, body).send().await.expect(401);
    let timed = |millis: i64| {
        let call = app.call("POST", "/generate").header("content-type", "application/json").body(body);
        let signature = format!("sha256={}", sign(&format!("{millis}:{body}")));
        call.header("x-sheen-timestamp", millis.to_string()).header("x-sheen-signature", signature)
    };
    let now = NOW.as_millis();
    timed(now).send().await.expect(200);
    timed(now).send().await.expect(401);
    timed(now - 300_000).send().await.expect(200);
    timed(now - 300_001).send().await.expect(401);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_takes_exactly_as_many_as_it_may() {
    let app = TestApp::with(|config, _| {
        config.doors.generate.secret = Some(Secret::new(SECRET));
        config.doors.generate.calls_per_hour = 20;
        config.lanes.get_mut("generate").expect("the lane").concurrency = 4;
    })
    .await;
    app.clock.advance_millis(1_500);
    let body = r#"{"prompt": "hello"}"#;
    let answers = join_all((0..60).map(|_| generate(&app, body).send())).await;
    let of = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((of(200), of(429)), (20, 40));
    let refused = answers.iter().find(|answer| answer.status == 429).expect("one was refused");
    assert_eq!(refused.header("retry-after"), "3600");
    insta::assert_snapshot!(shown(&app, refused), @r#"429 {"error":"quota_reached","message":"as many jobs were taken as are allowed in this time; try again in 3600 s","success":false}"#);

    app.clock.advance_millis(3_599_999);
    let refused = generate(&app, body).send().await.expect(429);
    assert_eq!(refused.header("retry-after"), "1");
    app.clock.advance_millis(1);
    generate(&app, body).send().await.expect(200);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_secret_there_is_no_door() {
    let app = TestApp::start().await;
    assert!(generate(&app, r#"{"prompt": "hello"}"#).send().await.problem().starts_with("404 not_found"));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests() {
    let app = app().await;
    let mut table = String::new();
    for (what, body) in malformed() {
        let answer = generate(&app, &body).send().await;
        let _ = writeln!(table, "{what}\n    {}", shown(&app, &answer));
    }
    for (what, kind) in [("no content type", ""), ("text", "text/plain"), ("almost JSON", "application/jsonp")] {
        let body = r#"{"prompt": "hello"}"#;
        let call = app.call("POST", "/generate").header("x-sheen-signature", sign(body)).body(body);
        let call = if kind.is_empty() { call } else { call.header("content-type", kind) };
        let _ = writeln!(table, "{what}\n    {}", shown(&app, &call.send().await));
    }
    let _ = writeln!(table, "GET\n    {}", app.get("/generate").await.problem());
    insta::assert_snapshot!(table);
    let recorded: Value = app.get("/v1/executions").await.expect(200).json();
    assert_eq!(recorded, json!({ "executions": [] }));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn its_health_has_a_name_of_its_own() {
    let app = app().await;
    app.get("/myhealthz").await.expect(200);
    app.service().app.phase.advance(legwork_server::lifecycle::Stage::Draining);
    app.get("/myhealthz").await.expect(503);
    app.finish().await;
}
