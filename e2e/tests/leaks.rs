//! Many runs leave nothing behind. A process of its own for each test, as nextest gives it: it counts what its own process
//! holds.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use legwork_agents::{Dialogue, Setup, find_agent};
use legwork_model::{ByteSize, ExecutionId, Ids, Limits, SandboxKind, Task, Timestamp, Verdict};
use legwork_runner::{Attempt, Confinement, Cookie, Network, Resources, RunDirs, Runner, Survival, Uplink, Wires};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

const AT_ONCE: usize = 5;

/// Where many runs are made.
#[derive(Clone)]
struct Place {
    runner: Runner,
    runs: Arc<tempfile::TempDir>,
    ids: Arc<Ids>,
    confine: fn(&RunDirs) -> Confinement,
}

impl Place {
    fn new(runner: Runner, runs: tempfile::TempDir, confine: fn(&RunDirs) -> Confinement) -> Self {
        Self { runner, runs: Arc::new(runs), ids: Arc::new(Ids::from_seed([3; 32])), confine }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_runs_leave_no_process_no_descriptor_and_no_run_behind() {
    let place = Place::new(Runner::new().expect("a runner"), tempfile::tempdir().expect("a directory"), |_| {
        Confinement::default()
    });
    many(&place, 200).await;
    let (before, resident_before) = (place.held(), resident());
    many(&place, 1000).await;
    assert_eq!(place.held(), before);
    assert_flat(resident_before);
    assert_eq!(children(), Vec::<String>::new());
    assert_eq!(place.runner.live_runs(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_runs_in_bubblewrap_leave_no_mount_and_no_control_group_behind_either() {
    let runner = Runner::new().expect("a runner").with_bubblewrap("/usr/bin/bwrap".into());
    let probed = runner.probe().await;
    let works = probed.into_iter().find(|(kind, _)| *kind == SandboxKind::Bubblewrap).expect("it is registered").1;
    if let Err(why) = works {
        eprintln!("SKIPPED: {why}");
        return;
    }
    let place = Place::new(runner, tempfile::tempdir().expect("a directory"), confined);
    many(&place, 100).await;
    let (before, resident_before) = (place.held(), resident());
    many(&place, 500).await;
    assert_eq!(place.held(), before);
    assert_flat(resident_before);
    assert_eq!(children(), Vec::<String>::new());
    assert_eq!(place.runner.live_runs(), 0);
}

/// What this process holds, and what the machine holds for it.
#[derive(Debug, PartialEq, Eq)]
struct Held {
    descriptors: usize,
    threads: usize,
    mounts: usize,
    control_groups: usize,
}

impl Place {
    fn held(&self) -> Held {
        let count = |directory: &str| std::fs::read_dir(directory).map_or(0, Iterator::count);
        // Others on this machine may mount something meanwhile.
        let runs = self.runs.path().display().to_string();
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        Held {
            descriptors: count("/proc/self/fd"),
            threads: count("/proc/self/task"),
            mounts: mounts.lines().filter(|line| line.contains(&runs) || line.contains("/newroot")).count(),
            control_groups: groups_of_leaks(Path::new("/sys/fs/cgroup")),
        }
    }
}

/// Bytes of memory that this process has.
fn resident() -> Option<usize> {
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(pages.split(' ').nth(1)?.parse::<usize>().ok()? * rustix::param::page_size())
}

/// Some of what was freed stays with the allocator. What each run would keep, were it a kilobyte or two, is more than that.
fn assert_flat(resident_before: Option<usize>) {
    let grown = resident().zip(resident_before).map(|(now, before)| now.saturating_sub(before));
    assert!(grown.is_some_and(|grown| grown < 1024 * 1024), "{grown:?} bytes more than before");
}

/// A node of its own for each test: they go on at the same time.
fn node() -> String {
    format!("leaks-{}", std::process::id())
}

fn groups_of_leaks(directory: &Path) -> usize {
    let entries = std::fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok);
    let below = entries.filter(|entry| entry.file_type().is_ok_and(|it| it.is_dir())).map(|entry| entry.path());
    let node = node();
    let own = |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&node));
    below.map(|path| usize::from(own(&path)) + groups_of_leaks(&path)).sum()
}

/// All that a sandbox can be asked for.
fn confined(dirs: &RunDirs) -> Confinement {
    let memory = std::fs::read_to_string("/proc/self/cgroup").is_ok_and(|it| it.contains("memory"));
    let limited = memory && rustix::process::geteuid().is_root();
    Confinement {
        kind: SandboxKind::Bubblewrap,
        resources: Resources { memory: limited.then(|| ByteSize::new(1 << 30)).flatten(), ..Resources::default() },
        network: Network::Own(Arc::new(Silent)),
        writable: vec![dirs.home()],
        ..Confinement::default()
    }
}

/// Listens, and says nothing.
#[derive(Debug)]
struct Silent;

impl Uplink for Silent {
    fn addresses(&self) -> Vec<SocketAddr> {
        vec![([127, 0, 0, 1], 3128).into()]
    }

    fn serve(&self, listeners: Vec<TcpListener>) {
        drop(listeners);
    }
}

async fn many(place: &Place, count: usize) {
    let mut going = JoinSet::new();
    for number in 0..count {
        if going.len() == AT_ONCE {
            assert_eq!(going.join_next().await.and_then(Result::ok), Some(Verdict::Succeeded));
        }
        // Every tenth leaves something behind itself, and so do those that run beside it.
        let script = if number % 10 == 0 { "spawn detached sleeper m\ntext done" } else { "text done" };
        let execution = place.ids.execution(Timestamp::from_millis(1));
        let place = place.clone();
        going.spawn(async move { one(&place, execution, script).await });
    }
    while let Some(verdict) = going.join_next().await {
        assert_eq!(verdict.ok(), Some(Verdict::Succeeded));
    }
}

async fn one(place: &Place, execution: ExecutionId, script: &str) -> Verdict {
    let Ok(dirs) = RunDirs::create(place.runs.path(), execution) else { return lost("no directories") };
    let Some((mut attempt, dialogue)) = attempt(&dirs, execution, script) else { return lost("no agent") };
    attempt.confinement = (place.confine)(&dirs);
    let (_stop, stopped) = watch::channel(None);
    let (sender, mut events) = mpsc::channel(64);
    let (ended, ()) = tokio::join!(place.runner.run(attempt, Wires::one_way(dialogue, stopped, sender)), async {
        while events.recv().await.is_some() {}
    });
    dirs.remove().map_or_else(|_| lost("not removed"), |()| ended.outcome.verdict)
}

fn lost(message: &str) -> Verdict {
    Verdict::failed(legwork_model::FailureReason::Internal, message)
}

fn attempt(dirs: &RunDirs, execution: ExecutionId, script: &str) -> Option<(Attempt, Box<dyn Dialogue>)> {
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
        cookie: Cookie::new(&node(), execution, 1),
        stdout_path: dirs.stdout(),
        so_far: None,
    };
    Some((attempt, claude.dialogue(&task, &setup)))
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
