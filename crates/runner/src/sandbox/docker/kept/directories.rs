//! The directories of a job, which come into a container that runs already and leave it with the job.
//!
//! They are mounted from outside, by a thread that enters the container, below one directory that all runs have theirs in. What is
//! mounted at that directory is made for each job, so that nothing is left once it is gone. No process of a job is there while
//! that is done.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags, open, openat2, statfs};
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, mount, mount_change, mount_remount,
    move_mount, open_tree, unmount,
};

use crate::namespace::Namespace;
use crate::sandbox::docker::plan::Mounted;

/// The type of a file system in memory.
const TMPFS: i64 = 0x0102_1994;

/// What a mount that is changed later is not to lose.
const PLAIN: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV);

/// What is seen below `runs` in the container of the process `pid` from now on.
pub(super) async fn bring_in(pid: u32, runs: PathBuf, mut mounts: Vec<Mounted>) -> io::Result<()> {
    let namespace = Namespace::mounts_of(pid)?;
    // What is in another comes after it.
    mounts.sort_by(|one, other| one.target.cmp(&other.target));
    let outside = directory(&runs)?;
    let entries: Vec<_> = mounts.iter().map(|mounted| Entry::of(mounted, &runs, &outside)).collect::<Result<_, _>>()?;
    let work = move || {
        check(&runs)?;
        mount("tmpfs", &runs, "tmpfs", PLAIN | MountFlags::NOEXEC, Some(c"size=1m,mode=755"))?;
        let inside = directory(&runs)?;
        entries.into_iter().try_for_each(|entry| entry.attach(&runs, &inside))?;
        Ok(mount_remount(&runs, PLAIN | MountFlags::NOEXEC | MountFlags::RDONLY, "size=1m,mode=755")?)
    };
    namespace.within(work).await
}

/// Takes out what was brought in, whoever still has a file of it open.
pub(super) async fn take_out(pid: u32, runs: PathBuf) -> io::Result<()> {
    let work = move || Ok(unmount(&runs, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW)?);
    Namespace::mounts_of(pid)?.within(work).await
}

/// A directory or file to be mounted.
struct Entry {
    tree: OwnedFd,
    place: PathBuf,
    read_only: bool,
}

impl Entry {
    /// What is seen by the path that it has on the machine.
    fn of(mounted: &Mounted, runs: &Path, outside: &OwnedFd) -> io::Result<Self> {
        let place = Path::new(&mounted.target).strip_prefix(runs).map_err(io::Error::other)?.to_owned();
        let source = beneath(outside, &place)?;
        let copied = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        let tree = open_tree(source, "", copied | OpenTreeFlags::AT_EMPTY_PATH | OpenTreeFlags::AT_RECURSIVE)?;
        Ok(Self { tree, place, read_only: mounted.read_only })
    }

    fn attach(self, runs: &Path, inside: &OwnedFd) -> io::Result<()> {
        let path = runs.join(&self.place);
        let target = match beneath(inside, &self.place) {
            Err(Errno::NOENT) => {
                std::fs::create_dir_all(&path)?;
                beneath(inside, &self.place)?
            }
            found => found?,
        };
        let both = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
        move_mount(&self.tree, "", &target, "", both)?;
        // Else what is mounted in it would be so outside, too.
        mount_change(&path, MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
        if self.read_only {
            mount_remount(&path, PLAIN | MountFlags::BIND | MountFlags::RDONLY, "")?;
        }
        Ok(())
    }
}

/// Whether it is the mount point that our containers have, as a process with this number may be another machine's, and nothing
/// was brought in that was not taken out.
fn check(runs: &Path) -> io::Result<()> {
    let found = statfs(runs)?;
    match (found.f_type, found.f_blocks) {
        (TMPFS, 1) => Ok(()),
        (TMPFS, _) => Err(io::Error::other("there are directories of another job")),
        _ => Err(io::Error::new(io::ErrorKind::Unsupported, "the engine is not on this machine")),
    }
}

fn directory(path: &Path) -> rustix::io::Result<OwnedFd> {
    open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// What is there below a directory, by no link.
fn beneath(directory: &OwnedFd, place: &Path) -> rustix::io::Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    openat2(directory, place, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve)
}
