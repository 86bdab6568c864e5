//! Whatever is wrong with a request, its answer says what, where, and what would be right.

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use crate::app::TestApp;

/// Bodies are taken up to this size.
const MAX_BODY: usize = 100_000;

async fn app() -> TestApp {
    TestApp::with(|config, folder| {
        config.server.max_body_bytes = MAX_BODY;
        config.limits.max_prompt_chars = 100;
        config.limits.most_timeout_seconds = 3_600;
        let root = folder.join("root");
        fs::create_dir_all(root.join("project")).expect("a folder");
        fs::write(root.join("file"), "").expect("a file");
        symlink("/etc", root.join("way-out")).expect("a link");
        symlink(folder, root.join("up")).expect("a link");
        config.workspaces.roots = vec![root];
    })
    .await
}

/// A table of what was asked and what was answered.
#[derive(Default)]
struct Table(String);

impl Table {
    fn add(&mut self, app: &TestApp, what: &str, problem: &str) {
        let problem = problem.replace(app.folder().to_str().expect("UTF-8"), "FOLDER");
        let _ = writeln!(self.0, "{what}\n    {problem}");
    }
}

async fn nothing_was_recorded(app: &TestApp) {
    assert_eq!(app.get("/v1/executions").await.expect(200).json(), json!({ "executions": [] }));
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_with_wrong_values() {
    let app = app().await;
    let mut table = Table::default();
    for (field, value) in wrong_values(app.folder().to_str().expect("UTF-8")) {
        let mut body = json!({ "prompt": "hello" });
        body[field] = value;
        let shown: String = body[field].to_string().chars().take(80).collect();
        let answer = app.post("/v1/executions", &body).await;
        table.add(
            &app,
            &format!("{field} = {shown}").replace(app.folder().to_str().expect("UTF-8"), "FOLDER"),
            &answer.problem(),
        );
        assert_eq!(answer.status, 422, "{field} = {shown}");
    }
    insta::assert_snapshot!(table.0);
    nothing_was_recorded(&app).await;
    app.finish().await;
}

fn wrong_values(folder: &str) -> Vec<(&'static str, Value)> {
    let long = "x".repeat(201);
    let mut values = vec![
        ("prompt", json!("")),
        ("prompt", json!(" \n\t")),
        ("prompt", json!("a\0b")),
        ("prompt", json!("é".repeat(101))),
        ("prompt", json!(null)),
        ("prompt", json!(["hello"])),
        ("promt", json!("hello")),
        ("resume_session", json!("s")),
        ("somethingElse", json!(1)),
        ("agent", json!("cluade-code")),
        ("agent", json!("")),
        ("agent", json!("gpt\u{1b}[31m")),
        ("agent", json!(7)),
        ("lane", json!("defualt")),
        ("lane", json!("")),
        ("model", json!("")),
        ("model", json!("--settings=/tmp/x")),
        ("model", json!("a\nb")),
        ("model", json!(long)),
        ("resumeSession", json!("nobody-s")),
        ("resumeSession", json!("../../etc")),
        ("resumeSession", json!("-r")),
        ("resumeSession", json!("")),
        ("priority", json!(101)),
        ("priority", json!(-101)),
        ("priority", json!(1.5)),
        ("priority", json!("high")),
        ("onLost", json!("maybe")),
        ("metadata", json!([])),
        ("metadata", json!({ "a": "x".repeat(17_000) })),
        ("cacheTtl", json!(0)),
        ("cacheTtl", json!(2_592_001)),
        ("cacheTtl", json!("31d")),
        ("cacheTtl", json!("10")),
        ("cacheTtl", json!("500ms")),
        ("cacheTtl", json!(-1)),
        ("cacheTtl", json!(1.5)),
        ("project", json!("")),
        ("project", json!(" a")),
        ("project", json!("*")),
        ("project", json!("a\0b")),
        ("project", json!("x".repeat(129))),
        ("project", json!(7)),
        ("user", json!("\u{3000}")),
        ("user", json!("a\nb")),
        ("user", json!([])),
        ("tools", json!({ "allow": ["--dangerously-skip-permissions"] })),
        ("tools", json!({ "allow": "Bash" })),
        ("tools", json!({ "deny": [""] })),
        ("tools", json!({ "alow": [] })),
        ("tools", json!([["Bash"]])),
        ("env", json!({ "1A": "x" })),
        ("env", json!({ "": "x" })),
        ("env", json!({ "A=B": "x" })),
        ("env", json!({ "A\0": "x" })),
        ("env", json!({ "A": "x\0y" })),
        ("env", json!({ "A": 1 })),
        ("env", json!({ "PATH": "/tmp" })),
        ("env", json!({ "LD_PRELOAD": "/tmp/x.so" })),
        ("env", json!({ "ANTHROPIC_API_KEY": "sk" })),
        ("env", json!({ "GIT_SSH_COMMAND": "sh" })),
        ("env", json!({ "A": "x".repeat(66_000) })),
        ("workspace", json!("")),
        ("workspace", json!("project")),
        ("workspace", json!("./project")),
        ("workspace", json!("~/project")),
        ("workspace", json!("/etc")),
        ("workspace", json!("/")),
        ("workspace", json!(format!("{folder}/root/../root/project"))),
        ("workspace", json!(format!("{folder}/root/../data"))),
        ("workspace", json!(format!("{folder}/rooted"))),
        ("workspace", json!(format!("{folder}/root/missing"))),
        ("workspace", json!(format!("{folder}/root/file"))),
        ("workspace", json!(format!("{folder}/root/way-out"))),
        ("workspace", json!(format!("{folder}/root/way-out/ssh"))),
        ("workspace", json!(format!("{folder}/root/up/data"))),
        ("workspace", json!(format!("{folder}/root/project\0"))),
        ("workspace", json!(["/tmp"])),
        ("repository", json!("https://github.com/octocat/Hello-World.git")),
        ("repository", json!(["https://host.org/a"])),
        ("repository", json!({})),
        ("repository", json!({ "url": "https://host.org/a", "brnach": "main" })),
    ];
    values.extend(wrong_limits().into_iter().map(|limits| ("limits", limits)));
    values.extend(wrong_repositories().into_iter().map(|url| ("repository", json!({ "url": url }))));
    let branches = ["", "--output=x", "-b", "..", "a..b", "refs/heads/$(x)", "a b", "a\nb", "HEAD", "a.lock"];
    values.extend(branches.map(|branch| ("repository", json!({ "url": "https://host.org/a", "branch": branch }))));
    values
}

fn wrong_limits() -> Vec<Value> {
    vec![
        json!(5),
        json!([60]),
        json!(null),
        json!({ "timeoutSeconds": 0 }),
        json!({ "timeoutSeconds": -1 }),
        json!({ "timeoutSeconds": 1.5 }),
        json!({ "timeoutSeconds": "5" }),
        json!({ "timeoutSeconds": 3_601 }),
        json!({ "timeoutSeconds": u64::MAX }),
        json!({ "timeoutSecond": 5 }),
        json!({ "firstEventSeconds": 0 }),
        json!({ "silenceSeconds": 0 }),
        json!({ "exitSeconds": 0 }),
        json!({ "startSeconds": 0 }),
        json!({ "maxOutputBytes": 0 }),
        json!({ "maxOutputBytes": 268_435_457u64 }),
        json!({ "maxTurns": 0 }),
        json!({ "maxTurns": 4_294_967_296u64 }),
        json!({ "maxCostUsd": -0.01 }),
        json!({ "maxCostUsd": 1e300 }),
        json!({ "maxCostUsd": 0.000_000_1 }),
        json!({ "maxCostUsd": "" }),
        json!({ "maxCostUsd": "NaN" }),
        json!({ "maxCostUsd": "$-5" }),
        json!({ "maxCostUsd": "$1,000" }),
        json!({ "maxCostUsd": "$5.0000001" }),
        json!({ "maxCostUsd": "9".repeat(500) }),
        json!({ "maxCostUsd": true }),
    ]
}

fn wrong_repositories() -> Vec<&'static str> {
    vec![
        "",
        "ext::sh -c touch% /tmp/x",
        "ext::sh",
        "fd::0",
        "file:///etc",
        "/etc",
        "../repo",
        "--upload-pack=touch",
        "-uhttps://host.org/a",
        "ssh://-oProxyCommand=touch/a",
        "git@github.com:octocat/Hello-World.git",
        "http://github.com/a/b",
        "http://169.254.169.254/latest",
        "https://169.254.169.254/latest",
        "https://127.0.0.1:7070/a",
        "https://2130706433/a",
        "https://[::ffff:10.0.0.1]/a",
        "https://localhost/a",
        "https://metadata.google.internal/a",
        "https://user:pass@github.com/a/b",
        "https://github.com/a\r\nHost: x",
        "https:///host/a",
        "https://github.com",
        "https://github.com/a?b",
        "https://github.com:8443/a",
        "https://github.com\\@10.0.0.1/a",
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn two_places_to_work_in() {
    let app = app().await;
    let workspace = json!(app.folder().join("root/project"));
    let repository = json!({ "url": "https://host.org/a" });
    for body in [
        json!({ "prompt": "x", "workspace": workspace, "repository": repository }),
        json!({ "prompt": "x", "workspace": workspace, "resumeSession": "s" }),
        json!({ "prompt": "x", "repository": repository, "resumeSession": "s" }),
    ] {
        let problem = app.post("/v1/executions", &body).await.problem();
        assert!(problem.starts_with("422 workspace_conflict [workspace] "), "{problem}");
    }
    nothing_was_recorded(&app).await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_workspaces_where_the_operator_names_none() {
    let app = TestApp::start().await;
    let problem = app.post("/v1/executions", &json!({ "prompt": "x", "workspace": app.folder() })).await.problem();
    insta::assert_snapshot!(problem, @"422 workspace_not_allowed [workspace] workspace: workspaces are not allowed here; leave it out to get a fresh one");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_no_submission() {
    let app = app().await;
    let mut table = Table::default();
    let deep =
        |depth: usize| format!(r#"{{"prompt":"x","metadata":{{"a":{}1{}}}}}"#, "[".repeat(depth), "]".repeat(depth));
    let json = "application/json";
    let valid = r#"{"prompt":"hello"}"#;
    let bodies: Vec<(&str, &str, Vec<u8>)> = vec![
        ("nothing", json, "".into()),
        ("half an object", json, r#"{"prompt":"#.into()),
        ("a text", json, r#""hello""#.into()),
        ("a list", json, r#"[{"prompt":"hello"}]"#.into()),
        ("a list of fields", json, r#"["hello"]"#.into()),
        ("null", json, "null".into()),
        ("no prompt", json, "{}".into()),
        ("something behind the end", json, format!("{valid} x").into()),
        ("a second object", json, format!("{valid}{valid}").into()),
        ("a field twice", json, r#"{"prompt":"a","prompt":"b"}"#.into()),
        ("a trailing comma", json, r#"{"prompt":"a",}"#.into()),
        ("single quotes", json, "{'prompt':'a'}".into()),
        ("a byte order mark", json, format!("\u{feff}{valid}").into()),
        ("no UTF-8", json, b"{\"prompt\":\"\xff\"}".to_vec()),
        ("half a surrogate pair", json, r#"{"prompt":"\ud800"}"#.into()),
        ("a raw line break", json, "{\"prompt\":\"a\nb\"}".into()),
        ("a number out of range", json, r#"{"prompt":"a","metadata":{"a":1e999}}"#.into()),
        ("nesting", json, deep(200).into()),
        ("very deep nesting", json, deep(45_000).into()),
        ("too much", json, format!(r#"{{"prompt":"{}"}}"#, "x".repeat(MAX_BODY)).into()),
        ("no type", "", valid.into()),
        ("plain text", "text/plain", valid.into()),
        ("a form", "application/x-www-form-urlencoded", "prompt=hello".into()),
        ("a type like JSON", "application/jsonp", valid.into()),
    ];
    for (what, kind, body) in bodies {
        let post = app.call("POST", "/v1/executions").body(body);
        let post = if kind.is_empty() { post } else { post.header("content-type", kind) };
        table.add(&app, what, &post.send().await.problem());
    }
    insta::assert_snapshot!(table.0);
    nothing_was_recorded(&app).await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_and_parameters() {
    let app = app().await;
    let id = app.run("hello").await;
    let mut table = Table::default();
    let calls = [
        ("GET", "/v1/executions?limit=0"),
        ("GET", "/v1/executions?limit=201"),
        ("GET", "/v1/executions?limit=ten"),
        ("GET", "/v1/executions?state=done"),
        ("GET", "/v1/executions?since=yesterday"),
        ("GET", "/v1/executions?until="),
        ("GET", "/v1/executions?stat=failed"),
        ("GET", "/v1/executions?agent=a%00b"),
        ("GET", "/v1/executions?cursor=x"),
        ("GET", "/v1/executions?cursor=ZXhlXzE"),
        ("GET", "/v1/executions/exe_01kjmma2g0fhewbhqcwdanp11v"),
        ("GET", "/v1/executions/EXE_01kjmma2g0fhewbhqcwdanp11v"),
        ("GET", "/v1/executions/1"),
        ("GET", "/v1/executions/..%2f..%2fetc%2fpasswd"),
        ("GET", "/v1/executions/%00"),
        ("GET", "/v1/executions/%ff"),
        ("GET", "/v1/executions/%ff/events"),
        ("GET", "/v1/executions/1/events"),
        ("GET", "/v1/executions/ID/events?after=-1"),
        ("GET", "/v1/executions/ID/events?after=x"),
        ("GET", "/v1/executions/ID/events?after=18446744073709551615"),
        ("GET", "/v1/executions/ID/events?limit=0"),
        ("GET", "/v1/executions/ID/events?limit=1001"),
        ("GET", "/v1/executions/ID/events?from=1"),
        ("GET", "/v1/executions/ID/events?after=1&after=2"),
        ("GET", "/v1/executions/ID/event"),
        ("GET", "/v1/executions/"),
        ("GET", "/v1/execution"),
        ("GET", "/nothing"),
        ("DELETE", "/v1/executions"),
        ("PUT", "/v1/executions/ID"),
        ("POST", "/v1/executions/ID"),
        ("POST", "/v1/executions/ID/events"),
        ("GET", "/v1/executions/ID/cancel"),
        ("GET", "/v1/executions/ID/retry"),
        ("POST", "/livez"),
    ];
    for (method, path) in calls {
        let answer = app.call(method, &path.replace("ID", &id)).send().await;
        table.add(&app, &format!("{method} {path}"), &answer.problem().replace(&id, "ID"));
        if answer.status == 405 {
            assert_ne!(answer.header("allow"), "", "{method} {path}");
        }
    }
    for value in ["x", "-1", "1.5", "", "99999999999999999999"] {
        let get = app.call("GET", &format!("/v1/executions/{id}/events")).header("last-event-id", value);
        table.add(&app, &format!("last-event-id: {value}"), &get.send().await.problem());
    }
    insta::assert_snapshot!(table.0);
    app.finish().await;
}
