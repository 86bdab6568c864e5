//! Runs in containers, through the whole service, and servers that die while they go on. One engine for all of them, so
//! they are one test.

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::claude::rehearsing;
use super::conversations::{nth, of_kind, say};
use super::engine::{Engine, Kind};
use super::lab::{Server, Setup, check_history, program};
use super::warm::{metric, until_waiting};

/// A node whose runs live in containers and outlive its servers.
struct Node {
    data: TempDir,
    setup: Setup,
}

impl Node {
    fn new(engine: &Engine) -> Self {
        let data = tempfile::tempdir().expect("a directory");
        let setup = Setup { agent: "agent".into(), ..in_containers(Setup::scripted(data.path()), engine) };
        Self { data, setup }
    }

    /// With an agent that takes so long to start that it is worth it.
    fn with_programs_that_wait(engine: &Engine) -> Self {
        let Self { data, setup } = Self::new(engine);
        let setup = setup.env("LEGWORK_WARM__MOST", "1").env("LEGWORK_WARM__RESERVE_MEMORY_MB", "0");
        Self { data, setup: Setup { agent: "slow-agent".into(), ..setup } }
    }

    async fn start(&self) -> Server {
        self.setup.start().await
    }

    /// Lets a run go on that [waits](WAIT).
    async fn let_go(&self, server: &Server, id: &str) {
        let placed = nth(&server.client, id, "workspace", 1).await;
        let work = placed["data"]["path"].as_str().expect("a path");
        let work = Path::new(work);
        std::fs::write(work.join("written"), "went on").expect("written");
        // It is there with all that is in it.
        std::fs::rename(work.join("written"), work.join("go")).expect("renamed");
    }
}

/// Has runs live in containers and outlive their servers.
fn in_containers(setup: Setup, engine: &Engine) -> Setup {
    setup
        .env("LEGWORK_RUNS__DETACH", "true")
        .env("LEGWORK_SHUTDOWN__DRAIN_SECONDS", "0")
        .env("LEGWORK_SANDBOX__KIND", "docker")
        .env("LEGWORK_SANDBOX__DOCKER__SOCKET", engine.socket().to_string_lossy())
        .env("LEGWORK_SANDBOX__DOCKER__IMAGE", "agent")
}

/// Jobs that were done by programs that waited for them.
const HITS: &str = "legwork_warm_starts_total{outcome=\"hit\"}";

/// It goes on when there is a file `go`.
const WAIT: &str = "run while ! [ -e go ]; do sleep 0.02; done; cat go";

/// Asks the proxy of the run for a host that it may not reach. Between two servers nobody is there to answer.
const ASK: &str = r#"run bash -c 'until exec 3<>/dev/tcp/127.0.0.1/3128; do sleep 0.05; done 2>/dev/null; printf "CONNECT denied.test:443 HTTP/1.1\r\nHost: denied.test:443\r\n\r\n" >&3; head -n 1 <&3'"#;

fn texts(events: &[Value]) -> Vec<&str> {
    let texts = of_kind(events, "text").into_iter().filter_map(|event| event["data"]["text"].as_str());
    texts.map(str::trim).collect()
}

/// It was one attempt, each thing was told once, and no container is left.
async fn went_on(engine: &Engine, server: &Server, id: &str, expected: &[&str]) {
    told_once(server, id, expected).await;
    assert_eq!(engine.containers(), Vec::<String>::new());
}

async fn told_once(server: &Server, id: &str, expected: &[&str]) {
    let execution = check_history(&server.client, id).await;
    assert_eq!((&execution["state"], &execution["attempt"]), (&json!("succeeded"), &json!(1)), "{execution:#}");
    let events = server.client.events(id).await;
    assert_eq!(texts(&events), expected, "{events:#?}");
    assert_eq!(of_kind(&events, "claimed").len(), 1);
}

#[tokio::test]
async fn containers_and_their_servers() {
    let engine = match Engine::start(Kind::Docker, &[]) {
        Ok(engine) => engine,
        Err(reason) => return eprintln!("SKIPPED  runs in containers: {reason}"),
    };
    a_run_outlives_a_server_that_is_killed(&engine).await;
    a_server_that_is_replaced_leaves_its_containers(&engine).await;
    whoever_interrupts_a_server_ends_its_containers(&engine).await;
    a_conversation_goes_on(&engine).await;
    a_time_limit_goes_on(&engine).await;
    a_job_of_a_program_that_waited_goes_on(&engine).await;
    a_program_waits_in_a_kept_container(&engine).await;
    a_job_in_a_kept_container_goes_on(&engine).await;
    a_conversation_in_a_kept_container_goes_on(&engine).await;
    a_time_limit_in_a_kept_container_goes_on(&engine).await;
    sessions_of_a_door_share_containers(&engine).await;
    images_are_built_listed_and_removed(&engine).await;
}

/// Also the real one, over a server that is killed.
#[tokio::test]
async fn the_real_agent_waits_in_a_kept_container() {
    let data = tempfile::tempdir().expect("a directory");
    let Some(setup) = rehearsing(data.path()) else { return };
    let program = setup.agent.to_string_lossy().into_owned();
    let engine = match Engine::start(Kind::Docker, &[&program]) {
        Ok(engine) => engine,
        Err(reason) => return eprintln!("SKIPPED  the real agent in a kept container: {reason}"),
    };
    let setup = in_containers(setup, &engine).env("LEGWORK_WARM__MOST", "1");
    let first = setup.start().await;
    let job = |prompt: &str| {
        let sandbox = json!({ "container": { "keep": "project" }, "allowedDomains": [] });
        json!({ "prompt": prompt, "sandbox": sandbox, "permissions": { "default": "allow" } })
    };
    first.client.run(&job("[[bash: echo 1 > a.txt]] [[say: cold]]")).await;
    let container = engine.containers();
    until_waiting(&first.client).await;
    let id = first.client.submit(&job("[[bash: ls; sleep 2]] [[say: warm]]")).await;
    nth(&first.client, &id, "tool_call", 1).await;
    assert_eq!(metric(&first.client, HITS).await, 1.0);
    assert_eq!((container.len(), engine.containers()), (1, container), "one for both");
    first.kill().await;
    let second = setup.start().await;
    told_once(&second, &id, &["warm"]).await;
    let events = second.client.events(&id).await;
    assert_eq!(of_kind(&events, "tool_result")[0]["data"]["output"], "(Bash completed with no output)", "{events:#?}");
    put_away(&engine, second).await;
}

async fn a_run_outlives_a_server_that_is_killed(engine: &Engine) {
    let node = Node::new(engine);
    let first = node.start().await;
    let prompt = format!("stderr hm\ntext one\n{WAIT}\n{ASK}\nwrite a.txt changed\ntext two");
    let sandbox = json!({ "allowedDomains": [], "memory": "256Mi" });
    let id = first.client.submit(&json!({ "prompt": prompt, "sandbox": sandbox })).await;
    first.client.until_event(&id, "text").await;
    let containers = engine.containers();
    assert_eq!(containers.len(), 1);
    first.kill().await;
    let second = node.start().await;
    assert_eq!(engine.containers(), containers, "it is the same container");
    second.kill().await;
    let third = node.start().await;
    node.let_go(&third, &id).await;
    let asked = "HTTP/1.1 407 Proxy Authentication Required";
    went_on(engine, &third, &id, &["one", "went on", asked, "two"]).await;
    let events = third.client.events(&id).await;
    assert_eq!(of_kind(&events, "stderr").len(), 1, "{events:#?}");
    let patch = third.client.get_text(&format!("/v1/executions/{id}/patch")).await;
    assert!(patch.contains("+changed"), "{patch}");
    let output = third.client.get_text(&format!("/v1/executions/{id}/output")).await;
    assert!(output.contains("one") && output.contains("two"), "the output is whole: {output}");
}

async fn a_server_that_is_replaced_leaves_its_containers(engine: &Engine) {
    let node = Node::new(engine);
    let first = node.start().await;
    let id = first.client.submit(&json!({ "prompt": format!("text one\n{WAIT}\ntext two") })).await;
    first.client.until_event(&id, "text").await;
    node.let_go(&first, &id).await;
    first.signal(Signal::TERM);
    assert_eq!(first.ended().await, Some(0));
    assert_eq!(engine.containers().len(), 1);
    let second = node.start().await;
    went_on(engine, &second, &id, &["one", "went on", "two"]).await;
}

async fn whoever_interrupts_a_server_ends_its_containers(engine: &Engine) {
    let node = Node::new(engine);
    let first = node.start().await;
    let id = first.client.submit(&json!({ "prompt": "text one\nhang" })).await;
    first.client.until_event(&id, "text").await;
    first.signal(Signal::INT);
    assert_eq!(first.ended().await, Some(0));
    assert_eq!(engine.containers(), Vec::<String>::new());
    let second = node.start().await;
    assert_eq!(check_history(&second.client, &id).await["outcome"]["reason"], "lost");
}

async fn a_conversation_goes_on(engine: &Engine) {
    let node = Node::new(engine);
    let first = node.start().await;
    let id = first.client.submit(&json!({ "prompt": "text one", "sessionIdleTimeout": 20 })).await;
    nth(&first.client, &id, "turn_ended", 1).await;
    first.kill().await;
    let second = node.start().await;
    say(&second.client, &id, "text two").await;
    nth(&second.client, &id, "turn_ended", 2).await;
    second.kill().await;
    let third = node.start().await;
    say(&third.client, &id, "text three").await;
    nth(&third.client, &id, "turn_ended", 3).await;
    third.signal(Signal::TERM);
    assert_eq!(third.ended().await, Some(0));
    let last = node.start().await;
    went_on(engine, &last, &id, &["one", "two", "three"]).await;
}

async fn a_time_limit_goes_on(engine: &Engine) {
    let node = Node::new(engine);
    let first = node.start().await;
    let id = first.client.submit(&json!({ "prompt": "text one\nhang", "limits": { "timeoutSeconds": 3 } })).await;
    first.client.until_event(&id, "text").await;
    first.kill().await;
    let second = node.start().await;
    let execution = check_history(&second.client, &id).await;
    assert_eq!(execution["outcome"]["reason"], "timeout", "{execution:#}");
    let took = execution["outcome"]["durationMs"].as_u64().expect("it took time");
    assert!((3000..6000).contains(&took), "not from the restart on: {execution:#}");
    assert_eq!(engine.containers(), Vec::<String>::new());
}

/// Its container has the mark of its directories, not of the job.
async fn a_job_of_a_program_that_waited_goes_on(engine: &Engine) {
    let node = Node::with_programs_that_wait(engine);
    let first = node.start().await;
    first.client.run(&json!({ "prompt": "text cold" })).await;
    until_waiting(&first.client).await;
    let waiting = engine.containers();
    let id = first.client.submit(&json!({ "prompt": format!("text one\n{WAIT}\ntext two") })).await;
    first.client.until_event(&id, "text").await;
    assert_eq!(metric(&first.client, HITS).await, 1.0);
    first.kill().await;
    let second = node.start().await;
    node.let_go(&second, &id).await;
    told_once(&second, &id, &["one", "went on", "two"]).await;
    assert!(waiting.len() == 1 && !engine.containers().contains(&waiting[0]));
    put_away(engine, second).await;
}

/// For the next job there, whose session is another one.
async fn a_program_waits_in_a_kept_container(engine: &Engine) {
    let node = Node::with_programs_that_wait(engine);
    let first = node.start().await;
    let job = |prompt: &str| json!({ "prompt": prompt, "sandbox": { "container": { "keep": "project" } } });
    first.client.run(&job("write a.txt 1\ntext cold")).await;
    let container = engine.containers();
    until_waiting(&first.client).await;
    let warm = first.client.run(&job("run ls; echo warm | tee b.txt")).await;
    assert_eq!(metric(&first.client, HITS).await, 1.0);
    let events = first.client.events(warm["id"].as_str().expect("an id")).await;
    assert_eq!(texts(&events), ["warm"], "it sees nothing of the other job");

    // What waits is in nobody's way.
    until_waiting(&first.client).await;
    let mut resumed = job("run cat b.txt");
    resumed["resumeSession"] = warm["outcome"]["sessionId"].clone();
    let resumed = first.client.run(&resumed).await;
    let events = first.client.events(resumed["id"].as_str().expect("an id")).await;
    assert_eq!(texts(&events), ["warm"]);
    assert_eq!(engine.containers(), container, "one for all");

    // What gave way is counted until the pool looks, which it does every five seconds.
    tokio::time::sleep(Duration::from_secs(6)).await;
    until_waiting(&first.client).await;
    let id = first.client.submit(&job(&format!("text one\n{WAIT}\ntext two"))).await;
    first.client.until_event(&id, "text").await;
    assert_eq!(metric(&first.client, HITS).await, 2.0);
    first.kill().await;
    let second = node.start().await;
    assert_eq!(engine.containers(), container, "also for what goes on");
    node.let_go(&second, &id).await;
    told_once(&second, &id, &["one", "went on", "two"]).await;
    let next = second.client.run(&job("text next")).await;
    assert_eq!(next["state"], "succeeded", "{next:#}");
    assert_eq!(engine.containers(), container);
    put_away(engine, second).await;
}

async fn a_job_in_a_kept_container_goes_on(engine: &Engine) {
    let node = Node::new(engine);
    let first = node.start().await;
    let prompt = format!("stderr hm\ntext one\n{WAIT}\n{ASK}\nwrite a.txt changed\nspawn detached sleeper m\ntext two");
    let sandbox = json!({ "allowedDomains": [], "container": { "keep": "mine" } });
    let id = first.client.submit(&json!({ "prompt": prompt, "sandbox": sandbox })).await;
    first.client.until_event(&id, "text").await;
    let containers = engine.containers();
    assert_eq!(containers.len(), 1);
    first.kill().await;
    let second = node.start().await;
    second.kill().await;
    let third = node.start().await;
    node.let_go(&third, &id).await;
    let asked = "HTTP/1.1 407 Proxy Authentication Required";
    told_once(&third, &id, &["one", "went on", asked, "two"]).await;
    let events = third.client.events(&id).await;
    assert_eq!(of_kind(&events, "stderr").len(), 1, "{events:#?}");
    let output = third.client.get_text(&format!("/v1/executions/{id}/output")).await;
    assert!(output.contains("one") && output.contains("two"), "the output is whole: {output}");
    assert_eq!(engine.containers(), containers, "it is kept for the next job");
    let left = engine.docker(&["top", &containers[0]]);
    assert!(!left.contains("sleeper") && !left.contains("agent"), "nothing of the job is left: {left}");
    put_away(engine, third).await;
}

async fn a_conversation_in_a_kept_container_goes_on(engine: &Engine) {
    let node = Node::new(engine);
    let first = node.start().await;
    let sandbox = json!({ "container": { "keep": "mine" } });
    let job = json!({ "prompt": "text one", "sessionIdleTimeout": 20, "sandbox": sandbox });
    let id = first.client.submit(&job).await;
    nth(&first.client, &id, "turn_ended", 1).await;
    first.kill().await;
    let second = node.start().await;
    say(&second.client, &id, "text two").await;
    nth(&second.client, &id, "turn_ended", 2).await;
    second.kill().await;
    let third = node.start().await;
    say(&third.client, &id, "text three").await;
    nth(&third.client, &id, "turn_ended", 3).await;
    third.signal(Signal::TERM);
    assert_eq!(third.ended().await, Some(0));
    let last = node.start().await;
    told_once(&last, &id, &["one", "two", "three"]).await;
    put_away(engine, last).await;
}

async fn a_time_limit_in_a_kept_container_goes_on(engine: &Engine) {
    let node = Node::new(engine);
    let first = node.start().await;
    let sandbox = json!({ "container": { "keep": "mine" } });
    let job = json!({ "prompt": "text one\nhang", "limits": { "timeoutSeconds": 3 }, "sandbox": sandbox });
    let id = first.client.submit(&job).await;
    first.client.until_event(&id, "text").await;
    first.kill().await;
    let second = node.start().await;
    let execution = check_history(&second.client, &id).await;
    assert_eq!(execution["outcome"]["reason"], "timeout", "{execution:#}");
    put_away(engine, second).await;
}

/// Requests that continue a session share a container, unless the operator wants none of that.
async fn sessions_of_a_door_share_containers(engine: &Engine) {
    for keeps in [true, false] {
        let node = Node::new(engine);
        let setup = Setup { env: node.setup.env.clone(), ..Setup::scripted(node.data.path()) };
        let setup = Setup { agent: "agent".into(), ..setup };
        let server = setup.env("LEGWORK_DOORS__CLAUDE_CODE__KEEP_CONTAINERS", keeps.to_string()).start().await;
        let ask = async |body: Value| {
            let answer = server.client.request("POST", "/claude-code").json(&body).send().await.expect("an answer");
            let answer: Value = answer.json().await.expect("JSON");
            assert_eq!(answer["type"], "result", "{answer:#}");
            answer["sessionId"].clone()
        };
        let session = ask(json!({ "prompt": "text one", "stream": false })).await;
        assert_eq!(engine.containers(), Vec::<String>::new(), "the first request has one of its own");
        let again = json!({ "prompt": "text two", "stream": false, "sessionId": session });
        ask(again.clone()).await;
        let containers = engine.containers();
        assert_eq!(containers.len(), usize::from(keeps));
        ask(again).await;
        assert_eq!(engine.containers(), containers);
        put_away(engine, server).await;
    }
}

/// A server that ends has no use for what it keeps.
async fn put_away(engine: &Engine, server: Server) {
    server.signal(Signal::TERM);
    assert_eq!(server.ended().await, Some(0));
    assert_eq!(engine.containers(), Vec::<String>::new());
}

/// `legwork images`, as a person calls it.
async fn images(engine: &Engine, arguments: &[&str]) -> String {
    let mut command = tokio::process::Command::new(program("legwork"));
    command.arg("images").args(arguments).env_clear();
    command.env("LEGWORK_SANDBOX__DOCKER__SOCKET", engine.socket()).env("LEGWORK_SANDBOX__DOCKER__IMAGE", "agent");
    let Output { status, stdout, stderr } = command.output().await.expect("it runs");
    assert!(status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).expect("text")
}

async fn images_are_built_listed_and_removed(engine: &Engine) {
    let folder = tempfile::tempdir().expect("a folder");
    let script = folder.path().join("setup.sh");
    std::fs::write(&script, "echo made >/usr/local/made\n").expect("written");
    let build = ["build", "--setup", &script.to_string_lossy()];
    let name = images(engine, &build).await;
    assert_eq!(images(engine, &build).await, name, "what is built is not built again");
    let listed = images(engine, &["list"]).await;
    assert!(listed.lines().any(|line| line.starts_with(name.trim()) && line.contains("agent")), "{listed}");

    let node = Node::new(engine);
    let setup = Setup { env: node.setup.env.clone(), ..Setup::scripted(node.data.path()) };
    let setup = Setup { agent: "agent".into(), ..setup }.env("LEGWORK_SANDBOX__DOCKER__IMAGE", name.trim());
    let server = setup.start().await;
    let id = server.client.submit(&json!({ "prompt": "run cat /usr/local/made" })).await;
    went_on(engine, &server, &id, &["made"]).await;

    let young = images(engine, &["prune"]).await;
    assert!(!young.contains(name.trim()), "it is not a week old: {young}");
    while !images(engine, &["prune", "--older-than", "1s"]).await.contains(name.trim()) {
        // It is not that old yet.
    }
    assert!(!images(engine, &["list"]).await.contains(name.trim()));
}
