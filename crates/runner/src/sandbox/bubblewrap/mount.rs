//! What an agent sees of the file system, piece by piece, and how that is said to `bwrap`.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::{OwnedFd, RawFd};
use std::path::{Path, PathBuf};

use command_fds::FdMapping;
use rustix::fs::{MemfdFlags, memfd_create};

/// One piece of the file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mount {
    /// What is at this path outside. A link in its place is followed.
    Visible(PathBuf, Access),
    /// A small file as it is now at this path outside. That costs far less than to show the file itself: for all that is mounted
    /// `bwrap` reads the list of all mounts.
    Copied(PathBuf),
    /// Nothing to be read, and what is written is gone.
    Hidden(PathBuf),
    /// A directory in memory, which may hold so many bytes.
    Temporary {
        at: PathBuf,
        mode: &'static str,
        bytes: u64,
    },
    /// A file with that in it.
    File {
        at: PathBuf,
        contents: String,
    },
    /// A link.
    Link {
        at: PathBuf,
        target: PathBuf,
    },
    /// Nothing can be added here any more; what is mounted below stays as it is.
    Sealed(PathBuf),
    /// The processes of the run, and the devices that every program needs.
    Processes,
    Devices,
}

/// What may be done with a piece of the file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Access {
    Read,
    Write,
}

/// Words for `bwrap`, with the open files that they name.
#[derive(Debug, Default)]
pub(super) struct Words {
    pub(super) words: Vec<OsString>,
    pub(super) files: Vec<FdMapping>,
}

impl Words {
    /// Adds words as they are.
    pub(super) fn say<const N: usize>(&mut self, words: [&str; N]) {
        self.words.extend(words.map(OsString::from));
    }

    /// Adds an option that names an open file.
    pub(super) fn say_file(&mut self, option: &str, file: OwnedFd) {
        let number = self.give(file);
        self.say([option, &number.to_string()]);
    }

    fn give(&mut self, parent_fd: OwnedFd) -> RawFd {
        // Below are the standard streams and the descriptors that a program may get itself.
        let child_fd = 10 + RawFd::try_from(self.files.len()).unwrap_or(RawFd::MAX - 10);
        self.files.push(FdMapping { parent_fd, child_fd });
        child_fd
    }

    /// Adds a piece of the file system.
    pub(super) fn mount(&mut self, mount: &Mount) -> io::Result<()> {
        match mount {
            Mount::Visible(path, Access::Read) => self.paths("--ro-bind", path, path),
            Mount::Visible(path, Access::Write) => self.paths("--bind", path, path),
            Mount::Hidden(path) => self.paths("--ro-bind-try", Path::new("/dev/null"), path),
            Mount::Temporary { at, mode, bytes } => {
                self.say(["--perms", mode, "--size", &bytes.to_string(), "--tmpfs"]);
                self.words.push(at.into());
            }
            Mount::File { at, contents } => self.file(in_memory(contents.as_bytes())?, at),
            Mount::Copied(path) => match File::open(path) {
                Ok(file) => self.file(file.into(), path),
                // Nobody inside can read it either.
                Err(_) => self.paths("--ro-bind", path, path),
            },
            Mount::Link { at, target } => self.paths("--symlink", target, at),
            Mount::Sealed(path) => {
                self.say(["--remount-ro"]);
                self.words.push(path.into());
            }
            Mount::Processes => self.say(["--proc", "/proc"]),
            Mount::Devices => self.say(["--dev", "/dev"]),
        }
        Ok(())
    }

    /// A file on the root of the run, which is sealed.
    fn file(&mut self, from: OwnedFd, at: &Path) {
        self.say(["--perms", "0444"]);
        self.say_file("--file", from);
        self.words.push(at.into());
    }

    fn paths(&mut self, option: &str, from: &Path, to: &Path) {
        self.say([option]);
        self.words.extend([from.into(), to.into()]);
    }
}

/// An open file that has no name, with that in it.
pub(super) fn in_memory(contents: &[u8]) -> io::Result<OwnedFd> {
    let mut file = File::from(memfd_create("legwork", MemfdFlags::CLOEXEC)?);
    file.write_all(contents)?;
    file.rewind()?;
    Ok(file.into())
}
