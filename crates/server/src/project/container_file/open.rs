//! Getting at the file. A project is what somebody else wrote, so its file may be a link to one of ours, a pipe that nobody ever
//! writes to, or without end.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, fstat, openat, statat};
use rustix::io::Errno;

const FOLDER: &str = ".claude";
const FILE: &str = "container.yaml";

/// As large a file is taken.
pub(super) const MOST_BYTES: u64 = 64 * 1024;

/// Why the file can't be read.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It, or its folder, is a symbolic link.
    #[error("{0} is a symbolic link, and links of a project are not followed; put the file itself there")]
    Link(&'static str),
    /// It is a folder, a pipe or a device.
    #[error(".claude/container.yaml is not a file; put a YAML file there, or nothing")]
    NotAFile,
    /// It has no reasonable size.
    #[error(".claude/container.yaml is larger than {} KiB; leave out what does not belong there", MOST_BYTES / 1024)]
    TooLarge,
    /// The system says no.
    #[error(".claude/container.yaml can't be read: {0}")]
    Unreadable(#[from] io::Error),
}

/// The bytes of the file of the project in `workspace`; nothing where it has none.
pub(super) fn read(workspace: &Path) -> Result<Option<Vec<u8>>, OpenError> {
    let folder = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let workspace = match openat(CWD, workspace, folder, Mode::empty()) {
        Ok(workspace) => workspace,
        // Some are made only when the run begins.
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(OpenError::Unreadable(error.into())),
    };
    let Some(folder) = step(&workspace, FOLDER, ".claude", folder)? else { return Ok(None) };
    // Without waiting, because a pipe would have us wait for a writer.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let Some(file) = step(&folder, FILE, ".claude/container.yaml", flags)? else { return Ok(None) };
    if FileType::from_raw_mode(fstat(&file).map_err(io::Error::from)?.st_mode) != FileType::RegularFile {
        return Err(OpenError::NotAFile);
    }
    let mut bytes = Vec::new();
    File::from(file).take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_BYTES { Err(OpenError::TooLarge) } else { Ok(Some(bytes)) }
}

/// What is called `name` in an open folder, by no link.
fn step(folder: &OwnedFd, name: &str, shown: &'static str, flags: OFlags) -> Result<Option<OwnedFd>, OpenError> {
    match openat(folder, name, flags | OFlags::NOFOLLOW, Mode::empty()) {
        Ok(found) => Ok(Some(found)),
        Err(Errno::NOENT) => Ok(None),
        Err(Errno::LOOP) => Err(OpenError::Link(shown)),
        // Where a folder was wanted, a link and a file are told apart by looking again.
        Err(Errno::NOTDIR) => {
            let found = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).map_err(io::Error::from)?;
            let is_link = FileType::from_raw_mode(found.st_mode) == FileType::Symlink;
            if is_link { Err(OpenError::Link(shown)) } else { Ok(None) }
        }
        // A socket can't be opened at all.
        Err(Errno::NXIO) => Err(OpenError::NotAFile),
        Err(error) => Err(OpenError::Unreadable(error.into())),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use tempfile::TempDir;

    use super::*;

    fn project() -> TempDir {
        let project = tempfile::tempdir().expect("a folder");
        fs::create_dir(project.path().join(FOLDER)).expect("a folder");
        project
    }

    fn found(project: &TempDir) -> Result<Option<Vec<u8>>, String> {
        read(project.path()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_that_is_there_is_read_and_one_that_is_not_is_none() {
        let project = project();
        assert_eq!(found(&project), Ok(None));
        fs::write(project.path().join(".claude/container.yaml"), "name: a\n").expect("a file");
        assert_eq!(found(&project), Ok(Some(b"name: a\n".to_vec())));
        let other = tempfile::tempdir().expect("a folder");
        assert_eq!(found(&other), Ok(None));
        assert!(matches!(read(&other.path().join("not-there-yet")), Ok(None)));
        fs::write(other.path().join(FOLDER), "").expect("a file");
        assert_eq!(found(&other), Ok(None));
    }

    #[test]
    fn links_are_not_followed() {
        let (outside, by_file, by_folder) = (project(), project(), tempfile::tempdir().expect("a folder"));
        let secret = outside.path().join(".claude/container.yaml");
        fs::write(&secret, "canary").expect("a file");
        symlink(&secret, by_file.path().join(".claude/container.yaml")).expect("a link");
        symlink(outside.path().join(FOLDER), by_folder.path().join(FOLDER)).expect("a link");
        for (project, named) in [(&by_file, ".claude/container.yaml"), (&by_folder, ".claude")] {
            let error = found(project).expect_err("a link");
            assert!(error.starts_with(&format!("{named} is a symbolic link")), "{error}");
        }
    }

    #[test]
    fn what_is_no_file_or_has_no_end_is_refused_at_once() {
        let make: [fn(&Path); 4] = [
            |path| rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::RWXU, 0).expect("a pipe"),
            |path| fs::create_dir(path).expect("a folder"),
            |path| drop(UnixListener::bind(path).expect("a socket")),
            |path| fs::write(path, vec![b'#'; 70_000]).expect("a file"),
        ];
        let expected = ["is not a file", "is not a file", "is not a file", "is larger than 64 KiB"];
        for (make, expected) in make.into_iter().zip(expected) {
            let project = project();
            make(&project.path().join(".claude/container.yaml"));
            let error = found(&project).expect_err(expected);
            assert!(error.contains(expected), "{error}");
        }
    }
}
