//! The doors over real connections: clients that go away, addresses, and what a restart must not forget.

use std::time::{SystemTime, UNIX_EPOCH};

use futures::StreamExt;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};
use sha2::Sha256;

use super::lab::{Client, Setup, nothing_left};

const SECRET: &str = "a secret of the scenarios";

#[tokio::test]
async fn a_client_that_goes_away_takes_its_job_with_it() {
    let data = tempfile::tempdir().expect("a directory");
    let server = Setup::scripted(data.path()).start().await;
    let body = json!({ "prompt": "text waiting\nspawn child sleeper m\nhang" });
    let answer = server.client.request("POST", "/claude-code").json(&body).send().await.expect("an answer");
    let mut lines = answer.bytes_stream();
    let first = lines.next().await.expect("a line").expect("it can be read");
    assert_eq!(first, "{\"content\":\"waiting\",\"type\":\"assistant\"}\n");
    drop(lines);
    nothing_left(data.path()).await;
    let newest: Value = serde_json::from_str(&server.client.get_text("/v1/executions").await).expect("JSON");
    let ended = server.client.finished(newest["executions"][0]["id"].as_str().expect("an id")).await;
    assert_eq!(ended["state"], "cancelled", "{ended:#}");
}

#[tokio::test]
async fn a_restart_forgets_neither_signatures_nor_quotas() {
    let data = tempfile::tempdir().expect("a directory");
    let setup = Setup::scripted(data.path())
        .env("SHARED_SECRET", SECRET)
        .env("CLAUDE_SERVICE_SECRET", SECRET)
        .env("MAX_GLOBAL_CALLS_PER_HR", "2");
    let server = setup.start().await;
    let body = r#"{"prompt": "text hello"}"#;
    let millis = millis();
    assert_eq!(status(execute(&server.client, millis, body)).await, 200);
    assert_eq!(status(generate(&server.client, body)).await, 200);
    server.kill().await;

    let server = setup.start().await;
    assert_eq!(status(execute(&server.client, millis, body)).await, 401, "used before");
    assert_eq!(status(execute(&server.client, millis + 1, body)).await, 200);
    assert_eq!(status(generate(&server.client, body)).await, 200, "the second of two");
    let refused = generate(&server.client, body).send().await.expect("an answer");
    assert_eq!(refused.status(), 429);
    let wait: u64 = refused.headers()["retry-after"].to_str().expect("text").parse().expect("seconds");
    assert!((3_500..=3_600).contains(&wait), "{wait}");
    nothing_left(data.path()).await;
}

#[tokio::test]
async fn an_address_has_its_own_quota_and_no_way_into_the_native_api() {
    let data = tempfile::tempdir().expect("a directory");
    let server = Setup::scripted(data.path())
        .env("CLAUDE_SERVICE_SECRET", SECRET)
        .env("LEGWORK_DOORS__EXECUTE__CALLS_PER_MINUTE", "2")
        .env("LEGWORK_SERVER__TRUSTED_PROXIES", r#"["127.0.0.1"]"#)
        .start()
        .await;
    let mut next = millis();
    let mut ask = async |address: &str| {
        next += 1;
        let mut request = execute(&server.client, next, r#"{"prompt": "text hello"}"#);
        if !address.is_empty() {
            // Who claims to be somebody else is one hop further away.
            request = request.header("x-forwarded-for", format!("198.51.100.1, {address}"));
        }
        let answer = request.send().await.expect("an answer");
        let left = answer.headers().get("ratelimit").map(|value| value.to_str().expect("text").to_owned());
        (answer.status().as_u16(), left.unwrap_or_default())
    };
    let (status, left) = ask("203.0.113.5").await;
    assert_eq!((status, left.starts_with("\"client\";r=1;t=")), (200, true), "{left}");
    assert_eq!(ask("203.0.113.5").await.0, 200);
    assert_eq!(ask("203.0.113.5").await.0, 429);
    assert_eq!(ask("203.0.113.6").await.0, 200, "another address");
    for _ in 0..4 {
        assert_eq!(ask("").await, (200, String::new()), "this machine's own calls do not count");
    }

    // There are no keys: from elsewhere only the signed door is open.
    for path in ["/v1/executions", "/debug"] {
        let request = server.client.request("GET", path).header("x-forwarded-for", "203.0.113.5");
        assert_eq!(self::status(request).await, StatusCode::UNAUTHORIZED, "{path}");
    }
    assert_eq!(self::status(server.client.request("GET", "/health")).await, StatusCode::OK);
}

#[tokio::test]
async fn who_comes_through_a_proxy_that_nobody_vouches_for_is_not_on_this_machine() {
    let data = tempfile::tempdir().expect("a directory");
    let server = Setup::scripted(data.path()).start().await;
    assert_eq!(status(server.client.request("GET", "/v1/executions")).await, StatusCode::OK);
    for (name, value) in [("x-forwarded-for", "127.0.0.1"), ("forwarded", "for=127.0.0.1"), ("x-real-ip", "127.0.0.1")]
    {
        let request = server.client.request("GET", "/v1/executions").header(name, value);
        assert_eq!(status(request).await, StatusCode::UNAUTHORIZED, "{name}");
    }
}

#[tokio::test]
async fn an_example_is_no_secret() {
    for (variable, value) in [("SHARED_SECRET", "change-me"), ("CLAUDE_SERVICE_SECRET", "")] {
        let data = tempfile::tempdir().expect("a directory");
        let complaint = Setup::scripted(data.path()).env(variable, value).refuses_to_start().await;
        assert!(complaint.contains(variable), "{complaint}");
    }
}

fn generate(client: &Client, body: &'static str) -> RequestBuilder {
    let request = client.request("POST", "/generate").header("content-type", "application/json");
    request.header("x-sheen-signature", sign(body)).body(body)
}

fn execute(client: &Client, millis: u128, body: &'static str) -> RequestBuilder {
    let request = client.request("POST", "/execute").header("content-type", "application/json");
    let request = request.header("x-claude-timestamp", millis.to_string());
    request.header("x-claude-signature", sign(&format!("{millis}:{body}"))).body(body)
}

async fn status(request: RequestBuilder) -> StatusCode {
    request.send().await.expect("an answer").status()
}

#[expect(clippy::disallowed_methods, reason = "requests are signed at the time that the server's clock has")]
fn millis() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_millis()
}

fn sign(text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any key will do");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_trusted_network_needs_no_key_and_nobody_gets_into_it_by_a_header() {
    let data = tempfile::tempdir().expect("a directory");
    let setup = Setup::scripted(data.path()).env("LEGWORK_SERVER__TRUSTED_NETWORKS", r#"["10.0.0.0/8"]"#);
    let server = setup.env("LEGWORK_SERVER__TRUSTED_PROXIES", r#"["127.0.0.1"]"#).start().await;
    let ask = async |headers: &[(&'static str, &str)]| {
        let request = server.client.request("GET", "/v1/executions");
        status(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await.as_u16()
    };
    assert_eq!(ask(&[]).await, 200, "this machine");
    for client in ["10.1.2.3", "10.1.2.3:5555", "203.0.113.9, 10.1.2.3"] {
        assert_eq!(ask(&[("x-forwarded-for", client)]).await, 200, "{client}");
    }
    for client in ["203.0.113.9", "203.0.113.9:5555", "10.1.2.3, 203.0.113.9", "unknown", "unknown, 127.0.0.1", ""] {
        assert_eq!(ask(&[("x-forwarded-for", client)]).await, 401, "{client}");
    }
    for header in ["forwarded", "x-real-ip"] {
        assert_eq!(ask(&[(header, "10.1.2.3")]).await, 401, "{header}");
    }
    for header in ["origin", "referer", "sec-fetch-site"] {
        let of_a_page = [("x-forwarded-for", "10.1.2.3"), (header, "http://10.1.2.3")];
        assert_eq!(ask(&of_a_page).await, 403, "{header}");
    }
    let debug = server.client.request("GET", "/debug").header("x-forwarded-for", "10.1.2.3");
    assert_eq!(status(debug).await, 403, "who is trusted is no admin");
}
