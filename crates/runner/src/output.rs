//! What a program printed, kept as it came, up to a cap.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// As much stays in memory while the program may be done in a moment.
const MOST_IN_MEMORY: usize = 64 * 1024;

/// What a program printed to its standard output.
#[derive(Debug)]
pub enum Output {
    /// All of it.
    Memory(Vec<u8>),
    /// It is in this file, which belongs to whoever holds this.
    File(PathBuf),
}

impl Default for Output {
    fn default() -> Self {
        Self::Memory(Vec::new())
    }
}

impl Output {
    /// The bytes.
    ///
    /// # Errors
    /// Where the file can't be read.
    pub fn read(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Memory(bytes) => Ok(bytes),
            Self::File(path) => fs::read(path),
        }
    }

    /// From now on it is in a file, at `path` unless it is in one already; gives how many bytes that are. Nothing needs no
    /// file.
    ///
    /// # Errors
    /// Where the file can't be written; then it is where it was.
    pub fn put_down(&mut self, path: &Path) -> io::Result<u64> {
        match self {
            Self::Memory(bytes) if bytes.is_empty() => Ok(0),
            Self::Memory(bytes) => {
                let length = bytes.len() as u64;
                create(path)?.write_all(bytes)?;
                *self = Self::File(path.to_owned());
                Ok(length)
            }
            Self::File(path) => Ok(fs::metadata(path)?.len()),
        }
    }

    /// The first `length` bytes of what somebody [put down](Self::put_down) at `path`. What was added to the file since is
    /// removed.
    ///
    /// # Errors
    /// Where the file can't be written, or has less.
    pub(crate) fn taken_up(path: PathBuf, length: u64) -> io::Result<Self> {
        if length == 0 {
            return Ok(Self::default());
        }
        let file = OpenOptions::new().write(true).open(&path)?;
        if file.metadata()?.len() < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        file.set_len(length)?;
        Ok(Self::File(path))
    }

    /// Keeps what is in a file under another name.
    pub(crate) fn moved(self, to: &Path) -> io::Result<Self> {
        if let Self::File(path) = self {
            fs::rename(path, to)?;
            return Ok(Self::File(to.to_owned()));
        }
        Ok(self)
    }

    /// Adds a few words at the end.
    pub(crate) fn append(&mut self, text: &str) -> io::Result<()> {
        match self {
            Self::Memory(bytes) => bytes.extend_from_slice(text.as_bytes()),
            Self::File(path) => OpenOptions::new().append(true).open(path)?.write_all(text.as_bytes())?,
        }
        Ok(())
    }
}

/// Takes the output of one run. A file costs more than many a run does otherwise, so there is one only for output that
/// is large or that comes after [`spill`](Self::spill). Writes go to the page cache, so they are made in place:
/// handing each of them to another thread costs more than the write.
#[derive(Debug)]
pub(crate) struct Recorder {
    place: Place,
    path: PathBuf,
    room: u64,
    /// As much may stay in memory.
    in_memory: usize,
}

#[derive(Debug)]
enum Place {
    Memory(Vec<u8>),
    File(File),
}

impl Recorder {
    /// Takes `cap` bytes, those of `so_far` included. Where there is to be a file it is made at `path` (mode 0600), with its
    /// directory (0700).
    pub(crate) fn new(path: PathBuf, cap: u64, so_far: Option<Output>) -> io::Result<Self> {
        let (place, path, taken) = match so_far.unwrap_or_default() {
            Output::Memory(held) => {
                let taken = held.len() as u64;
                (Place::Memory(held), path, taken)
            }
            Output::File(path) => {
                let file = OpenOptions::new().append(true).open(&path)?;
                let taken = file.metadata()?.len();
                (Place::File(file), path, taken)
            }
        };
        Ok(Self { place, path, room: cap.saturating_sub(taken), in_memory: MOST_IN_MEMORY })
    }

    /// Keeps what fits and says how much of `bytes` that was.
    pub(crate) fn keep(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let fits = usize::try_from(self.room).unwrap_or(usize::MAX).min(bytes.len());
        self.room -= fits as u64;
        let kept = &bytes[..fits];
        match &mut self.place {
            Place::Memory(held) => held.extend_from_slice(kept),
            Place::File(file) => file.write_all(kept)?,
        }
        self.move_to_file()?;
        Ok(fits)
    }

    /// From now on everything is in the file as soon as it is here.
    pub(crate) fn spill(&mut self) -> io::Result<()> {
        self.in_memory = 0;
        self.move_to_file()
    }

    fn move_to_file(&mut self) -> io::Result<()> {
        if let Place::Memory(held) = &self.place
            && held.len() > self.in_memory
        {
            let mut file = create(&self.path)?;
            file.write_all(held)?;
            self.place = Place::File(file);
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> Output {
        match self.place {
            Place::Memory(held) => Output::Memory(held),
            Place::File(_) => Output::File(self.path),
        }
    }
}

fn create(path: &Path) -> io::Result<File> {
    if let Some(parent) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
    }
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_dead_server_added_is_taken_back_and_told_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("kept/stdout");
        let mut first = Output::Memory(b"one ".into());
        assert_eq!(first.put_down(&path).expect("written"), 4);
        let mut recorder = Recorder::new(path.clone(), 100, Some(first)).expect("opened");
        recorder.keep(b"two, in ha").expect("kept");
        for _ in 0..2 {
            let so_far = Output::taken_up(path.clone(), 4).expect("it is there");
            let mut again = Recorder::new(path.clone(), 100, Some(so_far)).expect("opened");
            again.keep(b"two, whole").expect("kept");
            let mut all = again.finish();
            assert_eq!(all.put_down(&path).expect("a file already"), 14);
            assert_eq!(all.read().expect("read"), b"one two, whole");
        }
    }

    #[test]
    fn what_is_not_there_is_not_taken_for_all() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("stdout");
        assert_eq!(Output::default().put_down(&path).expect("nothing to write"), 0);
        assert!(matches!(Output::taken_up(path.clone(), 0), Ok(Output::Memory(nothing)) if nothing.is_empty()));
        assert!(Output::taken_up(path.clone(), 1).is_err());
        fs::write(&path, "one").expect("written");
        assert!(Output::taken_up(path, 4).is_err());
    }
}
