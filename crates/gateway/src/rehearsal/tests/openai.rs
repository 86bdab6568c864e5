//! OpenAI's two APIs, as a client sees them over HTTP.

use serde_json::Map;

use super::*;

/// Tools of every kind, so that no step lacks one.
fn tools(chat: bool) -> Value {
    let schema = |fields: &[&str]| {
        let properties: Map<_, _> = fields.iter().map(|field| ((*field).to_owned(), json!({}))).collect();
        json!({ "type": "object", "properties": properties })
    };
    let tool = |(name, fields): (&str, &[&str])| match chat {
        true => json!({ "type": "function", "function": { "name": name, "parameters": schema(fields) } }),
        false => json!({ "type": "function", "name": name, "parameters": schema(fields) }),
    };
    let functions: [(&str, &[&str]); 4] = [
        ("bash", &["command"]),
        ("write", &["filePath", "content"]),
        ("edit", &["filePath", "oldString", "newString"]),
        ("read", &["filePath"]),
    ];
    functions.map(tool).into()
}

fn body(path: &str, prompt: &str, stream: bool) -> Value {
    let messages = json!([{ "role": "user", "content": prompt }]);
    match path {
        "/v1/responses" => json!({ "model": "m", "stream": stream, "input": messages, "tools": tools(false) }),
        _ => json!({
            "model": "m", "stream": stream, "stream_options": { "include_usage": true },
            "messages": messages, "tools": tools(true),
        }),
    }
}

impl Client {
    async fn openai(&self, path: &str, prompt: &str, stream: bool) -> Response {
        self.openai_with(path, &body(path, prompt, stream)).await
    }

    async fn openai_with(&self, path: &str, body: &Value) -> Response {
        let request = self.http.post(format!("{}{path}", self.base_url)).bearer_auth(&self.key).body(body.to_string());
        timeout(DEADLINE, request.send()).await.expect("an answer in time").expect("an answer")
    }

    /// The JSON of every chunk of a completion that is streamed to its end.
    async fn chunks(&self, prompt: &str) -> Vec<Value> {
        let text = text_of(self.openai("/v1/chat/completions", prompt, true).await).await;
        data_in(text.strip_suffix("data: [DONE]\n\n").expect("an end"))
    }
}

const PATHS: [&str; 2] = ["/v1/responses", "/v1/chat/completions"];

/// The last part of every event's type, with one word for all of the same kind in a row.
fn outline_of_response(events: &[Value]) -> String {
    let mut words: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    words.dedup();
    words.iter().map(|word| word.trim_start_matches("response.")).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn every_step_streams_a_response_in_order() {
    let (_rehearsal, client) = start().await;
    let begin = "created in_progress output_item.added";
    let text = "content_part.added output_text.delta output_text.done content_part.done output_item.done";
    let call = "function_call_arguments.delta function_call_arguments.done output_item.done";
    let thought = "reasoning_summary_part.added reasoning_summary_text.delta reasoning_summary_text.done \
                   reasoning_summary_part.done output_item.done";
    for (prompt, expected) in [
        ("hello", format!("{begin} {text} completed")),
        ("[[long: 5000]]", format!("{begin} {text} completed")),
        ("[[slow: 300ms]]", format!("{begin} {text} completed")),
        ("[[bash: ls]]", format!("{begin} {call} completed")),
        ("[[loop: Bash true]]", format!("{begin} {call} completed")),
        ("[[say: a]] [[read: b]]", format!("{begin} {text} output_item.added {call} completed")),
        ("[[think: a]]", format!("{begin} {thought} output_item.added {text} completed")),
        ("[[truncate]]", format!("{begin} {text} incomplete")),
        ("[[say: a]] [[error: 529]]", format!("{begin} {text} failed")),
    ] {
        let events = events_in(&text_of(client.openai("/v1/responses", prompt, true).await).await);
        assert_eq!(outline_of_response(&events), expected, "{prompt}");
        let numbers: Vec<_> = events.iter().map(|event| event["sequence_number"].as_u64().unwrap()).collect();
        assert!(numbers.iter().copied().eq(0..numbers.len() as u64), "{prompt}: {numbers:?}");
    }
}

#[tokio::test]
async fn what_streams_is_what_the_whole_response_holds() {
    let (_rehearsal, client) = start().await;
    for prompt in STEPS {
        let events = events_in(&text_of(client.openai("/v1/responses", prompt, true).await).await);
        let mut streamed = events.last().unwrap()["response"]["output"].clone();
        let done: Vec<_> = events.iter().filter(|event| event["type"] == "response.output_item.done").collect();
        assert_eq!(streamed, json!(done.iter().map(|event| &event["item"]).collect::<Vec<_>>()), "{prompt}");
        let mut whole = json_of(client.openai("/v1/responses", prompt, false).await).await["output"].clone();
        for item in [&mut streamed, &mut whole].into_iter().flat_map(|output| output.as_array_mut().unwrap()) {
            item.as_object_mut().unwrap().retain(|key, _| key != "id" && key != "call_id");
        }
        assert_eq!(streamed, whole, "{prompt}");
    }
}

#[tokio::test]
async fn what_streams_is_what_the_whole_completion_holds() {
    let (_rehearsal, client) = start().await;
    for prompt in STEPS {
        let chunks = client.chunks(prompt).await;
        let deltas: Vec<_> = chunks.iter().map(|chunk| &chunk["choices"][0]["delta"]).collect();
        let text: String = deltas.iter().filter_map(|delta| delta["content"].as_str()).collect();
        let whole = json_of(client.openai("/v1/chat/completions", prompt, false).await).await;
        let message = &whole["choices"][0]["message"];
        assert_eq!(text, message["content"].as_str().unwrap_or(""), "{prompt}");
        let call = deltas.iter().find_map(|delta| delta["tool_calls"][0]["function"].as_object());
        assert_eq!(call, message["tool_calls"][0]["function"].as_object(), "{prompt}");
        let reason = chunks.iter().find_map(|chunk| chunk["choices"][0]["finish_reason"].as_str());
        assert_eq!(reason, whole["choices"][0]["finish_reason"].as_str(), "{prompt}");
        let tokens = |usage: &Value| usage["completion_tokens"].as_u64().unwrap();
        assert_eq!(tokens(&chunks.last().unwrap()["usage"]), tokens(&whole["usage"]), "{prompt}");
    }
}

#[tokio::test]
async fn scripted_tokens_are_reported() {
    let (_rehearsal, client) = start().await;
    let prompt = "[[usage: 1200 25]] [[say: a]]";
    let response = json_of(client.openai("/v1/responses", prompt, false).await).await;
    assert_eq!(response["usage"]["input_tokens"], 1200);
    assert_eq!((&response["usage"]["output_tokens"], &response["usage"]["total_tokens"]), (&json!(25), &json!(1225)));
    let completion = json_of(client.openai("/v1/chat/completions", prompt, false).await).await;
    assert_eq!(completion["usage"]["prompt_tokens"], 1200);
    assert_eq!(completion["usage"]["completion_tokens"], 25);
}

#[tokio::test]
async fn a_patch_goes_to_a_tool_that_takes_text() {
    let (_rehearsal, client) = start().await;
    let mut request = body("/v1/responses", "[[write: a | b]]", false);
    request["tools"] = json!([{ "type": "custom", "name": "apply_patch", "format": { "type": "grammar" } }]);
    let item = json_of(client.openai_with("/v1/responses", &request).await).await["output"][0].clone();
    assert_eq!((&item["type"], &item["name"]), (&json!("custom_tool_call"), &json!("apply_patch")));
    assert_eq!(item["input"], "*** Begin Patch\n*** Add File: a\n+b\n*** End Patch\n");
}

#[tokio::test]
async fn a_step_without_a_tool_says_so() {
    let (_rehearsal, client) = start().await;
    let request = json!({ "model": "m", "input": "[[bash: ls]]" });
    let response = json_of(client.openai_with("/v1/responses", &request).await).await;
    let text = &response["output"][0]["content"][0]["text"];
    assert_eq!(text, "This step of the rehearsal is left out: the agent offers no tool to run a command.");
}

#[tokio::test]
async fn results_lead_through_the_steps_of_both_apis() {
    let (_rehearsal, client) = start().await;
    let prompt = json!({ "role": "user", "content": "[[bash: a]] [[bash: b]] [[say: c]]" });
    let context = json!({ "role": "user", "content": "<environment_context>[[say: no]]</environment_context>" });
    let (mut items, mut messages) = (vec![context.clone(), prompt.clone()], vec![context, prompt]);
    for expected in [r#"{"command":"a"}"#, r#"{"command":"b"}"#] {
        let request = json!({ "model": "m", "input": items, "tools": tools(false) });
        let call = json_of(client.openai_with("/v1/responses", &request).await).await["output"][0].clone();
        assert_eq!(call["arguments"], expected);
        items.extend([
            call.clone(),
            json!({ "type": "function_call_output", "call_id": call["call_id"], "output": "" }),
        ]);

        let request = json!({ "model": "m", "messages": messages, "tools": tools(true) });
        let completion = json_of(client.openai_with("/v1/chat/completions", &request).await).await;
        let message = completion["choices"][0]["message"].clone();
        let call = &message["tool_calls"][0];
        assert_eq!(call["function"]["arguments"], expected);
        messages.extend([message.clone(), json!({ "role": "tool", "tool_call_id": call["id"], "content": "" })]);
    }
    let request = json!({ "model": "m", "input": items, "tools": tools(false) });
    let response = json_of(client.openai_with("/v1/responses", &request).await).await;
    assert_eq!(response["output"][0]["content"][0]["text"], "c");
    let request = json!({ "model": "m", "messages": messages, "tools": tools(true) });
    let completion = json_of(client.openai_with("/v1/chat/completions", &request).await).await;
    assert_eq!(completion["choices"][0]["message"]["content"], "c");
}

#[tokio::test]
async fn errors_have_the_shape_of_the_apis() {
    let (_rehearsal, client) = start().await;
    for path in PATHS {
        for (status, code) in [(400, Value::Null), (401, json!("invalid_api_key")), (429, json!("rate_limit_exceeded"))]
        {
            for stream in [true, false] {
                let response = client.openai(path, &format!("[[error: {status}]]"), stream).await;
                assert_eq!(response.status().as_u16(), status);
                assert_eq!(response.headers().contains_key("retry-after"), status == 429);
                assert!(response.headers().contains_key("x-request-id"));
                assert_eq!(json_of(response).await["error"]["code"], code);
            }
        }
    }
    let text = text_of(client.openai("/v1/chat/completions", "[[say: a]] [[error: 500]]", true).await).await;
    assert_eq!(data_in(&text).last().unwrap()["error"]["type"], "server_error");
}

#[tokio::test]
async fn what_is_no_request_is_refused() {
    let (_rehearsal, client) = start().await;
    let too_large = json!("x".repeat((32 << 20) + 1));
    for (path, body, status) in [
        ("/v1/responses", json!([]), 400),
        ("/v1/responses", json!({ "model": "m" }), 400),
        ("/v1/responses", json!({ "model": "m", "input": [] }), 400),
        ("/v1/responses", json!({ "model": "m", "input": "a", "previous_response_id": "r" }), 400),
        ("/v1/chat/completions", json!({ "model": "m", "messages": [] }), 400),
        ("/v1/chat/completions", json!({ "messages": [{ "role": "user", "content": "a" }] }), 400),
        ("/v1/chat/completions", too_large.clone(), 413),
        ("/v1/responses", too_large, 413),
        ("/v1/elsewhere", json!({}), 404),
    ] {
        let response = client.openai_with(path, &body).await;
        assert_eq!(response.status().as_u16(), status, "{path}");
        assert!(json_of(response).await["error"]["message"].is_string(), "{path}");
    }
    for path in PATHS {
        let keyless = client.http.post(format!("{}{path}", client.base_url)).body("{}").send().await.unwrap();
        assert_eq!(keyless.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(json_of(keyless).await["error"]["code"], "invalid_api_key");
        let wrong = client.http.get(format!("{}{path}", client.base_url)).send().await.unwrap();
        assert_eq!(wrong.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(json_of(wrong).await["error"]["type"], "invalid_request_error");
    }
}

#[tokio::test]
async fn a_cut_breaks_off_what_has_begun() {
    let (_rehearsal, client) = start().await;
    for path in PATHS {
        let prompt = format!("{path} [[say: so far]] [[cut: x1]] [[say: whole]]");
        let mut streamed = client.openai(path, &prompt, true).await;
        while let Ok(chunk) = timeout(DEADLINE, streamed.chunk()).await.unwrap() {
            chunk.expect("a stream that is cut has no end");
        }
        assert!(client.openai(path, "[[cut]]", false).await.text().await.is_err());
        assert!(client.openai(path, &prompt, true).await.text().await.is_ok());
    }
}

#[tokio::test]
async fn what_hangs_ends_with_the_rehearsal() {
    let (rehearsal, client) = start().await;
    for path in PATHS {
        let mut stalled = client.openai(path, "[[say: so far]] [[hang]]", true).await;
        assert!(stalled.chunk().await.unwrap().is_some());
    }
    drop(client);
    timeout(DEADLINE, rehearsal.idle()).await.expect("every connection to end");
}

#[tokio::test]
async fn a_title_is_no_answer_of_the_script() {
    let (_rehearsal, client) = start().await;
    let messages =
        json!([{ "role": "user", "content": "Generate a title" }, { "role": "user", "content": "[[error: 401]]" }]);
    let request = client.http.post(format!("{}/v1/chat/completions", client.base_url)).bearer_auth("key");
    let request = request.header("user-agent", "opencode/1.18.33 runtime/bun");
    let response = request.body(json!({ "model": "m", "messages": messages }).to_string()).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_base_url_may_lack_its_version() {
    let (_rehearsal, client) = start().await;
    let request = json!({ "model": "m", "input": "[[say: a]]" });
    assert_eq!(client.openai_with("/responses", &request).await.status(), StatusCode::OK);
    let models = client.http.get(format!("{}/models", client.base_url)).send().await.unwrap();
    assert_eq!(json_of(models).await["object"], "list");
}
