//! What reaches the API, and what comes back.

use legwork_gateway::model_proxy::Credential;
use legwork_model::{Cost, ModelApi, Usage};

use super::api::{Api, json, with};
use super::run::{KEY, Run, Setting, TOKEN, account};

const ANSWER: &str =
    r#"{"model":"claude-sonnet-4-5-20250929","usage":{"input_tokens":100,"output_tokens":10},"x":1.50}"#;

#[tokio::test]
async fn a_request_goes_out_as_it_came_but_for_who_pays() {
    let api = Api::start().await;
    let run = Run::at(&api, Setting { base_path: "/router/anthropic", ..Setting::default() });
    api.answers(with(with(json(200, ANSWER), "request-id", "req_1"), "set-cookie", "a=b"));
    let body = "{\"model\":\"claude-sonnet-4-5\",  \"unknown\": [1e3, \"\\u00e9\"]}\n";
    let request = run.http.post(run.url("/v1/messages?beta=true&key=attackers")).body(body);
    let request = request
        .bearer_auth(TOKEN)
        .header("x-api-key", "sk-attackers")
        .header("x-goog-api-key", "attackers")
        .header("cookie", "attackers")
        .header("x-forwarded-for", "1.2.3.4")
        .header("anthropic-version", "2023-06-01")
        .header("anthropic-beta", "one")
        .header("anthropic-beta", "two")
        .header("x-anything", "else")
        .header("accept-encoding", "gzip, br");
    let answer = request.send().await.expect("an answer");
    assert_eq!((answer.status().as_u16(), answer.headers()["request-id"].as_bytes()), (200, &b"req_1"[..]));
    assert!(!answer.headers().contains_key("set-cookie"));
    assert_eq!(answer.text().await.expect("text"), ANSWER);

    let asked = api.asked_once();
    assert_eq!(asked.uri.to_string(), "/router/anthropic/v1/messages?beta=true");
    assert_eq!(asked.body, body.as_bytes());
    assert_eq!(asked.header("x-api-key"), Some(KEY));
    assert_eq!(asked.header("host"), Some(api.address.to_string().as_str()));
    assert_eq!((asked.header("anthropic-version"), asked.header("x-anything")), (Some("2023-06-01"), Some("else")));
    assert_eq!(asked.headers.get_all("anthropic-beta").iter().count(), 2);
    assert_eq!(asked.header("accept-encoding"), Some("identity"));
    for gone in ["authorization", "x-goog-api-key", "cookie", "x-forwarded-for"] {
        assert_eq!(asked.header(gone), None, "{gone}");
    }
    let shown = format!("{asked:?}");
    assert!(!shown.contains("attackers") && !shown.contains(TOKEN), "{shown}");

    let line = run.told.answers(1).await.remove(0);
    assert_eq!((line.model.as_str(), line.credential.as_str(), line.status), ("claude-sonnet-4-5", "only", 200));
    assert_eq!(line.usage, Usage { input_tokens: 100, output_tokens: 10, ..Usage::default() });
    assert_eq!((line.cost, line.estimated, line.imputed), (Cost::from_micros(450), false, false));
}

#[tokio::test]
async fn each_api_gets_its_credential_where_it_looks_for_it() {
    for (api_of, path, base, upstream_path, header, value) in [
        (ModelApi::Openai, "/v1", "/v1", "/v1/responses", "authorization", "Bearer sk-real-key"),
        (ModelApi::Openai, "/v1", "/openai/v2", "/openai/v2/chat/completions", "authorization", "Bearer sk-real-key"),
        (ModelApi::Gemini, "", "", "/v1beta/models/gemini-3-pro:generateContent", "x-goog-api-key", "sk-real-key"),
    ] {
        let api = Api::start().await;
        let setting = Setting { api: api_of, api_path: path, base_path: base, ..Setting::default() };
        let run = Run::at(&api, setting);
        let asked = upstream_path.strip_prefix(base).expect("below the base");
        let url = run.url(&format!("{path}{asked}"));
        let answer = run.http.post(url).bearer_auth(TOKEN).body(r#"{"model":"gpt-5.5"}"#).send().await;
        assert_eq!(answer.expect("an answer").status().as_u16(), 200);
        let asked = api.asked_once();
        assert_eq!((asked.uri.path(), asked.header(header)), (upstream_path, Some(value)));
    }
}

#[tokio::test]
async fn a_subscription_pays_and_is_said_to() {
    let api = Api::start().await;
    let accounts = vec![account("max", Credential::OauthToken("sk-ant-oat01-x".into()))];
    let run = Run::at(&api, Setting { accounts, ..Setting::default() });
    api.answers(json(200, ANSWER));
    assert_eq!(run.ask().await.0, 200);
    let asked = api.asked_once();
    assert_eq!(asked.header("authorization"), Some("Bearer sk-ant-oat01-x"));
    assert_eq!((asked.header("anthropic-beta"), asked.header("x-api-key")), (Some("oauth-2025-04-20"), None));
    let line = run.told.answers(1).await.remove(0);
    assert!(line.imputed && line.cost > Cost::default(), "{line:?}");
}

#[tokio::test]
async fn what_costs_nothing_is_not_in_the_books() {
    let api = Api::start().await;
    let run = Run::at(&api, Setting::default());
    let answer = run.post("/v1/messages/count_tokens", r#"{"model":"unheard-of"}"#).send().await.expect("an answer");
    assert_eq!(answer.status().as_u16(), 200);
    let models = run.http.get(run.url("/v1/models?limit=5")).header("x-api-key", TOKEN).send().await;
    assert_eq!(models.expect("an answer").status().as_u16(), 200);
    assert!(run.told.answered.lock().expect("a lock").is_empty());
    assert_eq!(api.asked().len(), 2);
}

#[tokio::test]
async fn what_an_api_refuses_is_in_the_books_at_no_cost() {
    let api = Api::start().await;
    let accounts = vec![account("max", Credential::OauthToken("sk-ant-oat01-x".into()))];
    let run = Run::at(&api, Setting { accounts, ..Setting::default() });
    for status in [400, 529] {
        api.answers(json(status, r#"{"type":"error","usage":{"input_tokens":7}}"#));
        assert_eq!(run.ask().await.0, status);
    }
    let lines = run.told.answers(2).await;
    for (line, status) in lines.iter().zip([400, 529]) {
        assert_eq!((line.status, line.usage, line.cost), (status, Usage::default(), Cost::default()), "{line:?}");
        assert!(!line.estimated && !line.imputed, "{line:?}");
    }
}

#[tokio::test]
async fn what_is_not_json_is_for_the_api_to_judge() {
    let api = Api::start().await;
    let run = Run::at(&api, Setting::default());
    for body in [&b"{\"model\":"[..], b"", b"\xff\xfe\x00", b"[[[[", b"null"] {
        api.answers(json(400, "\"the API's own words\""));
        let answer = run.post("/v1/messages", body.to_vec()).send().await.expect("an answer");
        assert_eq!(answer.text().await.expect("text"), "\"the API's own words\"");
        assert_eq!(api.asked().last().expect("a request").body, body);
    }
}

#[tokio::test]
async fn an_answer_from_a_model_that_nobody_could_read_is_not_for_nothing() {
    let api = Api::start().await;
    let run = Run::at(&api, Setting::default());
    api.answers(json(200, r#"{"usage":{"input_tokens":1000,"output_tokens":0}}"#));
    run.post("/v1/messages", "{").send().await.expect("an answer").text().await.expect("text");
    let line = run.told.answers(1).await.remove(0);
    assert!(line.estimated && line.cost >= Cost::from_micros(15_000), "{line:?}");
}
