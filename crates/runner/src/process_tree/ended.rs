//! The end of a process by a handle of it.

use std::io;
use std::os::fd::BorrowedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Waits for the end of a process that need not be a child.
#[expect(
    deprecated,
    reason = "what replaces it is unsafe, for descriptors that could be closed meanwhile; this one is borrowed"
)]
pub(crate) async fn ended(process: BorrowedFd<'_>) -> io::Result<()> {
    AsyncFd::with_interest(process, Interest::READABLE)?.readable().await.map(drop)
}
