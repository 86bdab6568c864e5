//! Directories of the operator's that callers may have agents work in.

use std::path::{Component, Path, PathBuf};

/// Why a directory is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExistingError {
    /// Not a path from the root without detours.
    #[error("the workspace must be an absolute path without `..`, `~` or NUL, such as /srv/projects/shop")]
    NotPlain,
    /// Outside of what the operator allows, or not there: those outside are not told which.
    #[error("the workspace must be a directory below one of: {0}")]
    NotAllowed(String),
    /// The operator allows none.
    #[error("workspaces are not allowed here; leave it out to get a fresh one")]
    NoneAllowed,
    /// Inside of what is allowed, but not a directory.
    #[error("the workspace {0} is not a directory")]
    NotADirectory(PathBuf),
}

/// The directory that `path` names, with all symbolic links resolved, if it is one of `allowed_roots` or inside of one.
///
/// # Errors
/// Why it is refused. What is outside of the roots is not looked at.
pub fn existing(path: &str, allowed_roots: &[PathBuf]) -> Result<PathBuf, ExistingError> {
    if allowed_roots.is_empty() {
        return Err(ExistingError::NoneAllowed);
    }
    let path = plain(path)?;
    let roots: Vec<_> = allowed_roots.iter().filter_map(|root| root.canonicalize().ok()).collect();
    let not_allowed = || {
        let names: Vec<_> = allowed_roots.iter().map(|root| root.display().to_string()).collect();
        ExistingError::NotAllowed(names.join(", "))
    };
    if !roots.iter().chain(allowed_roots).any(|root| path.starts_with(root)) {
        return Err(not_allowed());
    }
    let found = path.canonicalize().map_err(|_| ExistingError::NotADirectory(path.to_owned()))?;
    if !roots.iter().any(|root| found.starts_with(root)) {
        return Err(not_allowed());
    }
    if found.is_dir() { Ok(found) } else { Err(ExistingError::NotADirectory(found)) }
}

/// The same for a directory that may not be there yet; what of its path exists is resolved.
///
/// # Errors
/// Why it is refused.
pub fn existing_or_new(path: &str, allowed_roots: &[PathBuf]) -> Result<PathBuf, ExistingError> {
    let wanted = plain(path)?;
    let Some(there) = wanted.ancestors().find(|ancestor| ancestor.symlink_metadata().is_ok()) else {
        return existing(path, allowed_roots);
    };
    let missing = wanted.strip_prefix(there).unwrap_or(Path::new(""));
    let found = existing(there.to_str().ok_or(ExistingError::NotPlain)?, allowed_roots)?;
    // Components, so that there is no slash at the end.
    Ok(found.components().chain(missing.components()).collect())
}

fn plain(text: &str) -> Result<&Path, ExistingError> {
    let path = Path::new(text);
    let plain_part = |part: Component<'_>| matches!(part, Component::RootDir | Component::Normal(_));
    let is_plain = path.is_absolute() && !text.contains(['\0', '~']) && path.components().all(plain_part);
    is_plain.then_some(path).ok_or(ExistingError::NotPlain)
}
