//! What git obeys outside of a sandbox, in a repository that a run works in: whoever works there later runs it.

use std::path::{Path, PathBuf};

/// What in a repository is run or obeyed by git.
const OBEYED: &[&str] = &["hooks", "config", "config.worktree"];

/// A repository that a run may change.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Repository {
    /// Its `.git`, which may be changed but not replaced as a whole.
    pub(super) git: PathBuf,
    /// What in it has to stay as it is.
    pub(super) obeyed: Vec<PathBuf>,
}

impl Repository {
    /// Those in `writable` and in the working directory. An agent that put a link there in an earlier run is not followed.
    pub(super) fn all_in(writable: &Path, directory: &Path) -> Vec<Self> {
        let mut repositories = vec![writable.join(".git")];
        if directory.starts_with(writable) && directory != writable {
            repositories.push(directory.join(".git"));
        }
        let found = repositories.into_iter().filter(|git| is_really_in(git, writable) && git.is_dir());
        found.map(|git| Self { obeyed: obeyed(&git), git }).collect()
    }
}

fn obeyed(git: &Path) -> Vec<PathBuf> {
    OBEYED.iter().map(|name| git.join(name)).filter(|path| is_real(path)).collect()
}

/// Whether no link leads there from `outer`.
pub(super) fn is_really_in(inner: &Path, outer: &Path) -> bool {
    let (Ok(real), Ok(rest)) = (std::fs::canonicalize(outer), inner.strip_prefix(outer)) else { return false };
    std::fs::canonicalize(inner).is_ok_and(|inner| inner == real.join(rest))
}

fn is_real(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|file| !file.is_symlink())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_protected_but_not_by_way_of_links() {
        let place = tempfile::tempdir().expect("a directory");
        let git = place.path().join("work/.git");
        std::fs::create_dir_all(git.join("hooks")).expect("made");
        std::os::unix::fs::symlink("/etc/passwd", git.join("config")).expect("linked");
        let found = Repository::all_in(place.path(), &place.path().join("work"));
        assert_eq!(found, [Repository { obeyed: vec![git.join("hooks")], git }]);
        std::os::unix::fs::symlink(place.path().join("work"), place.path().join("link")).expect("linked");
        assert_eq!(Repository::all_in(place.path(), &place.path().join("link")), []);
    }
}
