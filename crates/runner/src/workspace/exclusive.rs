//! The right to work in a workspace that is kept: one run at a time, on every server that has it mounted.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

/// How often to ask for it again.
const PAUSE: Duration = Duration::from_millis(100);

/// The right, until it is dropped. It ends with the process, too.
#[derive(Debug)]
pub struct Exclusive {
    _directory: File,
}

impl Exclusive {
    /// Waits for the right to work in `workspace`.
    ///
    /// # Errors
    /// Where there is no such directory, or its file system has no locks.
    pub async fn wait(workspace: &Path) -> io::Result<Self> {
        let directory = File::open(workspace)?;
        loop {
            match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self { _directory: directory }),
                Err(rustix::io::Errno::WOULDBLOCK) => tokio::time::sleep(PAUSE).await,
                Err(error) => return Err(error.into()),
            }
        }
    }
}
