//! What is not passed on, in the words of the API that was called.

use legwork_gateway::model_proxy::Credential;
use legwork_model::{Clock, ModelApi};

use super::api::Api;
use super::run::{Run, Setting, TOKEN, account};

/// The status and the body of the answer to `request`, as lines.
async fn answer(request: reqwest::RequestBuilder) -> String {
    let answer = request.send().await.expect("an answer");
    let (status, retry) = (answer.status().as_u16(), answer.headers().get("x-should-retry").cloned());
    let retry = retry.map_or("absent".to_owned(), |retry| retry.to_str().expect("text").to_owned());
    format!("{status} retry {retry}\n{}", answer.text().await.expect("text"))
}

#[tokio::test]
async fn anthropics_words() {
    let api = Api::start().await;
    let run =
        Run::at(&api, Setting { models: vec!["claude-haiku-*".into(), "claude-opus-5".into()], ..Setting::default() });
    let mut shown = Vec::new();
    let body = |model: &str| format!(r#"{{"model":"{model}"}}"#);
    shown.push(answer(run.http.post(run.url("/v1/messages")).body(body("claude-haiku-4-5"))).await);
    shown.push(answer(run.http.post(run.url("/v1/messages")).header("x-api-key", "sk-attackers").body("{}")).await);
    shown.push(answer(run.post("/v1/files", "{}")).await);
    shown.push(answer(run.http.delete(run.url("/v1/messages")).header("x-api-key", TOKEN)).await);
    shown.push(answer(run.post("/v1/messages", body("claude-sonnet-4-5"))).await);
    shown.push(answer(run.post("/v1/messages", body("claude-haiku-9"))).await);
    shown.push(answer(run.post("/v1/messages", vec![b' '; (1 << 20) + 1])).await);
    let endless = futures::stream::iter((0..32).map(|_| Ok::<_, std::io::Error>(vec![b' '; 1 << 16])));
    shown.push(answer(run.post("/v1/messages", reqwest::Body::wrap_stream(endless))).await);
    *run.told.denial.lock().expect("a lock") = Some("the budget of the day is used up.".to_owned());
    shown.push(answer(run.post("/v1/messages", body("claude-haiku-4-5"))).await);
    insta::assert_snapshot!(shown.join("\n\n"));
    assert!(api.asked().is_empty(), "{:?}", api.asked());
    assert_eq!(*run.told.unpriced.lock().expect("a lock"), ["claude-haiku-9"]);
}

#[tokio::test]
async fn the_others_words() {
    for (api_of, path) in [(ModelApi::Openai, "/responses"), (ModelApi::Gemini, "/v1beta/models/x:generateContent")] {
        let api = Api::start().await;
        let run = Run::at(&api, Setting { api: api_of, models: vec!["only-this".into()], ..Setting::default() });
        let strange = answer(run.http.post(run.url(path)).body("{}")).await;
        let denied = answer(run.http.post(run.url(path)).bearer_auth(TOKEN).body(r#"{"model":"x"}"#)).await;
        let missing = answer(run.http.post(run.url("/v1/files")).bearer_auth(TOKEN).body("{}")).await;
        insta::assert_snapshot!(api_of.as_str(), [strange, denied, missing].join("\n\n"));
        assert!(api.asked().is_empty());
    }
}

#[tokio::test]
async fn a_token_is_good_for_as_long_as_its_run() {
    let api = Api::start().await;
    let mut run = Run::at(&api, Setting::default());
    assert_eq!(run.ask().await.0, 200);
    run.clock.advance_millis(3_600_000);
    let (status, text) = run.ask().await;
    assert!(status == 401 && text.contains("has expired"), "{text}");
    run.clock.advance_millis(-1);
    assert_eq!(run.ask().await.0, 200);
    run.admission = None;
    let (status, text) = run.ask().await;
    assert!(status == 401 && text.contains("it may have ended"), "{text}");
    assert!(run.clock.now().as_millis() > 0);
}

#[tokio::test]
async fn a_credential_that_fits_no_header_is_never_sent() {
    let api = Api::start().await;
    let accounts = vec![account("broken", Credential::ApiKey("a\r\nx-more: b".into()))];
    let run = Run::at(&api, Setting { accounts, ..Setting::default() });
    let (status, text) = run.ask().await;
    assert!(status == 502 && !text.contains("x-more"), "{text}");
    assert!(api.asked().is_empty());
}
