//! Brings a clone up to date that agents have worked in. Nothing that they may have written into its `.git` is taken for
//! configuration: what is kept of it are objects and references, everything else is written anew.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::clone::clone;
use super::git::GitError;
use super::remote::{Errand, Remote, RemoteError, Source, head};
use super::repository_url::validate_branch;

/// What a `.git` may hold that git is to go on with.
const KEPT: [&str; 7] = ["HEAD", "index", "logs", "objects", "packed-refs", "refs", "shallow"];
/// What says that objects are elsewhere.
const ELSEWHERE: [&str; 2] = ["objects/info/alternates", "objects/info/http-alternates"];
/// A repository with more files than this was not made by a shallow clone.
const MOST_FILES: usize = 1_000_000;

/// Why a workspace can't be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum KeptCloneError {
    /// There are files, but no repository.
    #[error("the workspace {0} holds files but no git repository; empty it to have the repository cloned")]
    NoRepository(PathBuf),
    /// Its repository is none that git made here.
    #[error(
        "the repository in the workspace {0} holds what git does not put there ({1}); remove it to have it cloned anew"
    )]
    Strange(PathBuf, String),
    /// It can't be read or written.
    #[error("the repository in the workspace {0} can't be used: {1}")]
    Io(PathBuf, io::Error),
}

/// Clones the repository into `workspace` where that is empty; else fetches and resets to the newest commit of its
/// branch. Files that are not in the repository stay. Gives the id of the commit.
///
/// # Errors
/// Why it is not there, or not up to date.
pub async fn bring_up_to_date(
    errand: &Errand<'_>,
    source: Source<'_>,
    workspace: &Path,
) -> Result<Option<String>, RemoteError> {
    let git_dir = workspace.join(".git");
    if fs::symlink_metadata(&git_dir).is_err() {
        let failed = |error| KeptCloneError::Io(workspace.to_owned(), error);
        if fs::read_dir(workspace).map_err(failed)?.next().is_some() {
            return Err(KeptCloneError::NoRepository(workspace.to_owned()).into());
        }
        return clone(errand, source, workspace).await;
    }
    let remote = Remote::find(source).await?;
    distrust(workspace, &git_dir)?;
    let branch = match &source.repository.branch {
        Some(branch) => branch.clone(),
        None => default_branch(errand, &remote, workspace).await?,
    };
    let tracked = format!("refs/remotes/origin/{branch}");
    let fetch = ["fetch", "--progress", "--depth=1", "--no-tags", "--no-recurse-submodules", "--force", "--"];
    let places = [remote.url.to_string(), format!("+refs/heads/{branch}:{tracked}")];
    remote.call(errand, fetch.map(str::to_owned).into_iter().chain(places), Some(&git_dir), workspace).await?;
    write_config(&git_dir, &remote, &branch).map_err(|error| KeptCloneError::Io(workspace.to_owned(), error))?;
    let checkout = ["checkout", "--quiet", "--force", "-B", &branch, &tracked, "--"].map(str::to_owned);
    remote.call(errand, checkout, Some(&git_dir), workspace).await?;
    Ok(head(errand, &git_dir).await)
}

/// The branch that the repository itself calls its own.
async fn default_branch(errand: &Errand<'_>, remote: &Remote<'_>, workspace: &Path) -> Result<String, RemoteError> {
    let ask = ["ls-remote", "--symref", "--", remote.url.as_str(), "HEAD"].map(str::to_owned);
    let printed = remote.call(errand, ask, None, workspace).await?.output.read().map_err(GitError::File)?;
    let text = String::from_utf8_lossy(&printed);
    let branch = text.lines().find_map(|line| line.strip_prefix("ref: refs/heads/")?.split('\t').next());
    let none = || GitError::Failed("the repository has no branch; it may be empty".to_owned());
    let branch = branch.ok_or_else(none)?;
    validate_branch(branch)?;
    Ok(branch.to_owned())
}

/// Removes everything from a `.git` that could make git run or read something else.
fn distrust(workspace: &Path, git_dir: &Path) -> Result<(), KeptCloneError> {
    let strange = |what: &str| KeptCloneError::Strange(workspace.to_owned(), what.to_owned());
    let failed = |error| KeptCloneError::Io(workspace.to_owned(), error);
    if !fs::symlink_metadata(git_dir).map_err(failed)?.is_dir() {
        return Err(strange("it is no directory"));
    }
    let mut left = MOST_FILES;
    only_plain_files(git_dir, &mut left).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => strange(&error.to_string()),
        _ => failed(error),
    })?;
    for entry in fs::read_dir(git_dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if !KEPT.iter().any(|kept| entry.file_name() == *kept) {
            remove(&entry.path()).map_err(failed)?;
        }
    }
    ELSEWHERE.iter().try_for_each(|name| remove(&git_dir.join(name))).map_err(failed)
}

/// Git makes neither links nor pipes in its directory; following one would lead out of it. Locks are removed.
fn only_plain_files(dir: &Path, left: &mut usize) -> io::Result<()> {
    let strange = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        *left = left.checked_sub(1).ok_or_else(|| strange("too many files".to_owned()))?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            only_plain_files(&entry.path(), left)?;
        } else if entry.file_name().to_string_lossy().ends_with(".lock") {
            // Of a git that was killed: nobody else works here now.
            fs::remove_file(entry.path())?;
        } else if !kind.is_file() {
            return Err(strange(format!("{} is neither file nor directory", entry.path().display())));
        }
    }
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Backslashes are in neither URLs nor names of branches that were looked at.
fn write_config(git_dir: &Path, remote: &Remote<'_>, branch: &str) -> io::Result<()> {
    let quoted = |text: &str| text.replace('"', "\\\"");
    let (url, branch) = (quoted(remote.url.as_str()), quoted(branch));
    let config = format!(
        "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n\tlogallrefupdates = true\n\
         [remote \"origin\"]\n\turl = \"{url}\"\n\tfetch = \"+refs/heads/{branch}:refs/remotes/origin/{branch}\"\n\
         [branch \"{branch}\"]\n\tremote = origin\n\tmerge = \"refs/heads/{branch}\"\n"
    );
    fs::write(git_dir.join("config"), config)
}
