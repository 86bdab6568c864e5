//! Subscription logins, renewed in one place.

use std::sync::{Arc, Mutex};

use legwork_gateway::model_proxy::{Clients, Credential, Limits, Login};
use legwork_model::{Clock, TestClock};
use serde_json::{Value, json};

use super::api::{self, Api};
use super::run::{Run, Setting, account, clock};

struct Vendor {
    api: Api,
    tokens: Api,
    run: Run,
    kept: Arc<Mutex<Vec<String>>>,
}

/// A run on a login whose token ends so many milliseconds from now.
async fn vendor(ends_in: i64) -> Vendor {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (api, tokens, clock) = (Api::start().await, Api::start().await, clock());
    let kept: Arc<Mutex<Vec<String>>> = Arc::default();
    let file = json!({"claudeAiOauth": {
        "accessToken": "old", "refreshToken": "r1", "expiresAt": clock.now().as_millis() + ends_in, "scopes": ["a"],
    }});
    let keeping = Arc::clone(&kept);
    let login = Login::read(
        &file.to_string(),
        Some(tokens.url("/v1/oauth/token").to_string()),
        Clients::new(Limits::default()),
        Arc::<TestClock>::clone(&clock),
        Arc::new(move |file: &str| keeping.lock().expect("a lock").push(file.to_owned())),
    );
    let accounts = vec![account("login", Credential::Login(login.expect("a login")))];
    let run = Run::by(&api, Setting { accounts, ..Setting::default() }, clock);
    Vendor { api, tokens, run, kept }
}

fn renewed() -> axum::http::Response<axum::body::Body> {
    api::json(200, r#"{"access_token":"new","refresh_token":"r2","expires_in":28800}"#)
}

#[tokio::test]
async fn fifty_requests_renew_it_once() {
    let vendor = vendor(60_000).await;
    vendor.tokens.answers(renewed());
    let asking = (0..50).map(|_| vendor.run.ask());
    let answers = futures::future::join_all(asking).await;
    assert!(answers.iter().all(|(status, _)| *status == 200), "{answers:?}");
    let asked = vendor.tokens.asked_once();
    let body: Value = serde_json::from_slice(&asked.body).expect("JSON");
    assert_eq!((&body["grant_type"], &body["refresh_token"]), (&json!("refresh_token"), &json!("r1")));
    let bearers = vendor.api.asked();
    assert!(bearers.iter().all(|asked| asked.header("authorization") == Some("Bearer new")));
    let kept: Value = serde_json::from_str(&vendor.kept.lock().expect("a lock")[0]).expect("JSON");
    let login = &kept["claudeAiOauth"];
    assert_eq!((&login["refreshToken"], &login["scopes"]), (&json!("r2"), &json!(["a"])));
}

#[tokio::test]
async fn a_token_that_is_rejected_before_its_time_is_renewed_and_the_request_answered() {
    let vendor = vendor(3_600_000).await;
    vendor.api.answers(api::json(401, "{}"));
    vendor.tokens.answers(renewed());
    assert_eq!(vendor.run.ask().await.0, 200);
    let bearers: Vec<_> =
        vendor.api.asked().iter().map(|asked| asked.header("authorization").map(str::to_owned)).collect();
    assert_eq!(bearers, [Some("Bearer old".to_owned()), Some("Bearer new".to_owned())]);
    // It is not tried a third time.
    vendor.api.answers(api::json(401, "{}"));
    vendor.tokens.answers(api::json(200, r#"{"access_token":"newer","expires_in":28800}"#));
    vendor.api.answers(api::json(401, "{}"));
    assert_eq!(vendor.run.ask().await.0, 401);
    assert_eq!(vendor.api.asked().len(), 4);
}

#[tokio::test]
async fn a_login_that_is_over_stops_and_is_not_asked_for_again() {
    let vendor = vendor(0).await;
    vendor.tokens.answers(api::json(400, r#"{"error":"invalid_grant r1"}"#));
    for _ in 0..5 {
        let (status, text) = vendor.run.ask().await;
        assert!(status == 401 && !text.contains("r1"), "{text}");
    }
    assert_eq!((vendor.tokens.asked().len(), vendor.api.asked().len()), (1, 0));
}

#[test]
fn what_is_no_login_is_refused() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    for wrong in ["", "{}", "not JSON", r#"{"claudeAiOauth":{"accessToken":"a"}}"#] {
        let login = Login::read(wrong, None, Clients::new(Limits::default()), clock(), Arc::new(|_: &str| {}));
        assert!(login.is_err(), "{wrong}");
    }
}
