//! Clones a repository that nobody trusts.

use std::ffi::OsStr;
use std::net::IpAddr;
use std::path::Path;

use legwork_model::{FailureReason, Repository, Verdict};
use tokio::sync::watch;
use url::Url;

use super::address::is_public;
use super::git::{Call, GitError, GitSetup};
use super::repository_url::{RepositoryError, RepositoryPolicy, parse, validate_repository};
use crate::dirs::RunDirs;
use crate::runner::Runner;
use crate::stop::StopReason;

/// Git prints next to nothing to its standard output.
const MOST_OUTPUT: u64 = 64 * 1024;

/// Why a repository is not in the workspace.
#[derive(Debug, thiserror::Error)]
pub enum CloneError {
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
}

impl CloneError {
    /// How the run ends that needed the repository.
    pub fn verdict(self) -> Verdict {
        let reason = match self {
            Self::Git(GitError::Stopped(verdict)) => return verdict,
            Self::Git(GitError::TimedOut(_)) => FailureReason::StartTimeout,
            Self::Refused(_) => FailureReason::RefusedByPolicy,
            Self::Git(_) | Self::NoAddress { .. } => FailureReason::WorkspaceFailed,
        };
        Verdict::failed(reason, sentence(&self.to_string()))
    }
}

/// Clones the newest commit of a repository into the run's own workspace, without submodules, hooks or redirects.
/// Gives the id of that commit; `None` where the repository is empty.
///
/// # Errors
/// Why it is not there.
pub async fn clone(
    runner: &Runner,
    git: &GitSetup,
    repository: &Repository,
    policy: &RepositoryPolicy,
    dirs: &RunDirs,
    stop: watch::Receiver<Option<StopReason>>,
) -> Result<Option<String>, CloneError> {
    validate_repository(repository, policy)?;
    let url = parse(&repository.url, policy)?;
    let pin = resolve(&url, policy).await?;
    let protocols = policy.schemes.join(":");
    let work = dirs.work();
    let output = dirs.clone_output();
    let call = Call {
        arguments: arguments(&url, repository.branch.as_deref(), policy, pin, &work),
        environment: vec![("GIT_ALLOW_PROTOCOL", OsStr::new(&protocols))],
        directory: &dirs.home(),
        home: &dirs.home(),
        input: None,
        output: &output,
        most_output: MOST_OUTPUT,
    };
    git.call(runner, call, stop.clone()).await?;
    Ok(head(runner, git, dirs, stop).await)
}

fn arguments(
    url: &Url,
    branch: Option<&str>,
    policy: &RepositoryPolicy,
    pin: Option<String>,
    work: &Path,
) -> Vec<String> {
    let mut settings = vec!["http.followRedirects=false".to_owned(), "protocol.allow=never".to_owned()];
    settings.extend(policy.schemes.iter().map(|scheme| format!("protocol.{scheme}.allow=always")));
    settings.extend(["credential.helper=".to_owned(), "submodule.recurse=false".to_owned()]);
    settings.extend(pin.map(|pin| format!("http.curloptResolve={pin}")));
    let mut arguments: Vec<String> = settings.into_iter().flat_map(|setting| ["-c".to_owned(), setting]).collect();
    let options =
        ["clone", "--quiet", "--depth=1", "--single-branch", "--no-tags", "--no-recurse-submodules", "--template="];
    arguments.extend(options.map(str::to_owned));
    arguments.extend(branch.map(|branch| format!("--branch={branch}")));
    arguments.extend(["--".to_owned(), url.to_string(), work.display().to_string()]);
    arguments
}

/// Asks for the host's addresses, refuses it if any is private, and gives what makes git use these addresses: a second
/// question might get another answer.
async fn resolve(url: &Url, policy: &RepositoryPolicy) -> Result<Option<String>, CloneError> {
    let (Some(host), Some(port)) = (url.domain(), url.port_or_known_default()) else { return Ok(None) };
    let found = tokio::net::lookup_host((host, port)).await;
    let found = found.map_err(|source| CloneError::NoAddress { host: host.to_owned(), source })?;
    let addresses: Vec<_> = found.map(|address| address.ip()).collect();
    if !policy.allow_private_addresses && !addresses.iter().all(|address| is_public(*address)) {
        return Err(RepositoryError::PrivateAddress(host.to_owned()).into());
    }
    let written = addresses.iter().map(|address| match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    });
    let addresses: Vec<_> = written.collect();
    Ok(Some(format!("{host}:{port}:{}", addresses.join(","))))
}

/// The commit that was checked out. The repository was written by git a moment ago, and no agent was in it yet.
async fn head(
    runner: &Runner,
    git: &GitSetup,
    dirs: &RunDirs,
    stop: watch::Receiver<Option<StopReason>>,
) -> Option<String> {
    let repository = dirs.work().join(".git");
    let call = Call {
        arguments: ["rev-parse", "--verify", "--quiet", "HEAD"].map(str::to_owned).to_vec(),
        environment: vec![("GIT_DIR", repository.as_os_str())],
        directory: &dirs.home(),
        home: &dirs.home(),
        input: None,
        output: &dirs.clone_output(),
        most_output: MOST_OUTPUT,
    };
    let printed = git.call(runner, call, stop).await.ok()?.output.read().ok()?;
    let id = String::from_utf8(printed).ok()?.trim().to_owned();
    (!id.is_empty()).then_some(id)
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_ascii_uppercase());
    let end = if text.ends_with('.') { "" } else { "." };
    first.into_iter().chain(letters).chain(end.chars()).collect()
}
