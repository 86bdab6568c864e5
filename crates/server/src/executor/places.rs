//! Where a run works: its directories, and its workspace.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use legwork_model::{FailureReason, Verdict};
use legwork_runner::workspace::{
    Errand, Exclusive, GitSetup, PatchLimits, RemoteError, Source, bring_up_to_date, existing_or_new,
};
use legwork_runner::{RunDirs, Workspace};

use super::execute::Executor;
use crate::store::{ExecutionRecord, StoreError};

/// Where the agent is to work.
pub(super) struct Place {
    pub(super) workspace: Workspace,
    pub(super) commit: Option<String>,
    pub(super) alone: Option<Exclusive>,
}

impl Executor {
    /// The execution's own directories, and those of the session that it continues (else the same).
    pub(super) fn directories(&self, record: &ExecutionRecord) -> Result<(RunDirs, RunDirs), Verdict> {
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

    pub(super) async fn workspace(
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
        let unavailable = |error: StoreError| Verdict::failed(FailureReason::Internal, error.to_string());
        let first = self.store.execution(record.home).await.map_err(unavailable)?;
        Ok(first.and_then(|first| first.task.workspace))
    }
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
