//! What all runs of one server process share.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use legwork_model::{FailureReason, Outcome, SandboxKind, Verdict};

use crate::attempt::{Attempt, Survival, Wires};
use crate::output::{Output, Recorder};
use crate::passage::{Left, Passage, Terms};
use crate::process_tree::{Leftover, Registry};
use crate::sandbox::docker::Docker;
use crate::sandbox::{Bubblewrap, ControlGroups, Inherited, Plain, Sandbox, Start, Works};
use crate::starter::Starter;
use crate::supervisor::{Hold, Supervisor};

/// Runs attempts. One for each server process, made before its first run: orphans of all runs are handed to it.
///
/// Only a runner may start processes that lead a group of their own; another such child of the same server process
/// would be taken for an orphan, and ended.
#[derive(Debug, Clone)]
pub struct Runner {
    registry: Arc<Registry>,
    control_groups: Arc<ControlGroups>,
    sandboxes: Vec<Arc<dyn Sandbox>>,
    supervisor: Option<Arc<Supervisor>>,
    graces: Graces,
}

/// How long processes are waited for while a run ends.
#[derive(Debug, Clone, Copy)]
pub struct Graces {
    /// From `SIGTERM` to `SIGKILL`, for a run that is stopped.
    pub terminate: Duration,
    /// The same for what an agent left behind when it ended by itself.
    pub leftovers: Duration,
    /// For the end of the output once no process is left.
    pub drain: Duration,
}

/// A run that has ended.
#[derive(Debug)]
pub struct Ended {
    /// How.
    pub outcome: Outcome,
    /// What it printed to its standard output; `None` where it was never started.
    pub output: Option<Output>,
    /// Messages that came too late for it.
    pub undelivered: Vec<String>,
    /// Whether it goes on without this server process: then all of the above says nothing.
    pub goes_on: bool,
    /// A supervisor keeps it until this is dropped: then it is on record how it ended.
    pub hold: Option<Hold>,
}

impl Default for Graces {
    fn default() -> Self {
        Self { terminate: Duration::from_secs(5), leftovers: Duration::from_millis(250), drain: Duration::from_secs(1) }
    }
}

impl Ended {
    pub(crate) fn without_run(verdict: Verdict) -> Self {
        Self {
            outcome: Outcome::without_run(verdict),
            output: None,
            undelivered: Vec::new(),
            goes_on: false,
            hold: None,
        }
    }
}

impl Runner {
    /// Makes this process the one that orphans of its runs are handed to.
    ///
    /// # Errors
    /// Where the kernel has no child subreapers (Linux before 3.4) or `/proc` is not mounted.
    pub fn new() -> io::Result<Self> {
        let registry = Arc::new(Registry::new()?);
        let control_groups = Arc::new(ControlGroups::default());
        let plain = Plain { control_groups: Arc::clone(&control_groups) };
        let sandboxes: Vec<Arc<dyn Sandbox>> = vec![Arc::new(plain)];
        Ok(Self { registry, control_groups, sandboxes, supervisor: None, graces: Graces::default() })
    }

    /// The same runner with the sandbox `bubblewrap`, made by the program `bwrap` at that path. Whether it works here,
    /// [`probe`](Self::probe) finds out; a run that asks for it where it does not is refused.
    #[must_use]
    pub fn with_bubblewrap(mut self, program: PathBuf) -> Self {
        let probed_by = Starter::Here(Arc::clone(&self.registry));
        let control_groups = Arc::clone(&self.control_groups);
        self.sandboxes.push(Arc::new(Bubblewrap::new(program, probed_by, control_groups)));
        self
    }

    /// The same runner with other graces.
    #[must_use]
    pub fn with_graces(self, graces: Graces) -> Self {
        Self { graces, ..self }
    }

    /// The same runner with a supervisor, below which runs outlive this process: `program`, called with `arguments` and a
    /// directory in `directory`, which has to [`supervise`](crate::supervisor::supervise).
    #[must_use]
    pub fn with_supervisor(self, program: PathBuf, arguments: Vec<String>, directory: PathBuf) -> Self {
        let supervisor = Supervisor::new(program, arguments, directory, Arc::clone(&self.registry));
        Self { supervisor: Some(Arc::new(supervisor)), ..self }
    }

    pub(crate) fn graces(&self) -> Graces {
        self.graces
    }

    /// The supervisor, where there is one.
    pub fn supervisor(&self) -> Option<&Arc<Supervisor>> {
        self.supervisor.as_ref()
    }

    /// The same runner, which can also run what is to be in a container.
    #[must_use]
    pub fn with_docker(mut self, docker: &Docker) -> Self {
        self.sandboxes.push(Arc::new(docker.clone()));
        self
    }

    /// Runs one attempt to its end. When this returns, none of its processes is left.
    ///
    /// Events go to [`Lines::events`](crate::Lines::events) in the order they happen; the attempt waits for a slow reader but can be stopped
    /// meanwhile. It is stopped by a value in [`Lines::stop`](crate::Lines::stop). Where the events have no reader any more, they are dropped.
    /// Giving the future up kills the main process at once and leaves the others to
    /// [`reap_forever`](Self::reap_forever).
    pub async fn run(&self, attempt: Attempt, wires: Wires) -> Ended {
        self.run_through(None, attempt, Inherited::default(), wires).await
    }

    /// The same for an attempt after one that has `ended`, which is held until this one is kept: there is one of them for the next
    /// server at any time.
    pub async fn run_after(&self, ended: Option<Hold>, attempt: Attempt, wires: Wires) -> Ended {
        self.run_through(ended, attempt, Inherited::default(), wires).await
    }

    /// Runs one attempt that gets open files.
    pub(crate) async fn run_inheriting(&self, attempt: Attempt, inherited: Inherited, wires: Wires) -> Ended {
        self.run_through(None, attempt, inherited, wires).await
    }

    async fn run_through(&self, ended: Option<Hold>, attempt: Attempt, inherited: Inherited, wires: Wires) -> Ended {
        if let Some(reason) = wires.lines.stop.borrow().clone() {
            return Ended::without_run(reason.verdict());
        }
        match self.start(attempt, inherited, wires).await {
            Ok(passage) => {
                passage.replace(ended);
                self.ended(passage.run().await).await
            }
            Err(verdict) => Ended::without_run(verdict),
        }
    }

    /// What is left of a run, once nothing of it is left on the machine.
    pub(crate) async fn ended(&self, left: Left) -> Ended {
        let Left { outcome, output, undelivered, left_others, goes_on, process } = left;
        let hold = process.into_hold();
        if left_others {
            self.registry.end_orphans().await;
        }
        Ended { outcome, output: Some(output), undelivered, goes_on, hold }
    }

    pub(crate) async fn start(&self, attempt: Attempt, inherited: Inherited, wires: Wires) -> Result<Passage, Verdict> {
        let Attempt {
            launch,
            install_hint,
            workspace,
            limits,
            idle,
            confinement,
            survival,
            cookie,
            stdout_path,
            so_far,
        } = attempt;
        let serves = launch.serves;
        let output = Recorder::new(stdout_path, limits.max_output_bytes, so_far).map_err(|error| not_kept(&error))?;
        let sandbox = self.sandbox(confinement.kind)?;
        let starter = match &self.supervisor {
            Some(supervisor) if survival != Survival::None => {
                Starter::Supervised(Arc::clone(supervisor), limits.max_output_bytes)
            }
            _ => Starter::Here(Arc::clone(&self.registry)),
        };
        // Time in which people are waited for does not count, and whoever keeps a run has thought of that. What a program that
        // waits will be given to do, nobody knows yet.
        let time_limit = match &survival {
            Survival::Kept(keep) => keep.hard_limit,
            Survival::None => Duration::from_secs(limits.timeout_seconds),
            Survival::Later => Duration::MAX,
        };
        let start = Start {
            launch,
            directory: &workspace,
            cookie: &cookie,
            install_hint: &install_hint,
            inherited,
            confinement: &confinement,
            starter: &starter,
            time_limit,
        };
        let running = sandbox.start(start).await.map_err(|error| Verdict::failed(error.reason(), error.to_string()))?;
        if let Survival::Kept(keep) = survival {
            running.process.keep(keep);
        }
        Ok(Passage::new(running, Terms { limits, idle, serves }, output, wires, self.graces))
    }

    pub(crate) fn sandbox(&self, kind: SandboxKind) -> Result<&dyn Sandbox, Verdict> {
        self.sandboxes.iter().find(|sandbox| sandbox.kind() == kind).map(Arc::as_ref).ok_or_else(|| {
            let message = format!("This machine has no sandbox of the kind `{}`.", kind.as_str());
            Verdict::failed(FailureReason::SandboxUnavailable, message)
        })
    }

    /// Whether limits on processes can be enforced here.
    pub fn limits_processes(&self) -> bool {
        self.control_groups.can_limit_processes()
    }

    /// Every kind of sandbox, and whether it works here.
    pub async fn probe(&self) -> Vec<(SandboxKind, Result<Works, String>)> {
        let probes = self.sandboxes.iter().map(|sandbox| async { (sandbox.kind(), sandbox.probe().await) });
        let found = join_all(probes).await;
        // What was inside of a sandbox that has ended comes here to be taken note of.
        self.registry.end_orphans().await;
        found
    }

    /// Kills what an earlier server process with this node id left on this machine, with all descendants, and says
    /// what that was. Removes their control groups. To be called before the first run.
    ///
    /// # Errors
    /// Where `/proc` can't be read.
    pub async fn sweep(&self, node: &str) -> io::Result<Vec<Leftover>> {
        let found = self.registry.sweep(node).await?;
        let groups = self.control_groups.sweep(node);
        if groups > 0 {
            tracing::info!(groups, "removed control groups that an earlier server left behind");
        }
        Ok(found)
    }

    /// Ends what belongs to no run any more, at once: for who gave up on one before it had ended.
    pub async fn end_orphans(&self) {
        self.registry.end_orphans().await;
    }

    /// Ends and reaps orphans for ever. Runs clean up behind themselves; this catches what was started in the blink
    /// between two looks, and what may have belonged to a run that was still going on.
    pub async fn reap_forever(&self) {
        self.registry.reap_forever(Duration::from_secs(2)).await;
    }

    /// How many runs have a live process.
    pub fn live_runs(&self) -> usize {
        self.registry.live_runs()
    }
}

fn not_kept(error: &io::Error) -> Verdict {
    Verdict::failed(FailureReason::Internal, format!("The agent's output could not be kept: {error}."))
}
