//! The least that a worker can do: it starts the agent for each request, gives it a prompt and returns what it printed. No
//! signature is checked, no line is read, nothing is kept. It tells what is left to gain.

use std::convert::Infallible;
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Collected, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::Semaphore;

/// Serves on loopback until it is ended.
pub(crate) async fn serve(port: u16, agent: PathBuf, concurrency: usize) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let (agent, slots) = (Arc::<Path>::from(agent), Arc::new(Semaphore::new(concurrency)));
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (agent, slots) = (Arc::clone(&agent), Arc::clone(&slots));
        let service = service_fn(move |request| answer(request, Arc::clone(&agent), Arc::clone(&slots)));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn answer(
    request: Request<Incoming>,
    agent: Arc<Path>,
    slots: Arc<Semaphore>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let is_job = request.method() == Method::POST;
    // A caller that goes away while it sends gets whatever there is to get.
    let prompt = request.into_body().collect().await.map(Collected::to_bytes).unwrap_or_default();
    if !is_job {
        return Ok(Response::default());
    }
    let _slot = slots.acquire().await;
    let said = run(&agent, &prompt).await;
    let body =
        said.map_or_else(|error| error.to_string(), |said| format!("{{\"success\":true,\"bytes\":{}}}", said.len()));
    Ok(Response::new(Full::from(body)))
}

#[expect(clippy::disallowed_methods, reason = "it is what a worker without a runner would do")]
async fn run(agent: &Path, prompt: &[u8]) -> io::Result<Vec<u8>> {
    let mut command = Command::new(agent);
    command.arg("-p").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(prompt).await?;
    }
    Ok(child.wait_with_output().await?.stdout)
}
