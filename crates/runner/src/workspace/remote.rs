//! A repository on another machine that nobody trusts.

use std::ffi::OsStr;
use std::net::IpAddr;
use std::path::Path;

use legwork_model::{EventBody, FailureReason, Repository, Verdict};
use tokio::sync::{mpsc, watch};
use url::Url;

use super::access::Access;
use super::address::is_public;
use super::existing::ExistingError;
use super::git::{Call, GitError, GitSetup, Printed};
use super::kept_clone::KeptCloneError;
use super::repository_url::{RepositoryError, RepositoryPolicy, parse, validate_repository};
use super::ssh::{self, Way};
use crate::dirs::RunDirs;
use crate::runner::Runner;
use crate::stop::StopReason;

/// Git prints little to its standard output, but goes on for long about its progress.
const MOST_OUTPUT: u64 = 16 * 1024 * 1024;

/// Why a repository is not in the workspace.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// It may not be cloned.
    #[error(transparent)]
    Refused(#[from] RepositoryError),
    /// Its host has no address.
    #[error("the repository's host {host} could not be found: {source}")]
    NoAddress {
        /// The host.
        host: String,
        /// What the name service said.
        source: std::io::Error,
    },
    /// Git could not do it.
    #[error("the repository could not be cloned: {0}")]
    Git(#[from] GitError),
    /// What is in the workspace already is in the way.
    #[error(transparent)]
    KeptClone(#[from] KeptCloneError),
    /// The workspace may not be used.
    #[error(transparent)]
    Workspace(#[from] ExistingError),
}

impl RemoteError {
    /// How the run ends that needed the repository.
    pub fn verdict(self) -> Verdict {
        let reason = match self {
            Self::Git(GitError::Stopped(verdict)) => return verdict,
            Self::Git(GitError::TimedOut(_)) => FailureReason::StartTimeout,
            Self::Refused(_) | Self::Workspace(_) => FailureReason::RefusedByPolicy,
            Self::Git(_) | Self::NoAddress { .. } | Self::KeptClone(_) => FailureReason::WorkspaceFailed,
        };
        Verdict::failed(reason, sentence(&self.to_string()))
    }
}

/// What is to be in a workspace, and from where.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The repository.
    pub repository: &'a Repository,
    /// What the operator allows.
    pub policy: &'a RepositoryPolicy,
    /// What to authenticate with at its host over HTTP.
    pub token: Option<&'a str>,
}

/// Who works for which run, and who wants to know.
#[derive(Debug, Clone)]
pub struct Errand<'a> {
    /// Runs git.
    pub runner: &'a Runner,
    /// How.
    pub git: &'a GitSetup,
    /// The run's own directories.
    pub dirs: &'a RunDirs,
    /// Whether to stop.
    pub stop: watch::Receiver<Option<StopReason>>,
    /// Where progress is told.
    pub events: mpsc::Sender<EventBody>,
}

/// A repository whose address was looked up and found good.
pub(super) struct Remote<'a> {
    pub(super) url: Url,
    source: Source<'a>,
    reached: Reached,
}

/// How git gets to a repository, so that it asks nobody for the host's address: a second question might get another
/// answer.
enum Reached {
    /// By what is in its URL.
    AsWritten,
    /// By addresses as curl takes them.
    Pinned(String),
    /// By ssh.
    Ssh(Way),
}

impl<'a> Remote<'a> {
    pub(super) async fn find(source: Source<'a>) -> Result<Self, RemoteError> {
        validate_repository(source.repository, source.policy)?;
        let url = parse(&source.repository.url, source.policy)?;
        let reached = resolve(&url, source.policy).await?;
        Ok(Self { url, source, reached })
    }

    /// Runs git with the settings that keep it on its way to this repository.
    pub(super) async fn call(
        &self,
        errand: &Errand<'_>,
        arguments: impl IntoIterator<Item = String>,
        git_dir: Option<&Path>,
        work_tree: &Path,
    ) -> Result<Printed, GitError> {
        let protocols = self.source.policy.schemes.join(":");
        let mut environment = vec![("GIT_ALLOW_PROTOCOL", OsStr::new(&protocols))];
        if let Some(git_dir) = git_dir {
            environment.extend([("GIT_DIR", git_dir.as_os_str()), ("GIT_WORK_TREE", work_tree.as_os_str())]);
        }
        let home = errand.dirs.home();
        let call = Call {
            arguments: self.settings().chain(arguments).collect(),
            environment,
            directory: &home,
            home: &home,
            input: None,
            output: &errand.dirs.clone_output(),
            most_output: MOST_OUTPUT,
            access: self.access(errand.git)?,
            progress: Some(errand.events.clone()),
        };
        let printed = errand.git.call(errand.runner, call, errand.stop.clone()).await?;
        if printed.cut_off {
            return Err(GitError::Failed(format!("it printed more than {MOST_OUTPUT} bytes and was stopped")));
        }
        Ok(printed)
    }

    fn access<'b>(&'b self, git: &'b GitSetup) -> Result<Option<Access<'b>>, GitError> {
        let Reached::Ssh(way) = &self.reached else { return Ok(self.source.token.map(Access::Token)) };
        let no_key = || GitError::NotStarted("there is no key for SSH; set `repositories.ssh.key`".to_owned());
        Ok(Some(Access::Key(git.ssh.as_deref().ok_or_else(no_key)?, way)))
    }

    fn settings(&self) -> impl Iterator<Item = String> + use<> {
        let mut settings = vec!["http.followRedirects=false".to_owned(), "protocol.allow=never".to_owned()];
        settings.extend(self.source.policy.schemes.iter().map(|scheme| format!("protocol.{scheme}.allow=always")));
        settings.extend(["credential.helper=".to_owned(), "submodule.recurse=false".to_owned()]);
        if let Reached::Pinned(pin) = &self.reached {
            settings.push(format!("http.curloptResolve={pin}"));
        }
        settings.into_iter().flat_map(|setting| ["-c".to_owned(), setting])
    }
}

/// Asks for the host's addresses, and refuses it if any is private.
async fn resolve(url: &Url, policy: &RepositoryPolicy) -> Result<Reached, RemoteError> {
    if url.scheme() == ssh::SCHEME {
        let host = url.host_str().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let addresses = addresses(bare, url.port().unwrap_or(ssh::PORT), policy).await?;
        let none = || RemoteError::NoAddress { host: host.to_owned(), source: std::io::ErrorKind::NotFound.into() };
        return addresses.first().map(|address| Reached::Ssh(Way::new(url, *address))).ok_or_else(none);
    }
    let (Some(host), Some(port)) = (url.domain(), url.port_or_known_default()) else { return Ok(Reached::AsWritten) };
    let written = addresses(host, port, policy).await?.into_iter().map(|address| match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    });
    let addresses: Vec<_> = written.collect();
    Ok(Reached::Pinned(format!("{host}:{port}:{}", addresses.join(","))))
}

async fn addresses(host: &str, port: u16, policy: &RepositoryPolicy) -> Result<Vec<IpAddr>, RemoteError> {
    let found = tokio::net::lookup_host((host, port)).await;
    let found = found.map_err(|source| RemoteError::NoAddress { host: host.to_owned(), source })?;
    let addresses: Vec<_> = found.map(|address| address.ip()).collect();
    if !policy.allow_private_addresses && !addresses.iter().all(|address| is_public(*address)) {
        return Err(RepositoryError::PrivateAddress(host.to_owned()).into());
    }
    Ok(addresses)
}

/// The commit that is checked out in a repository in which no agent was since git wrote it.
pub(super) async fn head(errand: &Errand<'_>, repository: &Path) -> Option<String> {
    let home = errand.dirs.home();
    let call = Call {
        arguments: ["rev-parse", "--verify", "--quiet", "HEAD"].map(str::to_owned).to_vec(),
        environment: vec![("GIT_DIR", repository.as_os_str())],
        directory: &home,
        home: &home,
        input: None,
        output: &errand.dirs.clone_output(),
        most_output: MOST_OUTPUT,
        access: None,
        progress: None,
    };
    let printed = errand.git.call(errand.runner, call, errand.stop.clone()).await.ok()?.output.read().ok()?;
    let id = String::from_utf8(printed).ok()?.trim().to_owned();
    (!id.is_empty()).then_some(id)
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_ascii_uppercase());
    let end = if text.ends_with('.') { "" } else { "." };
    first.into_iter().chain(letters).chain(end.chars()).collect()
}
