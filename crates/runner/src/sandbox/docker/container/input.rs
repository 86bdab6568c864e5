//! The way to the standard input of a container, as a socket that can be handed to another process.
//!
//! The engine closes the input of a container together with the connection over which it comes, so that connection must not
//! end with the server. It is for the input alone: what a program prints would have to be read all the time, or it stops. Podman
//! stops in any case where nobody reads it, so there it comes along, and whoever has the connection drops it.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::super::DockerError;
use super::super::engine::Known;

/// How long the engine may take to answer.
const ANSWER: Duration = Duration::from_secs(60);

/// What an answer's head is never longer than.
const MOST_HEAD: usize = 16 * 1024;

/// Connects with the input of a container that is not started yet.
pub(in super::super) async fn input(known: &Known, id: &str) -> Result<UnixStream, DockerError> {
    let connected = timeout(ANSWER, connect(known, id)).await;
    let connected = connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    connected.map_err(|error| DockerError::Engine(format!("its input can't be reached ({error})")))
}

async fn connect(known: &Known, id: &str) -> io::Result<UnixStream> {
    let mut stream = UnixStream::connect(&known.socket).await?;
    let streams = if known.is_podman { "stdin=1&stdout=1&stderr=1" } else { "stdin=1" };
    let request = format!(
        "POST /v{}/containers/{id}/attach?stream=1&{streams} HTTP/1.1\r\nHost: engine\r\nConnection: Upgrade\r\n\
         Upgrade: tcp\r\nContent-Length: 0\r\n\r\n",
        known.docker.client_version()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    // One after the other, as what comes behind the head is not the answer's.
    while !head.ends_with(b"\r\n\r\n") && head.len() < MOST_HEAD {
        head.push(stream.read_u8().await?);
    }
    let first = String::from_utf8_lossy(&head).lines().next().unwrap_or_default().to_owned();
    match first.split(' ').nth(1) {
        Some("101" | "200") => Ok(stream),
        _ => Err(io::Error::other(first)),
    }
}
