//! Where runs in containers are made, and how they go.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use legwork_agents::{Dialogue, Setup, find_agent};
use legwork_model::{
    EventBody, ExecutionId, FailureReason, Ids, Limits, Outcome, SandboxKind, Task, Timestamp, Verdict,
};
use legwork_runner::{
    Attempt, Confinement, Cookie, Docker, DockerSettings, Ended, Graces, RunDirs, Runner, StopReason, Survival,
    Waiting, Wires,
};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::engine::Engine;
use crate::serving::Other;

/// How long anything may take before a test gives up on it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The engine of all scenarios, with a server's view of it.
pub(crate) struct World {
    engine: Mutex<Engine>,
    pub(crate) socket: PathBuf,
    pub(crate) data: tempfile::TempDir,
    pub(crate) docker: Docker,
    pub(crate) runner: Runner,
}

impl World {
    pub(crate) fn new(engine: Engine) -> Self {
        let data = tempfile::tempdir().expect("a directory");
        let socket = engine.socket();
        let runner = Runner::new().expect("a runner");
        let runner = runner.with_graces(Graces { terminate: Duration::from_secs(1), ..Graces::default() });
        let docker = Docker::new(settings(&socket, &data));
        let runner = runner.with_docker(&docker);
        Self { engine: Mutex::new(engine), socket, data, docker, runner }
    }

    pub(crate) fn engine(&self) -> MutexGuard<'_, Engine> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Settings that only differ in what a test is about.
    pub(crate) fn settings(&self) -> DockerSettings {
        settings(&self.socket, &self.data)
    }

    /// A server that knows nothing of the other.
    pub(crate) fn other(&self, docker: &Docker) -> Runner {
        let graces = Graces { terminate: Duration::from_secs(1), ..Graces::default() };
        Runner::new().expect("a runner").with_graces(graces).with_docker(docker)
    }
}

fn settings(socket: &std::path::Path, data: &tempfile::TempDir) -> DockerSettings {
    DockerSettings {
        socket: socket.to_owned(),
        image: Some("agent".into()),
        pull: None,
        build_network: Some("none".into()),
        ..DockerSettings::new("lab", data.path().join("runs"), data.path().join("copies"))
    }
}

fn new_execution() -> ExecutionId {
    static IDS: OnceLock<Ids> = OnceLock::new();
    IDS.get_or_init(Ids::from_system).execution(Timestamp::from_millis(1_772_366_400_000))
}

/// One run, and its directories.
pub(crate) struct Lab {
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
    pub(crate) output: Vec<u8>,
    pub(crate) events: Vec<EventBody>,
}

impl Lab {
    /// A run of the scripted agent.
    pub(crate) fn new(world: &World, script: &str) -> Self {
        Self::with(world, script, |_| {})
    }

    /// The same with other directories or confinement.
    pub(crate) fn with(world: &World, script: &str, change: impl FnOnce(&mut Attempt)) -> Self {
        let execution = new_execution();
        let runs = world.data.path().join("runs");
        std::fs::create_dir_all(&runs).expect("a directory");
        let dirs = RunDirs::create(&runs, execution).expect("directories");
        let claude = find_agent("claude-code").expect("it is known");
        let limits = Limits::default();
        let confinement = Confinement {
            kind: SandboxKind::Docker,
            writable: vec![dirs.home(), dirs.work()],
            ..Confinement::default()
        };
        let mut attempt = Attempt {
            launch: claude.launch(&task(script, limits.clone()), &setup(&dirs)),
            install_hint: claude.install_hint().to_owned(),
            workspace: dirs.work(),
            limits,
            idle: None,
            confinement,
            survival: Survival::None,
            cookie: Cookie::new("lab", execution, 1),
            stdout_path: dirs.stdout(),
            so_far: None,
        };
        change(&mut attempt);
        Self { dirs, attempt }
    }

    /// A program that is started ahead of its job.
    pub(crate) async fn wait(mut self, runner: &Runner) -> Waiting {
        let claude = find_agent("claude-code").expect("it is known");
        let (launch, dialogue) = claude.waiting(&task("", Limits::default()), &setup(&self.dirs)).expect("it can wait");
        self.attempt.launch = launch;
        self.attempt.survival = Survival::Later;
        runner.start_waiting(self.attempt, dialogue).await.expect("it waits")
    }

    pub(crate) fn start(self, runner: &Runner) -> Going {
        let (stop, stopped) = watch::channel(None);
        let (sender, events) = mpsc::channel(4096);
        let runner = runner.clone();
        let wires = Wires::one_way(dialogue_of(self.attempt.launch.serves), stopped, sender);
        let ended = tokio::spawn(async move { runner.run(self.attempt, wires).await });
        Going { stop, events, ended }
    }

    pub(crate) async fn run(self, world: &World) -> Done {
        self.start(&world.runner).end().await
    }
}

impl Going {
    /// Waits until the agent says something.
    pub(crate) async fn until_text(&mut self) -> String {
        let found = async {
            loop {
                match self.events.recv().await {
                    Some(EventBody::Text { text, .. }) => return text,
                    Some(_) => {}
                    None => panic!("it ended without a word: {:?}", (&mut self.ended).await),
                }
            }
        };
        tokio::time::timeout(PATIENCE, found).await.expect("it says something in time")
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
        Done::new(ended.expect("no panic"), events)
    }
}

impl Done {
    pub(crate) fn new(ended: Ended, events: Vec<EventBody>) -> Self {
        let Ended { outcome, output, .. } = ended;
        Self { outcome, output: output.unwrap_or_default().read().expect("kept output"), events }
    }

    /// Why it failed.
    pub(crate) fn failure(&self) -> (FailureReason, &str) {
        match &self.outcome.verdict {
            Verdict::Failed(failure) => (failure.reason, &failure.message),
            other => panic!("{other:?}"),
        }
    }

    /// What the agent said, one text after the other; it must have been a success.
    pub(crate) fn texts(&self) -> Vec<&str> {
        assert_eq!(self.outcome.verdict, Verdict::Succeeded, "{:?}", String::from_utf8_lossy(&self.output));
        let mut texts = Vec::new();
        for event in &self.events {
            if let EventBody::Text { text, .. } = event {
                texts.push(text.trim());
            }
        }
        texts
    }
}

/// The other end of the scripted agent, or of the one that serves.
pub(crate) fn dialogue_of(serves: bool) -> Box<dyn Dialogue> {
    if serves {
        return Box::<Other>::default();
    }
    let claude = find_agent("claude-code").expect("it is known");
    claude.dialogue(&task("", Limits::default()), &Setup::default())
}

fn setup(dirs: &RunDirs) -> Setup {
    Setup {
        program: "agent".into(),
        workspace: dirs.work(),
        home: dirs.home(),
        tmp: dirs.tmp(),
        path: "/of/the/machine".into(),
        ..Setup::default()
    }
}

fn task(prompt: &str, limits: Limits) -> Task {
    Task { agent: "claude-code".into(), prompt: prompt.into(), limits, ..Task::default() }
}
