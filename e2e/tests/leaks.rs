//! Many runs leave nothing behind. In a test program of its own: it counts what its own process holds.

use legwork_agents::{Dialogue, Setup, find_agent};
use legwork_model::{Ids, Limits, Task, Timestamp, Verdict};
use legwork_runner::{Attempt, Confinement, Cookie, RunDirs, Runner, Survival, Wires};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

const AT_ONCE: usize = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_runs_leave_no_process_no_descriptor_and_no_run_behind() {
    let runner = Runner::new().expect("a runner");
    let runs = tempfile::tempdir().expect("a directory");
    let ids = Ids::from_seed([3; 32]);
    many(&runner, runs.path(), &ids, 50).await;
    let before = descriptors();
    many(&runner, runs.path(), &ids, 1000).await;
    assert_eq!(descriptors(), before);
    assert_eq!(children(), Vec::<String>::new());
    assert_eq!(runner.live_runs(), 0);
}

async fn many(runner: &Runner, runs: &std::path::Path, ids: &Ids, count: usize) {
    let mut going = JoinSet::new();
    for number in 0..count {
        if going.len() == AT_ONCE {
            assert_eq!(going.join_next().await.and_then(Result::ok), Some(Verdict::Succeeded));
        }
        // Every tenth leaves something behind itself, and so do those that run beside it.
        let script = if number % 10 == 0 { "spawn detached sleeper m\ntext done" } else { "text done" };
        let execution = ids.execution(Timestamp::from_millis(1));
        let (runner, runs) = (runner.clone(), runs.to_owned());
        going.spawn(async move { one(&runner, &runs, execution, script).await });
    }
    while let Some(verdict) = going.join_next().await {
        assert_eq!(verdict.ok(), Some(Verdict::Succeeded));
    }
}

async fn one(runner: &Runner, runs: &std::path::Path, execution: legwork_model::ExecutionId, script: &str) -> Verdict {
    let Ok(dirs) = RunDirs::create(runs, execution) else { return lost("no directories") };
    let Some((attempt, dialogue)) = attempt(&dirs, execution, script) else { return lost("no agent") };
    let (_stop, stopped) = watch::channel(None);
    let (sender, mut events) = mpsc::channel(64);
    let (ended, ()) = tokio::join!(runner.run(attempt, Wires::one_way(dialogue, stopped, sender)), async {
        while events.recv().await.is_some() {}
    });
    dirs.remove().map_or_else(|_| lost("not removed"), |()| ended.outcome.verdict)
}

fn lost(message: &str) -> Verdict {
    Verdict::failed(legwork_model::FailureReason::Internal, message)
}

fn attempt(
    dirs: &RunDirs,
    execution: legwork_model::ExecutionId,
    script: &str,
) -> Option<(Attempt, Box<dyn Dialogue>)> {
    let claude = find_agent("claude-code")?;
    let task = Task { agent: "claude-code".into(), prompt: script.into(), ..Task::default() };
    let setup = Setup {
        program: env!("CARGO_BIN_EXE_scripted-agent").into(),
        workspace: dirs.work(),
        home: dirs.home(),
        tmp: dirs.tmp(),
        path: "/usr/bin:/bin".into(),
        ..Setup::default()
    };
    let attempt = Attempt {
        launch: claude.launch(&task, &setup),
        install_hint: String::new(),
        workspace: dirs.work(),
        limits: Limits::default(),
        idle: None,
        confinement: Confinement::default(),
        survival: Survival::default(),
        cookie: Cookie::new("leaks", execution, 1),
        stdout_path: dirs.stdout(),
        so_far: None,
    };
    Some((attempt, claude.dialogue(&task, &setup)))
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

/// Children of this process, also those that have ended, as `/proc` shows them.
fn children() -> Vec<String> {
    let own = std::process::id().to_string();
    let stats = std::fs::read_dir("/proc").into_iter().flatten().filter_map(|entry| {
        let stat = std::fs::read_to_string(entry.ok()?.path().join("stat")).ok()?;
        let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.to_owned();
        (parent == own).then_some(stat)
    });
    stats.collect()
}
