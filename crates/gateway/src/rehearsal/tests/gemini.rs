//! The Gemini API, as a client sees it over HTTP.

use super::*;

const GENERATE: &str = "/v1beta/models/some-model:generateContent";
const STREAM: &str = "/v1beta/models/some-model:streamGenerateContent?alt=sse";

fn body(prompt: &str) -> Value {
    let contents = json!([{ "role": "user", "parts": [{ "text": prompt }] }]);
    let names = ["run_shell_command", "write_file", "replace", "read_file"];
    json!({ "contents": contents, "tools": [{ "functionDeclarations": names.map(|name| json!({ "name": name })) }] })
}

impl Client {
    async fn gemini(&self, path: &str, body: &Value) -> Response {
        let request = self.http.post(format!("{}{path}", self.base_url)).header("x-goog-api-key", &self.key);
        timeout(DEADLINE, request.body(body.to_string()).send()).await.expect("an answer in time").expect("an answer")
    }

    async fn chunks_of_gemini(&self, prompt: &str) -> Vec<Value> {
        data_in(&text_of(self.gemini(STREAM, &body(prompt)).await).await)
    }
}

/// All parts of a kind in a row as one, without the empty text that ends a stream.
fn joined(parts: impl IntoIterator<Item = Value>) -> Vec<Value> {
    let mut joined: Vec<Value> = Vec::new();
    for part in parts.into_iter().filter(|part| part["text"] != "") {
        match (joined.last_mut(), part["text"].as_str()) {
            (Some(last), Some(text)) if last["text"].is_string() && last["thought"] == part["thought"] => {
                last["text"] = json!(format!("{}{text}", last["text"].as_str().unwrap()));
            }
            _ => joined.push(part),
        }
    }
    joined
}

fn parts(response: &Value) -> Vec<Value> {
    response["candidates"][0]["content"]["parts"].as_array().unwrap().clone()
}

#[tokio::test]
async fn what_streams_is_what_the_whole_answer_holds() {
    let (_rehearsal, client) = start().await;
    for prompt in STEPS {
        let chunks = client.chunks_of_gemini(prompt).await;
        let whole = json_of(client.gemini(GENERATE, &body(prompt)).await).await;
        assert_eq!(joined(chunks.iter().flat_map(parts)), joined(parts(&whole)), "{prompt}");
        let last = chunks.last().unwrap();
        assert_eq!(last["usageMetadata"], whole["usageMetadata"], "{prompt}");
        assert_eq!(last["candidates"][0]["finishReason"], whole["candidates"][0]["finishReason"], "{prompt}");
        assert_eq!(whole["modelVersion"], "some-model");
    }
}

#[tokio::test]
async fn every_step_has_its_part() {
    let (_rehearsal, client) = start().await;
    let call = |name: &str, args: Value| json!({ "functionCall": { "name": name, "args": args } });
    let shell = json!({ "command": "ls", "description": "Rehearse a command" });
    for (prompt, part, reason) in [
        ("[[say: a]]", json!({ "text": "a" }), "STOP"),
        ("[[think: a]]", json!({ "text": "a", "thought": true }), "STOP"),
        ("[[bash: ls]]", call("run_shell_command", shell), "STOP"),
        ("[[write: a | b]]", call("write_file", json!({ "file_path": "a", "content": "b" })), "STOP"),
        ("[[truncate]]", json!({ "text": "This answer is cut off in the" }), "MAX_TOKENS"),
    ] {
        let whole = json_of(client.gemini(GENERATE, &body(prompt)).await).await;
        assert_eq!((&parts(&whole)[0], &whole["candidates"][0]["finishReason"]), (&part, &json!(reason)), "{prompt}");
    }
    let counted = json_of(client.gemini(GENERATE, &body("[[usage: 1200 25]] [[say: a]]")).await).await;
    assert_eq!(counted["usageMetadata"]["promptTokenCount"], 1200);
    assert_eq!(counted["usageMetadata"]["candidatesTokenCount"], 25);
}

#[tokio::test]
async fn responses_of_functions_lead_through_the_steps() {
    let (_rehearsal, client) = start().await;
    let mut request = body("[[bash: a]] [[say: b]]");
    let context = json!({ "text": "<session_context>This is the Gemini CLI. [[say: no]]</session_context>" });
    request["contents"][0]["parts"].as_array_mut().unwrap().insert(0, context);
    let call = json_of(client.gemini(GENERATE, &request).await).await["candidates"][0]["content"].clone();
    assert_eq!(call["parts"][0]["functionCall"]["args"]["command"], "a");
    let result =
        json!({ "functionResponse": { "name": "run_shell_command", "response": { "output": "[[say: no]]" } } });
    request["contents"].as_array_mut().unwrap().extend([call, json!({ "role": "user", "parts": [result] })]);
    assert_eq!(parts(&json_of(client.gemini(GENERATE, &request).await).await), [json!({ "text": "b" })]);
}

#[tokio::test]
async fn questions_on_the_side_do_not_disturb() {
    let (_rehearsal, client) = start().await;
    let schema = json!({ "type": "OBJECT", "properties": { "complexity_score": { "type": "INTEGER" } } });
    let aside = json!({
        "contents": [{ "role": "user", "parts": [{ "text": "[[error: 401]]" }] }],
        "generationConfig": { "responseMimeType": "application/json", "responseJsonSchema": schema },
    });
    let request = client.http.post(format!("{}{GENERATE}", client.base_url)).header("x-goog-api-key", "key");
    let request = request.header("user-agent", "GeminiCLI-tui/0.61.0/model (linux; x64; terminal)");
    let answer = json_of(request.body(aside.to_string()).send().await.unwrap()).await;
    assert_eq!(parts(&answer), [json!({ "text": "{\"complexity_score\":1}" })]);
}

#[tokio::test]
async fn errors_have_the_shape_of_the_api() {
    let (_rehearsal, client) = start().await;
    for (status, name) in [
        (400, "INVALID_ARGUMENT"),
        (401, "UNAUTHENTICATED"),
        (403, "PERMISSION_DENIED"),
        (404, "NOT_FOUND"),
        (429, "RESOURCE_EXHAUSTED"),
        (500, "INTERNAL"),
        (503, "UNAVAILABLE"),
    ] {
        for path in [GENERATE, STREAM] {
            let response = client.gemini(path, &body(&format!("[[error: {status}]]"))).await;
            assert_eq!(response.status().as_u16(), status);
            let error = json_of(response).await["error"].clone();
            assert_eq!((&error["code"], &error["status"]), (&json!(status), &json!(name)));
        }
    }
    let text = text_of(client.gemini(STREAM, &body("[[say: a]] [[error: 503]]")).await).await;
    let (_, error) = text.rsplit_once("\n\n").unwrap();
    assert_eq!(serde_json::from_str::<Value>(error).unwrap()["error"]["code"], 503);
}

#[tokio::test]
async fn what_is_no_request_is_refused() {
    let (_rehearsal, client) = start().await;
    let too_large = json!("x".repeat((32 << 20) + 1));
    for (path, body, status, name) in [
        (GENERATE, json!([]), 400, "INVALID_ARGUMENT"),
        (GENERATE, json!({ "contents": [] }), 400, "INVALID_ARGUMENT"),
        (GENERATE, too_large, 413, "INVALID_ARGUMENT"),
        ("/v1beta/models/m:streamGenerateContent", body("a"), 400, "INVALID_ARGUMENT"),
        ("/v1beta/models/m:countTokens", json!({}), 400, "INVALID_ARGUMENT"),
        ("/v1beta/models/m:embedContent", body("a"), 404, "NOT_FOUND"),
        ("/v1beta/models/m", body("a"), 404, "NOT_FOUND"),
        ("/v1beta/elsewhere", body("a"), 404, "NOT_FOUND"),
        ("/v1beta/models", body("a"), 405, "UNIMPLEMENTED"),
    ] {
        let response = client.gemini(path, &body).await;
        assert_eq!(response.status().as_u16(), status, "{path}");
        assert_eq!(json_of(response).await["error"]["status"], name, "{path}");
    }
    let ask = |path: String| client.http.post(format!("{}{path}", client.base_url)).body(body("a").to_string()).send();
    assert_eq!(ask(GENERATE.to_owned()).await.unwrap().status(), StatusCode::FORBIDDEN);
    assert_eq!(ask(format!("{GENERATE}?key=k")).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_cut_breaks_off_what_has_begun_and_a_hang_ends_with_its_client() {
    let (rehearsal, client) = start().await;
    let mut streamed = client.gemini(STREAM, &body("[[say: so far]] [[cut]]")).await;
    while let Ok(chunk) = timeout(DEADLINE, streamed.chunk()).await.unwrap() {
        chunk.expect("a stream that is cut has no end");
    }
    assert!(client.gemini(GENERATE, &body("[[cut]]")).await.text().await.is_err());
    let mut stalled = client.gemini(STREAM, &body("[[say: so far]] [[hang]]")).await;
    assert!(stalled.chunk().await.unwrap().is_some());
    drop((stalled, streamed, client));
    timeout(DEADLINE, rehearsal.idle()).await.expect("every connection to end");
}

#[tokio::test]
async fn tokens_and_models_can_be_asked_for() {
    let (_rehearsal, client) = start().await;
    let path = "/v1beta/models/m:countTokens";
    let contents = json!([{ "role": "user", "parts": [{ "text": "x".repeat(4000) }] }]);
    for request in [json!({ "contents": contents }), json!({ "generateContentRequest": { "contents": contents } })] {
        let counted = json_of(client.gemini(path, &request).await).await;
        assert!((1000..1100).contains(&counted["totalTokens"].as_u64().unwrap()), "{counted}");
    }
    let models = client.http.get(format!("{}/v1beta/models", client.base_url)).send().await.unwrap();
    assert!(json_of(models).await["models"][0]["name"].as_str().unwrap().starts_with("models/"));
}
