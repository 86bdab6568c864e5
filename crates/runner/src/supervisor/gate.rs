//! The socket of a supervisor, in a directory of its own with mode 0700. Open files can be sent through it.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use tokio::io::Interest;
use tokio::net::UnixStream;

const SOCKET: &str = "socket";
/// More files are never sent at once.
const MOST_FILES: usize = 128;
const READ: usize = 64 * 1024;

/// Listens in `directory`.
pub(super) fn open(directory: &Path) -> io::Result<UnixListener> {
    let (_directory, path) = short(directory)?;
    let listener = UnixListener::bind(path)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Connects with whoever listens in `directory`.
pub(super) async fn connect(directory: &Path) -> io::Result<UnixStream> {
    let (_directory, path) = short(directory)?;
    UnixStream::connect(path).await
}

/// The path of a socket may have no more than 107 bytes, a directory's path may be longer; it is valid as long as the file
/// is open.
fn short(directory: &Path) -> io::Result<(File, PathBuf)> {
    let directory = File::open(directory)?;
    let path = format!("/proc/self/fd/{}/{SOCKET}", directory.as_raw_fd());
    Ok((directory, path.into()))
}

/// Writes `bytes`, and `files` with the first of them. Waits as long as it takes.
pub(super) async fn send(stream: &UnixStream, bytes: &[u8], files: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut sent = 0;
    while sent < bytes.len() {
        stream.writable().await?;
        let files = if sent == 0 { files } else { &[] };
        match stream.try_io(Interest::WRITABLE, || send_some(stream, &bytes[sent..], files)) {
            Ok(count) => sent += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn send_some(stream: &UnixStream, bytes: &[u8], files: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_FILES))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !files.is_empty() && !control.push(SendAncillaryMessage::ScmRights(files)) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "too many files for one program"));
    }
    Ok(sendmsg(stream.as_fd(), &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL)?)
}

/// Reads what is there, once something is, with the files that came along. Nothing is lost where this is given up. Says
/// whether the other end is still there.
pub(super) async fn receive(stream: &UnixStream, into: &mut Vec<u8>, files: &mut Vec<OwnedFd>) -> io::Result<bool> {
    loop {
        stream.readable().await?;
        match stream.try_io(Interest::READABLE, || receive_some(stream, into, files)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(false),
            received => return received.map(|count| count > 0),
        }
    }
}

fn receive_some(stream: &UnixStream, into: &mut Vec<u8>, files: &mut Vec<OwnedFd>) -> io::Result<usize> {
    let held = into.len();
    into.resize(held + READ, 0);
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_FILES))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(
        stream.as_fd(),
        &mut [IoSliceMut::new(&mut into[held..])],
        &mut control,
        RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT,
    );
    into.truncate(held + received.as_ref().map_or(0, |received| received.bytes));
    let count = received?.bytes;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            files.extend(received);
        }
    }
    Ok(count)
}
