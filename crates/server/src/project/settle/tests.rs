//! What callers and projects ask for, and what they get.

use std::fs;

use legwork_model::{Container, Egress, Sandbox, SandboxKind, ToolPolicy};
use serde_json::{Value, json};

use super::*;
use crate::config::Secret;

fn settings(text: &str) -> Config {
    toml::from_str(text).expect("settings")
}

/// The sandbox that comes of what a caller and a project ask for under settings; else why there is none.
fn sandbox(settings_text: &str, asked: &Value, file: &str) -> Result<Sandbox, String> {
    let asked: Sandbox = serde_json::from_value(asked.clone()).expect("a sandbox");
    let file = ContainerFile::parse(file.as_bytes()).expect("a file");
    let config = settings(settings_text);
    let once = settle(Task { sandbox: asked, ..Task::default() }, Some(&file), &config)
        .map_err(|faults| faults.to_string())?;
    let twice = settle(once.clone(), Some(&file), &config).map_err(|faults| faults.to_string())?;
    assert_eq!(once, twice, "settling twice is settling once");
    Ok(once.sandbox)
}

#[test]
fn the_lower_of_two_limits_holds_and_the_most_above_all() {
    const POLICY: &str = "[sandbox]\nmemory = '1Gi'\nmost_memory = '4Gi'\n";
    let table = [
        (POLICY, None, "", Some("1Gi")),
        (POLICY, Some("2Gi"), "", Some("2Gi")),
        (POLICY, None, "3Gi", Some("3Gi")),
        (POLICY, None, "16Gi", Some("4Gi")),
        (POLICY, Some("2Gi"), "16Gi", Some("2Gi")),
        (POLICY, Some("2Gi"), "512Mi", Some("512Mi")),
        // It was admitted when more could be asked for.
        (POLICY, Some("8Gi"), "", Some("4Gi")),
        ("", None, "", None),
        ("", None, "2Gi", Some("2Gi")),
        ("[sandbox]\nmost_memory = '4Gi'\n", None, "", Some("4Gi")),
    ];
    for (policy, asked, file, expected) in table {
        let file = if file.is_empty() { String::new() } else { format!("resources: {{memory: {file}}}") };
        let asked = asked.map_or_else(|| json!({}), |memory| json!({ "memory": memory }));
        let memory = sandbox(policy, &asked, &file).expect("a sandbox").memory.map(|memory| memory.to_string());
        assert_eq!(memory.as_deref(), expected, "{policy} {asked} {file}");
    }
    assert_eq!(sandbox("", &json!({}), "resources: {pids: 99999}").expect("a sandbox").pids, Some(32_768));
    assert_eq!(sandbox("", &json!({}), "").expect("a sandbox").pids, None);
}

/// Settings, what a caller asks for, a file, and how far and to which hosts a run may reach then.
type Reach = (&'static str, Value, &'static str, Egress, Option<&'static [&'static str]>);

#[test]
fn what_can_be_reached_only_ever_shrinks() {
    const ENFORCED: &str = "[sandbox]\negress = 'enforce'\nallowed_domains = ['*.a.example', 'b.example']\n";
    const LISTED: &str = "security: {allowedDomains: [x.a.example, b.example]}";
    let table: [Reach; 16] = [
        ("", json!({}), "", Egress::Public, None),
        ("", json!({"egress": "observe"}), "", Egress::Observe, Some(&[])),
        ("", json!({"allowedDomains": []}), "", Egress::Enforce, Some(&[])),
        ("", json!({"allowedDomains": ["c.example"]}), "", Egress::Enforce, Some(&["c.example"])),
        ("", json!({}), LISTED, Egress::Enforce, Some(&["x.a.example", "b.example"])),
        ("", json!({}), "security: {allowedDomains: []}", Egress::Enforce, Some(&[])),
        ("", json!({}), "security: {networkMode: none}", Egress::Enforce, Some(&[])),
        ("", json!({}), "security: {networkMode: bridge}", Egress::Public, None),
        ("", json!({"allowedDomains": ["*.a.example", "c.example"]}), LISTED, Egress::Enforce, Some(&["x.a.example"])),
        ("", json!({"egress": "enforce"}), LISTED, Egress::Enforce, Some(&[])),
        ("[sandbox]\negress = 'open'", json!({}), "security: {networkMode: bridge}", Egress::Public, None),
        ("[sandbox]\negress = 'open'", json!({}), "", Egress::Open, None),
        ("[sandbox]\nmost_egress = 'open'", json!({"egress": "open"}), "", Egress::Open, None),
        (ENFORCED, json!({}), "", Egress::Enforce, Some(&["*.a.example", "b.example"])),
        // It was admitted when it could be asked for.
        (ENFORCED, json!({"allowedDomains": ["b.example", "c.example"]}), "", Egress::Enforce, Some(&["b.example"])),
        (ENFORCED, json!({"egress": "open"}), LISTED, Egress::Enforce, Some(&["x.a.example", "b.example"])),
    ];
    for (policy, asked, file, egress, domains) in table {
        let settled = sandbox(policy, &asked, file).expect("a sandbox");
        let found: Option<Vec<&str>> =
            settled.allowed_domains.as_ref().map(|all| all.iter().map(String::as_str).collect());
        assert_eq!((settled.egress, found.as_deref()), (Some(egress), domains), "{policy} {asked} {file}");
    }
}

#[test]
fn a_container_is_what_the_operator_allows() {
    const POLICY: &str = "[sandbox.docker]\nimages = ['debian:12', 'ghcr.io/acme/*']\nsetup_allowed = true\n";
    let of = |asked: Value, file: &str| {
        let settled = sandbox(POLICY, &asked, file).expect("a sandbox");
        (settled.kind, settled.container)
    };
    assert_eq!(of(json!({}), ""), (SandboxKind::Auto, None));
    let made = Container {
        image: Some("ghcr.io/acme/x:1".into()),
        setup: Some("apt-get update".into()),
        user: Some(1000),
        read_only_root: Some(true),
        ..Container::default()
    };
    let file = "baseImage: ghcr.io/acme/x:1\nsetup: apt-get update\n";
    assert_eq!(of(json!({}), file), (SandboxKind::Docker, Some(made)));
    let (_, own) = of(json!({"kind": "docker", "container": {"image": "debian:12", "user": 7}}), file);
    let own = own.expect("a container");
    assert_eq!((own.image.as_deref(), own.setup, own.user), (Some("debian:12"), None, Some(7)));
    assert_eq!(of(json!({"kind": "bubblewrap"}), file), (SandboxKind::Bubblewrap, None));
    let (kind, user) = of(json!({}), "security: {runAsUser: 1234}");
    assert_eq!((kind, user.and_then(|container| container.user)), (SandboxKind::Auto, Some(1234)));
    assert_eq!(
        sandbox("[sandbox]\nkind = 'bubblewrap'", &json!({}), file).map(|one| one.kind),
        Ok(SandboxKind::Bubblewrap)
    );
}

#[test]
fn a_root_that_can_be_written_is_the_operators_to_give() {
    const ALLOWED: &str = "[sandbox]\nkind = 'docker'\n[sandbox.docker]\nwritable_root_allowed = true\n";
    let read_only = |asked: Option<bool>, file: &str| {
        let asked = asked.map_or_else(|| json!({}), |asked| json!({"container": {"readOnlyRoot": asked}}));
        sandbox(ALLOWED, &asked, file).expect("a sandbox").container.and_then(|container| container.read_only_root)
    };
    let (yes, no) = ("security: {readOnlyRoot: true}", "security: {readOnlyRoot: false}");
    let table = [
        (None, "", true),
        (None, no, false),
        (Some(false), "", false),
        (Some(false), yes, true),
        (Some(true), no, true),
    ];
    for (asked, file, expected) in table {
        assert_eq!(read_only(asked, file), Some(expected), "{asked:?} {file}");
    }
}

#[test]
fn a_file_that_would_loosen_a_rule_is_refused_with_its_place() {
    const POLICY: &str = "[sandbox]\nkind = 'docker'\negress = 'enforce'\nallowed_domains = ['*.a.example']\n";
    let file = "baseImage: debian:12\nsetup: id\nsecurity:\n  readOnlyRoot: false\n  allowedDomains: [b.a.example, c.example]\n";
    insta::assert_snapshot!(sandbox(POLICY, &json!({}), file).expect_err("refused"), @"
    .claude/container.yaml:1:12: baseImage: `debian:12` is not allowed here; allowed: legwork-agents:latest
    .claude/container.yaml:2:8: setup: is not allowed here; leave it out, or use an image that needs none
    .claude/container.yaml:4:17: security.readOnlyRoot: is false, which is not allowed here; leave it out or write true
    .claude/container.yaml:5:33: security.allowedDomains[1]: `c.example` is not allowed here; allowed: *.a.example
    ");
    let bridge = sandbox(POLICY, &json!({}), "security: {networkMode: bridge}").expect_err("refused");
    insta::assert_snapshot!(bridge, @".claude/container.yaml:1:25: security.networkMode: `bridge` is not allowed here: runs reach listed hosts only; write `allowedDomains` instead");
}

#[test]
fn a_list_of_tools_grants_nothing() {
    let narrowed = |allow: &[&str], listed: &[&str]| {
        let all = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let mut tools = ToolPolicy { allow: all(allow), deny: Vec::new() };
        tools::narrow(&mut tools, Some(&all(listed)));
        tools.allow.join(" ")
    };
    assert_eq!(narrowed(&[], &["Bash"]), "");
    assert_eq!(narrowed(&["Read", "Bash"], &["Read", "Edit"]), "Read");
    assert_eq!(narrowed(&["Bash"], &["Bash(git status:*)", "Bash(ls:*)"]), "Bash(git status:*) Bash(ls:*)");
    assert_eq!(narrowed(&["Bash(git status:*)"], &["Bash"]), "Bash(git status:*)");
    assert_eq!(narrowed(&["Bash(git status:*)"], &["Bash(ls:*)"]), "");
    assert_eq!(
        narrowed(&["mcp__github__*"], &["mcp__github__get_issue", "mcp__slack__post"]),
        "mcp__github__get_issue"
    );
    assert_eq!(narrowed(&["mcp__github__get_issue"], &["*"]), "mcp__github__get_issue");
    assert_eq!(narrowed(&["BashOutput"], &["Bash"]), "");
    assert_eq!(narrowed(&["Read"], &[]), "");
}

#[test]
fn servers_of_a_project_get_no_secret_that_is_not_for_projects() {
    let file =
        ContainerFile::parse(b"mcpServers:\n  - name: fetch\n  - name: github\n  - name: githbu\n").expect("a file");
    let task = || Task { agent: "claude-code".into(), ..Task::default() };
    let mut config = Config::default();
    config.secrets.insert("GITHUB_TOKEN".into(), Secret::new("ghp"));
    let error = settle(task(), Some(&file), &config).expect_err("refused").to_string();
    insta::assert_snapshot!(error, @"
    .claude/container.yaml:3:11: mcpServers.github.headers.Authorization: may not use the secret `GITHUB_TOKEN`: the operator lists those that may be in `mcp.secrets_in_projects`
    .claude/container.yaml:4:11: mcpServers.githbu: is no server that is known here. Did you mean `github`? Known: context7, fetch, filesystem, github, gitlab, linear, memory, playwright, postgres, sentry, slack, sqlite
    ");

    let file = ContainerFile::parse(b"mcpServers: [{name: github}, {name: fetch, env: {A: b}}]").expect("a file");
    config.mcp.secrets_in_projects = vec!["GITHUB_TOKEN".into()];
    let settled = settle(task(), Some(&file), &config).expect("a task");
    assert_eq!(settled.mcp_servers.keys().collect::<Vec<_>>(), ["fetch", "github"]);
    let unable = Task { agent: "no-such".into(), ..Task::default() };
    assert!(settle(unable, Some(&file), &config).expect("a task").mcp_servers.is_empty());
}

#[test]
fn a_project_shortens_its_runs_and_lengthens_none() {
    let seconds = |timeout: &str| {
        let file = ContainerFile::parse(format!("resources: {{timeout: {timeout}}}").as_bytes()).expect("a file");
        settle(Task::default(), Some(&file), &Config::default()).expect("a task").limits.timeout_seconds
    };
    assert_eq!((seconds("60s"), seconds("1ms"), seconds("1500ms"), seconds("9h")), (60, 1, 2, 1_800));
}

#[test]
fn a_run_whose_project_is_wrong_is_refused_by_policy() {
    let project = tempfile::tempdir().expect("a folder");
    fs::create_dir(project.path().join(".claude")).expect("a folder");
    fs::write(project.path().join(".claude/container.yaml"), "security:\n  runAsUser: 0\n").expect("a file");
    let verdict = settle_or_refuse(Task::default(), Some(project.path()), &Config::default()).map(drop);
    let message = ".claude/container.yaml:2:14: security.runAsUser: is 0, which is root; take the id of another user, such as 1000";
    assert_eq!(verdict, Err(Verdict::failed(FailureReason::RefusedByPolicy, message)));
}
