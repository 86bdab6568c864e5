//! What has to be there before the agent starts.

use std::time::Duration;

use legwork_agents::{Agent, Setup};
use legwork_model::{EventBody, FailureReason, SandboxKind, Task, Verdict};
use legwork_runner::workspace::{Errand, Exclusive, GitSetup};
use legwork_runner::{Cookie, RunDirs, StopReason, Workspace};
use tokio::sync::{mpsc, watch};

use super::execute::Executor;
use super::places::{Place, directory_failed};
use super::prepared::Prepared;
use super::setup::with_way_to_model;
use super::survival::{Before, Memo};
use super::waits::task_of;
use super::warm::{Kept, Pays, Profile};
use crate::project::settle_or_refuse;
use crate::store::append::{Fenced, Lease};
use crate::store::home::MoveHome;
use crate::store::{ExecutionRecord, StoreError};

/// How long working out a patch may take.
const PATCH_PATIENCE: Duration = Duration::from_secs(60);

impl Executor {
    /// Prepares directories, workspace and launch, within the limit for it.
    pub(super) async fn prepare(
        &self,
        record: &ExecutionRecord,
        events: &mpsc::Sender<EventBody>,
        stop: watch::Receiver<Option<StopReason>>,
    ) -> Result<Prepared, Verdict> {
        let seconds = record.task.limits.start_seconds;
        match tokio::time::timeout(Duration::from_secs(seconds), self.prepare_all(record, events, stop)).await {
            Ok(prepared) => prepared,
            Err(_) => {
                // Git, and what it started, may be in the middle of something.
                self.runner.end_orphans().await;
                let message = format!("The workspace was not ready within {seconds} s.");
                Err(Verdict::failed(FailureReason::StartTimeout, message))
            }
        }
    }

    async fn prepare_all(
        &self,
        record: &ExecutionRecord,
        events: &mpsc::Sender<EventBody>,
        stop: watch::Receiver<Option<StopReason>>,
    ) -> Result<Prepared, Verdict> {
        let agent = self.agent_of(&record.task)?;
        let task = &self.with_model(agent, &task_of(record));
        let secrets = self.vault.of(record.id);
        if record.pinned && secrets.is_none() {
            let message = "The job's own credentials are gone; submit it again.";
            return Err(Verdict::failed(FailureReason::Lost, message));
        }
        let mut secrets = secrets.map(|secrets| (*secrets).clone()).unwrap_or_default();
        secrets.named = self.secrets_named_in(task).await?;
        let (setup, route) = self.setup(agent, task, &secrets, record).await?;
        let pays = match route {
            Some(_) => Pays::Proxy,
            None if self.has_own_credential(&secrets) => Pays::Job,
            None => Pays::Operator,
        };
        let profile = self.profile(record, agent, task, &setup, pays);
        let (dirs, home, waiting) = match self.adopt(record, profile).await {
            Some(Kept { waiting, dirs, confined, .. }) => {
                (RunDirs::of(&self.runs, record.id), dirs, Some((waiting, confined)))
            }
            None => {
                let (dirs, home) = self.directories(record)?;
                (dirs, home, None)
            }
        };
        if let Some(session) = &task.resume_session {
            let unavailable = |error: StoreError| Verdict::failed(FailureReason::Internal, error.to_string());
            self.restore_session(agent, &home, session).await.map_err(unavailable)?;
        }
        let cookie = self.cookie(record);
        let git = self.git(&cookie);
        let errand = Errand { runner: &self.runner, git: &git, dirs: &dirs, stop, events: events.clone() };
        let token = secrets.repository_token.clone();
        let Place { workspace, commit, alone } = self.workspace(record, &home, errand, token.as_deref()).await?;
        let path = workspace.path().to_string_lossy().into_owned();
        // The log may have ended the run already; then nobody misses the event.
        let _ = events.send(EventBody::Workspace { path, commit: commit.clone() }).await;

        // A project that had to be cloned first may ask for something, too.
        let project = (!workspace.was_empty()).then(|| workspace.path());
        let settled = settle_or_refuse(task.clone(), project, &self.config)?;
        let (setup, route) = if settled == *task {
            (setup, route)
        } else {
            secrets.named = self.secrets_named_in(&settled).await?;
            self.setup(agent, &settled, &secrets, record).await?
        };
        let setup = Setup { workspace: workspace.path().to_owned(), home: home.home(), tmp: home.tmp(), ..setup };
        let (waiting, confined) = match waiting {
            Some((waiting, confined)) => (Some(waiting), confined),
            None => (None, self.confine(agent, &settled, &setup, &home, owner(record), None).await?),
        };
        let setup = with_way_to_model(setup, &confined);
        if confined.confinement.kind == SandboxKind::Docker && waiting.is_none() {
            self.image(&confined.confinement.container, events).await?;
        }
        let mut prepared = Prepared {
            agent,
            waiting,
            task: settled,
            setup,
            secrets,
            cookie,
            workspace,
            commit,
            _alone: alone,
            home,
            placed: Vec::new(),
            dirs,
            git,
            confined,
            route,
            fingerprint: None,
            unattended: self.unattended(),
            before: Before::default(),
        };
        if prepared.waiting.is_some() {
            self.keep_token_ahead(record.id, &mut prepared);
        }
        Ok(prepared)
    }

    /// An attempt that an earlier server process prepared, and left what it knew.
    pub(super) async fn prepared_before(&self, record: &ExecutionRecord, memo: Memo) -> Result<Prepared, Verdict> {
        let Memo { task, secrets, workspace, fresh, waited, placed, egress_token, before } = memo;
        self.vault.keep(record.id, secrets.clone());
        let agent = self.agent_of(&task)?;
        let (dirs, home) = (RunDirs::of(&self.runs, record.id), RunDirs::of(&self.runs, record.home));
        let (setup, route) = self.setup(agent, &task, &secrets, record).await?;
        let alone = match task.repository {
            Some(_) => {
                let alone = Exclusive::wait(&workspace).await;
                Some(alone.map_err(|error| directory_failed(&workspace, &error))?)
            }
            None => None,
        };
        let setup = Setup { workspace: workspace.clone(), home: home.home(), tmp: home.tmp(), ..setup };
        let confined = self.confine(agent, &task, &setup, &home, owner(record), egress_token).await?;
        let setup = with_way_to_model(setup, &confined);
        let workspace = if fresh { Workspace::fresh(workspace) } else { Workspace::looked_at(workspace, &dirs) };
        let cookie = self.cookie(record);
        let git = self.git(&cookie);
        let mut prepared = Prepared {
            agent,
            waiting: None,
            task,
            setup,
            secrets,
            cookie,
            workspace,
            commit: None,
            _alone: alone,
            home,
            placed,
            dirs,
            git,
            confined,
            route,
            fingerprint: None,
            unattended: self.unattended(),
            before,
        };
        if waited {
            self.keep_token_ahead(record.id, &mut prepared);
        }
        Ok(prepared)
    }

    /// How long a run goes on without a server: where others may take its job over, no longer than its lease.
    fn unattended(&self) -> Option<Duration> {
        self.runner.supervisor()?;
        let alone = Duration::from_secs(7 * 24 * 60 * 60);
        Some(if self.store.is_shared() { Duration::from_secs(self.config.queue.lease_seconds) } else { alone })
    }

    fn cookie(&self, record: &ExecutionRecord) -> Cookie {
        Cookie::new(&self.node, record.id, u64::try_from(record.fence).unwrap_or(0))
    }

    fn git(&self, cookie: &Cookie) -> GitSetup {
        GitSetup {
            program: "git".into(),
            path: self.path.clone(),
            cookie: cookie.clone(),
            deadline: PATCH_PATIENCE,
            askpass: self.askpass.clone(),
            ssh: self.ssh.clone(),
        }
    }

    fn agent_of(&self, task: &Task) -> Result<&'static dyn Agent, Verdict> {
        let name = &task.agent;
        self.config.known_agents.find(name).ok_or_else(|| {
            Verdict::failed(FailureReason::SpawnFailed, format!("This version knows no agent `{name}`."))
        })
    }

    /// The profile of a job that a program which waits may do.
    fn profile(
        &self,
        record: &ExecutionRecord,
        agent: &dyn Agent,
        task: &Task,
        setup: &Setup,
        pays: Pays,
    ) -> Option<Profile> {
        let is_fresh = record.home == record.id && record.parks == 0;
        // Who may need no agent takes none from those that wait.
        let may_need_none = task.cache_ttl_seconds.is_some();
        let may_be_done = is_fresh && !may_need_none && self.warm.is_worth_it(agent.name(), task);
        may_be_done.then(|| Profile::of(agent, task, owner(record), setup, pays)).flatten()
    }

    /// A program that waits for a job like this, with its directories, which are the job's from now on.
    async fn adopt(&self, record: &ExecutionRecord, profile: Option<Profile>) -> Option<Kept> {
        let kept = self.warm.take(&profile?)?;
        let lease = Lease { id: record.id, fence: record.fence };
        let moved = MoveHome { lease, home: kept.dirs.id()? };
        match self.store.write(moved).await {
            Ok(Fenced::Applied) => {
                if let Err(error) = kept.dirs.adopt() {
                    tracing::warn!(%error, "directories of a run will be taken for abandoned");
                }
                Some(kept)
            }
            moved => {
                tracing::warn!(execution = %record.id, ?moved, "a program that waited can't be used");
                kept.waiting.end().await;
                // What can't be removed now is removed by the next start.
                let _ = kept.dirs.remove();
                None
            }
        }
    }
}

/// Whose run it is.
fn owner(record: &ExecutionRecord) -> &str {
    record.created_by.as_deref().unwrap_or_default()
}
