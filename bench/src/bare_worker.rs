//! The least that a worker can do: it starts the agent for each request, gives it a prompt and returns what it printed. No
//! line is read; unless it keeps its jobs, no signature is checked either. It tells what is left to gain.

use std::convert::Infallible;
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Collected, Full};
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::Semaphore;

use crate::contender::{SIGNATURE, TIMESTAMP, signature};
use crate::error::BenchError;
use crate::ledger::Ledger;

struct Worker {
    agent: PathBuf,
    slots: Semaphore,
    /// Where jobs are kept, if they are.
    ledger: Option<Ledger>,
}

/// Serves on loopback until it is ended.
pub(crate) async fn serve(port: u16, agent: PathBuf, concurrency: usize, keeps: bool) -> Result<(), BenchError> {
    let ledger = keeps.then(|| Ledger::create(&std::env::current_dir()?)).transpose()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let worker = Arc::new(Worker { agent, slots: Semaphore::new(concurrency), ledger });
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let worker = Arc::clone(&worker);
        let service = service_fn(move |request| answer(request, Arc::clone(&worker)));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn answer(request: Request<Incoming>, worker: Arc<Worker>) -> Result<Response<Full<Bytes>>, Infallible> {
    let is_job = request.method() == Method::POST;
    let (head, body) = request.into_parts();
    // A caller that goes away while it sends gets whatever there is to get.
    let prompt = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
    if !is_job {
        return Ok(Response::default());
    }
    let _slot = worker.slots.acquire().await;
    let said = match &worker.ledger {
        Some(ledger) => run_on_record(&worker.agent, ledger, &head.headers, &prompt).await,
        None => run(&worker.agent, Path::new("."), &prompt).await.map_err(BenchError::from),
    };
    let body =
        said.map_or_else(|error| error.to_string(), |said| format!("{{\"success\":true,\"bytes\":{}}}", said.len()));
    Ok(Response::new(Full::from(body)))
}

async fn run_on_record(
    agent: &Path,
    ledger: &Ledger,
    headers: &HeaderMap,
    prompt: &[u8],
) -> Result<Vec<u8>, BenchError> {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (time, signed) = (header(TIMESTAMP), header(SIGNATURE));
    if signature(time, &String::from_utf8_lossy(prompt))? != signed {
        return Err(BenchError::Setup("the signature is wrong".into()));
    }
    let kept = ledger.begin(signed, prompt)?;
    let said = run(agent, &kept.directory, prompt).await?;
    ledger.end(&kept, &said)?;
    Ok(said)
}

#[expect(clippy::disallowed_methods, reason = "it is what a worker without a runner would do")]
async fn run(agent: &Path, directory: &Path, prompt: &[u8]) -> io::Result<Vec<u8>> {
    let mut command = Command::new(agent);
    command.arg("-p").current_dir(directory).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(prompt).await?;
    }
    Ok(child.wait_with_output().await?.stdout)
}
