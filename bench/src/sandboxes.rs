//! What it costs to start a program where agents live, against the bare start of the same program: as a plain process, below
//! the supervisor, and in bubblewrap with a network and a way out of its own. In turn, so that the machine is the same for all.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use legwork_agents::{Agent, Setup, find_agent};
use legwork_gateway::egress::{Credential, Egress, Guard, Mode, Policy, SystemResolver};
use legwork_model::{Ids, Limits, SandboxKind, Task, Timestamp, Verdict};
use legwork_runner::supervisor::Keep;
use legwork_runner::{Attempt, Confinement, Cookie, Network, Resources, RunDirs, Runner, Survival, Uplink, Wires};
use tokio::sync::{mpsc, watch};

use crate::args::Args;
use crate::error::BenchError;
use crate::report::Row;
use crate::samples::Samples;

const ROUNDS: u32 = 200;
/// Runs that are held open to see what each takes of the supervisor.
const HELD: u32 = 50;
const PROMPT: &[u8] = b"{\"type\":\"user\",\"message\":{\"role\":\"user\",\"content\":\"hi\"}}\n";

/// Measures each kind. Bubblewrap only where it works.
pub(crate) async fn measure(args: &Args) -> Result<Vec<Row>, BenchError> {
    let scratch = args.folder()?;
    let lab = Lab::new(args, &scratch)?;
    let works = lab.runner.probe().await;
    let works = works
        .into_iter()
        .any(|(kind, found)| kind == SandboxKind::Bubblewrap && found.is_ok_and(|works| works.no_network.is_none()));
    let [mut bare, mut plain, mut supervised, mut confined] = [(); 4].map(|()| Samples::default());
    for _ in 0..ROUNDS {
        bare.push(lab.bare()?);
        plain.push(lab.run(Confinement::default(), Survival::None).await?);
        supervised.push(lab.run(Confinement::default(), kept()).await?);
        if works {
            confined.push(lab.run(lab.confinement(), Survival::None).await?);
        }
    }
    let median = |samples: &Samples| samples.percentile(50);
    let more = |samples: &Samples| median(samples).saturating_sub(median(&plain));
    let mut rows = vec![
        Row::compared("a plain process, against `posix_spawn`, median", [median(&plain), median(&bare)])
            .wanted("at most 1.3x"),
        Row::alone("what the supervisor adds, median", more(&supervised)).wanted("at most 2 ms"),
        Row::amount("what a run takes of the supervisor's memory", lab.memory_of_a_run(args).await?)
            .wanted("at most 3 MB"),
    ];
    if works {
        let row = Row::alone("what bubblewrap with network and proxy adds, median", more(&confined));
        rows.insert(2, row.wanted("at most 15 ms"));
    }
    Ok(rows)
}

fn kept() -> Survival {
    let hour = Duration::from_secs(3600);
    Survival::Kept(Keep { memo: Vec::new(), hard_limit: hour, unattended: Duration::from_millis(100) })
}

struct Lab {
    runner: Runner,
    program: PathBuf,
    runs: PathBuf,
    ids: Ids,
}

impl Lab {
    fn new(args: &Args, scratch: &Path) -> Result<Self, BenchError> {
        let (legwork, program) = (args.legwork.canonicalize()?, args.agent.canonicalize()?);
        let runs = scratch.join("sandboxes");
        std::fs::create_dir(&runs)?;
        let runner = Runner::new()?.with_bubblewrap("/usr/bin/bwrap".into()).with_supervisor(
            legwork,
            vec!["supervise".into()],
            scratch.join("supervisors"),
        );
        Ok(Self { runner, program, runs, ids: Ids::from_system() })
    }

    /// The program started and waited for, and nothing else.
    #[expect(clippy::disallowed_methods, reason = "this is what the runner is compared with")]
    fn bare(&self) -> Result<Duration, BenchError> {
        let begun = Instant::now();
        let mut command = Command::new(&self.program);
        command.args(["--input-format", "stream-json"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::piped()).env_clear().spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(PROMPT)?;
        }
        child.wait_with_output()?;
        Ok(begun.elapsed())
    }

    /// From the order to start it to the end of the run.
    async fn run(&self, confinement: Confinement, survival: Survival) -> Result<Duration, BenchError> {
        let (attempt, agent) = self.attempt(confinement, survival)?;
        let (_stop, stopped) = watch::channel(None);
        let (sender, mut events) = mpsc::channel(64);
        let dialogue = agent.dialogue(&Task::default(), &Setup::default());
        let begun = Instant::now();
        let run = self.runner.run(attempt, Wires::one_way(dialogue, stopped, sender));
        let (ended, ()) = tokio::join!(run, async { while events.recv().await.is_some() {} });
        match ended.outcome.verdict {
            Verdict::Succeeded => Ok(begun.elapsed()),
            verdict => Err(BenchError::Setup(format!("a run did not succeed: {verdict:?}"))),
        }
    }

    fn attempt(
        &self,
        confinement: Confinement,
        survival: Survival,
    ) -> Result<(Attempt, &'static dyn Agent), BenchError> {
        let execution = self.ids.execution(Timestamp::from_millis(1));
        let dirs = RunDirs::create(&self.runs, execution)?;
        let agent = find_agent("claude-code").ok_or_else(|| BenchError::Setup("claude-code is not known".into()))?;
        let task = Task { agent: agent.name().to_owned(), prompt: "hi".to_owned(), ..Task::default() };
        let setup = Setup {
            program: self.program.clone(),
            workspace: dirs.work(),
            home: dirs.home(),
            tmp: dirs.tmp(),
            path: "/usr/bin:/bin".to_owned(),
            ..Setup::default()
        };
        let attempt = Attempt {
            launch: agent.launch(&task, &setup),
            install_hint: String::new(),
            workspace: dirs.work(),
            limits: Limits::default(),
            idle: None,
            confinement: Confinement { writable: vec![dirs.home()], ..confinement },
            survival,
            cookie: Cookie::new("bench", execution, 1),
            stdout_path: dirs.stdout(),
            so_far: None,
        };
        Ok((attempt, agent))
    }

    /// As a run is confined that asks for nothing.
    fn confinement(&self) -> Confinement {
        Confinement {
            kind: SandboxKind::Bubblewrap,
            resources: Resources { pids: Some(2048), ..Resources::default() },
            network: Network::Own(Arc::new(Proxied::default())),
            ..Confinement::default()
        }
    }

    /// Bytes that each of many runs takes of the supervisor: programs that do nothing until they are ended.
    async fn memory_of_a_run(&self, args: &Args) -> Result<u64, BenchError> {
        let before = supervisor_memory(args)?;
        let (stop, stopped) = watch::channel(None);
        let mut runs = tokio::task::JoinSet::new();
        for _ in 0..HELD {
            let (mut attempt, agent) = self.attempt(Confinement::default(), kept())?;
            attempt.launch.program = "/bin/sleep".into();
            attempt.launch.args = vec!["60".into()];
            let (sender, mut events) = mpsc::channel(64);
            let dialogue = agent.dialogue(&Task::default(), &Setup::default());
            let (runner, wires) = (self.runner.clone(), Wires::one_way(dialogue, stopped.clone(), sender));
            runs.spawn(async move {
                tokio::join!(runner.run(attempt, wires), async { while events.recv().await.is_some() {} }).0
            });
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        let grown = supervisor_memory(args)?.saturating_sub(before);
        stop.send_replace(Some(legwork_runner::StopReason::Shutdown));
        while runs.join_next().await.is_some() {}
        Ok(grown / u64::from(HELD))
    }
}

/// What all supervisors that this program started have to themselves, in bytes.
fn supervisor_memory(args: &Args) -> Result<u64, BenchError> {
    let legwork = args.legwork.canonicalize()?;
    let mut bytes = 0;
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let is_supervisor = std::fs::read_link(entry.path().join("exe")).is_ok_and(|program| program == legwork)
            && std::fs::read_to_string(entry.path().join("stat")).is_ok_and(|stat| parent(&stat) == std::process::id());
        if is_supervisor {
            let rolled = std::fs::read_to_string(entry.path().join("smaps_rollup"))?;
            let private = rolled.lines().filter(|line| line.starts_with("Private_"));
            let kilobytes = private.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
            bytes += kilobytes.sum::<u64>() * 1024;
        }
    }
    Ok(bytes)
}

fn parent(stat: &str) -> u32 {
    let rest = stat.rsplit(')').next().unwrap_or_default();
    rest.split_whitespace().nth(1).and_then(|parent| parent.parse().ok()).unwrap_or_default()
}

/// The egress proxy, as a run that may reach every public host has it.
#[derive(Default)]
struct Proxied(Mutex<Option<Guard>>);

impl std::fmt::Debug for Proxied {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Proxied")
    }
}

impl Uplink for Proxied {
    fn addresses(&self) -> Vec<SocketAddr> {
        vec![(Ipv4Addr::LOCALHOST, 3128).into()]
    }

    fn serve(&self, listeners: Vec<TcpListener>) {
        let policy = Policy {
            mode: Mode::Public,
            allowed: Vec::new(),
            allow_private: Vec::new(),
            credential: Credential::new("token"),
        };
        let proxy = Egress::new(Arc::new(SystemResolver::default()), legwork_gateway::egress::Limits::default());
        let policy = Arc::new(policy);
        let served = listeners.into_iter().next().and_then(|listener| proxy.serve(listener, policy).ok());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = served.map(|(guard, _)| guard);
    }
}
