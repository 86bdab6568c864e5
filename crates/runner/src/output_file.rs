//! What an agent printed, kept as it came, up to a cap.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The kept output of one run. Writes go to the page cache, so they are made in place: handing each of them to
/// another thread costs more than the write.
#[derive(Debug)]
pub(crate) struct OutputFile {
    file: File,
    room: u64,
}

impl OutputFile {
    /// An empty file at `path` (mode 0600) that takes `cap` bytes.
    pub(crate) fn create(path: &Path, cap: u64) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        Ok(Self { file, room: cap })
    }

    /// Keeps what fits and says how much of `bytes` that was.
    pub(crate) fn keep(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let fits = usize::try_from(self.room).unwrap_or(usize::MAX).min(bytes.len());
        self.file.write_all(&bytes[..fits])?;
        self.room -= fits as u64;
        Ok(fits)
    }
}
