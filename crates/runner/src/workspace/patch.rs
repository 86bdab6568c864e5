//! What a run changed in its workspace, as a git diff.
//!
//! The workspace's own `.git` has no part in it: the agent may have written there what it liked. The two states are
//! compared in a repository beside it, which exists only where there is something to compare.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use legwork_model::Verdict;
use tokio::sync::watch;

use super::git::{Call, GitError, GitSetup, Printed};
use super::snapshot::{Import, Skipped, Snapshot, listed};
use super::{Before, Workspace};
use crate::dirs::{RunDirs, remove_tree};
use crate::output::Output;
use crate::runner::Runner;
use crate::stop::StopReason;

/// The tree without files, which every repository has.
const EMPTY_TREE: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
pub(super) const BEFORE: &str = "refs/heads/before";
const AFTER: &str = "refs/heads/after";

/// More files than this are not listed (about a hundred bytes each).
const MOST_LISTING: u64 = 64 * 1024 * 1024;
/// More repositories inside of each other than this are not looked into.
const MOST_REPOSITORIES: usize = 100;

const CONFIGURATION: &str = "[core]\n\trepositoryformatversion = 0\n\tbare = true\n\tcompression = 0\n";

/// How large a patch, and what it is made from, may be; in bytes.
#[derive(Debug, Clone, Copy)]
pub struct PatchLimits {
    /// The patch is cut off there.
    pub patch: u64,
    /// Larger files are left out of it.
    pub largest_file: u64,
    /// There is no patch where new and changed files are larger than that together.
    pub all_files: u64,
}

impl Default for PatchLimits {
    fn default() -> Self {
        Self { patch: 20 * 1024 * 1024, largest_file: 8 * 1024 * 1024, all_files: 512 * 1024 * 1024 }
    }
}

/// What a run changed.
#[derive(Debug, Default)]
pub struct Patch {
    /// The git diff; empty where nothing was changed.
    pub diff: Output,
    /// Whether it was cut off; its last line then says so.
    pub truncated: bool,
    /// What was changed too but is not in it.
    pub skipped: Vec<Skipped>,
}

/// Why there is no patch.
#[derive(Debug, thiserror::Error)]
pub enum PatchError {
    /// What the workspace held before the run was not taken down.
    #[error("nobody knows what the workspace held before the run")]
    NoBaseline,
    /// Too much was changed.
    #[error("new and changed files are larger than {0} bytes together")]
    TooLarge(u64),
    /// There are too many files.
    #[error("the workspace has too many files, or too many repositories inside of each other")]
    TooManyFiles,
    /// What is in it can't be told from something else.
    #[error("{0}")]
    Unclear(&'static str),
    /// Git could not do its part.
    #[error(transparent)]
    Git(#[from] GitError),
    /// A file could not be read or written.
    #[error("a file could not be read or written: {0}")]
    File(#[from] io::Error),
}

/// What is needed to look at a workspace.
#[derive(Debug)]
pub(super) struct Look<'a> {
    pub(super) runner: &'a Runner,
    pub(super) git: &'a GitSetup,
    pub(super) dirs: &'a RunDirs,
    pub(super) limits: PatchLimits,
}

impl Patch {
    /// Whether it has all that was changed.
    pub fn is_whole(&self) -> bool {
        !self.truncated && self.skipped.is_empty()
    }
}

impl Workspace {
    /// Takes down what the workspace holds, before the agent comes. Nothing to do for a fresh one.
    ///
    /// # Errors
    /// Why that can't be done. The run can go on, without a patch.
    pub async fn take_baseline(
        &mut self,
        runner: &Runner,
        git: &GitSetup,
        dirs: &RunDirs,
        limits: PatchLimits,
    ) -> Result<(), PatchError> {
        if matches!(self.before, Before::Unknown) {
            let look = Look { runner, git, dirs, limits };
            make_repository(dirs)?;
            let (snapshot, _) = look.snapshot(&self.path, BEFORE, None).await?;
            if runner.supervisor().is_some()
                && let Err(error) = snapshot.save(&dirs.baseline())
            {
                tracing::warn!(%error, "a server that takes this run up will have no patch of it");
            }
            self.before = Before::Known(Arc::new(snapshot));
        }
        Ok(())
    }

    /// Works out what has changed since. A large diff is then in the file [`RunDirs::patch`]. To be called once no process
    /// of the run is left.
    ///
    /// Files that a `.gitignore` leaves out are not in it; files of repositories inside of the workspace are, as
    /// ordinary files.
    ///
    /// # Errors
    /// Why there is no patch.
    pub async fn patch(
        self,
        runner: &Runner,
        git: &GitSetup,
        dirs: &RunDirs,
        limits: PatchLimits,
    ) -> Result<Patch, PatchError> {
        let before = match &self.before {
            // Most runs in a fresh workspace leave it empty, and then no git is needed.
            Before::Nothing if fs::read_dir(&self.path)?.next().is_none() => return Ok(Patch::default()),
            Before::Nothing => None,
            Before::Known(snapshot) => Some(snapshot),
            Before::Unknown => return Err(PatchError::NoBaseline),
        };
        let look = Look { runner, git, dirs, limits };
        let patch = look.compare(&self.path, before).await;
        // It holds a copy of the whole workspace.
        remove_tree(&dirs.shadow())?;
        patch
    }
}

impl Look<'_> {
    async fn compare(&self, workspace: &Path, before: Option<&Arc<Snapshot>>) -> Result<Patch, PatchError> {
        make_repository(self.dirs)?;
        let (_, skipped) = self.snapshot(workspace, AFTER, before).await?;
        self.diff(before.is_some(), skipped).await
    }

    /// Commits what the workspace holds.
    async fn snapshot(
        &self,
        workspace: &Path,
        reference: &'static str,
        before: Option<&Arc<Snapshot>>,
    ) -> Result<(Snapshot, Vec<Skipped>), PatchError> {
        let paths = self.files(workspace).await?;
        let stream = self.dirs.shadow().join("import");
        let import = Import::new(workspace.to_owned(), self.limits, &stream)?;
        let base = before.map(|before| (BEFORE, Arc::clone(before)));
        // Reading a large workspace takes a while.
        let taken = tokio::task::spawn_blocking(move || import.commit(reference, base, paths)).await;
        let found = taken.map_err(io::Error::other)??;
        self.git(["fast-import", "--quiet", "--done"], None, Some(File::open(&stream)?), MOST_LISTING).await?;
        fs::remove_file(&stream)?;
        Ok(found)
    }

    /// The files that `.gitignore` does not leave out, of the workspace and of the repositories in it.
    async fn files(&self, workspace: &Path) -> Result<Vec<PathBuf>, PatchError> {
        let mut files = Vec::new();
        let mut repositories = vec![PathBuf::new()];
        let mut next = 0;
        while let Some(repository) = repositories.get(next).cloned() {
            next += 1;
            if next > MOST_REPOSITORIES {
                return Err(PatchError::TooManyFiles);
            }
            let top = workspace.join(&repository);
            let listing = ["ls-files", "-z", "--others", "--exclude-standard"];
            let Printed { output, cut_off } = self.git(listing, Some(&top), None, MOST_LISTING).await?;
            if cut_off {
                return Err(PatchError::TooManyFiles);
            }
            let (found, nested) = listed(&output.read()?);
            files.extend(found.iter().map(|path| repository.join(path)));
            repositories.extend(nested.iter().map(|path| repository.join(path)));
        }
        Ok(files)
    }

    async fn diff(&self, has_base: bool, skipped: Vec<Skipped>) -> Result<Patch, PatchError> {
        let base = if has_base { BEFORE } else { EMPTY_TREE };
        let diff = [
            "diff-tree",
            "-r",
            "-p",
            "-M",
            "--binary",
            "--full-index",
            "--no-color",
            "--no-ext-diff",
            "--no-textconv",
            "--src-prefix=a/",
            "--dst-prefix=b/",
            base,
            AFTER,
        ];
        let Printed { output, cut_off: truncated } = self.git(diff, None, None, self.limits.patch).await?;
        let mut diff = output.moved(&self.dirs.patch())?;
        if truncated {
            diff.append(&format!("\n# The patch was cut off here, after {} bytes.\n", self.limits.patch))?;
        }
        Ok(Patch { diff, truncated, skipped })
    }

    pub(super) async fn git<const N: usize>(
        &self,
        arguments: [&str; N],
        work_tree: Option<&Path>,
        input: Option<File>,
        most_output: u64,
    ) -> Result<Printed, GitError> {
        let shadow = self.dirs.shadow();
        let mut environment: Vec<(&str, &OsStr)> = vec![("GIT_DIR", shadow.as_os_str())];
        environment.extend(work_tree.map(|path| ("GIT_WORK_TREE", path.as_os_str())));
        let call = Call {
            arguments: arguments.map(str::to_owned).to_vec(),
            environment,
            directory: work_tree.unwrap_or(&shadow),
            home: &shadow,
            input,
            output: &shadow.join("output"),
            most_output,
            access: None,
            progress: None,
        };
        // Git has a deadline of its own here; the run that it works for is over.
        let (_stop, never) = watch::channel::<Option<StopReason>>(None);
        self.git.call(self.runner, call, never).await
    }
}

/// A repository is no more than these few files; starting git to write them costs more than writing them.
fn make_repository(dirs: &RunDirs) -> io::Result<()> {
    dirs.create_kept()?;
    let shadow = dirs.shadow();
    for dir in ["objects", "refs/heads", "info"] {
        fs::create_dir_all(shadow.join(dir))?;
    }
    fs::write(shadow.join("config"), CONFIGURATION)?;
    fs::write(shadow.join("HEAD"), "ref: refs/heads/none\n")
}

impl PatchError {
    /// Whether somebody stopped it, and how the run then ends.
    pub fn stopped(self) -> Option<Verdict> {
        match self {
            Self::Git(GitError::Stopped(verdict)) => Some(verdict),
            _ => None,
        }
    }
}
