//! What a run brings into its container: directories that its user may change, which become those of whoever made them
//! again afterwards; and the copy of a workspace, which is gone afterwards.
//!
//! All of it is done while no container has them, so that nobody can put a link where a directory was.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};

use super::plan::User;

/// What has to be put back when a container is gone.
#[derive(Debug, Default)]
pub(super) struct Belongings {
    handed: Vec<PathBuf>,
    to: Option<User>,
    copy: Option<PathBuf>,
}

/// Who runs in a container: who was asked for, or the owner of the workspace, or where that is root, `instead`.
pub(super) fn user(asked: Option<u32>, workspace: &Path, instead: u32) -> io::Result<User> {
    let owner = fs::metadata(workspace)?;
    Ok(match asked.unwrap_or(if owner.uid() == 0 { instead } else { owner.uid() }) {
        uid if uid == owner.uid() => User { uid, gid: owner.gid() },
        uid => User { uid, gid: uid },
    })
}

impl Belongings {
    /// Hands what is root's in `directories` to `user`, where this process is root and the user is not; and copies
    /// `workspace` to `copy`, where that is named.
    pub(super) fn prepare(
        directories: Vec<PathBuf>,
        user: User,
        workspace: &Path,
        copy: Option<PathBuf>,
    ) -> io::Result<Self> {
        let mut belongings = Self { copy, ..Self::default() };
        let may_hand = rustix::process::geteuid().is_root() && user.uid != 0;
        let prepared = belongings.fill(directories, may_hand.then_some(user), workspace);
        if prepared.is_err() {
            belongings.put_back();
        }
        prepared.map(|()| belongings)
    }

    /// Those of a container that an earlier process of this server made.
    pub(super) fn found(directories: Vec<PathBuf>, user: User, copy: Option<PathBuf>) -> Self {
        let may_hand = rustix::process::geteuid().is_root() && user.uid != 0;
        Self { handed: directories, to: may_hand.then_some(user), copy }
    }

    fn fill(&mut self, directories: Vec<PathBuf>, to: Option<User>, workspace: &Path) -> io::Result<()> {
        if let Some(copy) = &self.copy {
            copy.parent().map_or(Ok(()), fs::create_dir_all)?;
            copied(workspace, copy)?;
        }
        let Some(user) = to else { return Ok(()) };
        if let Some(copy) = &self.copy {
            hand(copy, 0, user)?;
        }
        self.to = to;
        for directory in directories {
            self.handed.push(directory);
            self.handed.last().map_or(Ok(()), |directory| hand(directory, 0, user))?;
        }
        Ok(())
    }

    /// Makes everything root's again that was handed to the user or made by it, and removes the copy.
    pub(super) fn put_back(&mut self) {
        if let Some(user) = self.to.take() {
            for directory in self.handed.drain(..) {
                if let Err(error) = hand(&directory, user.uid, User { uid: 0, gid: 0 }) {
                    tracing::warn!(directory = %directory.display(), %error, "could not be taken back from a container");
                }
            }
        }
        if let Some(copy) = self.copy.take()
            && let Err(error) = fs::remove_dir_all(&copy)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(copy = %copy.display(), %error, "could not be removed");
        }
    }
}

/// Gives what is `from`'s below a path, and itself, to another user. Links are not followed.
fn hand(path: &Path, from: u32, to: User) -> io::Result<()> {
    let found = fs::symlink_metadata(path)?;
    if found.is_dir() {
        for entry in fs::read_dir(path)? {
            hand(&entry?.path(), from, to)?;
        }
    }
    if found.uid() == from { lchown(path, Some(to.uid), Some(to.gid)) } else { Ok(()) }
}

/// Copies a directory with everything in it, but for what is neither a file nor a directory nor a link.
fn copied(from: &Path, to: &Path) -> io::Result<()> {
    let found = fs::symlink_metadata(from)?;
    if found.is_symlink() {
        symlink(fs::read_link(from)?, to)?;
    } else if found.is_dir() {
        DirBuilder::new().mode(0o700).create(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copied(&entry.path(), &to.join(entry.file_name()))?;
        }
        fs::set_permissions(to, fs::Permissions::from_mode(found.mode() & 0o777))?;
    } else if found.is_file() {
        fs::copy(from, to)?;
    } else {
        return Ok(());
    }
    keep_owner(&found, to)
}

/// Only root can, and only for root does it matter.
fn keep_owner(found: &fs::Metadata, to: &Path) -> io::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    if found.is_symlink() {
        lchown(to, Some(found.uid()), Some(found.gid()))
    } else {
        chown(to, Some(found.uid()), Some(found.gid()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_what_the_workspace_has_and_is_gone_afterwards() {
        let root = tempfile::tempdir().expect("a directory");
        let (work, copy) = (root.path().join("work"), root.path().join("copies/1"));
        fs::create_dir_all(work.join("a/b")).expect("made");
        fs::write(work.join("a/b/run"), "#!").expect("written");
        fs::set_permissions(work.join("a/b/run"), fs::Permissions::from_mode(0o755)).expect("set");
        symlink("/etc", work.join("link")).expect("linked");
        let me = User { uid: rustix::process::geteuid().as_raw(), gid: rustix::process::getegid().as_raw() };
        let mut belongings = Belongings::prepare(Vec::new(), me, &work, Some(copy.clone())).expect("copied");
        assert_eq!(fs::read_to_string(copy.join("a/b/run")).ok().as_deref(), Some("#!"));
        assert_eq!(fs::metadata(copy.join("a/b/run")).expect("it").mode() & 0o777, 0o755);
        assert_eq!(fs::read_link(copy.join("link")).ok(), Some("/etc".into()));
        belongings.put_back();
        assert!(!copy.exists() && work.join("a/b/run").exists());
    }

    #[test]
    fn what_is_handed_over_comes_back() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let root = tempfile::tempdir().expect("a directory");
        let (inside, outside) = (root.path().join("in"), root.path().join("out"));
        fs::create_dir(&inside).expect("made");
        fs::write(&outside, "").expect("written");
        symlink(&outside, inside.join("link")).expect("linked");
        let user = user(None, &inside, 4711).expect("a user");
        assert_eq!(user, User { uid: 4711, gid: 4711 });
        let mut belongings = Belongings::prepare(vec![inside.clone()], user, &inside, None).expect("handed");
        fs::write(inside.join("new"), "").expect("written");
        chown(inside.join("new"), Some(4711), Some(4711)).expect("the agent's");
        let owner = |path: &Path| fs::symlink_metadata(path).expect("it").uid();
        assert_eq!((owner(&inside), owner(&inside.join("link")), owner(&outside)), (4711, 4711, 0));
        belongings.put_back();
        assert_eq!((owner(&inside), owner(&inside.join("link")), owner(&inside.join("new"))), (0, 0, 0));
    }
}
