//! The directories of one run: private, and gone with it.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use legwork_agents::PlacedFile;
use legwork_model::ExecutionId;

/// What the agent may see is its home, `<data>/runs/<execution id>`, with the workspace in it; what is kept about the run
/// is beside that, in `<data>/runs/<execution id>.kept`, once there is something to keep. All with mode 0700.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunDirs {
    home: PathBuf,
    kept: PathBuf,
}

const KEPT: &str = ".kept";
/// Beside directories that were made ahead of a job, as long as no job has them.
const AHEAD: &str = ".ahead";

impl RunDirs {
    /// Where the directories of an execution are, whether or not they exist.
    pub fn of(runs: &Path, execution: ExecutionId) -> Self {
        Self { home: runs.join(execution.to_string()), kept: runs.join(format!("{execution}{KEPT}")) }
    }

    /// The execution that a directory in `runs` belongs to.
    pub fn owner(name: &str) -> Option<ExecutionId> {
        name.strip_suffix(KEPT).unwrap_or(name).parse().ok()
    }

    /// Makes the agent's directories, where they do not exist yet. `runs` itself has to exist.
    ///
    /// # Errors
    /// What the file system says.
    pub fn create(runs: &Path, execution: ExecutionId) -> io::Result<Self> {
        let dirs = Self::of(runs, execution);
        make_private(&dirs.home)?;
        make_private(&dirs.work())?;
        Ok(dirs)
    }

    /// Makes directories that no job has yet. Unless one [adopts](Self::adopt) them, the next start
    /// [removes](Self::remove_abandoned) them.
    ///
    /// # Errors
    /// What the file system says.
    pub fn create_ahead(runs: &Path, id: ExecutionId) -> io::Result<Self> {
        let dirs = Self::of(runs, id);
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(dirs.ahead())?;
        Self::create(runs, id)
    }

    /// A job has these directories from now on.
    ///
    /// # Errors
    /// What the file system says.
    pub fn adopt(&self) -> io::Result<()> {
        fs::remove_file(self.ahead())
    }

    /// Removes directories that were made ahead of jobs which never came.
    ///
    /// # Errors
    /// What the file system says.
    pub fn remove_abandoned(runs: &Path) -> io::Result<()> {
        for entry in fs::read_dir(runs)? {
            let name = entry?.file_name();
            let id = name.to_str().and_then(|name| name.strip_suffix(AHEAD)?.parse().ok());
            if let Some(id) = id {
                Self::of(runs, id).remove()?;
            }
        }
        Ok(())
    }

    fn ahead(&self) -> PathBuf {
        let mut path = self.home.clone().into_os_string();
        path.push(AHEAD);
        path.into()
    }

    /// The execution whose id its name is.
    pub fn id(&self) -> Option<ExecutionId> {
        Self::owner(self.home.file_name()?.to_str()?)
    }

    /// The agent's home directory.
    pub fn home(&self) -> PathBuf {
        self.home.clone()
    }

    /// The agent's directory for temporary files: its home, which is as private, and making a directory is what a short
    /// run waits for most.
    pub fn tmp(&self) -> PathBuf {
        self.home()
    }

    /// The workspace, where the run has one of its own.
    pub fn work(&self) -> PathBuf {
        self.home.join("work")
    }

    /// The agent's standard output as it comes.
    pub fn stdout(&self) -> PathBuf {
        self.kept.join("stdout")
    }

    /// What the run changed in its workspace.
    pub fn patch(&self) -> PathBuf {
        self.kept.join("patch.diff")
    }

    /// What git says while it clones, where that is much.
    pub(crate) fn clone_output(&self) -> PathBuf {
        self.kept.join("clone")
    }

    /// Makes the directory for what is kept, where it does not exist yet.
    ///
    /// # Errors
    /// What the file system says.
    pub fn create_kept(&self) -> io::Result<&Path> {
        make_private(&self.kept)?;
        Ok(&self.kept)
    }

    /// The repository that the changes of a workspace are worked out in.
    pub(crate) fn shadow(&self) -> PathBuf {
        self.kept.join("shadow.git")
    }

    /// What the workspace held before the agent came, in a word for each file.
    pub(crate) fn baseline(&self) -> PathBuf {
        self.kept.join("baseline.json")
    }

    /// Writes files into the home directory, with mode 0600.
    ///
    /// # Errors
    /// What the file system says; also for a path that is absolute or leads out of the home directory.
    pub fn place(&self, files: &[PlacedFile]) -> io::Result<()> {
        files.iter().try_for_each(|file| self.place_bytes(&file.path, file.contents.as_bytes()))
    }

    /// Writes one file into the home directory.
    pub(crate) fn place_bytes(&self, path: &Path, contents: &[u8]) -> io::Result<()> {
        if !path.components().all(|part| matches!(part, Component::Normal(_))) {
            let message = format!("{} is not a path inside the home directory", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let home = self.home();
        let path = home.join(path);
        if let Some(parent) = path.parent().filter(|parent| *parent != home) {
            DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
        }
        let mut target = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        target.write_all(contents)
    }

    /// Removes files that were placed.
    pub fn unplace(&self, paths: &[PathBuf]) {
        for path in paths {
            // The program may have removed it itself.
            let _ = fs::remove_file(self.home.join(path));
        }
    }

    /// Removes the directory for what is kept, if nothing is left in it.
    pub fn tidy(&self) {
        // It may not be there at all.
        let _ = fs::remove_dir(&self.kept);
    }

    /// Removes everything.
    ///
    /// # Errors
    /// What the file system says; what could be removed is gone.
    pub fn remove(&self) -> io::Result<()> {
        remove_tree(&self.home).and(remove_tree(&self.kept))?;
        match fs::remove_file(self.ahead()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

fn make_private(dir: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result,
    }
}

/// Removes a directory and what is in it, without following symbolic links. Most directories of a run are empty at
/// its end, which one call settles.
pub(crate) fn remove_tree(dir: &Path) -> io::Result<()> {
    if fs::remove_dir(dir).is_ok() {
        return Ok(());
    }
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            make_removable(dir)?;
            fs::remove_dir_all(dir)
        }
        result => result,
    }
}

/// Nothing can be removed from a directory that can't be written to, and agents (and package managers) leave such.
fn make_removable(dir: &Path) -> io::Result<()> {
    fs::set_permissions(dir, Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            make_removable(&entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use legwork_model::{Ids, Timestamp};

    use super::*;

    fn run_dirs() -> (tempfile::TempDir, RunDirs) {
        let runs = tempfile::tempdir().expect("a directory");
        let execution = Ids::from_seed([0; 32]).execution(Timestamp::from_millis(1));
        let dirs = RunDirs::create(runs.path(), execution).expect("directories");
        (runs, dirs)
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("exists").permissions().mode() & 0o777
    }

    #[test]
    fn directories_and_placed_files_are_private() {
        let (_runs, dirs) = run_dirs();
        let file = PlacedFile { path: "config/a/settings.json".into(), contents: "{}".into() };
        dirs.place(&[file]).expect("placed");
        for dir in [dirs.home(), dirs.work(), dirs.home().join("config/a"), dirs.create_kept().expect("made").into()] {
            assert_eq!(mode(&dir), 0o700, "{}", dir.display());
        }
        assert_eq!(mode(&dirs.home().join("config/a/settings.json")), 0o600);
    }

    #[test]
    fn nothing_is_placed_outside_of_the_home_directory() {
        let (_runs, dirs) = run_dirs();
        for path in ["../out", "/tmp/out", "a/../../out"] {
            let file = PlacedFile { path: path.into(), contents: String::new() };
            assert!(dirs.place(&[file]).is_err(), "{path}");
        }
    }

    #[test]
    fn removal_neither_follows_links_nor_stops_at_locked_directories() {
        let (runs, dirs) = run_dirs();
        let outside = runs.path().join("outside");
        fs::write(&outside, "kept").expect("written");
        std::os::unix::fs::symlink(runs.path(), dirs.work().join("link")).expect("linked");
        let locked = dirs.work().join("a/b");
        fs::create_dir_all(&locked).expect("made");
        fs::write(locked.join("file"), "x").expect("written");
        for dir in [&locked, &dirs.work().join("a")] {
            fs::set_permissions(dir, Permissions::from_mode(0o500)).expect("locked");
        }
        dirs.remove().expect("removed");
        assert!(!dirs.home.exists() && !dirs.kept.exists());
        assert_eq!(fs::read_to_string(outside).expect("still there"), "kept");
        dirs.remove().expect("a second time changes nothing");
    }
}
