//! Runs that outlive the process that started them.

use std::path::Path;
use std::time::Duration;

use legwork_agents::Order;
use legwork_model::{EventBody, FailureReason, SandboxKind, Verdict};
use legwork_runner::supervisor::Keep;
use legwork_runner::{Ended, Instruction, Lines, Resumption, Runner, StopReason, Survival, Wires};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::lab::{Lab, PATIENCE, dialogue_of, is_alive, processes_with, program};
use crate::serving::serving;

/// A server as far as runs can tell. Several use one directory, one after the other.
struct Server {
    runner: Runner,
}

struct Run {
    stop: watch::Sender<Option<StopReason>>,
    orders: mpsc::Sender<Instruction>,
    events: mpsc::Receiver<EventBody>,
    ended: JoinHandle<Ended>,
}

impl Server {
    fn new(directory: &Path) -> Self {
        let runner = Runner::new().expect("a runner");
        let runner = runner.with_bubblewrap("/usr/bin/bwrap".into());
        Self { runner: runner.with_supervisor(program("legwork"), vec!["supervise".into()], directory.into()) }
    }

    fn start(&self, lab: &Lab) -> Run {
        let (lines, run) = lines();
        let (runner, attempt) = (self.runner.clone(), lab.copy());
        let wires = Wires { dialogue: dialogue_of(&attempt.launch), lines };
        let ended = tokio::spawn(async move { runner.run(attempt, wires).await });
        run(ended)
    }

    /// Ends as by `kill -9`, as far as the run can tell.
    async fn dies(self, run: Run) {
        self.runner.supervisor().expect("there is one").leave();
        run.ended.abort();
        let _ = run.ended.await;
    }

    /// Takes up the only run there is; gives the events of before, too.
    async fn takes_up(&self, lab: &Lab) -> (Vec<EventBody>, Run) {
        let survivors = self.runner.survivors().await.expect("they can be asked for");
        assert_eq!(survivors.len(), 1);
        assert_eq!(survivors[0].cookie(), &lab.attempt.cookie);
        let taken = survivors[0].take_up().await.expect("connected").expect("it is there");
        assert_eq!(taken.memo(), b"memo");
        let resumption = Resumption {
            limits: lab.attempt.limits.clone(),
            idle: lab.attempt.idle,
            stdout_path: lab.dirs.stdout(),
            so_far: 0,
            listens: lab.attempt.launch.stdin.open_until_turn_ends,
            confinement: lab.attempt.confinement.clone(),
            serves: lab.attempt.launch.serves,
        };
        let dialogue = dialogue_of(&lab.attempt.launch);
        let mut resumed = self.runner.resume(taken, resumption, dialogue).await.expect("resumed");
        let before = std::mem::take(&mut resumed.events);
        let (lines, run) = lines();
        let runner = self.runner.clone();
        let ended = tokio::spawn(async move { runner.go_on(resumed, lines).await });
        (before, run(ended))
    }
}

fn lines() -> (Lines, impl FnOnce(JoinHandle<Ended>) -> Run) {
    let (stop, stopped) = watch::channel(None);
    let (sender, events) = mpsc::channel(4096);
    let (orders, told) = mpsc::channel(16);
    let lines = Lines { stop: stopped, orders: Some(told), events: sender };
    (lines, move |ended| Run { stop, orders, events, ended })
}

impl Run {
    async fn next(&mut self) -> EventBody {
        timeout(PATIENCE, self.events.recv()).await.expect("in time").expect("an event")
    }

    async fn says(&self, text: &str) {
        let order = Instruction::Order(Order::Message(text.to_owned()));
        self.orders.send(order).await.expect("taken");
    }

    async fn until_text(&mut self, wanted: &str) -> Vec<EventBody> {
        let mut seen = Vec::new();
        loop {
            seen.push(self.next().await);
            if matches!(seen.last(), Some(EventBody::Text { text, .. }) if text == wanted) {
                return seen;
            }
        }
    }

    async fn end(mut self) -> (Ended, Vec<EventBody>) {
        let ended = timeout(PATIENCE, self.ended).await.expect("in time").expect("no panic");
        let mut rest = Vec::new();
        while let Ok(event) = self.events.try_recv() {
            rest.push(event);
        }
        (ended, rest)
    }
}

fn kept(script: &str) -> (tempfile::TempDir, Lab) {
    kept_in(SandboxKind::Process, script)
}

fn kept_in(kind: SandboxKind, script: &str) -> (tempfile::TempDir, Lab) {
    lasting(Lab::new(kind, script), Duration::from_secs(600), Duration::from_secs(600))
}

fn kept_for(script: &str, hard_limit: Duration, unattended: Duration) -> (tempfile::TempDir, Lab) {
    lasting(Lab::new(SandboxKind::Process, script), hard_limit, unattended)
}

fn lasting(mut lab: Lab, hard_limit: Duration, unattended: Duration) -> (tempfile::TempDir, Lab) {
    lab.attempt.survival = Survival::Kept(Keep { memo: b"memo".to_vec(), hard_limit, unattended });
    (tempfile::tempdir().expect("a directory"), lab)
}

/// A run that says "one", and whose server dies then.
async fn said_one_and_left_alone(dir: &tempfile::TempDir, lab: &Lab) {
    let server = Server::new(dir.path());
    let mut run = server.start(lab);
    run.until_text("one").await;
    server.dies(run).await;
}

fn texts(events: &[EventBody]) -> Vec<&str> {
    let said = events.iter().filter_map(|event| match event {
        EventBody::Text { text, .. } => Some(text.as_str()),
        _ => None,
    });
    said.collect()
}

/// Waits for something that tells no one when it happens.
async fn becomes(what: impl Fn() -> bool) {
    let found = async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, found).await.expect("it happens in time");
}

fn supervisor_of(directory: &Path) -> i32 {
    let found = processes_with("cmdline", &format!("supervise\0{}", directory.display()));
    assert_eq!(found.len(), 1);
    found[0]
}

fn kill(pid: i32) {
    let pid = rustix::process::Pid::from_raw(pid).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("killed");
}

#[tokio::test]
async fn a_supervised_run_is_like_any_other() {
    let (dir, lab) = kept("text one\nflood 300000\ntext two");
    let server = Server::new(dir.path());
    let (ended, events) = server.start(&lab).end().await;
    assert_eq!(ended.outcome.verdict, Verdict::Succeeded, "{:?}", ended.outcome);
    assert_eq!(texts(&events).first(), Some(&"one"));
    assert_eq!(texts(&events).last(), Some(&"two"));
    drop(ended);
    let forgotten = async { while !server.runner.survivors().await.expect("asked").is_empty() {} };
    timeout(PATIENCE, forgotten).await.expect("a run that is on record is forgotten");
}

#[tokio::test]
async fn a_run_goes_on_and_the_next_server_hears_everything_once() {
    let (dir, lab) = kept("text one\nsleep 600ms\ntext two\nsleep 300ms\ntext three");
    said_one_and_left_alone(&dir, &lab).await;
    let second = Server::new(dir.path());
    let (before, run) = second.takes_up(&lab).await;
    let (ended, after) = run.end().await;
    assert_eq!(ended.outcome.verdict, Verdict::Succeeded, "{:?}", ended.outcome);
    assert_eq!([texts(&before), texts(&after)].concat(), ["one", "two", "three"]);
    let kept = ended.output.expect("output").read().expect("kept");
    assert!(String::from_utf8(kept).expect("text").contains("one"), "the output is whole");
}

#[tokio::test]
async fn what_happened_while_nobody_watched_is_told_as_well() {
    let mark = tempfile::tempdir().expect("a directory");
    let done = mark.path().join("done");
    let script = format!("text one\nsleep 100ms\nflood 200000\ntext two\nwrite {} yes", done.display());
    let (dir, lab) = kept(&script);
    said_one_and_left_alone(&dir, &lab).await;
    becomes(|| done.exists()).await;
    let second = Server::new(dir.path());
    let (before, run) = second.takes_up(&lab).await;
    let (ended, after) = run.end().await;
    assert_eq!(ended.outcome.verdict, Verdict::Succeeded, "{:?}", ended.outcome);
    let all = [texts(&before), texts(&after)].concat();
    assert_eq!((all.first(), all.last()), (Some(&"one"), Some(&"two")));
}

#[tokio::test]
async fn a_conversation_goes_on_where_it_was() {
    let (dir, mut lab) = kept("text one");
    lab.attempt.idle = Some(Duration::from_secs(600));
    let first = Server::new(dir.path());
    let mut run = first.start(&lab);
    run.until_text("one").await;
    run.says("text two").await;
    run.until_text("two").await;
    first.dies(run).await;
    let second = Server::new(dir.path());
    let (before, mut run) = second.takes_up(&lab).await;
    assert_eq!(texts(&before), ["one", "two"]);
    assert!(before.iter().any(|event| matches!(event, EventBody::UserMessage { text, .. } if text == "text two")));
    run.says("text three").await;
    assert_eq!(texts(&run.until_text("three").await), ["three"]);
    run.orders.send(Instruction::Leave).await.expect("taken");
    let (ended, _) = run.end().await;
    assert_eq!(ended.outcome.verdict, Verdict::Succeeded, "{:?}", ended.outcome);
}

in_each_sandbox! {
    a_program_that_serves_http_goes_on,
}

/// What it asks while nobody is there to answer is answered.
async fn a_program_that_serves_http_goes_on(kind: SandboxKind) {
    let (dir, mut lab) = kept_in(kind, "");
    serving(&mut lab.attempt.launch);
    let first = Server::new(dir.path());
    let mut run = first.start(&lab);
    run.until_text("before").await;
    run.says("said").await;
    run.until_text("said").await;
    first.dies(run).await;
    std::fs::write(lab.attempt.workspace.join("go"), "").expect("written");
    becomes(|| lab.attempt.workspace.join("asked").exists()).await;
    let second = Server::new(dir.path());
    let (before, mut run) = second.takes_up(&lab).await;
    assert_eq!(texts(&before), ["before", "said"]);
    assert_eq!(texts(&run.until_text("answered").await), ["answered"]);
    run.says("done").await;
    let (ended, _) = run.end().await;
    assert_eq!(ended.outcome.verdict, Verdict::Succeeded, "{:?}", ended.outcome);
}

#[tokio::test]
async fn a_run_that_was_not_to_be_kept_ends_with_its_server() {
    let (dir, mut lab) = kept("text one\nhang");
    lab.attempt.survival = Survival::Later;
    let cookie = lab.attempt.cookie.clone();
    said_one_and_left_alone(&dir, &lab).await;
    becomes(|| processes_with("environ", cookie.as_str()).is_empty()).await;
}

#[tokio::test]
async fn a_run_that_nobody_comes_for_ends() {
    let (dir, lab) =
        kept_for("text one\nspawn detached stubborn left\nhang", Duration::MAX, Duration::from_millis(200));
    let cookie = lab.attempt.cookie.clone();
    said_one_and_left_alone(&dir, &lab).await;
    becomes(|| processes_with("environ", cookie.as_str()).is_empty()).await;
}

#[tokio::test]
async fn the_hard_limit_holds_without_a_server() {
    let (dir, lab) = kept_for("text one\nhang", Duration::from_millis(300), Duration::from_secs(600));
    let cookie = lab.attempt.cookie.clone();
    said_one_and_left_alone(&dir, &lab).await;
    becomes(|| processes_with("environ", cookie.as_str()).is_empty()).await;
    let (_, run) = Server::new(dir.path()).takes_up(&lab).await;
    assert!(matches!(run.end().await.0.outcome.verdict, Verdict::Failed(_)));
}

#[tokio::test]
async fn a_run_that_is_taken_up_and_dropped_ends() {
    let (dir, lab) = kept("text one\nhang");
    let cookie = lab.attempt.cookie.clone();
    said_one_and_left_alone(&dir, &lab).await;
    let second = Server::new(dir.path());
    let survivors = second.runner.survivors().await.expect("asked");
    drop(survivors[0].take_up().await.expect("connected").expect("it is there"));
    becomes(|| processes_with("environ", cookie.as_str()).is_empty()).await;
}

#[tokio::test]
async fn a_cancelled_survivor_leaves_nothing() {
    let (dir, lab) = kept("spawn detached stubborn left\ntext one\nhang");
    let cookie = lab.attempt.cookie.clone();
    said_one_and_left_alone(&dir, &lab).await;
    let second = Server::new(dir.path());
    let (_, run) = second.takes_up(&lab).await;
    run.stop.send_replace(Some(StopReason::Cancelled { message: "asked".into() }));
    let (ended, _) = run.end().await;
    assert!(matches!(ended.outcome.verdict, Verdict::Cancelled { .. }), "{:?}", ended.outcome);
    assert_eq!(processes_with("environ", cookie.as_str()), [0_i32; 0]);
}

#[tokio::test]
async fn a_killed_supervisor_takes_no_orphan_along() {
    let (dir, lab) = kept("spawn detached stubborn left\ntext one\nhang");
    let cookie = lab.attempt.cookie.clone();
    let server = Server::new(dir.path());
    let mut run = server.start(&lab);
    run.until_text("one").await;
    kill(supervisor_of(dir.path()));
    let (ended, _) = run.end().await;
    assert!(
        matches!(&ended.outcome.verdict, Verdict::Failed(failure) if failure.reason == FailureReason::Lost),
        "{:?}",
        ended.outcome
    );
    assert_eq!(processes_with("environ", cookie.as_str()), [0_i32; 0]);
    let (_dir, lab) = kept("text another");
    let (ended, _) = server.start(&lab).end().await;
    assert_eq!(ended.outcome.verdict, Verdict::Succeeded, "the next run gets a new one: {:?}", ended.outcome);
}

#[tokio::test]
async fn where_both_were_killed_the_next_server_ends_what_is_left() {
    let (dir, lab) = kept("spawn detached stubborn left\ntext one\nhang");
    let cookie = lab.attempt.cookie.clone();
    let first = Server::new(dir.path());
    let mut run = first.start(&lab);
    run.until_text("one").await;
    let supervisor = supervisor_of(dir.path());
    first.dies(run).await;
    kill(supervisor);
    becomes(|| !is_alive(supervisor)).await;
    let second = Server::new(dir.path());
    assert!(second.runner.survivors().await.expect("asked").is_empty());
    second.runner.sweep(cookie.node()).await.expect("swept");
    assert_eq!(processes_with("environ", cookie.as_str()), [0_i32; 0]);
    assert_eq!(std::fs::read_dir(dir.path()).expect("there").count(), 0, "what it left is removed");
}
