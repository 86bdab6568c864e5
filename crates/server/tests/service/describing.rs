//! The OpenAPI description, held against what the service really answers.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::app::TestApp;

/// Routes that are not part of the contract.
const UNDESCRIBED: [&str; 3] = ["/", "/docs", "/openapi.json"];

#[tokio::test(flavor = "multi_thread")]
async fn the_description_is_whole() {
    let app = TestApp::start().await;
    let api = app.get("/openapi.json").await.expect(200).json();
    assert!(api["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")), "{}", api["openapi"]);
    assert!(api["info"]["title"].is_string() && api["info"]["version"].is_string());
    check_references(&api, &api);
    check_names(&api["components"]["schemas"]);
    let mut names = BTreeSet::new();
    for (path, method, operation) in operations(&api) {
        let id = operation["operationId"].as_str().unwrap_or_else(|| panic!("{method} {path} has no id"));
        assert!(names.insert(id), "{id} is used twice");
        assert!(operation["summary"].is_string() || operation["description"].is_string(), "{method} {path}");
        let described: BTreeSet<&str> =
            parameters(operation).filter(|one| one["in"] == "path").filter_map(|one| one["name"].as_str()).collect();
        let named: BTreeSet<&str> =
            path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
        assert_eq!(described, named, "{method} {path}");
        assert!(operation["responses"].as_object().is_some_and(|responses| !responses.is_empty()), "{method} {path}");
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_is_described_and_every_description_has_a_route() {
    let app = TestApp::start().await;
    let api = app.get("/openapi.json").await.expect(200).json();
    let described: BTreeSet<(String, String)> =
        operations(&api).into_iter().map(|(path, method, _)| (path.to_owned(), method.to_owned())).collect();
    let routed: BTreeSet<(String, String)> =
        routes().into_iter().filter(|(path, _)| !UNDESCRIBED.contains(&path.as_str())).collect();
    assert_eq!(described, routed);
    for path in UNDESCRIBED {
        app.get(path).await.expect(200);
    }
    app.finish().await;
}

/// The routes as the sources list them: paths and methods of `.route("…", get(…).post(…))`.
fn routes() -> Vec<(String, String)> {
    let sources = [
        ("", include_str!("../../src/doors/mod.rs")),
        ("/v1/executions", include_str!("../../src/doors/native/mod.rs")),
        ("/v1/approvals", include_str!("../../src/doors/native/approvals.rs")),
        ("/v1/budgets", include_str!("../../src/doors/native/budgets/mod.rs")),
    ];
    let mut routes = Vec::new();
    for (prefix, source) in sources {
        for route in source.split(".route(\"").skip(1) {
            let (path, handlers) = route.split_once("\", ").expect("a path and its handlers");
            let handlers = handlers.lines().next().unwrap_or_default();
            let path = format!("{prefix}{}", if prefix.is_empty() { path } else { path.trim_end_matches('/') });
            let methods = ["get", "post", "put", "delete", "patch"].into_iter();
            let used = methods.filter(|method| {
                handlers.starts_with(&format!("{method}(")) || handlers.contains(&format!(".{method}("))
            });
            routes.extend(used.map(|method| (path.clone(), method.to_owned())));
        }
    }
    assert!(routes.len() > 10, "the sources list their routes otherwise by now: {routes:?}");
    routes
}

#[tokio::test(flavor = "multi_thread")]
async fn real_answers_are_as_described() {
    let app = TestApp::with(|config, folder| config.workspaces.roots.push(folder.to_owned())).await;
    let api = app.get("/openapi.json").await.expect(200).json();
    let body = json!({
        "prompt": "write", "model": "opus", "metadata": { "a": [1] }, "limits": { "maxTurns": 3, "maxCostUsd": 0.5 },
        "tools": { "allow": ["Bash"], "deny": ["WebFetch"] }, "workspace": app.folder(),
    });
    let id = app.post("/v1/executions", &body).await.expect(202).json()["id"].as_str().expect("an id").to_owned();
    app.ended(&id).await;
    let failed = app.run("fail").await;
    let cancelled = app.running("hang").await;
    let path = |id: &str, rest: &str| format!("/v1/executions/{id}{rest}");
    let mut answers = vec![("post /v1/executions", app.post("/v1/executions", &json!({ "prompt": "hello" })).await)];
    answers.push(("post /v1/executions/{id}/cancel", app.cancel(&cancelled).await));
    answers.push(("post /v1/executions/{id}/cancel", app.cancel(&id).await));
    answers.push(("post /v1/executions/{id}/retry", app.call("POST", &path(&failed, "/retry")).send().await));
    app.ended(&cancelled).await;
    for answer in [&answers[0].1, &answers[3].1] {
        app.ended(answer.json()["id"].as_str().expect("an id")).await;
    }
    for one in [&id, &failed, &cancelled] {
        answers.push(("get /v1/executions/{id}", app.get(&path(one, "")).await));
        answers.push(("get /v1/executions/{id}/events", app.get(&path(one, "/events")).await));
    }
    answers.push(("get /v1/executions", app.get("/v1/executions?limit=2").await));
    answers.push(("get /v1/executions", app.get("/v1/executions?limit=0").await));
    app.run("tool").await;
    answers.push(("get /v1/tool-uses", app.get("/v1/tool-uses").await));
    answers.push(("get /v1/tool-uses", app.get("/v1/tool-uses?tools=Bash").await));
    answers.push(("get /v1/executions/{id}", app.get(&path("exe_1", "")).await));
    answers.push(("post /v1/executions", app.post("/v1/executions", &json!({ "prompt": "" })).await));
    answers.push(("post /v1/executions", app.call("POST", "/v1/executions").body("x").send().await));
    for (operation, answer) in &answers {
        let (method, path) = operation.split_once(' ').expect("a method and a path");
        let described = &api["paths"][path][method]["responses"][answer.status.as_str()];
        let content = described["content"]
            .as_object()
            .unwrap_or_else(|| panic!("{operation} -> {} is not described", answer.status));
        let schema = &content.values().next().expect("a type")["schema"];
        check_value(&api, schema, &answer.json(), operation);
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_and_metrics_are_there_for_people_and_programs() {
    let app = TestApp::start().await;
    app.run("hello").await;
    for path in ["/", "/docs"] {
        let page = app.get(path).await.expect(200);
        assert!(page.header("content-type").starts_with("text/html"), "{path}");
    }
    let metrics = app.get("/metrics").await.expect(200);
    assert!(metrics.header("content-type").starts_with("text/plain"));
    assert_eq!(app.get("/livez").await.expect(200).json(), json!({ "status": "alive" }));
    assert_eq!(app.get("/readyz").await.expect(200).json()["status"], "ready");

    let named = app.call("GET", "/livez").header("x-request-id", "my-7").send().await;
    assert_eq!(named.header("x-request-id"), "my-7");
    for strange in ["", "a b", &"x".repeat(129)] {
        let own = app.call("GET", "/livez").header("x-request-id", strange).send().await;
        assert!(own.header("x-request-id").starts_with("req-"), "{own:?}");
    }
    app.finish().await;
}

fn operations(api: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = api["paths"].as_object().expect("paths");
    let mut operations = Vec::new();
    for (path, methods) in paths {
        for (method, operation) in methods.as_object().expect("methods") {
            operations.push((path.as_str(), method.as_str(), operation));
        }
    }
    operations
}

fn parameters(operation: &Value) -> impl Iterator<Item = &Value> {
    operation["parameters"].as_array().into_iter().flatten()
}

/// Every `$ref` within `value` leads somewhere.
fn check_references(api: &Value, value: &Value) {
    match value {
        Value::Object(fields) => {
            if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
                resolve(api, reference);
            }
            fields.values().for_each(|field| check_references(api, field));
        }
        Value::Array(items) => items.iter().for_each(|item| check_references(api, item)),
        _ => {}
    }
}

/// Every field is in camelCase.
fn check_names(value: &Value) {
    if let Some(fields) = value["properties"].as_object() {
        let strange = fields.keys().find(|name| !name.chars().all(|one| one.is_ascii_alphanumeric()));
        assert_eq!(strange, None, "{value}");
    }
    match value {
        Value::Object(fields) => fields.values().for_each(check_names),
        Value::Array(items) => items.iter().for_each(check_names),
        _ => {}
    }
}

fn resolve<'a>(api: &'a Value, reference: &str) -> &'a Value {
    let pointer = reference.strip_prefix('#').unwrap_or_else(|| panic!("{reference} leads out of the document"));
    api.pointer(pointer).unwrap_or_else(|| panic!("{reference} leads nowhere"))
}

/// Whether `value` is as `schema` says. Stricter than JSON Schema: what is not described must not be there.
fn check_value(api: &Value, schema: &Value, value: &Value, place: &str) {
    if let Err(problem) = matches(api, schema, value) {
        panic!("{place}: {problem}\nvalue: {value}\nschema: {schema}");
    }
}

fn matches(api: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    if let Some(reference) = schema["$ref"].as_str() {
        return matches(api, resolve(api, reference), value);
    }
    if let Some(choices) = schema["oneOf"].as_array().or(schema["anyOf"].as_array()) {
        let problems: Vec<_> = choices.iter().filter_map(|choice| matches(api, choice, value).err()).collect();
        return if problems.len() < choices.len() { Ok(()) } else { Err(format!("none of: {}", problems.join("; "))) };
    }
    if let Some(allowed) = schema["enum"].as_array() {
        return if allowed.contains(value) { Ok(()) } else { Err(format!("{value} is not one of {allowed:?}")) };
    }
    check_type(schema, value)?;
    match value {
        Value::Object(fields) => check_fields(api, schema, fields),
        Value::Array(items) => items.iter().try_for_each(|item| matches(api, &schema["items"], item)),
        _ => Ok(()),
    }
}

fn check_type(schema: &Value, value: &Value) -> Result<(), String> {
    let is = |kind: &str| match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        _ => false,
    };
    let fits = match &schema["type"] {
        Value::String(kind) => is(kind),
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).any(is),
        _ => true,
    };
    if fits { Ok(()) } else { Err(format!("{value} is no {}", schema["type"])) }
}

fn check_fields(api: &Value, schema: &Value, fields: &Map<String, Value>) -> Result<(), String> {
    let mut described = Map::new();
    let mut required = Vec::new();
    gather(api, schema, fields, &mut described, &mut required)?;
    if let Some(missing) = required.iter().find(|name| !fields.contains_key(*name)) {
        return Err(format!("`{missing}` is missing"));
    }
    // An object without described fields is the caller's own.
    if described.is_empty() {
        return Ok(());
    }
    for (name, value) in fields {
        let schema = described.get(name).ok_or_else(|| format!("`{name}` is not described"))?;
        matches(api, schema, value).map_err(|problem| format!("{name}: {problem}"))?;
    }
    Ok(())
}

/// The fields that `schema` describes, with those of all that it is made of.
fn gather(
    api: &Value,
    schema: &Value,
    fields: &Map<String, Value>,
    described: &mut Map<String, Value>,
    required: &mut Vec<String>,
) -> Result<(), String> {
    if let Some(reference) = schema["$ref"].as_str() {
        return gather(api, resolve(api, reference), fields, described, required);
    }
    described.extend(
        schema["properties"].as_object().into_iter().flatten().map(|(name, schema)| (name.clone(), schema.clone())),
    );
    required.extend(schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned));
    for part in schema["allOf"].as_array().into_iter().flatten() {
        gather(api, part, fields, described, required)?;
    }
    let Some(choices) = schema["oneOf"].as_array() else { return Ok(()) };
    let fitting = choices.iter().find(|choice| told_by_its_tag(api, choice, fields));
    fitting.map_or(Err("fits none of the choices".into()), |choice| gather(api, choice, fields, described, required))
}

/// Whether the tag of `choice` (a field with one allowed value) is that of `fields`.
fn told_by_its_tag(api: &Value, choice: &Value, fields: &Map<String, Value>) -> bool {
    let mut described = Map::new();
    let mut required = Vec::new();
    let whole = gather(api, choice, fields, &mut described, &mut required).is_ok();
    whole
        && ["kind", "state"].iter().any(|tag| {
            described
                .get(*tag)
                .and_then(|schema| schema["enum"].as_array())
                .is_some_and(|one| one.len() == 1 && fields.get(*tag) == one.first())
        })
}
