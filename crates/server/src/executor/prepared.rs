//! An attempt that is ready to start: what is started, what it is told, and how it outlives the server.

use std::path::PathBuf;
use std::time::Duration;

use legwork_agents::{Agent, Dialogue, Launch, Opening, SessionGuard, Setup};
use legwork_model::{FailureReason, OnSessionLost, Outcome, SandboxKind, Task, Verdict};
use legwork_runner::supervisor::Keep;
use legwork_runner::workspace::{Exclusive, GitSetup};
use legwork_runner::{Attempt, Cookie, Job, Output, RunDirs, Survival, Waiting, Workspace};

use super::confinement::Confined;
use super::fingerprint::Fingerprint;
use super::further::Further;
use super::models::{OtherWay, Route};
use super::places::directory_failed;
use super::survival::{Before, Memo};
use super::vault::RunSecrets;
use super::waits::GO_ON;
use crate::secrets::fill_all;

/// An attempt that is ready to start.
pub(super) struct Prepared {
    pub(super) agent: &'static dyn Agent,
    /// A program that was started ahead of this job.
    pub(super) waiting: Option<Waiting>,
    /// What it is to do; a further process gets a further prompt.
    pub(super) task: Task,
    pub(super) setup: Setup,
    pub(super) secrets: RunSecrets,
    pub(super) cookie: Cookie,
    pub(super) workspace: Workspace,
    /// What was checked out there, for a repository.
    pub(super) commit: Option<String>,
    /// Nobody else works in it until this is dropped.
    pub(super) _alone: Option<Exclusive>,
    /// The agent's directories, and the files that were placed there for the run alone.
    pub(super) home: RunDirs,
    pub(super) placed: Vec<PathBuf>,
    /// The execution's own directories: output, patch.
    pub(super) dirs: RunDirs,
    pub(super) git: GitSetup,
    pub(super) confined: Confined,
    /// Its way to its models, where it does not have the credential.
    pub(super) route: Option<Route>,
    /// By what an equal job finds this one, where it may.
    pub(super) fingerprint: Option<Fingerprint>,
    /// How long its processes go on without a server, if they do.
    pub(super) unattended: Option<Duration>,
    /// What came before its present process.
    pub(super) before: Before,
}

impl Prepared {
    /// What to start, and the other end of the dialogue with it. `so_far` is what an earlier process of this run printed.
    pub(super) fn start(&mut self, so_far: Option<Output>) -> Result<(Attempt, Box<dyn Dialogue>), Verdict> {
        let mut launch = self.agent.launch(&self.with_secrets(), &self.setup);
        launch.env.extend(self.confined.uplink.iter().flat_map(|uplink| uplink.variables()));
        self.home.place(&launch.files).map_err(|error| directory_failed(&self.home.home(), &error))?;
        self.placed = paths(&launch);
        let dialogue = self.dialogue();
        let survival = self.keep(false).map_or(Survival::None, Survival::Kept);
        let attempt = Attempt {
            launch,
            install_hint: self.agent.install_hint().to_owned(),
            workspace: self.workspace.path().to_owned(),
            limits: self.task.limits.clone(),
            idle: self.idle(),
            confinement: self.confined.confinement.clone(),
            survival,
            cookie: self.cookie.clone(),
            stdout_path: self.dirs.stdout(),
            so_far,
        };
        Ok((attempt, dialogue))
    }

    /// The task as its program is told of it. What is kept of a run, and what a next server goes on with, has names only.
    fn with_secrets(&self) -> Task {
        let env = fill_all(&self.task.env, &self.secrets.named);
        // All were there when the run was prepared.
        Task { env: env.unwrap_or_else(|_| self.task.env.clone()), ..self.task.clone() }
    }

    /// The other end of the dialogue with a program that is started for the job.
    pub(super) fn dialogue(&self) -> Box<dyn Dialogue> {
        let dialogue = self.agent.dialogue(&self.task, &self.setup);
        match &self.task.resume_session {
            Some(session) if !self.task.fork_session => {
                Box::new(SessionGuard::new(dialogue, session.clone(), self.task.on_session_lost))
            }
            _ => dialogue,
        }
    }

    /// What its present process was started with, but for secrets.
    pub(super) fn launched(&self) -> Launch {
        self.agent.launch(&self.task, &self.setup)
    }

    /// The same of a program that was started ahead of the job, with the other end of the dialogue.
    pub(super) fn launched_ahead(&self) -> Option<(Launch, Box<dyn Dialogue>)> {
        self.agent.waiting(&self.task, &self.setup)
    }

    /// Whether a process that has ended can be taken up: a container is removed by then, and has the mark of the next one.
    pub(super) fn is_told_again(&self) -> bool {
        self.unattended.is_some() && self.confined.confinement.kind != SandboxKind::Docker
    }

    /// How the process outlives the server, if it does.
    fn keep(&self, waited: bool) -> Option<Keep> {
        let unattended = self.unattended?;
        // What was decided here is not decided anew by whoever takes the run up.
        let mut task = self.task.clone();
        task.sandbox.kind = self.confined.confinement.kind;
        let memo = Memo {
            task,
            secrets: self.secrets.clone(),
            workspace: self.workspace.path().to_owned(),
            fresh: self.workspace.was_empty(),
            waited,
            placed: self.placed.clone(),
            egress_token: self.confined.uplink.as_ref().map(|uplink| uplink.token().to_owned()),
            before: self.before.clone(),
        };
        Some(memo.keep(unattended))
    }

    /// The program that waits for this job, and what it is told; once.
    pub(super) fn take_waiting(&mut self) -> Option<(Waiting, Job)> {
        let waiting = self.waiting.take()?;
        // They were placed when it was started, and go with the run as others do.
        self.placed = paths(&self.agent.launch(&self.task, &self.setup));
        let opening = Opening {
            prompt: self.task.prompt.clone(),
            credential: self.setup.credential.clone(),
            base_url: self.setup.base_url.clone(),
            env: self.with_secrets().env,
        };
        let (limits, stdout_path) = (self.task.limits.clone(), self.dirs.stdout());
        Some((waiting, Job { opening, limits, idle: self.idle(), stdout_path, keep: self.keep(true) }))
    }

    /// Where it may write, and so what it may take on the disk.
    pub(super) fn directories(&self) -> Vec<PathBuf> {
        self.confined.confinement.writable.clone()
    }

    pub(super) fn idle(&self) -> Option<Duration> {
        let stays = self.agent.capabilities().follow_up;
        self.task.session_idle_seconds.filter(|_| stays).map(Duration::from_secs)
    }

    /// How long a further message is waited for once the process has ended: those that can stay wait themselves.
    pub(super) fn patience(&self) -> Option<Duration> {
        let stays = self.agent.capabilities().follow_up;
        self.task.session_idle_seconds.filter(|_| !stays).map(Duration::from_secs)
    }

    /// Whether the agent did not find its session, and is to begin another.
    pub(super) fn begins_anew(&self, outcome: &Outcome) -> bool {
        let lost =
            matches!(&outcome.verdict, Verdict::Failed(failure) if failure.reason == FailureReason::SessionNotFound);
        lost && self.task.on_session_lost == OnSessionLost::Fresh && self.task.resume_session.is_some()
    }

    /// The next process is told what it is there for; those so far came to `outcome`.
    pub(super) fn goes_further(&mut self, further: Further, outcome: Outcome) {
        match further {
            Further::Anew => {
                // What did not find its session did nothing that counts.
                self.task.resume_session = None;
                return;
            }
            Further::OtherWay(way) => self.goes_another_way(way, outcome.session_id.clone()),
            Further::Message { text, session } => self.goes_on(text, session),
        }
        self.before.outcome = Some(outcome);
    }

    /// The next process goes on where a limit had stopped this one, by another way to a model.
    fn goes_another_way(&mut self, way: OtherWay, session: Option<String>) {
        if let OtherWay::Model(model) = way {
            self.task.model = Some(model);
            // What another model says is no answer to an equal job.
            self.fingerprint = None;
        }
        if let Some(session) = session {
            self.goes_on(GO_ON.to_owned(), session);
        }
    }

    /// The next process goes on with the session, and is told `prompt`.
    fn goes_on(&mut self, prompt: String, session: String) {
        self.task.prompt = prompt;
        self.task.resume_session = Some(session);
        self.task.fork_session = false;
    }
}

/// The files that are placed for a program.
fn paths(launch: &Launch) -> Vec<PathBuf> {
    launch.files.iter().map(|file| file.path.clone()).collect()
}
