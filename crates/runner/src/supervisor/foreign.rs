//! A process that is nobody's child here: the first of a container, which takes all others along when it ends, or another one
//! in a container, whose first process takes it along.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use legwork_model::{Exit, Failure};
use rustix::process::{Signal, pidfd_send_signal};
use tokio::io::unix::AsyncFd;

use super::frame::broken;
use super::message::{Held, VERSION};
use crate::multiplex::divided;
use crate::process_tree::watched;
use crate::sandbox::Process;
use crate::starter::Started;
use crate::stdin::Stdin;

/// Such a process, by a handle that never means another.
#[derive(Debug)]
pub(super) struct Foreign {
    pid: u32,
    /// Watched all the time: whoever begins to watch anew each time it waits may never learn of an end.
    handle: Arc<AsyncFd<OwnedFd>>,
    /// The one that takes it and all others along.
    first: Option<Arc<OwnedFd>>,
}

impl Foreign {
    fn new(pid: u32, handle: OwnedFd, first: Option<OwnedFd>) -> io::Result<Self> {
        Ok(Self { pid, handle: Arc::new(watched(handle)?), first: first.map(Arc::new) })
    }
}

/// Takes over what a server holds of such a process.
pub(super) fn held(held: &Held, files: Vec<OwnedFd>) -> io::Result<Started> {
    let mut files = files.into_iter();
    let (Some(connection), Some(handle), VERSION) = (files.next(), files.next(), held.version) else {
        return Err(broken("the supervisor is of another version, or a file did not come along"));
    };
    let process = Box::new(Foreign::new(held.pid, handle, files.next())?);
    let connection = UnixStream::from(connection);
    connection.set_nonblocking(true)?;
    let connection = tokio::net::UnixStream::from_std(connection)?;
    if held.most_output.is_none() {
        let stdin = Stdin::passed_over(connection);
        return Ok(Started { process, stdin, stdout: None, stderr: None, bridge: None });
    }
    let (from, to) = connection.into_split();
    let (stdout, stderr, _) = divided(from);
    let (stdin, stdout, stderr) = (Stdin::passed_to(to), Some(stdout), Some(stderr));
    let started = Started { process, stdin, stdout, stderr, bridge: None };
    match &held.http {
        Some(served) => started.bridged(served.clone(), Vec::new(), true),
        None => Ok(started),
    }
}

impl Process for Foreign {
    /// How it ended is known to its parent alone.
    fn wait(&mut self) -> BoxFuture<'_, io::Result<Exit>> {
        async { self.handle.readable().await.map(|_| Exit::default()) }.boxed()
    }

    fn may_have_left_others(&self) -> bool {
        false
    }

    /// At once: `SIGTERM` would reach none of the others.
    fn terminate(&self, _grace: Duration) -> BoxFuture<'static, ()> {
        let (handle, first) = (Arc::clone(&self.handle), self.first.clone());
        async move {
            // Where that fails it has ended, which is noticed in a moment.
            let _ = pidfd_send_signal(first.as_deref().unwrap_or(handle.get_ref()), Signal::KILL);
            let _ = handle.readable().await;
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

#[cfg(test)]
mod tests {
    use futures::future::{Either, ready, select};
    use rustix::process::{Pid, PidfdFlags, pidfd_open};

    use super::*;

    #[tokio::test]
    #[expect(clippy::disallowed_methods, reason = "it has to be somebody else's process")]
    async fn an_end_is_noticed_however_often_one_looks_away() {
        let mut child = std::process::Command::new("/bin/true").spawn().expect("started");
        let pid = Pid::from_child(&child);
        let handle = pidfd_open(pid, PidfdFlags::empty()).expect("a handle");
        child.wait().expect("it ends");
        let mut process = Foreign::new(child.id(), handle, None).expect("watched");
        process.terminate(Duration::ZERO).await;
        let looks = async {
            while let Either::Right(_) = select(process.wait(), ready(())).await {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), looks).await.expect("it is noticed");
    }
}
