//! Clones a repository that nobody trusts.

use std::path::Path;

use super::remote::{Errand, Remote, RemoteError, Source, head};

/// Clones the newest commit of a repository into `into`, which is empty or not there, without submodules, hooks or
/// redirects. Gives the id of that commit; `None` where the repository is empty.
///
/// # Errors
/// Why it is not there.
pub async fn clone(errand: &Errand<'_>, source: Source<'_>, into: &Path) -> Result<Option<String>, RemoteError> {
    let remote = Remote::find(source).await?;
    let options =
        ["clone", "--progress", "--depth=1", "--single-branch", "--no-tags", "--no-recurse-submodules", "--template="];
    let branch = source.repository.branch.iter().map(|branch| format!("--branch={branch}"));
    let places = ["--".to_owned(), remote.url.to_string(), into.display().to_string()];
    remote.call(errand, options.map(str::to_owned).into_iter().chain(branch).chain(places), None, into).await?;
    Ok(head(errand, &into.join(".git")).await)
}
