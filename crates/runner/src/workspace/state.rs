//! Whether two workspaces hold the same, told by what was taken down before the agent came.
//!
//! Files count with their names, modes and contents, and of the workspace's own `.git` what its branches and tags are: an agent
//! may be asked about either. What `.gitignore` leaves out has no part in it, as it has none in a patch.

use std::fs;
use std::io;
use std::path::Path;

use super::git::GitSetup;
use super::patch::{BEFORE, Look, PatchError, PatchLimits};
use super::snapshot::read_file;
use super::{Before, Workspace};
use crate::dirs::RunDirs;
use crate::runner::Runner;

/// Bytes of the name of a tree at the most, with a line feed.
const MOST_NAME: u64 = 128;
/// Bytes of one file of references, and how many such files and folders there may be.
const MOST_REFERENCES: u64 = 8 * 1024 * 1024;
const MOST_FILES: usize = 10_000;

impl Workspace {
    /// What it held before the agent came, in a text that is the same for the same content. To be asked after
    /// [`take_baseline`](Self::take_baseline), and before [`patch`](Self::patch).
    ///
    /// # Errors
    /// Why nobody can tell.
    pub async fn state(&self, runner: &Runner, git: &GitSetup, dirs: &RunDirs) -> Result<String, PatchError> {
        let snapshot = match &self.before {
            Before::Nothing => return Ok(String::new()),
            Before::Known(snapshot) => snapshot,
            Before::Unknown => return Err(PatchError::NoBaseline),
        };
        if !snapshot.is_whole {
            return Err(PatchError::Unclear(
                "the workspace has files that are too large to be looked at, or can't be read",
            ));
        }
        let look = Look { runner, git, dirs, limits: PatchLimits::default() };
        let tree = format!("{BEFORE}^{{tree}}");
        let printed = look.git(["rev-parse", "--verify", &tree], None, None, MOST_NAME).await?;
        let name = String::from_utf8_lossy(&printed.output.read()?).into_owned();
        Ok(format!("{name}{}", references(&self.path)?))
    }
}

/// Where the branches and tags of the repository in `workspace` are, and which is checked out; nothing where there is none.
///
/// # Errors
/// Why nobody can tell.
pub fn references(workspace: &Path) -> Result<String, PatchError> {
    let git = workspace.join(".git");
    match fs::symlink_metadata(&git) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
        Ok(found) if !found.is_dir() => {
            return Err(PatchError::Unclear("the workspace has its git repository elsewhere"));
        }
        found => found?,
    };
    let mut text = String::new();
    let mut next = vec![git.join("refs"), git.join("packed-refs"), git.join("HEAD")];
    let mut count = next.len();
    while let Some(path) = next.pop() {
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_dir() => {
                let mut entries =
                    fs::read_dir(&path)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
                entries.sort();
                count += entries.len();
                next.append(&mut entries);
            }
            Ok(found) if found.is_file() => {
                let content = read_file(&path, MOST_REFERENCES)?;
                text.push_str(&format!("{:?} {:?}\n", path.strip_prefix(&git), String::from_utf8_lossy(&content)));
            }
            _ => {}
        }
        if count > MOST_FILES || text.len() as u64 > MOST_REFERENCES {
            return Err(PatchError::TooManyFiles);
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_that_moves_is_another_state() {
        let place = tempfile::tempdir().expect("a directory");
        assert_eq!(references(place.path()).expect("read"), "");
        let git = place.path().join(".git");
        fs::create_dir_all(git.join("refs/heads")).expect("made");
        fs::write(git.join("HEAD"), "ref: refs/heads/main\n").expect("written");
        fs::write(git.join("refs/heads/main"), "1111\n").expect("written");
        fs::write(git.join("index"), "what git remembers of files").expect("written");
        let before = references(place.path()).expect("read");
        assert_eq!(before.lines().count(), 2, "{before}");
        fs::write(git.join("index"), "something else").expect("written");
        assert_eq!(references(place.path()).expect("read"), before);
        fs::write(git.join("refs/heads/main"), "2222\n").expect("written");
        assert_ne!(references(place.path()).expect("read"), before);
    }

    #[test]
    fn a_repository_elsewhere_is_not_looked_for() {
        let place = tempfile::tempdir().expect("a directory");
        fs::write(place.path().join(".git"), "gitdir: /somewhere").expect("written");
        assert!(matches!(references(place.path()), Err(PatchError::Unclear(_))));
    }
}
