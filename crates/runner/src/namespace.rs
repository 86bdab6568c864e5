//! Work in a namespace of another process, from outside.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, open};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};
use tokio::sync::oneshot;

/// A namespace, which exists as long as this, or a process in it. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Namespace {
    handle: Arc<OwnedFd>,
    kind: LinkNameSpaceType,
}

impl Namespace {
    /// The network of a process.
    pub(crate) fn network_of(pid: i32) -> io::Result<Self> {
        Self::open(format!("/proc/{pid}/ns/net"), LinkNameSpaceType::Network)
    }

    /// What a process sees mounted.
    pub(crate) fn mounts_of(pid: u32) -> io::Result<Self> {
        Self::open(format!("/proc/{pid}/ns/mnt"), LinkNameSpaceType::Mount)
    }

    /// The network that `handle` is of.
    pub(crate) fn network(handle: OwnedFd) -> Self {
        Self { handle: Arc::new(handle), kind: LinkNameSpaceType::Network }
    }

    /// A handle for somebody else.
    pub(crate) fn try_clone(&self) -> io::Result<OwnedFd> {
        self.handle.try_clone()
    }

    fn open(path: String, kind: LinkNameSpaceType) -> io::Result<Self> {
        let handle = open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Self { handle: Arc::new(handle), kind })
    }

    /// Does `work` there, on a thread that is never used for anything else: a thread that came back would be in the wrong
    /// namespace should that fail.
    pub(crate) async fn within<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let namespace = self.clone();
        let (done, result) = oneshot::channel();
        let visit = move || {
            // Whoever waited may have given up.
            _ = done.send(namespace.enter().and_then(|()| work()));
        };
        std::thread::Builder::new().name("legwork-namespace".to_owned()).spawn(visit)?;
        result.await.unwrap_or_else(|_| Err(io::Error::other("the thread in the namespace of the run broke off")))
    }

    fn enter(&self) -> io::Result<()> {
        if self.kind == LinkNameSpaceType::Mount {
            // Root and working directory come with the mounts, and must not be those of other threads.
            #[expect(deprecated, reason = "it is unsafe for descriptors alone, which stay shared")]
            rustix::thread::unshare(UnshareFlags::FS)?;
        }
        Ok(move_into_link_name_space(self.handle.as_fd(), Some(self.kind))?)
    }
}
