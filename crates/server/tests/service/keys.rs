//! Who may do what.

use std::time::Duration;

use legwork_server::store::api_keys::RevokeApiKey;
use serde_json::json;

use crate::app::{NOW, TestApp};
use crate::http::{Answer, within};

/// What each permission is needed for: method, path, and whether a body goes with it.
const REQUESTS: [(&str, &str, bool); 9] = [
    ("POST", "/v1/executions", true),
    ("GET", "/v1/executions", false),
    ("GET", "/v1/executions/ID", false),
    ("GET", "/v1/executions/ID/events", false),
    ("GET", "/v1/executions/ID/output", false),
    ("GET", "/v1/executions/ID/patch", false),
    ("POST", "/v1/executions/ID/cancel", false),
    ("POST", "/v1/executions/ID/retry", false),
    ("GET", "/readyz", false),
];

async fn ask(app: &TestApp, authorization: &str, (method, path, body): (&'static str, &str, bool), id: &str) -> Answer {
    let mut call = app.call(method, &path.replace("ID", id));
    if !authorization.is_empty() {
        call = call.header("authorization", authorization);
    }
    // A wrong body: permissions are looked at first, and nothing is to be run here.
    if body { call.json(&json!({ "prompt": "" })).send().await } else { call.send().await }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_key_opens_what_it_is_for() {
    let app = TestApp::start().await;
    let bearer = |key: String| format!("Bearer {key}");
    let admin = bearer(app.key("admin", "admin", None).await);
    let post = app.call("POST", "/v1/executions").header("authorization", admin.as_str()).header("prefer", "wait=25");
    let ended = post.json(&json!({ "prompt": "hello" })).send().await.expect(200).json();
    let id = ended["id"].as_str().expect("an id");
    let expired = app.key("expired", "admin", Some(NOW)).await;
    let later = app.key("later", "admin", Some(NOW.plus_millis(60_000))).await;
    let callers = [
        ("no key", String::new()),
        ("a wrong key", "Bearer lw_wrong".into()),
        ("a basic login", "Basic a2ltOnNlY3JldA==".into()),
        ("an expired key", bearer(expired)),
        ("read", bearer(app.key("read", "read", None).await)),
        ("execute", bearer(app.key("execute", "execute", None).await)),
        ("execute,read", bearer(app.key("both", "execute,read", None).await)),
        ("admin", admin.clone()),
        ("bEARER  admin", format!("bEARER  {}", app.key("case", "admin", None).await)),
        ("a key that expires later", bearer(later.clone())),
    ];
    let mut table = format!("{:<26}", "");
    for (method, path, _) in REQUESTS {
        table += &format!(
            " {:<12}",
            format!("{method} {}", path.trim_start_matches("/v1/executions").trim_start_matches('/'))
        );
    }
    for (name, authorization) in callers {
        table += &format!("\n{name:<26}");
        for request in REQUESTS {
            let answer = ask(&app, &authorization, request, id).await;
            table += &format!(" {:<12}", answer.status.as_u16());
            assert_eq!(answer.header("www-authenticate"), if answer.status == 401 { "Bearer" } else { "" });
            if answer.status.is_client_error() {
                answer.problem();
            }
        }
    }
    insta::assert_snapshot!(table.lines().map(str::trim_end).collect::<Vec<_>>().join("\n"));

    // The retries that were allowed.
    let get = |path: &str| app.call("GET", path).header("authorization", admin.as_str()).header("prefer", "wait=25");
    for retry in get("/v1/executions").send().await.json()["executions"].as_array().expect("a list") {
        get(&format!("/v1/executions/{}", retry["id"].as_str().expect("an id"))).send().await.expect(200);
    }
    app.clock.advance_millis(60_000);
    assert_eq!(ask(&app, &bearer(later), REQUESTS[1], id).await.status, 401);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_stops_working() {
    let app = TestApp::start().await;
    let key = format!("Bearer {}", app.key("kim", "admin", None).await);
    assert_eq!(ask(&app, &key, REQUESTS[1], "").await.status, 200);
    app.service().app.store.write(RevokeApiKey { name: "kim".into(), now: NOW }).await.expect("revokes");
    within("the key to be refused", async {
        while ask(&app, &key, REQUESTS[1], "").await.status == 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    insta::assert_snapshot!(ask(&app, &key, REQUESTS[1], "").await.problem(), @"401 unauthorized this API key is not known, has expired or was revoked");
    // The door does not open again because the last key is gone.
    assert_eq!(ask(&app, "", REQUESTS[1], "").await.status, 401);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_key_closes_the_door() {
    let app = TestApp::start().await;
    assert_eq!(ask(&app, "", REQUESTS[1], "").await.status, 200);
    app.key("first", "read", None).await;
    within("the door to close", async {
        while ask(&app, "", REQUESTS[1], "").await.status == 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_job_names_the_key_and_never_the_secret() {
    let app = TestApp::start().await;
    let key = app.key("kim", "execute,read", None).await;
    let call = |method, path: &str| app.call(method, path).header("authorization", format!("Bearer {key}"));
    let id =
        call("POST", "/v1/executions").json(&json!({ "prompt": "hang" })).send().await.expect(202).json()["id"].clone();
    let path = format!("/v1/executions/{}", id.as_str().expect("an id"));
    call("POST", &format!("{path}/cancel")).send().await.expect(202);
    let ended = call("GET", &path).header("prefer", "wait=25").send().await.expect(200);
    let message = ended.json()["outcome"]["message"].as_str().expect("a message").to_owned();
    assert!(message.starts_with("Cancelled by key_"), "{message}");
    assert!(!ended.text().contains(&key));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_keys_other_sites_are_kept_out() {
    let app = TestApp::start().await;
    let table = [
        ("host", "localhost:7070", 200),
        ("host", "127.0.0.1:7070", 200),
        ("host", "[::1]:7070", 200),
        ("host", "evil.example", 403),
        ("host", "localhost.evil.example:7070", 403),
        ("host", "192.168.1.7:7070", 403),
        ("origin", "http://localhost:7070", 200),
        ("origin", "http://127.0.0.1:3000", 200),
        ("origin", "https://evil.example", 403),
        ("origin", "null", 403),
    ];
    for (header, value, status) in table {
        let answer = app.call("GET", "/v1/executions").header(header, value).send().await;
        assert_eq!(answer.status, status, "{header}: {value}");
        if status == 403 {
            assert!(answer.problem().starts_with("403 foreign_origin "), "{}", answer.problem());
        }
    }
    // With a key it is the key that counts.
    let key = app.key("k", "read", None).await;
    let with_key = || app.call("GET", "/v1/executions").header("authorization", format!("Bearer {key}"));
    within("the first key to count", async {
        while with_key().header("host", "agents.example").send().await.status != 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    app.finish().await;
}
