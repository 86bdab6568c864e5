//! Where control groups can be made: the server's own place in each hierarchy of the machine.

use std::path::{Path, PathBuf};

/// One hierarchy of control groups, seen from the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hierarchy {
    pub(super) version: Version,
    /// The control group that the server itself is in.
    pub(super) own: PathBuf,
    /// The controllers of a hierarchy of the first version; those of the second are told by a file in it.
    pub(super) controllers: Vec<String>,
}

/// The two kinds, which differ in the names and the contents of their files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    One,
    Two,
}

impl Hierarchy {
    /// The hierarchies in `/proc/self/mountinfo`, with the places in `/proc/self/cgroup`.
    pub(super) fn all(mountinfo: &str, places: &str) -> Vec<Self> {
        mountinfo.lines().filter_map(|line| Self::parse(line, places)).collect()
    }

    fn parse(line: &str, places: &str) -> Option<Self> {
        let (mount, file_system) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(3);
        let (root, at) = (mount.next()?, mount.next()?);
        let mut file_system = file_system.split(' ');
        let version = match file_system.next()? {
            "cgroup" => Version::One,
            "cgroup2" => Version::Two,
            _ => return None,
        };
        let controllers: Vec<String> = match version {
            Version::One => file_system.nth(1)?.split(',').map(str::to_owned).collect(),
            Version::Two => Vec::new(),
        };
        let place = places.lines().find_map(|line| place(line, version, &controllers))?;
        // Only a part of the hierarchy may be mounted; where the server is not in that part, there is nothing to be done.
        let below = Path::new(place).strip_prefix(root).ok()?;
        Some(Self { version, own: Path::new(at).join(below), controllers })
    }

    /// Whether it has that controller.
    pub(super) fn controls(&self, controller: &str) -> bool {
        match self.version {
            Version::One => self.controllers.iter().any(|it| it == controller),
            Version::Two => {
                let all = std::fs::read_to_string(self.own.join("cgroup.controllers")).unwrap_or_default();
                all.split_ascii_whitespace().any(|it| it == controller)
            }
        }
    }
}

/// The place that a line of `/proc/self/cgroup` tells, where it is about that hierarchy.
fn place<'a>(line: &'a str, version: Version, controllers: &[String]) -> Option<&'a str> {
    let mut parts = line.splitn(3, ':');
    let (number, names, place) = (parts.next()?, parts.next()?, parts.next()?);
    let fits = match version {
        Version::One => names.split(',').any(|name| controllers.iter().any(|it| it == name)) && !names.is_empty(),
        Version::Two => number == "0" && names.is_empty(),
    };
    fits.then_some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
30 29 0:26 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
32 30 0:28 /docker/a /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
33 30 0:29 /elsewhere /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
34 30 0:30 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate
";

    #[test]
    fn the_servers_own_place_is_found_in_every_hierarchy_that_shows_it() {
        let places = "4:memory:/docker/a/b\n3:pids:/docker/a\n2:cpu,cpuacct:/\n0::/system.slice/legwork.service\n";
        let found = Hierarchy::all(MOUNTS, places);
        let owns: Vec<_> = found.iter().map(|it| (it.version, it.own.display().to_string())).collect();
        assert_eq!(
            owns,
            [
                (Version::One, "/sys/fs/cgroup/cpu,cpuacct/".to_owned()),
                (Version::One, "/sys/fs/cgroup/memory/b".to_owned()),
                (Version::Two, "/sys/fs/cgroup/unified/system.slice/legwork.service".to_owned()),
            ]
        );
        assert!(found[0].controls("cpu") && !found[0].controls("memory") && !found[2].controls("memory"));
    }
}
