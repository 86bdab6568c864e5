//! The files in which an agent keeps a session, as one archive, so that the session can be continued where they are not.

use std::fs;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use crate::dirs::RunDirs;

/// A session that is larger does not travel.
const MOST_BYTES: u64 = 32 * 1024 * 1024;
/// Agents keep few levels of directories.
const MOST_DEPTH: usize = 8;

impl RunDirs {
    /// Whether there are files of a session in `places`: those that [`pack_session`](Self::pack_session) takes, however large.
    ///
    /// # Errors
    /// What the file system says.
    pub fn has_session(&self, places: &[&str], mark: &str) -> io::Result<bool> {
        Ok(!self.session_files(places, mark)?.is_empty())
    }

    /// Leaves one of the files of a session, the largest, and gives it that name. Only those count that end as it does, from the
    /// mark on.
    ///
    /// # Errors
    /// What the file system says.
    pub fn settle_session(&self, places: &[&str], mark: &str, name: &str) -> io::Result<()> {
        let ending = name.find(mark).map_or(name, |at| &name[at..]);
        let mut files = self.session_files(places, mark)?;
        files.retain(|file| file.to_string_lossy().ends_with(ending));
        files.sort_by_key(|file| fs::metadata(file).map_or(0, |file| file.len()));
        let Some(largest) = files.pop() else { return Ok(()) };
        for file in files {
            fs::remove_file(file)?;
        }
        fs::rename(&largest, largest.with_file_name(name))
    }

    fn session_files(&self, places: &[&str], mark: &str) -> io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for place in places {
            collect(&self.home().join(place), mark, false, MOST_DEPTH, &mut files)?;
        }
        files.sort();
        Ok(files)
    }

    /// The files of a session in `places`, directories relative to the home, as a tar archive: those that have its `mark` in their
    /// name or are in a directory that has, each as `clean` gives it back. `None` where there are none, where they are too large,
    /// where `clean` gives one not back, and where one was written to meanwhile: they are of use as a whole alone.
    ///
    /// # Errors
    /// What the file system says.
    pub fn pack_session(
        &self,
        places: &[&str],
        mark: &str,
        clean: impl Fn(Vec<u8>) -> Option<Vec<u8>>,
    ) -> io::Result<Option<Vec<u8>>> {
        let home = self.home();
        let files = self.session_files(places, mark)?;
        let before = states(&files);
        let size: u64 = before.iter().flatten().map(|(size, _)| size).sum();
        if files.is_empty() || size > MOST_BYTES {
            return Ok(None);
        }
        let mut archive = tar::Builder::new(Vec::new());
        for file in &files {
            let Ok(name) = file.strip_prefix(&home) else { continue };
            let Some(contents) = clean(fs::read(file)?) else { return Ok(None) };
            let mut header = tar::Header::new_gnu();
            header.set_metadata(&fs::metadata(file)?);
            header.set_size(contents.len() as u64);
            archive.append_data(&mut header, name, contents.as_slice())?;
        }
        let archive = archive.into_inner()?;
        Ok((states(&files) == before).then_some(archive))
    }

    /// Lays the files of a session where an agent looks for them.
    ///
    /// # Errors
    /// What the file system says; also for an archive that holds anything but files in `places`.
    pub fn unpack_session(&self, places: &[&str], archive: &[u8]) -> io::Result<()> {
        let mut archive = tar::Archive::new(archive);
        for entry in archive.entries()? {
            let mut entry = entry?;
            let path = entry.path()?.into_owned();
            let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
            if !plain || !entry.header().entry_type().is_file() || !places.iter().any(|place| path.starts_with(place)) {
                let message = format!("{} is no file of a session", path.display());
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
            let mut contents = Vec::new();
            entry.by_ref().take(MOST_BYTES).read_to_end(&mut contents)?;
            self.place_bytes(&path, &contents)?;
        }
        Ok(())
    }
}

/// How large files are and when they were written to; `None` for those that are not there.
fn states(files: &[PathBuf]) -> Vec<Option<(u64, SystemTime)>> {
    let state = |file: &PathBuf| fs::metadata(file).and_then(|file| Ok((file.len(), file.modified()?))).ok();
    files.iter().map(state).collect()
}

/// The files below `dir` that belong to a session; all of them where `dir` itself does. Links are not followed.
fn collect(dir: &Path, mark: &str, inside: bool, depth: usize, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let belongs = inside || entry.file_name().to_string_lossy().contains(mark);
        let kind = entry.file_type()?;
        if kind.is_dir() && depth > 0 {
            collect(&entry.path(), mark, belongs, depth - 1, files)?;
        } else if kind.is_file() && belongs {
            files.push(entry.path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use legwork_model::{Ids, Timestamp};

    use super::*;

    fn run_dirs(runs: &Path, millis: i64) -> RunDirs {
        RunDirs::create(runs, Ids::from_seed([0; 32]).execution(Timestamp::from_millis(millis))).expect("directories")
    }

    fn write(dirs: &RunDirs, path: &str) {
        let path = dirs.home().join(path);
        fs::create_dir_all(path.parent().expect("a directory")).expect("made");
        fs::write(&path, path.file_name().expect("a name").as_encoded_bytes()).expect("written");
    }

    #[test]
    fn a_session_travels_without_what_is_beside_it() {
        let runs = tempfile::tempdir().expect("a directory");
        let (from, to) = (run_dirs(runs.path(), 1), run_dirs(runs.path(), 2));
        for path in
            [".a/x/s1.jsonl", ".a/x/s2.jsonl", ".a/s1/deep/log", ".a/other", "secret-s1", ".b/2026/roll-s1.json"]
        {
            write(&from, path);
        }
        let places = [".a", ".b"];
        let archive = from.pack_session(&places, "s1", Some).expect("packed").expect("a session");
        to.unpack_session(&places, &archive).expect("unpacked");
        let there = |path: &str| to.home().join(path).exists();
        let kept = [".a/x/s1.jsonl", ".a/s1/deep/log", ".b/2026/roll-s1.json"];
        assert!(kept.into_iter().all(there));
        assert!(![".a/x/s2.jsonl", ".a/other", "secret-s1"].into_iter().any(there));
        assert_eq!(from.pack_session(&places, "s9", Some).expect("packed"), None);
        assert_eq!(["s1", "s9"].map(|mark| to.has_session(&places, mark).expect("looked")), [true, false]);
        assert!(to.unpack_session(&[".c"], &archive).is_err(), "only where sessions are");
    }

    #[test]
    fn a_session_that_is_written_to_does_not_travel_and_is_there_all_the_same() {
        let runs = tempfile::tempdir().expect("a directory");
        let dirs = run_dirs(runs.path(), 1);
        write(&dirs, ".a/s1.db");
        write(&dirs, ".a/s1.db-wal");
        let writes = |contents: Vec<u8>| {
            fs::write(dirs.home().join(".a/s1.db-wal"), "more of it").expect("written");
            Some(contents)
        };
        assert_eq!(dirs.pack_session(&[".a"], "s1", writes).expect("packed"), None);
        assert!(dirs.has_session(&[".a"], "s1").expect("looked"));
        assert!(dirs.pack_session(&[".a"], "s1", Some).expect("packed").is_some());
    }

    #[test]
    fn a_session_of_one_file_gets_its_name() {
        let runs = tempfile::tempdir().expect("a directory");
        let dirs = run_dirs(runs.path(), 1);
        for path in
            [".a/b/2026-s1.jsonl", ".a/b/2026-longer-s1.jsonl", ".a/b/2026-s2.jsonl", ".a/s1/log-of-a-tool.jsonl"]
        {
            write(&dirs, path);
        }
        for _ in 0..2 {
            dirs.settle_session(&[".a"], "s1", "1970-s1.jsonl").expect("settled");
        }
        dirs.settle_session(&[".a"], "s3", "1970-s3.jsonl").expect("nothing to settle");
        let left = dirs.session_files(&[".a"], "").expect("looked");
        let expected = [".a/b/1970-s1.jsonl", ".a/b/2026-s2.jsonl", ".a/s1/log-of-a-tool.jsonl"];
        assert_eq!(left, expected.map(|path| dirs.home().join(path)));
        assert_eq!(fs::read_to_string(&left[0]).expect("read"), "2026-longer-s1.jsonl");
    }

    #[test]
    fn an_archive_that_leads_out_is_refused() {
        let runs = tempfile::tempdir().expect("a directory");
        let dirs = run_dirs(runs.path(), 1);
        let mut archive = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(1);
        header.set_entry_type(tar::EntryType::Regular);
        let name = b".a/../../out";
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.set_cksum();
        archive.append(&header, &b"x"[..]).expect("added");
        assert!(dirs.unpack_session(&[".a"], &archive.into_inner().expect("an archive")).is_err());
    }
}
