//! What a program printed, kept for whoever takes its run up again.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;

/// As much stays in memory.
const MOST_IN_MEMORY: usize = 64 * 1024;

/// What a program printed to one stream. It is on disk where it is much, with mode 0600, and gone with this.
#[derive(Debug)]
pub(super) struct Log {
    place: Place,
    path: PathBuf,
    length: u64,
    most: u64,
}

#[derive(Debug)]
enum Place {
    Memory(Vec<u8>),
    File(File),
}

impl Log {
    /// Takes `most` bytes, and a little more: who reads it is to see that there was more.
    pub(super) fn new(path: PathBuf, most: u64) -> Self {
        Self { place: Place::Memory(Vec::new()), path, length: 0, most: most.saturating_add(1) }
    }

    pub(super) fn len(&self) -> u64 {
        self.length
    }

    /// Whether it takes more.
    pub(super) fn has_room(&self) -> bool {
        self.length < self.most
    }

    pub(super) fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.place {
            Place::Memory(held) if held.len() + bytes.len() <= MOST_IN_MEMORY => held.extend_from_slice(bytes),
            Place::Memory(held) => {
                let file = create(&self.path)?;
                file.write_all_at(held, 0)?;
                file.write_all_at(bytes, self.length)?;
                self.place = Place::File(file);
            }
            Place::File(file) => file.write_all_at(bytes, self.length)?,
        }
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// What is there from `offset` on, up to the length of `into`; says how much that is.
    pub(super) fn read(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(self.length.saturating_sub(offset)).unwrap_or(usize::MAX);
        let count = rest.min(into.len());
        match &self.place {
            Place::Memory(held) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX).min(held.len());
                into[..count].copy_from_slice(&held[start..start + count]);
            }
            Place::File(file) => file.read_exact_at(&mut into[..count], offset)?,
        }
        Ok(count)
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        if let Place::File(_) = self.place {
            // It is in a directory that goes with the supervisor.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn create(path: &PathBuf) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_can_be_read_again_from_anywhere() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("out");
        let mut log = Log::new(path.clone(), 300_000);
        let all: Vec<u8> = (0..200_000_u32).map(|number| number.to_le_bytes()[0]).collect();
        for chunk in all.chunks(7_001) {
            log.push(chunk).expect("kept");
            let mut read = vec![0; 100];
            let from = log.len().saturating_sub(50);
            assert_eq!(log.read(from, &mut read).expect("read"), usize::try_from(log.len().min(50)).expect("small"));
        }
        let mut again = vec![0; all.len() + 1];
        assert_eq!(log.read(0, &mut again).expect("read"), all.len());
        assert_eq!(again[..all.len()], all);
        assert!(path.exists() && log.has_room());
        drop(log);
        assert!(!path.exists());
    }
}
