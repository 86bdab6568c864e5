//! How many runs a second the runner makes of a program that answers at once, beside the bare start of the same:
//! `cargo run --release -p legwork-runner --example runs_per_second -- /path/to/program`.
//!
//! Directories of runs are kept until the end, as a server keeps them; with `TMPDIR` on a memory file system the disk
//! stays out of it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use legwork_agents::{Agent, Setup, find_agent};
use legwork_model::{ExecutionId, Ids, Limits, Task, Timestamp, Verdict};
use legwork_runner::{Attempt, Confinement, Cookie, RunDirs, Runner, Survival, Wires};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

const AT_ONCE: usize = 5;
const TIME: Duration = Duration::from_secs(3);

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<()> {
    let program: PathBuf = std::env::args().nth(1).ok_or("name a program that speaks stream-json")?.into();
    let prompt = "{\"type\":\"user\",\"message\":{\"role\":\"user\",\"content\":\"hi\"}}\n";
    for round in 1..=3 {
        let bare = bare(&program, prompt)?;
        let ours = ours(&program).await?;
        println!("round {round}: bare {bare:.0}/s, runner {ours:.0}/s, {:.2} of bare", ours / bare);
    }
    Ok(())
}

/// The program started and waited for from five threads, and nothing else.
fn bare(program: &Path, prompt: &str) -> Result<f64> {
    let begun = Instant::now();
    let count = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(|| bare_loop(program, prompt, begun))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or(Ok(0))).sum::<std::io::Result<u32>>()
    })?;
    Ok(f64::from(count) / begun.elapsed().as_secs_f64())
}

#[expect(clippy::disallowed_methods, reason = "this is what the runner is compared with")]
fn bare_loop(program: &Path, prompt: &str, begun: Instant) -> std::io::Result<u32> {
    let mut count = 0;
    while begun.elapsed() < TIME {
        let mut command = Command::new(program);
        command.args(["--input-format", "stream-json"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::piped()).env_clear().spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            std::io::Write::write_all(&mut stdin, prompt.as_bytes())?;
        }
        child.wait_with_output()?;
        count += 1;
    }
    Ok(count)
}

async fn ours(program: &Path) -> Result<f64> {
    let runner = Runner::new()?;
    let runs = tempfile::tempdir()?;
    let ids = Ids::from_system();
    let begun = Instant::now();
    let mut count = 0;
    let mut going = JoinSet::new();
    while begun.elapsed() < TIME {
        if going.len() == AT_ONCE {
            going.join_next().await.ok_or("none goes on")???;
            count += 1;
        }
        let execution = ids.execution(Timestamp::from_millis(1));
        let (runner, runs, program) = (runner.clone(), runs.path().to_owned(), program.to_owned());
        going.spawn(async move { one(&runner, &runs, execution, program).await });
    }
    let rate = f64::from(count) / begun.elapsed().as_secs_f64();
    while going.join_next().await.is_some() {}
    Ok(rate)
}

async fn one(runner: &Runner, runs: &Path, execution: ExecutionId, program: PathBuf) -> Result<()> {
    let dirs = RunDirs::create(runs, execution)?;
    let agent = find_agent("claude-code").ok_or("claude-code is not known")?;
    let (_stop, stopped) = watch::channel(None);
    let (sender, mut events) = mpsc::channel(64);
    let run = runner.run(
        attempt(agent, &dirs, execution, program),
        Wires::one_way(agent.dialogue(&Task::default(), &Setup::default()), stopped, sender),
    );
    let (ended, ()) = tokio::join!(run, async { while events.recv().await.is_some() {} });
    match ended.outcome.verdict {
        Verdict::Succeeded => Ok(()),
        other => Err(format!("{other:?}").into()),
    }
}

fn attempt(agent: &dyn Agent, dirs: &RunDirs, execution: ExecutionId, program: PathBuf) -> Attempt {
    let task = Task { agent: agent.name().to_owned(), prompt: "hi".to_owned(), ..Task::default() };
    let setup = Setup {
        program,
        workspace: dirs.work(),
        home: dirs.home(),
        tmp: dirs.tmp(),
        path: "/usr/bin:/bin".to_owned(),
        ..Setup::default()
    };
    Attempt {
        launch: agent.launch(&task, &setup),
        install_hint: agent.install_hint().to_owned(),
        workspace: dirs.work(),
        limits: Limits::default(),
        idle: None,
        confinement: Confinement::default(),
        survival: Survival::default(),
        cookie: Cookie::new("bench", execution, 1),
        stdout_path: dirs.stdout(),
        so_far: None,
    }
}
