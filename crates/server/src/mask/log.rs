//! The service's own log without secrets: the texts of libraries' errors may hold what they were called with.

use std::io::{self, Stderr, Write};

use tracing_subscriber::fmt::MakeWriter;

use super::Mask;

/// Writes to standard error what is left of each entry.
#[derive(Debug)]
pub struct MaskedStderr<'a> {
    mask: &'a Mask,
    out: Stderr,
}

impl Write for MaskedStderr<'_> {
    /// Takes whole entries: each is written by one call.
    fn write(&mut self, entry: &[u8]) -> io::Result<usize> {
        self.out.write_all(&self.mask.apply_to_bytes(entry.to_vec()))?;
        Ok(entry.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl<'a> MakeWriter<'a> for Mask {
    type Writer = MaskedStderr<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        MaskedStderr { mask: self, out: io::stderr() }
    }
}
