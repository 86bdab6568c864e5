//! A service as a process of its own, on a free port of loopback.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use hyper::StatusCode;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::error::BenchError;
use crate::http::{self, Connection};

const READY_SECONDS: u64 = 20;
const STOP: Duration = Duration::from_secs(10);
/// How exactly the moment of readiness is known.
const POLL: Duration = Duration::from_millis(1);

/// How to start a service; `{port}` and `{data}` stand for its port and its data folder.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Launch<'a> {
    /// As it is called in tables.
    pub(crate) name: &'static str,
    /// The program.
    pub(crate) program: &'a Path,
    /// Its arguments.
    pub(crate) args: &'a [String],
    /// Its environment, in addition to `PATH` and `HOME`.
    pub(crate) env: &'a [(&'static str, String)],
    /// The path that answers 200 once it is ready.
    pub(crate) ready: &'static str,
}

/// A service that is up. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Service {
    child: Child,
    address: SocketAddr,
    ready_after: Duration,
}

impl Service {
    /// Starts it and waits until it is ready.
    pub(crate) async fn start(launch: Launch<'_>, data: &Path) -> Result<Self, BenchError> {
        std::fs::create_dir_all(data)?;
        let address = free_address()?;
        let log = data.with_extension("log");
        let started = Instant::now();
        let child = spawn(launch, address.port(), data, &log)?;
        if timeout(Duration::from_secs(READY_SECONDS), until_ready(address, launch.ready)).await.is_err() {
            let log = std::fs::read_to_string(&log).unwrap_or_default();
            return Err(BenchError::NotReady { name: launch.name, seconds: READY_SECONDS, log });
        }
        Ok(Self { child, address, ready_after: started.elapsed() })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From the start of its process to the first time it said that it is ready.
    pub(crate) fn ready_after(&self) -> Duration {
        self.ready_after
    }

    /// Its process.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Asks it to leave and waits until it did.
    pub(crate) async fn stop(mut self) -> Result<(), BenchError> {
        if let Some(pid) = self.pid().and_then(|pid| Pid::from_raw(pid.cast_signed())) {
            kill_process(pid, Signal::TERM).map_err(std::io::Error::from)?;
        }
        if timeout(STOP, self.child.wait()).await.is_err() {
            self.child.kill().await?;
        }
        Ok(())
    }
}

/// A port that nobody listens on at the moment.
fn free_address() -> Result<SocketAddr, BenchError> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

#[expect(clippy::disallowed_methods, reason = "what is measured is the process as an operator would start it")]
fn spawn(launch: Launch<'_>, port: u16, data: &Path, log: &PathBuf) -> Result<Child, BenchError> {
    let fill = |text: &str| text.replace("{port}", &port.to_string()).replace("{data}", &data.display().to_string());
    let log = File::create(log)?;
    let mut command = Command::new(launch.program);
    command
        .args(launch.args.iter().map(|arg| fill(arg)))
        .envs(launch.env.iter().map(|(name, value)| (name, fill(value))))
        .current_dir(data)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .kill_on_drop(true);
    command.spawn().map_err(|error| BenchError::Setup(format!("failed to start {}: {error}", launch.program.display())))
}

async fn until_ready(address: SocketAddr, path: &'static str) {
    while !is_ready(address, path).await {
        tokio::time::sleep(POLL).await;
    }
}

async fn is_ready(address: SocketAddr, path: &'static str) -> bool {
    let Ok(mut connection) = Connection::open(address).await else { return false };
    connection.call(&http::get(path), StatusCode::OK).await.is_ok()
}
