//! Several credentials: which one pays, and what happens when none may.

use legwork_gateway::model_proxy::{Cause, Credential, Held};
use legwork_model::{Clock, Timestamp};

use super::api::{Api, json, with};
use super::run::{Run, Setting, account};

fn two() -> Setting {
    let accounts = ["first", "second"].map(|name| account(name, Credential::ApiKey(format!("key-of-{name}")))).to_vec();
    Setting { accounts, ..Setting::default() }
}

fn keys(api: &Api) -> Vec<String> {
    api.asked().iter().map(|asked| asked.header("x-api-key").expect("a key").to_owned()).collect()
}

#[tokio::test]
async fn the_other_one_pays_where_one_is_at_its_limit() {
    let api = Api::start().await;
    let run = Run::at(&api, two());
    assert_eq!(run.ask().await.0, 200);
    let reset = run.clock.now().as_millis() / 1_000 + 3_600;
    api.answers(with(json(429, r#"{"its":"words"}"#), "anthropic-ratelimit-unified-reset", &reset.to_string()));
    assert_eq!(run.ask().await, (429, r#"{"its":"words"}"#.to_owned()), "nothing is repeated");
    assert_eq!((run.ask().await.0, run.ask().await.0), (200, 200));
    assert_eq!(keys(&api), ["key-of-first", "key-of-first", "key-of-second", "key-of-second"]);
    assert!(run.told.held.lock().expect("a lock").is_empty() && run.pool.held(run.clock.now()).is_none());
}

#[tokio::test]
async fn where_none_may_pay_nobody_is_asked_until_one_may() {
    let api = Api::start().await;
    let run = Run::at(&api, two());
    for seconds in ["7200", "600"] {
        api.answers(with(json(429, "{}"), "retry-after", seconds));
        assert_eq!(run.ask().await.0, 429);
    }
    let until = Timestamp::from_millis(run.clock.now().as_millis() + 600_000);
    let held = Held { cause: Cause::Limited, until };
    assert_eq!(*run.told.held.lock().expect("a lock"), [held]);
    let (status, text) = run.ask().await;
    assert!(status == 429 && text.contains("asked again in 600 s"), "{text}");
    assert_eq!(api.asked().len(), 2);
    run.clock.advance_millis(600_000);
    assert_eq!(run.ask().await.0, 200);
    assert_eq!(keys(&api).last().map(String::as_str), Some("key-of-second"));
}

#[tokio::test]
async fn an_api_that_fails_is_left_alone() {
    let api = Api::start().await;
    let run = Run::at(&api, Setting::default());
    for status in [500, 529, 503] {
        api.answers(json(status, "{}"));
        assert_eq!(run.ask().await.0, status);
    }
    let (status, text) = run.ask().await;
    assert!(status == 503 && text.contains("not available"), "{text}");
    assert_eq!(api.asked().len(), 3);
    run.clock.advance_millis(5_000);
    assert_eq!((run.ask().await.0, run.ask().await.0), (200, 200));
}

#[tokio::test]
async fn a_credential_that_is_rejected_is_not_shown_again_and_again() {
    let api = Api::start().await;
    let run = Run::at(&api, Setting::default());
    api.answers(json(401, "{}"));
    for _ in 0..5 {
        assert_eq!(run.ask().await.0, 401);
    }
    assert_eq!(api.asked().len(), 1);
    assert_eq!(run.told.held.lock().expect("a lock")[0].cause, Cause::Rejected);
}

#[tokio::test]
async fn an_api_that_is_not_there_is_said_to_be() {
    let api = Api::start().await;
    let run = Run::at(&api, Setting::default());
    drop(api);
    // Its listener goes with its task.
    tokio::task::yield_now().await;
    let (status, text) = run.ask().await;
    assert!(status == 503 && text.contains("can't be reached"), "{text}");
}
