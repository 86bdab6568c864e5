//! What a container is to be, worked out from what a run is to have. What is written by others is checked here, and gets
//! to the engine as a value of a field, never as a part of one.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use legwork_agents::Launch;
use legwork_model::WorkspaceMount;

use super::{DockerError, SeccompProfile};
use crate::sandbox::repository::{Repository, is_really_in};
use crate::sandbox::{Confinement, Resources};

/// A container, before there is one.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) image: String,
    pub(super) user: User,
    pub(super) mounts: Vec<Mounted>,
    /// Where more is mounted later.
    pub(super) mount_point: Option<String>,
    pub(super) directory: String,
    pub(super) argv: Vec<String>,
    pub(super) env: Vec<String>,
    pub(super) read_only_root: bool,
    pub(super) tmp_bytes: u64,
    pub(super) resources: Resources,
    pub(super) network: Reach,
    pub(super) seccomp: Option<SeccompProfile>,
}

/// The network of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reach {
    /// Its own loopback interface, with IPv6 to be switched off where the machine has that.
    Nothing { has_ipv6: bool },
    /// A network of the engine.
    Named(String),
}

/// Who runs inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct User {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// A directory of the machine inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mounted {
    pub(super) source: String,
    pub(super) target: String,
    pub(super) read_only: bool,
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.uid, self.gid)
    }
}

/// The program with its arguments, and its environment. `PATH` is the image's to say.
pub(super) fn command(launch: &Launch) -> Result<(Vec<String>, Vec<String>), DockerError> {
    let program = launch.program.to_str().filter(|program| program.starts_with('/') || !program.contains('/'));
    let program = program.ok_or_else(|| refused("a program that is neither a name nor an absolute path"))?;
    let argv: Vec<_> = std::iter::once(program.to_owned()).chain(launch.args.iter().cloned()).collect();
    if argv.iter().any(|word| word.contains('\0')) || program.is_empty() {
        return Err(refused("an argument with a NUL"));
    }
    let own = launch.env.iter().filter(|(name, _)| name != "PATH");
    let env = own.map(|(name, value)| variable(name, value)).collect::<Result<_, _>>()?;
    Ok((argv, env))
}

/// A value is not told: it may be a secret.
fn variable(name: &str, value: &str) -> Result<String, DockerError> {
    let breaks = |text: &str| text.contains(['\0', '\n', '\r']);
    if name.is_empty() || name.contains('=') || breaks(name) || breaks(value) {
        return Err(refused(&format!("the variable {name:?}: a line break, a NUL or an odd name is in the way")));
    }
    Ok(format!("{name}={value}"))
}

fn refused(what: &str) -> DockerError {
    DockerError::Refused(what.to_owned())
}

/// The directory among those that may be changed which holds the working directory.
pub(super) fn workspace<'a>(confinement: &'a Confinement, directory: &Path) -> Result<&'a Path, DockerError> {
    let holds = confinement.writable.iter().filter(|writable| directory.starts_with(writable));
    holds.map(PathBuf::as_path).max_by_key(|writable| writable.components().count()).ok_or_else(|| {
        DockerError::Directory {
            directory: directory.to_owned(),
            why: "it is the working directory, but is not in a directory that the run may change",
        }
    })
}

/// What is seen inside. In the place of `workspace` it may be its copy; `socket` is seen in no case.
pub(super) fn mounts(
    confinement: &Confinement,
    workspace: &Path,
    copy: Option<&Path>,
    socket: &Path,
) -> Result<Vec<Mounted>, DockerError> {
    let how = confinement.container.workspace;
    let real_socket = std::fs::canonicalize(socket).unwrap_or_else(|_| socket.to_owned());
    let mounted = |directory: &PathBuf, read_only| {
        let is_workspace = directory == workspace;
        let source = copy.filter(|_| is_workspace).unwrap_or(directory);
        let read_only = read_only || (is_workspace && how == WorkspaceMount::Ro);
        // What a link leads to is what would be mounted; where it leads nowhere, the engine says so.
        let resolved = std::fs::canonicalize(source).unwrap_or_else(|_| source.to_owned());
        checked(&resolved, &real_socket)?;
        Ok(Mounted { source: checked(source, socket)?, target: checked(directory, socket)?, read_only })
    };
    let writable = confinement.writable.iter().map(|directory| mounted(directory, false));
    let readable = confinement.readable.iter().map(|directory| mounted(directory, true));
    writable.chain(readable).collect()
}

/// What of the repositories inside has to stay as it is: `.git` can't be replaced as a whole, and what git obeys in it can't be
/// changed. Nor can the working directory be moved out of the way. What is read-only as a whole, or a copy, needs none of that.
pub(super) fn guards(
    confinement: &Confinement,
    workspace: &Path,
    directory: &Path,
    socket: &Path,
) -> Result<Vec<Mounted>, DockerError> {
    let is_plain = confinement.container.workspace == WorkspaceMount::Rw;
    let writable = confinement.writable.iter().filter(|writable| is_plain || *writable != workspace);
    let repositories = writable.flat_map(|writable| Repository::all_in(writable, directory));
    let mut guards = Vec::new();
    if is_plain && directory != workspace && is_really_in(directory, workspace) {
        guards.push((directory.to_owned(), false));
    }
    for Repository { git, obeyed } in repositories.filter(|found| is_plain || !found.git.starts_with(workspace)) {
        guards.push((git, false));
        guards.extend(obeyed.into_iter().map(|path| (path, true)));
    }
    guards.sort();
    guards.dedup();
    let mounted = |(path, read_only): (PathBuf, bool)| {
        let path = checked(&path, socket)?;
        Ok(Mounted { source: path.clone(), target: path, read_only })
    };
    guards.into_iter().map(mounted).collect()
}

/// Where the engine, the system, and other services of the machine are spoken to.
const NEVER: [&str; 5] = ["/proc", "/sys", "/dev", "/run", "/var/run"];

fn checked(directory: &Path, socket: &Path) -> Result<String, DockerError> {
    let refused = |why| DockerError::Directory { directory: directory.to_owned(), why };
    let plain = directory.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    let text = directory.to_str().filter(|text| !text.contains(|letter: char| letter.is_control()));
    let Some(text) = text.filter(|_| directory.is_absolute() && plain) else {
        return Err(refused("its path is not plain"));
    };
    if socket.starts_with(directory) {
        return Err(refused("the engine's socket is in it"));
    }
    if directory.parent().is_none() || NEVER.iter().any(|never| directory.starts_with(never)) {
        return Err(refused("it is the system's own"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use legwork_model::Container;

    use super::*;

    const SOCKET: &str = "/srv/engine/docker.sock";

    #[test]
    fn what_no_container_sees() {
        let directories =
            ["/", "/proc/1", "/sys", "/dev/shm", "/run/user", "/var/run", "/srv", SOCKET, "a", "/a/../b", "/a\nb"];
        for directory in directories {
            let error = checked(Path::new(directory), Path::new(SOCKET)).expect_err(directory);
            assert!(matches!(error, DockerError::Directory { .. }), "{directory}: {error}");
        }
        assert_eq!(checked(Path::new("/data/a:b,c"), Path::new(SOCKET)).ok().as_deref(), Some("/data/a:b,c"));
    }

    #[test]
    fn a_variable_is_one_variable() {
        assert_eq!(variable("A", "b=c d").ok().as_deref(), Some("A=b=c d"));
        for (name, value) in [("A", "x\nB=1"), ("A\nB", "1"), ("", "1"), ("A=B", "1"), ("A", "\0"), ("A", "s3cret\r")] {
            let error = variable(name, value).expect_err("refused").to_string();
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn repositories_are_guarded_where_they_could_be_changed_for_later() {
        let place = tempfile::tempdir().expect("a directory");
        let (home, work) = (place.path().to_owned(), place.path().join("work"));
        std::fs::create_dir_all(work.join(".git/hooks")).expect("made");
        let writable = vec![home, work.clone()];
        let guarded = |how| {
            let container = Container { workspace: how, ..Container::default() };
            let confinement = Confinement { writable: writable.clone(), container, ..Confinement::default() };
            guards(&confinement, &work, &work, Path::new(SOCKET)).expect("guards")
        };
        let guard = |path: &str, read_only| {
            let path = work.join(path).to_string_lossy().into_owned();
            Mounted { source: path.clone(), target: path, read_only }
        };
        assert_eq!(guarded(WorkspaceMount::Rw), [guard(".git", false), guard(".git/hooks", true)]);
        assert_eq!(guarded(WorkspaceMount::Ro), []);
        assert_eq!(guarded(WorkspaceMount::Copy), []);
    }

    #[test]
    fn the_workspace_is_the_nearest_directory_that_may_be_changed() {
        let confinement = Confinement { writable: vec!["/h".into(), "/h/work".into()], ..Confinement::default() };
        assert_eq!(workspace(&confinement, Path::new("/h/work/sub")).ok(), Some(Path::new("/h/work")));
        assert!(workspace(&confinement, Path::new("/hw")).is_err());
    }
}
