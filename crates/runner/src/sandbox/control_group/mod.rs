//! Limits on memory, processors and processes, by control groups: one for each run that has limits, under `legwork`
//! where the server's own is, named after the run's cookie. Both versions serve, also side by side.
//!
//! A limit that can't be enforced is an error, never silence: what was asked for is had or the run is refused.

mod group;
mod hierarchy;
mod refusals;
mod setting;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

pub(crate) use group::ControlGroup;
use hierarchy::{Hierarchy, Version};
use legwork_model::{Clock, Ids, SystemClock};
pub(crate) use refusals::Refusals;
use setting::Setting;

use super::Resources;
use crate::cookie::Cookie;

/// What the groups of all runs are in.
const PARENT: &str = "legwork";

/// What the server itself is in, where the second version leaves no processes beside groups with limits.
const SERVER: &str = "legwork-server";

/// Makes control groups.
#[derive(Debug, Default)]
pub(crate) struct ControlGroups {
    found: OnceLock<Vec<Hierarchy>>,
}

/// Why limits can't be enforced here.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LimitError {
    /// Nothing on this machine controls that.
    #[error(
        "The limit on {0} can't be enforced here: no control group of this machine controls it. Delegate control groups \
         to Legwork (`Delegate=yes` in its systemd unit), or ask for no such limit."
    )]
    NoController(&'static str),
    /// The system refuses.
    #[error(
        "The limit on {limit} can't be enforced here: {path}: {source}. Delegate control groups to Legwork \
         (`Delegate=yes` in its systemd unit), or ask for no such limit."
    )]
    Refused {
        /// On what.
        limit: &'static str,
        /// What could not be written.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl ControlGroups {
    /// The group of a run; none where it has no limits.
    pub(crate) fn create(&self, cookie: &Cookie, resources: &Resources) -> Result<Option<ControlGroup>, LimitError> {
        let settings = Setting::of(resources);
        if settings.is_empty() {
            return Ok(None);
        }
        // Given up half-made, it removes what was made of it.
        let mut group = ControlGroup::new(*resources);
        for setting in settings {
            let hierarchy = self.controlling(&setting)?;
            let refused =
                |path: &Path, source| LimitError::Refused { limit: setting.limit, path: path.to_owned(), source };
            let parent = parent(hierarchy, setting.controller).map_err(|error| refused(&hierarchy.own, error))?;
            let directory = parent.join(name_of(cookie));
            group.make(hierarchy.version, &directory).map_err(|error| refused(&directory, error))?;
            for (file, value) in setting.files(hierarchy.version) {
                let file = directory.join(file);
                std::fs::write(&file, value).map_err(|error| refused(&file, error))?;
            }
            setting.forbid_swap(hierarchy.version, &directory);
        }
        Ok(Some(group))
    }

    /// Whether a limit on processes can be enforced here, found out by making a group that has one.
    pub(crate) fn can_limit_processes(&self) -> bool {
        let id = Ids::from_system().execution(SystemClock.now());
        let limits = Resources { pids: Some(1), ..Resources::default() };
        self.create(&Cookie::new("probe", id, 0), &limits).is_ok()
    }

    fn controlling(&self, setting: &Setting) -> Result<&Hierarchy, LimitError> {
        let found = self.hierarchies().iter().find(|hierarchy| hierarchy.controls(setting.controller));
        found.ok_or(LimitError::NoController(setting.limit))
    }

    fn hierarchies(&self) -> &[Hierarchy] {
        self.found.get_or_init(|| {
            let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
            Hierarchy::all(&read("/proc/self/mountinfo"), &read("/proc/self/cgroup"))
        })
    }

    /// Removes the groups of runs of `node` that have no process any more; says how many those were.
    pub(crate) fn sweep(&self, node: &str) -> usize {
        let groups = self.hierarchies().iter().flat_map(|hierarchy| children(&hierarchy.own.join(PARENT)));
        let of_node =
            groups.filter(|group| group.file_name().is_some_and(|name| node_of(name.as_encoded_bytes()) == node));
        // One that is still in use can't be removed, which is what keeps it.
        of_node.filter(|group| std::fs::remove_dir(group).is_ok()).count()
    }
}

/// What the group of a run is called: its cookie, without slashes.
fn name_of(cookie: &Cookie) -> String {
    cookie.as_str().replace('/', ":")
}

fn node_of(name: &[u8]) -> String {
    let mut parts = name.rsplitn(3, |byte| *byte == b':').skip(2);
    parts.next().map(|node| String::from_utf8_lossy(node).into_owned()).unwrap_or_default()
}

/// The parent of the groups of all runs in a hierarchy.
fn parent(hierarchy: &Hierarchy, controller: &str) -> io::Result<PathBuf> {
    let parent = hierarchy.own.join(PARENT);
    make(&parent)?;
    if hierarchy.version == Version::Two {
        hand_down(&hierarchy.own, controller)?;
        hand_down(&parent, controller)?;
    }
    Ok(parent)
}

/// Lets the groups in `directory` have that controller. A group of the second version that has processes can't do that:
/// then the server's processes move into one of their own beside the runs.
fn hand_down(directory: &Path, controller: &str) -> io::Result<()> {
    let file = directory.join("cgroup.subtree_control");
    if std::fs::read_to_string(&file)?.split_ascii_whitespace().any(|it| it == controller) {
        return Ok(());
    }
    match std::fs::write(&file, format!("+{controller}")) {
        Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
            let server = directory.join(SERVER);
            make(&server)?;
            for pid in std::fs::read_to_string(directory.join("cgroup.procs"))?.lines() {
                std::fs::write(server.join("cgroup.procs"), pid)?;
            }
            std::fs::write(&file, format!("+{controller}"))
        }
        written => written,
    }
}

fn make(directory: &Path) -> io::Result<()> {
    match std::fs::create_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

fn children(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok);
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_can_not_be_enforced_is_an_error_and_none_needs_nothing() {
        let groups = ControlGroups { found: OnceLock::from(Vec::new()) };
        let cookie = Cookie::probe();
        let limited = Resources { pids: Some(1), ..Resources::default() };
        let error = groups.create(&cookie, &limited).expect_err("nothing controls that").to_string();
        assert!(error.contains("processes") && error.contains("Delegate=yes"), "{error}");
        assert!(groups.create(&cookie, &Resources::default()).expect("nothing is asked for").is_none());
    }

    #[test]
    fn the_name_of_a_group_tells_its_node() {
        let name = name_of(&Cookie::found("node-1:7070/exe_1/12".to_owned()));
        assert_eq!(name, "node-1:7070:exe_1:12");
        assert_eq!(node_of(name.as_bytes()), "node-1:7070");
        assert_eq!(node_of(b"cgroup"), "");
    }
}
