//! What is written into a control group for each limit, and read from it when the limit was reached.

use std::path::Path;

use super::super::Resources;
use super::hierarchy::Version;

/// Processors are shared out anew so often, in microseconds.
const PERIOD: u64 = 100_000;

/// One limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting {
    /// What is limited, for a person.
    pub(super) limit: &'static str,
    pub(super) controller: &'static str,
    amount: u64,
}

impl Setting {
    /// The limits that there are.
    pub(super) fn of(resources: &Resources) -> Vec<Self> {
        let Resources { memory, cpus, pids } = resources;
        let memory = memory.map(|memory| Self { limit: "memory", controller: "memory", amount: memory.bytes() });
        let cpus = cpus.map(|cpus| Self { limit: "processors", controller: "cpu", amount: cpus.millis().into() });
        let pids = pids.map(|pids| Self { limit: "processes", controller: "pids", amount: pids.into() });
        [memory, cpus, pids].into_iter().flatten().collect()
    }

    /// The files that have to be written, with what goes in.
    pub(super) fn files(&self, version: Version) -> Vec<(&'static str, String)> {
        let quota = (self.amount * PERIOD / 1000).max(1000);
        match (self.controller, version) {
            ("memory", Version::One) => vec![("memory.limit_in_bytes", self.amount.to_string())],
            ("memory", Version::Two) => vec![("memory.max", self.amount.to_string())],
            ("cpu", Version::One) => {
                vec![("cpu.cfs_period_us", PERIOD.to_string()), ("cpu.cfs_quota_us", quota.to_string())]
            }
            ("cpu", Version::Two) => vec![("cpu.max", format!("{quota} {PERIOD}"))],
            _ => vec![("pids.max", self.amount.to_string())],
        }
    }

    /// Memory that is swapped out is memory still. The files are there only where the kernel counts swap.
    pub(super) fn forbid_swap(&self, version: Version, directory: &Path) {
        if self.controller == "memory" {
            let (file, value) = match version {
                Version::One => ("memory.memsw.limit_in_bytes", self.amount.to_string()),
                Version::Two => ("memory.swap.max", "0".to_owned()),
            };
            let file = directory.join(file);
            if file.exists() {
                _ = std::fs::write(file, value);
            }
        }
    }
}

/// How many processes were killed for want of memory.
pub(super) fn killed_for_memory(version: Version, directory: &Path) -> u64 {
    let file = match version {
        Version::One => "memory.oom_control",
        Version::Two => "memory.events",
    };
    count(&directory.join(file), "oom_kill")
}

/// How often a process could not be started.
pub(super) fn refused_processes(directory: &Path) -> u64 {
    count(&directory.join("pids.events"), "max")
}

fn count(file: &Path, key: &str) -> u64 {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let number = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok());
    number.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use legwork_model::{ByteSize, Cpus};

    use super::*;

    #[test]
    fn each_version_has_its_own_words() {
        let resources = Resources { memory: ByteSize::new(1024), cpus: Cpus::new(1500), pids: Some(7) };
        let settings = Setting::of(&resources);
        let all = |version| {
            settings.iter().flat_map(move |it| it.files(version)).map(|(file, value)| format!("{file}={value}"))
        };
        assert_eq!(
            all(Version::One).collect::<Vec<_>>(),
            ["memory.limit_in_bytes=1024", "cpu.cfs_period_us=100000", "cpu.cfs_quota_us=150000", "pids.max=7"]
        );
        assert_eq!(all(Version::Two).collect::<Vec<_>>(), ["memory.max=1024", "cpu.max=150000 100000", "pids.max=7"]);
        assert_eq!(Setting::of(&Resources::default()), []);
    }

    #[test]
    fn what_happened_is_counted() {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("memory.oom_control"), "under_oom 0\noom_kill 2\n").expect("written");
        std::fs::write(directory.path().join("memory.events"), "oom 4\noom_kill 3\noom_group_kill 0\n")
            .expect("written");
        assert_eq!(killed_for_memory(Version::One, directory.path()), 2);
        assert_eq!(killed_for_memory(Version::Two, directory.path()), 3);
        assert_eq!(refused_processes(directory.path()), 0);
    }
}
