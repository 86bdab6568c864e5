//! The end of a process by a handle of it.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Waits for the end of a process that need not be a child.
pub(crate) async fn ended(process: BorrowedFd<'_>) -> io::Result<()> {
    watched(process)?.readable().await.map(drop)
}

/// What becomes readable with the end of a process, and stays so.
#[expect(
    deprecated,
    reason = "what replaces it is unsafe, for descriptors that could be closed meanwhile; these are owned or borrowed"
)]
pub(crate) fn watched<H: AsRawFd>(process: H) -> io::Result<AsyncFd<H>> {
    AsyncFd::with_interest(process, Interest::READABLE)
}
