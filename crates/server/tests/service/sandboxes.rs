//! What callers and the container files of projects ask for of a sandbox, and what of it is put on record.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use legwork_model::{ByteSize, Egress, ExecutionId, Sandbox, SandboxKind};
use legwork_server::config::Config;
use serde_json::{Value, json};

use crate::app::TestApp;

/// A service with a policy, and a folder that projects may lie in.
async fn service() -> TestApp {
    TestApp::with(|config, folder| {
        fs::create_dir(folder.join("projects")).expect("a folder");
        config.workspaces.roots = vec![folder.join("projects")];
        policy(config);
    })
    .await
}

fn policy(config: &mut Config) {
    let sandbox = &mut config.sandbox;
    sandbox.kind = SandboxKind::Auto;
    sandbox.memory = ByteSize::new(1 << 30);
    sandbox.most_memory = ByteSize::new(4 << 30);
    sandbox.most_pids = 4_096;
    sandbox.docker.images = vec!["ghcr.io/acme/*".into()];
}

/// Makes a project with that container file; gives its path.
fn project(app: &TestApp, name: &str, file: &str) -> String {
    let path = app.folder().join("projects").join(name);
    fs::create_dir_all(path.join(".claude")).expect("a folder");
    fs::write(path.join(".claude/container.yaml"), file).expect("a file");
    path.to_str().expect("UTF-8").to_owned()
}

/// Submits a job, waits for its end, and gives the task that was put on record.
async fn recorded(app: &TestApp, body: &Value) -> legwork_model::Task {
    let answer = app.post("/v1/executions", body).await.expect(202).json();
    let id = answer["id"].as_str().expect("an id");
    app.ended(id).await;
    let id: ExecutionId = id.parse().expect("an id");
    app.service().app.store.execution(id).await.expect("a look").expect("the execution").task
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_had_is_refused_with_its_place() {
    let app = service().await;
    let cases = [
        ("unknown field", json!({ "memroy": "1Gi" })),
        ("no size", json!({ "memory": "2GB" })),
        ("too much memory", json!({ "memory": "16Gi" })),
        ("too many processes", json!({ "pids": 5_000 })),
        ("no processes", json!({ "pids": 0 })),
        ("unknown kind", json!({ "kind": "dokcer" })),
        ("too weak", json!({ "kind": "process" })),
        ("reaches too much", json!({ "egress": "open" })),
        ("a list that is decoration", json!({ "egress": "public", "allowedDomains": ["a.example"] })),
        ("every host", json!({ "allowedDomains": ["a.example", "b.example", "*"] })),
        ("every host of a registry", json!({ "allowedDomains": ["*.com"] })),
        ("an address", json!({ "allowedDomains": ["http://x"] })),
        ("two hosts", json!({ "allowedDomains": ["a b"] })),
        ("rule for a proxy", json!({ "allowedDomains": ["x\nhttp_access allow all"] })),
        ("too many hosts", json!({ "allowedDomains": vec!["a.example"; 201] })),
        ("container beside another kind", json!({ "kind": "bubblewrap", "container": {} })),
        ("image is an option", json!({ "container": { "image": "--privileged" } })),
        ("image with an option", json!({ "container": { "image": "debian\n--privileged" } })),
        ("image that is not allowed", json!({ "container": { "image": "debian:12" } })),
        ("setup", json!({ "container": { "setup": "id" } })),
        ("root", json!({ "container": { "user": 0 } })),
        ("root that can be written", json!({ "container": { "readOnlyRoot": false } })),
        ("name that is none", json!({ "container": { "keep": "/:/host" } })),
    ];
    let mut shown = String::new();
    for (what, sandbox) in cases {
        let answer = app.post("/v1/executions", &json!({ "prompt": "hi", "sandbox": sandbox })).await;
        let problem = answer.expect(422).json();
        let _ = writeln!(shown, "{what}\n    {} [{}] {}", problem["code"], problem["field"], problem["detail"]);
    }
    insta::assert_snapshot!(shown);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_names_is_the_operators() {
    let app = service().await;
    let task = recorded(&app, &json!({ "prompt": "hi" })).await;
    let expected = Sandbox { memory: ByteSize::new(1 << 30), egress: Some(Egress::Public), ..Sandbox::default() };
    assert_eq!(task.sandbox, expected);
    let task =
        recorded(&app, &json!({ "prompt": "hi", "sandbox": { "container": { "image": "ghcr.io/acme/a:1" } } })).await;
    assert_eq!(task.sandbox.kind, SandboxKind::Docker);
    assert_eq!(task.sandbox.container.and_then(|container| container.user), Some(1_000));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_container_file_of_a_workspace_is_read_as_the_job_is_admitted() {
    let app = service().await;
    let file = "baseImage: ghcr.io/acme/shop:1\nresources: {memory: 2Gi, timeout: 90s}\nmcpServers: [{name: fetch}]\n\
                security: {runAsUser: 1234, allowedDomains: [\"*.npmjs.org\"]}\ntools: {allowed: [Read]}\n";
    let shop = project(&app, "shop", file);
    let body = json!({ "prompt": "hi", "workspace": shop, "tools": { "allow": ["Read", "Bash"] } });
    let task = recorded(&app, &body).await;
    insta::assert_json_snapshot!(
        json!({ "sandbox": task.sandbox, "tools": task.tools, "servers": task.mcp_servers, "seconds": task.limits.timeout_seconds })
    );
    let asked = json!({ "prompt": "hi", "workspace": shop, "sandbox": { "memory": "512Mi", "allowedDomains": [] } });
    let task = recorded(&app, &asked).await;
    assert_eq!(task.sandbox.memory, ByteSize::new(512 << 20));
    assert_eq!(task.sandbox.allowed_domains, Some(Vec::new()));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_file_that_is_wrong_is_refused_with_its_place() {
    let app = service().await;
    let secret = app.folder().join("secret");
    fs::write(&secret, "canary").expect("a file");
    let linked = project(&app, "linked", "");
    let file = Path::new(&linked).join(".claude/container.yaml");
    fs::remove_file(&file).expect("gone");
    std::os::unix::fs::symlink(&secret, &file).expect("a link");
    let cases = [
        ("wrong", project(&app, "wrong", "resources:\n  memory: 2GB\nsecurity:\n  networkMode: host\n")),
        ("image that is not allowed", project(&app, "image", "name: a\nbaseImage: debian:12\n")),
        ("bomb", project(&app, "bomb", &format!("a: &a [x]\nb: [{}]", "*a, ".repeat(1_000)))),
        ("link", linked),
    ];
    let mut shown = String::new();
    for (what, workspace) in cases {
        let answer = app.post("/v1/executions", &json!({ "prompt": "hi", "workspace": workspace })).await;
        let problem = answer.expect(422).json();
        let detail = problem["detail"].as_str().expect("a text");
        assert!(!detail.contains("canary"), "{detail}");
        let _ = writeln!(shown, "{what}\n    {} [{}] {detail}", problem["code"], problem["field"]);
    }
    insta::assert_snapshot!(shown);
    app.finish().await;
}
