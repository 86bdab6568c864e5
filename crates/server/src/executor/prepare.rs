//! What has to be there before the agent starts.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use legwork_agents::{Agent, Credential, Setup};
use legwork_model::{EventBody, ExecutionId, FailureReason, SandboxKind, Task, Verdict};
use legwork_runner::workspace::{
    Errand, Exclusive, GitSetup, PatchLimits, RemoteError, Source, bring_up_to_date, existing_or_new,
};
use legwork_runner::{Cookie, RunDirs, StopReason, Workspace};
use tokio::sync::{mpsc, watch};

use super::confinement::Confined;
use super::execute::{Executor, Model};
use super::models::{Route, of_list};
use super::prepared::Prepared;
use super::secrets::with_secrets;
use super::survival::Memo;
use super::vault::RunSecrets;
use super::waits::task_of;
use super::warm::{Kept, Profile};
use crate::config::AgentSettings;
use crate::project::settle_or_refuse;
use crate::store::append::{Fenced, Lease};
use crate::store::home::MoveHome;
use crate::store::{ExecutionRecord, StoreError};

/// How long working out a patch may take.
const PATCH_PATIENCE: Duration = Duration::from_secs(60);

/// Where the agent is to work.
struct Place {
    workspace: Workspace,
    commit: Option<String>,
    alone: Option<Exclusive>,
}

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
        let own_credential = self.has_own_credential(&secrets) || route.is_some();
        // Who may need no agent takes none from those that wait.
        let may_need_none = task.cache_ttl_seconds.is_some();
        let warm = self.warm.is_used() && record.home == record.id && record.parks == 0 && !may_need_none;
        let profile = warm.then(|| Profile::of(agent, task, &setup, own_credential)).flatten();
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
        let settled = settle_or_refuse(task.clone(), workspace.path(), &self.config)?;
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
        Ok(Prepared {
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
        })
    }

    /// An attempt that an earlier server process prepared, and left what it knew.
    pub(super) async fn prepared_before(&self, record: &ExecutionRecord, memo: Memo) -> Result<Prepared, Verdict> {
        let Memo { task, secrets, workspace, fresh, placed, egress_token, .. } = memo;
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
        Ok(Prepared {
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
            unattended: None,
        })
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

    /// The task with a model that can be rehearsed, where that is what is done and the task names none.
    fn with_model(&self, agent: &dyn Agent, task: &Task) -> Task {
        let rehearses = self.model != Model::Configured;
        let own = || agent.rehearsal_model().filter(|_| rehearses).map(str::to_owned);
        Task { model: task.model.clone().or_else(own), ..task.clone() }
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

    /// The execution's own directories, and those of the session that it continues (else the same).
    fn directories(&self, record: &ExecutionRecord) -> Result<(RunDirs, RunDirs), Verdict> {
        let made = |id| RunDirs::create(&self.runs, id).map_err(|error| directory_failed(&self.runs, &error));
        if record.attempt > 1 && record.parks == 0 {
            // What a lost attempt left is no ground to start from.
            let remove = |id| RunDirs::of(&self.runs, id).remove();
            remove(record.id).map_err(|error| directory_failed(&self.runs, &error))?;
            if record.task.resume_session.is_none() {
                // It may have worked in the directories of a program that had waited for it.
                remove(record.home).map_err(|error| directory_failed(&self.runs, &error))?;
            }
        }
        let dirs = made(record.id)?;
        let home = if record.home == record.id { dirs.clone() } else { made(record.home)? };
        Ok((dirs, home))
    }

    async fn workspace(
        &self,
        record: &ExecutionRecord,
        home: &RunDirs,
        errand: Errand<'_>,
        token: Option<&str>,
    ) -> Result<Place, Verdict> {
        if record.parks > 0 {
            return self.left_workspace(record, home, errand.dirs).await;
        }
        let (task, dirs, git) = (&record.task, errand.dirs, errand.git);
        let named = match self.place_of_session(record).await?.or_else(|| task.workspace.clone()) {
            Some(path) => Some(self.still_allowed(&path)?),
            None => None,
        };
        let place = named.or_else(|| task.resume_session.is_some().then(|| home.work()));
        let (mut commit, mut alone) = (None, None);
        let mut workspace = match (&task.repository, place) {
            (Some(repository), place) => {
                let policy = self.config.repositories.policy();
                let source = Source { repository, policy: &policy, token };
                let git = GitSetup { deadline: Duration::from_secs(task.limits.start_seconds), ..git.clone() };
                let errand = Errand { git: &git, ..errand };
                let place = place.unwrap_or_else(|| dirs.work());
                make_dir(&place).map_err(|error| directory_failed(&place, &error))?;
                // Whoever works there already is waited for, as long as preparing may take.
                alone = Some(Exclusive::wait(&place).await.map_err(|error| directory_failed(&place, &error))?);
                commit = bring_up_to_date(&errand, source, &place).await.map_err(RemoteError::verdict)?;
                Workspace::filled(place)
            }
            (None, Some(place)) => {
                make_dir(&place).map_err(|error| directory_failed(&place, &error))?;
                Workspace::filled(place)
            }
            (None, None) => Workspace::fresh(home.work()),
        };
        if let Err(error) = workspace.take_baseline(&self.runner, git, dirs, PatchLimits::default()).await {
            tracing::warn!(execution = %record.id, %error, "the run will have no patch");
        }
        Ok(Place { workspace, commit, alone })
    }

    /// The workspace of a run that has waited, as it left it.
    async fn left_workspace(&self, record: &ExecutionRecord, home: &RunDirs, dirs: &RunDirs) -> Result<Place, Verdict> {
        let named = match self.place_of_session(record).await?.or_else(|| record.task.workspace.clone()) {
            Some(path) => Some(self.still_allowed(&path)?),
            None => None,
        };
        let is_clone = record.task.repository.is_some();
        let place = named.unwrap_or_else(|| if is_clone { dirs.work() } else { home.work() });
        if !place.is_dir() {
            let message = "The run has waited, and its workspace is gone or on another machine.";
            return Err(Verdict::failed(FailureReason::Lost, message));
        }
        let alone = match is_clone {
            true => Some(Exclusive::wait(&place).await.map_err(|error| directory_failed(&place, &error))?),
            false => None,
        };
        let was_fresh = !is_clone && record.task.workspace.is_none() && record.task.resume_session.is_none();
        let workspace = if was_fresh { Workspace::fresh(place) } else { Workspace::looked_at(place, dirs) };
        Ok(Place { workspace, commit: None, alone })
    }

    /// Looks again where a path leads: somebody may have put a link there since it was admitted.
    fn still_allowed(&self, path: &str) -> Result<PathBuf, Verdict> {
        let refused = |message: String| Verdict::failed(FailureReason::RefusedByPolicy, message);
        let unified = &self.config.doors.unified;
        let roots = [std::slice::from_ref(&unified.workspace_dir), &self.config.workspaces.roots].concat();
        let found = existing_or_new(path, &roots).map_err(|error| refused(format!("{error}.")))?;
        if found.as_os_str() == path {
            return Ok(found);
        }
        Err(refused(format!("The workspace {path} leads somewhere else now: {}.", found.display())))
    }

    /// The operator's directory in which the session to continue began, if it began in one.
    async fn place_of_session(&self, record: &ExecutionRecord) -> Result<Option<String>, Verdict> {
        if record.home == record.id {
            return Ok(None);
        }
        let unavailable = |error: crate::store::StoreError| Verdict::failed(FailureReason::Internal, error.to_string());
        let first = self.store.execution(record.home).await.map_err(unavailable)?;
        Ok(first.and_then(|first| first.task.workspace))
    }

    /// Whether a run pays with what no other run has.
    fn has_own_credential(&self, secrets: &RunSecrets) -> bool {
        self.model != Model::Configured || secrets.credential.is_some()
    }

    /// How the agent is started, but for its directories, and how it reaches its models.
    async fn setup(
        &self,
        agent: &dyn Agent,
        task: &Task,
        secrets: &RunSecrets,
        record: &ExecutionRecord,
    ) -> Result<(Setup, Option<Route>), Verdict> {
        let setup = self.own_setup(agent, task, secrets, record.id).await?;
        let Some(models) = &self.models else { return Ok((setup, None)) };
        let lease = Lease { id: record.id, fence: record.fence };
        let allowed = self.config.allowed_models(agent.name(), record.project.as_deref());
        let own = self.has_own_credential(secrets);
        let routed = models.route(agent, &setup, lease, own, &self.model, allowed)?;
        Ok(routed.map_or((setup, None), |(setup, route)| (setup, Some(route))))
    }

    /// The same for an agent that has its credential.
    async fn own_setup(
        &self,
        agent: &dyn Agent,
        task: &Task,
        secrets: &RunSecrets,
        id: ExecutionId,
    ) -> Result<Setup, Verdict> {
        let mcp_servers = with_secrets(task, &secrets.named)?;
        let settings = self.config.agent(agent.name());
        let (credential, base_url) = match &self.model {
            Model::Configured => {
                (secrets.credential.clone().or_else(|| credential(&settings)), settings.base_url.clone())
            }
            // Its own key for each run, so that the rehearsal model can tell them apart.
            Model::Rehearsal { base_url } => {
                let base_url = format!("{base_url}{}", agent.api_path());
                (Some(Credential::ApiKey(format!("rehearsal-{id}"))), Some(base_url))
            }
        };
        let needed = agent.credential_variables();
        if credential.is_none() && !needed.is_empty() && !agent.misses_credential() {
            let message = format!(
                "There is no credential for {name}. Set {}, or `api_key` under [agents.{name}].",
                needed.join(" or "),
                name = agent.name(),
            );
            return Err(Verdict::failed(FailureReason::CredentialsMissing, message));
        }
        let named = settings.program.clone().unwrap_or_else(|| agent.default_program().into());
        Ok(Setup {
            program: self.programs.find(agent, &settings).unwrap_or(named),
            credential,
            base_url,
            permission_mode: task.permission_mode.clone().or(settings.permission_mode),
            max_retries: settings.max_retries,
            path: self.path.clone(),
            mcp_servers,
            confined: self.place(&task.sandbox).await?.0 != SandboxKind::Process,
            model_api: settings.model_api,
            bare: settings.bare,
            trust_repository: settings.trust_repository,
            one_shot: settings.one_shot,
            ..Setup::default()
        })
    }
}

/// The setup of a run that may know its model by another address than the server does.
pub(super) fn with_way_to_model(setup: Setup, confined: &Confined) -> Setup {
    let inside = confined.uplink.as_ref().and_then(|uplink| uplink.base_url());
    Setup { base_url: inside.or(setup.base_url), ..setup }
}

/// Whose run it is.
fn owner(record: &ExecutionRecord) -> &str {
    record.created_by.as_deref().unwrap_or_default()
}

/// What the agent authenticates with: exactly one, the first where there are several.
pub fn credential(settings: &AgentSettings) -> Option<Credential> {
    let exposed = |secret: &Option<crate::config::Secret>| secret.as_ref().map(|secret| secret.expose().to_owned());
    exposed(&settings.api_key)
        .map(Credential::ApiKey)
        .or_else(|| exposed(&settings.auth_token).map(Credential::BearerToken))
        .or_else(|| exposed(&settings.oauth_token).map(Credential::OauthToken))
        .or_else(|| exposed(&settings.login_file).map(Credential::LoginFile))
        .or_else(|| of_list(settings.credentials.first()?))
}

/// Directories that a door's callers name may not be there yet; all others are.
fn make_dir(path: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

pub(super) fn directory_failed(path: &Path, error: &std::io::Error) -> Verdict {
    Verdict::failed(
        FailureReason::WorkspaceFailed,
        format!("The directories of the run could not be made in {}: {error}.", path.display()),
    )
}
