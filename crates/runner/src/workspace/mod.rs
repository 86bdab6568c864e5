//! Where an agent works, and what it changed there.
//!
//! A workspace is hostile once an agent was in it: nothing in it is executed or taken for configuration here, its own
//! `.git` least of all.

mod access;
mod address;
mod askpass;
mod clone;
mod exclusive;
mod existing;
mod git;
mod kept_clone;
mod patch;
mod progress;
mod remote;
mod repository_url;
mod snapshot;
mod ssh;
mod state;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use askpass::write_askpass;
pub use clone::clone;
pub use exclusive::Exclusive;
pub use existing::{ExistingError, existing, existing_or_new};
pub use git::{GitError, GitSetup};
pub use kept_clone::{KeptCloneError, bring_up_to_date};
pub use patch::{Patch, PatchError, PatchLimits};
pub use remote::{Errand, RemoteError, Source};
pub use repository_url::{RepositoryError, RepositoryPolicy, validate_repository};
pub use snapshot::{Skipped, SkippedBecause};
pub use ssh::Ssh;
pub use state::references;

use snapshot::Snapshot;

use crate::dirs::RunDirs;

/// A directory for an agent to work in.
#[derive(Debug)]
pub struct Workspace {
    path: PathBuf,
    before: Before,
}

/// What was in it before the agent came.
#[derive(Debug)]
enum Before {
    /// Nothing.
    Nothing,
    /// Something that nobody has looked at yet.
    Unknown,
    /// This.
    Known(Arc<Snapshot>),
}

impl Workspace {
    /// An empty directory of the run's own.
    pub fn fresh(path: PathBuf) -> Self {
        Self { path, before: Before::Nothing }
    }

    /// A directory that holds something already, such as the result of [`existing`] or [`clone`].
    pub fn filled(path: PathBuf) -> Self {
        Self { path, before: Before::Unknown }
    }

    /// A directory that an earlier process of the server [looked at](Self::take_baseline) before the agent came.
    pub fn looked_at(path: PathBuf, dirs: &RunDirs) -> Self {
        let before = Snapshot::load(&dirs.baseline()).map_or(Before::Unknown, |known| Before::Known(Arc::new(known)));
        Self { path, before }
    }

    /// Whether nothing was in it before the agent came.
    pub fn was_empty(&self) -> bool {
        matches!(self.before, Before::Nothing)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
