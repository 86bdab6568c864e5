//! Runs attackers, each in a sandbox of its own.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use legwork_agents::{Launch, Setup, find_agent};
use legwork_model::{
    Container, EventBody, ExecutionId, FailureReason, Ids, Limits, Outcome, SandboxKind, Task, Timestamp, Verdict,
};
use legwork_runner::{
    Attempt, Confinement, Cookie, Ended, Graces, Network, RunDirs, Runner, StopReason, Survival, Uplink, Wires,
};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// How long an attack may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What every attacker may use: `ctypes` for system calls that no library wraps, and a word for each error.
const PREAMBLE: &str = include_str!("attacker.py");

pub(crate) fn runner_with(bwrap: PathBuf) -> Runner {
    let graces = Graces { terminate: Duration::from_millis(500), ..Graces::default() };
    Runner::new().expect("a runner").with_graces(graces).with_bubblewrap(bwrap)
}

/// One runner for all attacks of a process, as it would be in a server.
pub(crate) fn runner() -> Runner {
    static RUNNER: OnceLock<Runner> = OnceLock::new();
    RUNNER.get_or_init(|| runner_with("/usr/bin/bwrap".into())).clone()
}

/// Whether bubblewrap works here, with a network of its own too; said aloud where it does not.
pub(crate) async fn has_bubblewrap() -> bool {
    let probed = runner().probe().await;
    let works = probed.into_iter().find(|(kind, _)| *kind == SandboxKind::Bubblewrap).expect("it is registered").1;
    let works = works.and_then(|works| works.no_network.map_or(Ok(()), Err));
    works.inspect_err(|why| eprintln!("SKIPPED all rows: {why}")).is_ok()
}

/// Whether there is all that attackers need. What is missing is said, with the row that is not tried because of it.
pub(crate) async fn is_ready_for(row: &str) -> bool {
    let missing = ["/usr/bin/python3", "/usr/bin/curl"].into_iter().find(|tool| !Path::new(tool).exists());
    if let Some(tool) = missing {
        eprintln!("SKIPPED {}: there is no {tool}", row.replace('_', " "));
    }
    missing.is_none() && has_bubblewrap().await
}

pub(crate) fn new_execution() -> ExecutionId {
    static IDS: OnceLock<Ids> = OnceLock::new();
    IDS.get_or_init(Ids::from_system).execution(Timestamp::from_millis(1_772_366_400_000))
}

/// Who attacks, and from where: bubblewrap, unless there is a runner for containers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attacker {
    pub(crate) user: u32,
    containers: Option<&'static Runner>,
}

impl From<u32> for Attacker {
    fn from(user: u32) -> Self {
        Self { user, containers: None }
    }
}

impl Attacker {
    /// What holds in both sandboxes is not always said in the same words.
    pub(crate) fn told<T>(self, in_bubblewrap: T, in_container: T) -> T {
        if self.containers.is_some() { in_container } else { in_bubblewrap }
    }

    /// In a container of that runner.
    pub(crate) fn in_container(user: u32, runner: &'static Runner) -> Self {
        Self { user, containers: Some(runner) }
    }
}

/// A run that is to be attacked from inside.
pub(crate) struct Lab {
    pub(crate) runs: tempfile::TempDir,
    pub(crate) dirs: RunDirs,
    pub(crate) confinement: Confinement,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) runner: Runner,
    execution: ExecutionId,
}

/// What an attacker told.
#[derive(Debug)]
pub(crate) struct Told {
    /// What its script printed.
    pub(crate) output: String,
    /// What the agent printed.
    pub(crate) kept: String,
    pub(crate) outcome: Outcome,
}

/// An attack that goes on.
pub(crate) struct Going {
    pub(crate) stop: watch::Sender<Option<StopReason>>,
    pub(crate) events: mpsc::Receiver<EventBody>,
    ended: JoinHandle<Ended>,
}

impl Lab {
    /// Where that attacker is, with a network of its own that leads nowhere.
    pub(crate) fn new(attacker: impl Into<Attacker>) -> Self {
        let Attacker { user, containers } = attacker.into();
        let runs = tempfile::tempdir().expect("a directory");
        let execution = new_execution();
        let dirs = RunDirs::create(runs.path(), execution).expect("directories");
        let confinement = Confinement {
            kind: if containers.is_some() { SandboxKind::Docker } else { SandboxKind::Bubblewrap },
            network: Network::Own(Arc::new(NoUplink)),
            writable: vec![dirs.home()],
            container: Container { user: Some(user), ..Container::default() },
            ..Confinement::default()
        };
        Self { runs, dirs, confinement, env: Vec::new(), runner: containers.cloned().unwrap_or_else(runner), execution }
    }

    /// Attacks with a Python script.
    pub(crate) async fn python(&self, script: &str) -> Told {
        let file = self.dirs.work().join("attack.py");
        std::fs::write(&file, format!("{PREAMBLE}\n{script}")).expect("written");
        self.shell("/usr/bin/python3 attack.py").await
    }

    /// Attacks with a command line.
    pub(crate) async fn shell(&self, line: &str) -> Told {
        self.script(&format!("shell {line}")).await
    }

    /// Attacks with a script of the scripted agent.
    pub(crate) async fn script(&self, script: &str) -> Told {
        self.start(script).end().await
    }

    pub(crate) fn start(&self, script: &str) -> Going {
        self.start_launch(self.launch(script), Limits::default())
    }

    pub(crate) fn start_launch(&self, launch: Launch, limits: Limits) -> Going {
        let attempt = Attempt {
            launch,
            install_hint: String::new(),
            workspace: self.dirs.work(),
            limits,
            idle: None,
            confinement: self.confinement.clone(),
            survival: Survival::default(),
            cookie: self.cookie(),
            stdout_path: self.dirs.stdout(),
            so_far: None,
        };
        let (stop, stopped) = watch::channel(None);
        let (sender, events) = mpsc::channel(4096);
        let dialogue = find_agent("claude-code").expect("known").dialogue(&Task::default(), &Setup::default());
        let runner = self.runner.clone();
        let ended = tokio::spawn(async move { runner.run(attempt, Wires::one_way(dialogue, stopped, sender)).await });
        Going { stop, events, ended }
    }

    pub(crate) fn cookie(&self) -> Cookie {
        Cookie::new("sandbox", self.execution, 1)
    }

    pub(crate) fn launch(&self, script: &str) -> Launch {
        let setup = Setup {
            program: match self.confinement.kind {
                SandboxKind::Docker => "agent".into(),
                _ => env!("CARGO_BIN_EXE_scripted-agent").into(),
            },
            workspace: self.dirs.work(),
            home: self.dirs.home(),
            tmp: self.dirs.tmp(),
            path: "/usr/local/bin:/usr/bin:/bin".into(),
            ..Setup::default()
        };
        let task = Task { agent: "claude-code".into(), prompt: script.into(), ..Task::default() };
        let mut launch = find_agent("claude-code").expect("it is known").launch(&task, &setup);
        launch.env.extend(self.env.clone());
        launch
    }
}

impl Going {
    /// Waits until the agent says something.
    pub(crate) async fn until_text(&mut self) -> String {
        let found = async {
            loop {
                if let EventBody::Text { text, .. } = self.events.recv().await.expect("it says something") {
                    return text;
                }
            }
        };
        tokio::time::timeout(PATIENCE, found).await.expect("in time")
    }

    pub(crate) async fn cancel(self) -> Told {
        self.stop.send_replace(Some(StopReason::Cancelled { message: "asked by a test".into() }));
        self.end().await
    }

    pub(crate) async fn end(mut self) -> Told {
        let collect = async {
            let mut output = String::new();
            while let Some(event) = self.events.recv().await {
                if let EventBody::Text { text, .. } = event {
                    output.push_str(&printed(&text));
                }
            }
            output
        };
        let both = async { tokio::join!(collect, self.ended) };
        let (output, ended) = tokio::time::timeout(PATIENCE, both).await.expect("the attack ends");
        let Ended { outcome, output: kept, .. } = ended.expect("no panic");
        let kept = kept.unwrap_or_default().read().expect("kept output");
        Told { output, kept: String::from_utf8_lossy(&kept).into_owned(), outcome }
    }
}

/// What a shell of the scripted agent printed.
fn printed(text: &str) -> String {
    let json: Option<serde_json::Value> = serde_json::from_str(text).ok();
    json.and_then(|json| json["output"].as_str().map(str::to_owned)).unwrap_or_else(|| text.to_owned())
}

impl Told {
    /// Each line of the output was `what: how it went`; checks that all of them went as expected, and that there are as many.
    pub(crate) fn check(&self, expected: &[(&str, &str)]) {
        assert_eq!(self.outcome.verdict, Verdict::Succeeded, "{self:?}");
        let told: Vec<_> = self.output.lines().filter_map(|line| line.split_once(": ")).collect();
        assert_eq!(told, expected, "{}", self.output);
    }

    pub(crate) fn failure(&self) -> Option<(FailureReason, &str)> {
        match &self.outcome.verdict {
            Verdict::Failed(failure) => Some((failure.reason, &failure.message)),
            _ => None,
        }
    }
}

/// Leads nowhere.
#[derive(Debug)]
pub(crate) struct NoUplink;

impl Uplink for NoUplink {
    fn addresses(&self) -> Vec<SocketAddr> {
        Vec::new()
    }

    fn serve(&self, _: Vec<TcpListener>) {}
}
