//! Reads `/proc`. `/proc/<pid>/task/<tid>/children` does not exist on all kernels, so who belongs to whom is worked
//! out from the parent of each process.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitOptions, pidfd_open, pidfd_send_signal, waitid, waitpid,
};
use rustix::time::{ClockId, clock_gettime};

use crate::cookie::{COOKIE_VARIABLE, Cookie};

/// `PF_FORKNOEXEC`: the process was forked and has not replaced its program yet.
const FORKED_ONLY: u64 = 0x40;

/// The environment of a process can be as long as a command line may be; more than that is not read.
const ENVIRONMENT_CAP: usize = 4 * 1024 * 1024;

/// A process as it was when `/proc` was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: i32,
    pub(super) parent: i32,
    pub(super) group: i32,
    /// When it was started; tells two processes with the same pid apart.
    pub(super) started: Ticks,
    /// Ended, and waits for its parent to ask how.
    pub(super) zombie: bool,
    pub(super) forked_only: bool,
}

/// A moment in clock ticks since the machine was started, as `/proc` tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Ticks(u64);

impl Ticks {
    /// The present moment, rounded down: nothing that is started from now on has a smaller value.
    pub(super) fn now() -> Self {
        let now = clock_gettime(ClockId::Boottime);
        let per_second = rustix::param::clock_ticks_per_second();
        let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
        let nanos = u64::try_from(now.tv_nsec).unwrap_or(0);
        Self(seconds * per_second + nanos * per_second / 1_000_000_000)
    }
}

impl Process {
    /// The process with that pid; `None` where there is none. An error says nothing about the process, only that it
    /// could not be looked at, as when this process has no descriptor left.
    pub(super) fn read(pid: i32) -> io::Result<Option<Self>> {
        let mut text = [0; 1024];
        let stat = open(format!("/proc/{pid}/stat"), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
        match stat.and_then(|file| rustix::io::read(&file, &mut text)) {
            Ok(length) => Ok(text.get(..length).and_then(|stat| Self::parse(pid, stat))),
            Err(Errno::NOENT | Errno::SRCH | Errno::ACCESS) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The program's name stands in brackets and may hold anything, so fields are counted from the last bracket.
    fn parse(pid: i32, stat: &[u8]) -> Option<Self> {
        let name_end = stat.iter().rposition(|byte| *byte == b')')?;
        let fields: Vec<&str> = std::str::from_utf8(stat.get(name_end + 1..)?).ok()?.split_ascii_whitespace().collect();
        let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
        let id = |index: usize| fields.get(index)?.parse::<i32>().ok();
        // The leader of a process whose other threads go on looks like a zombie too.
        let zombie = matches!(*fields.first()?, "Z" | "X") && number(17)? <= 1;
        let forked_only = number(6)? & FORKED_ONLY != 0;
        Some(Self { pid, parent: id(1)?, group: id(2)?, started: Ticks(number(19)?), zombie, forked_only })
    }

    /// All processes that can be seen.
    pub(super) fn all() -> io::Result<Vec<Self>> {
        let names = std::fs::read_dir("/proc")?.filter_map(Result::ok).map(|entry| entry.file_name());
        let pids = names.filter_map(|name| name.to_str()?.parse().ok());
        pids.filter_map(|pid| Self::read(pid).transpose()).collect()
    }

    /// Threads of the kernel have neither environment nor an end.
    pub(super) fn is_kernel_thread(&self) -> bool {
        self.pid == 2 || self.parent == 2
    }

    /// The cookie in the environment it was started with. A process may have overwritten it, and one of another user
    /// can't be asked.
    pub(super) fn cookie(&self) -> Option<Cookie> {
        let environment = read_capped(&format!("/proc/{}/environ", self.pid), ENVIRONMENT_CAP)?;
        let value = environment
            .split(|byte| *byte == 0)
            .find_map(|entry| entry.strip_prefix(COOKIE_VARIABLE.as_bytes())?.strip_prefix(b"="))?;
        Some(Cookie::found(String::from_utf8(value.to_vec()).ok()?))
    }

    /// The command line, for a person to read.
    pub(super) fn command(&self) -> String {
        let words = read_capped(&format!("/proc/{}/cmdline", self.pid), 256).unwrap_or_default();
        String::from_utf8_lossy(&words).replace('\0', " ").trim_end().to_owned()
    }

    /// Sends it a signal, unless it has ended since: a pid may name another process by now, a pidfd never does.
    pub(super) fn signal(&self, signal: Signal) {
        let Some(pid) = Pid::from_raw(self.pid) else { return };
        let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else { return };
        if Self::read(self.pid).is_ok_and(|now| now.is_some_and(|now| now.started == self.started)) {
            // It may be gone, or belong to another user: then the next look at /proc says so.
            _ = pidfd_send_signal(&handle, signal);
        }
    }

    /// Takes a child that has ended out of the process table.
    pub(super) fn reap(&self) {
        if let Some(pid) = Pid::from_raw(self.pid) {
            _ = waitpid(Some(pid), WaitOptions::NOHANG);
        }
    }
}

/// Tells which pid was given out last. Pids are given out in turn, so nothing that was started after process N has a
/// smaller pid, until the numbers run out and begin anew.
#[derive(Debug)]
pub(super) struct LastPid(File);

impl LastPid {
    pub(super) fn open() -> io::Result<Self> {
        File::open(Path::new("/proc/loadavg")).map(Self)
    }

    pub(super) fn read(&self) -> Option<i32> {
        let mut text = [0; 128];
        let length = self.0.read_at(&mut text, 0).ok()?;
        std::str::from_utf8(text.get(..length)?).ok()?.split_ascii_whitespace().last()?.parse().ok()
    }
}

/// Whether that pid is a child of this process. Asks the kernel without opening anything, and without reaping.
pub(super) fn is_child(pid: i32) -> bool {
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    Pid::from_raw(pid).is_some_and(|pid| waitid(WaitId::Pid(pid), look).is_ok())
}

/// Adds to `members` every process that descends from one of them.
pub(super) fn with_descendants(members: &mut Vec<Process>, all: &[Process], keep: impl Fn(&Process) -> bool) {
    let mut children: HashMap<i32, Vec<&Process>> = HashMap::new();
    for process in all {
        children.entry(process.parent).or_default().push(process);
    }
    let mut known: HashSet<i32> = members.iter().map(|member| member.pid).collect();
    let mut index = 0;
    while let Some(parent) = members.get(index).map(|member| member.pid) {
        let born = children.get(&parent).into_iter().flatten();
        members.extend(born.filter(|child| keep(child) && known.insert(child.pid)).map(|child| **child));
        index += 1;
    }
}

/// The pids of all that descend from a process.
pub(crate) fn children(pid: i32) -> io::Result<Vec<i32>> {
    Ok(Process::all()?.iter().filter(|process| process.parent == pid).map(|process| process.pid).collect())
}

/// The processes that descend from one.
pub(crate) fn descendants(pid: i32) -> io::Result<Vec<i32>> {
    let all = Process::all()?;
    let mut members: Vec<_> = all.iter().filter(|process| process.parent == pid).copied().collect();
    with_descendants(&mut members, &all, |_| true);
    Ok(members.iter().map(|member| member.pid).collect())
}

fn read_capped(path: &str, cap: usize) -> Option<Vec<u8>> {
    let file = open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let mut bytes = vec![0; 8 * 1024];
    let mut length = 0;
    loop {
        let count = rustix::io::read(&file, bytes.get_mut(length..)?).ok()?;
        length += count;
        if count == 0 || length >= cap {
            bytes.truncate(length);
            return Some(bytes);
        }
        if length == bytes.len() {
            bytes.resize(length * 2, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_name_can_hold_anything() {
        let stat = b"42 (a) b\n(c) S 7 41 40 0 -1 4194368 1 0 0 0 0 0 0 0 20 0 3 0 12345 1 1";
        let expected =
            Process { pid: 42, parent: 7, group: 41, started: Ticks(12_345), zombie: false, forked_only: true };
        assert_eq!(Process::parse(42, stat), Some(expected));
    }

    #[test]
    fn a_leader_whose_threads_go_on_is_no_zombie() {
        for (threads, zombie) in [(1, true), (2, false)] {
            let stat = format!("42 (x) Z 7 41 40 0 -1 0 1 0 0 0 0 0 0 0 20 0 {threads} 0 12345 1 1");
            assert_eq!(Process::parse(42, stat.as_bytes()).map(|process| process.zombie), Some(zombie));
        }
    }

    #[test]
    fn this_process_is_found_with_its_parent() {
        let own = i32::try_from(std::process::id()).expect("a pid fits");
        let found = Process::all().expect("/proc").into_iter().find(|process| process.pid == own).expect("it runs");
        assert!(found.started <= Ticks::now());
        assert_eq!(Some(found.parent), rustix::process::getppid().map(Pid::as_raw_pid));
    }

    #[test]
    fn descendants_are_found_whatever_the_order_of_pids() {
        let process =
            |pid, parent| Process { pid, parent, group: pid, started: Ticks(0), zombie: false, forked_only: false };
        let all = [process(3, 9), process(9, 50), process(50, 1), process(51, 1), process(60, 3)];
        let mut members = vec![all[2]];
        with_descendants(&mut members, &all, |_| true);
        let mut pids: Vec<_> = members.iter().map(|member| member.pid).collect();
        pids.sort_unstable();
        assert_eq!(pids, [3, 9, 50, 60]);
    }
}
