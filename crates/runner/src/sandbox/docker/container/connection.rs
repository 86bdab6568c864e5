//! The way to the standard streams of a program in a container, as a socket that can be handed to another process.
//!
//! The engine closes the input of a program together with the connection over which it comes, so that connection must not
//! end with the server. That of a container is for the input alone: what a program prints would have to be read all the time, or
//! it stops. Podman ends the input with the first connection that ends, so there it is the only one, and the output comes along. Of a
//! program beside the first one nobody keeps what it prints, so it comes along, too; and of one that serves HTTP, as what counts is
//! what the bridge to it makes of that.

use std::io;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::super::DockerError;
use super::super::engine::Known;

/// How long the engine may take to answer.
const ANSWER: Duration = Duration::from_secs(60);

/// How long it may take to say why not.
const REASON: Duration = Duration::from_secs(1);

/// What an answer's head is never longer than, nor a reason.
const MOST: usize = 16 * 1024;

/// Connects with the input of a container that is not started yet, and with its outputs where they are to come along.
pub(in super::super) async fn input(known: &Known, id: &str, has_output: bool) -> Result<UnixStream, DockerError> {
    let streams = if has_output { "stdin=1&stdout=1&stderr=1" } else { "stdin=1" };
    let connected = connected(known, &format!("containers/{id}/attach?stream=1&{streams}"), "").await;
    connected.map_err(|error| DockerError::Engine(format!("its input can't be reached ({error})")))
}

/// Starts a further program in a container, and connects with its input and both its outputs.
pub(in super::super) async fn started(known: &Known, exec: &str) -> Result<UnixStream, DockerError> {
    let connected = connected(known, &format!("exec/{exec}/start"), r#"{"Detach":false,"Tty":false}"#).await;
    connected.map_err(|error| DockerError::Engine(error.to_string()))
}

async fn connected(known: &Known, path: &str, body: &str) -> io::Result<UnixStream> {
    let connected = timeout(ANSWER, connect(known, path, body)).await;
    connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

async fn connect(known: &Known, path: &str, body: &str) -> io::Result<UnixStream> {
    let mut stream = UnixStream::connect(&known.socket).await?;
    let request = format!(
        "POST /v{}/{path} HTTP/1.1\r\nHost: engine\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        known.docker.client_version(),
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    // One after the other, as what comes behind the head is not the answer's.
    while !head.ends_with(b"\r\n\r\n") && head.len() < MOST {
        head.push(stream.read_u8().await?);
    }
    let first = String::from_utf8_lossy(&head).lines().next().unwrap_or_default().to_owned();
    match first.split(' ').nth(1) {
        Some("101" | "200") => Ok(stream),
        _ => Err(io::Error::other(reason(stream).await.unwrap_or(first))),
    }
}

/// Why there is no connection, where the engine says so.
async fn reason(stream: UnixStream) -> Option<String> {
    let mut said = Vec::new();
    // Nothing says that it hangs up afterwards.
    let _ = timeout(REASON, stream.take(MOST as u64).read_to_end(&mut said)).await;
    let begin = said.iter().position(|byte| *byte == b'{')?;
    let value = serde_json::Deserializer::from_slice(&said[begin..]).into_iter::<Value>().next()?.ok()?;
    value["message"].as_str().map(|message| message.trim().to_owned())
}
