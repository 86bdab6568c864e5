//! A process that is nobody's child here: the first of a container, which takes all others along when it ends.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use legwork_model::{Exit, Failure};
use rustix::process::{Signal, pidfd_send_signal};

use crate::process_tree::ended;
use crate::sandbox::Process;

/// Such a process, by a handle that never means another.
#[derive(Debug)]
pub(super) struct Foreign {
    pid: u32,
    handle: Arc<OwnedFd>,
}

impl Foreign {
    pub(super) fn new(pid: u32, handle: OwnedFd) -> Self {
        Self { pid, handle: Arc::new(handle) }
    }
}

impl Process for Foreign {
    /// How it ended is known to its parent alone.
    fn wait(&mut self) -> BoxFuture<'_, io::Result<Exit>> {
        async { ended(self.handle.as_fd()).await.map(|()| Exit::default()) }.boxed()
    }

    fn may_have_left_others(&self) -> bool {
        false
    }

    /// At once: `SIGTERM` would reach none of the others.
    fn terminate(&self, _grace: Duration) -> BoxFuture<'static, ()> {
        let handle = Arc::clone(&self.handle);
        async move {
            // Where that fails it has ended.
            if pidfd_send_signal(&*handle, Signal::KILL).is_ok() {
                let _ = ended(handle.as_fd()).await;
            }
        }
        .boxed()
    }

    fn pid(&self) -> Option<u32> {
        Some(self.pid)
    }

    fn limit_reached(&self) -> Option<Failure> {
        None
    }
}
