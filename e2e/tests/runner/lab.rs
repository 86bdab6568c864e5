//! Where the scripted agent is run, and how its traces are looked for.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use legwork_agents::{Dialogue, Launch, Setup, find_agent};
use legwork_model::{
    EventBody, ExecutionId, FailureReason, Ids, Limits, Outcome, SandboxKind, Task, Timestamp, Verdict,
};
use legwork_runner::{
    Attempt, Confinement, Cookie, Ended, Graces, Network, RunDirs, Runner, StopReason, Survival, Wires,
};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::nowhere::Nowhere;
use crate::serving::Other;

/// How long anything may take before a test gives up on it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// One runner for all tests of a process, as it would be in a server.
pub(crate) fn runner() -> Runner {
    static RUNNER: OnceLock<Runner> = OnceLock::new();
    let graces = Graces { terminate: Duration::from_millis(500), ..Graces::default() };
    let new = || Runner::new().expect("a runner").with_graces(graces).with_bubblewrap("/usr/bin/bwrap".into());
    RUNNER.get_or_init(new).clone()
}

/// Whether bubblewrap works here, with a network of its own too; said aloud where it does not.
pub(crate) async fn has_bubblewrap() -> bool {
    let probed = runner().probe().await;
    let works = probed.into_iter().find(|(kind, _)| *kind == SandboxKind::Bubblewrap).expect("it is registered").1;
    let works = works.and_then(|works| works.no_network.map_or(Ok(()), Err));
    works.inspect_err(|why| eprintln!("SKIPPED: {why}")).is_ok()
}

fn new_execution() -> ExecutionId {
    static IDS: OnceLock<Ids> = OnceLock::new();
    IDS.get_or_init(Ids::from_system).execution(Timestamp::from_millis(1_772_366_400_000))
}

/// The directories of one run, and what will be started in it.
pub(crate) struct Lab {
    _runs: tempfile::TempDir,
    pub(crate) dirs: RunDirs,
    pub(crate) attempt: Attempt,
}

/// A run that goes on.
pub(crate) struct Going {
    pub(crate) stop: watch::Sender<Option<StopReason>>,
    pub(crate) events: mpsc::Receiver<EventBody>,
    pub(crate) ended: JoinHandle<Ended>,
}

/// A run that has ended.
pub(crate) struct Done {
    pub(crate) outcome: Outcome,
    /// What it printed, as kept.
    pub(crate) output: Vec<u8>,
    pub(crate) events: Vec<EventBody>,
}

impl Lab {
    /// A run of the scripted agent, with limits that no script reaches by accident.
    pub(crate) fn new(kind: SandboxKind, script: &str) -> Self {
        Self::with_limits(kind, script, Limits::default())
    }

    pub(crate) fn with_limits(kind: SandboxKind, script: &str, limits: Limits) -> Self {
        let runs = tempfile::tempdir().expect("a directory");
        let execution = new_execution();
        let dirs = RunDirs::create(runs.path(), execution).expect("directories");
        let claude = find_agent("claude-code").expect("it is known");
        let attempt = Attempt {
            launch: claude.launch(&task(script, limits.clone()), &setup(&dirs)),
            install_hint: claude.install_hint().to_owned(),
            workspace: dirs.work(),
            limits,
            idle: None,
            confinement: confinement(kind, &dirs),
            survival: Survival::default(),
            cookie: Cookie::new("lab", execution, 1),
            stdout_path: dirs.stdout(),
            so_far: None,
        };
        Self { _runs: runs, dirs, attempt }
    }

    /// What will be started, for a runner of the test's own.
    pub(crate) fn copy(&self) -> Attempt {
        let Attempt {
            launch, install_hint, workspace, limits, idle, confinement, survival, cookie, stdout_path, ..
        } = &self.attempt;
        Attempt {
            launch: launch.clone(),
            install_hint: install_hint.clone(),
            workspace: workspace.clone(),
            limits: limits.clone(),
            idle: *idle,
            confinement: confinement.clone(),
            survival: survival.clone(),
            cookie: cookie.clone(),
            stdout_path: stdout_path.clone(),
            so_far: None,
        }
    }

    /// Starts the run; its directories stay until the lab is dropped.
    pub(crate) fn start(&mut self) -> Going {
        let (stop, stopped) = watch::channel(None);
        let (sender, events) = mpsc::channel(4096);
        let attempt = std::mem::replace(&mut self.attempt, Self::new(SandboxKind::Process, "").attempt);
        let ended =
            tokio::spawn(async move { runner().run(attempt, Wires::one_way(dialogue(), stopped, sender)).await });
        Going { stop, events, ended }
    }

    /// Runs to the end.
    pub(crate) async fn run(&mut self) -> Done {
        self.start().end().await
    }
}

impl Going {
    /// Waits for the first event that `wanted` takes.
    pub(crate) async fn until<T>(&mut self, wanted: impl Fn(EventBody) -> Option<T>) -> T {
        let found = async {
            loop {
                if let Some(found) = wanted(self.events.recv().await.expect("the event comes")) {
                    return found;
                }
            }
        };
        tokio::time::timeout(PATIENCE, found).await.expect("the event comes in time")
    }

    /// Waits until the agent says something.
    pub(crate) async fn until_text(&mut self) -> String {
        self.until(|event| if let EventBody::Text { text, .. } = event { Some(text) } else { None }).await
    }

    pub(crate) fn cancel(&self) {
        self.stop.send_replace(Some(StopReason::Cancelled { message: "asked by a test".into() }));
    }

    pub(crate) async fn end(mut self) -> Done {
        let collect = async {
            let mut events = Vec::new();
            while let Some(event) = self.events.recv().await {
                events.push(event);
            }
            events
        };
        let (events, ended) =
            tokio::time::timeout(PATIENCE, async { tokio::join!(collect, self.ended) }).await.expect("the run ends");
        let Ended { outcome, output, .. } = ended.expect("no panic");
        Done { outcome, output: output.unwrap_or_default().read().expect("kept output"), events }
    }
}

impl Done {
    pub(crate) fn failure(&self) -> Option<FailureReason> {
        match &self.outcome.verdict {
            Verdict::Failed(failure) => Some(failure.reason),
            _ => None,
        }
    }

    pub(crate) fn texts<'a>(&'a self) -> Vec<&'a str> {
        let text = |event: &'a EventBody| match event {
            EventBody::Text { text, .. } => Some(text.as_str()),
            _ => None,
        };
        self.events.iter().filter_map(text).collect()
    }

    pub(crate) fn stopping(&self) -> Option<&str> {
        self.events.iter().find_map(|event| match event {
            EventBody::Stopping { reason } => Some(reason.as_str()),
            _ => None,
        })
    }
}

/// The other end of what a launch starts.
pub(crate) fn dialogue_of(launch: &Launch) -> Box<dyn Dialogue> {
    if launch.http.is_some() { Box::<Other>::default() } else { dialogue() }
}

pub(crate) fn dialogue() -> Box<dyn Dialogue> {
    find_agent("claude-code").expect("it is known").dialogue(&Task::default(), &Setup::default())
}

/// Everything that a sandbox can keep away from a run, away.
fn confinement(kind: SandboxKind, dirs: &RunDirs) -> Confinement {
    let network = match kind {
        SandboxKind::Process => Network::Machine,
        _ => Network::Own(Arc::new(Nowhere)),
    };
    Confinement { kind, network, writable: vec![dirs.home()], ..Confinement::default() }
}

fn setup(dirs: &RunDirs) -> Setup {
    Setup {
        program: scripted_agent(),
        workspace: dirs.work(),
        home: dirs.home(),
        tmp: dirs.tmp(),
        path: "/usr/bin:/bin".into(),
        ..Setup::default()
    }
}

fn task(prompt: &str, limits: Limits) -> Task {
    Task { agent: "claude-code".into(), prompt: prompt.into(), limits, ..Task::default() }
}

/// A program of this workspace, beside the test's own.
pub(crate) fn program(name: &str) -> PathBuf {
    let found = scripted_agent().with_file_name(name);
    assert!(found.is_file(), "{name} is not built; run `cargo build --workspace --bins` first");
    found
}

pub(crate) fn scripted_agent() -> PathBuf {
    env!("CARGO_BIN_EXE_scripted-agent").into()
}

/// Limits of one second, one at a time.
pub(crate) fn limits(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits::default();
    change(&mut limits);
    limits
}

/// Live processes whose `/proc/<pid>/<file>` holds `needle`.
pub(crate) fn processes_with(file: &str, needle: &str) -> Vec<i32> {
    let pids = std::fs::read_dir("/proc").expect("/proc").filter_map(|entry| {
        let entry = entry.ok()?;
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let content = std::fs::read(entry.path().join(file)).ok()?;
        content.windows(needle.len()).any(|window| window == needle.as_bytes()).then_some(pid)
    });
    pids.collect()
}

/// Whether the process is there and has not ended.
pub(crate) fn is_alive(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}

/// A word that no other process of the machine has in its arguments.
pub(crate) fn marker() -> String {
    format!("marker-{}", new_execution())
}
