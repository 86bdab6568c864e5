//! A server's way to its supervisor, which it starts.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::process::Command;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::frame::{Frame, Frames, broken, put_message};
use super::gate;
use super::message::{Answer, Request};
use crate::cookie::Cookie;
use crate::process_tree::Registry;

/// A supervisor answers at once, unless the machine is very busy.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server's supervisors: the one that it starts, and those that earlier servers of the node started and that still have
/// runs. Each has a directory of its own in a directory that is the node's.
#[derive(Debug)]
pub struct Supervisor {
    program: PathBuf,
    arguments: Vec<String>,
    directory: PathBuf,
    registry: Arc<Registry>,
    own: Mutex<Option<Own>>,
    leaving: AtomicBool,
}

/// The supervisor that this server started.
#[derive(Debug)]
struct Own {
    directory: PathBuf,
    /// Open as long as this server lives, which it learns from that.
    _presence: UnixStream,
}

impl Supervisor {
    /// `program`, called with `arguments` and a directory, has to [`supervise`](super::supervise) with the listening socket
    /// that is its standard input. Everything is kept in `directory`.
    pub(crate) fn new(program: PathBuf, arguments: Vec<String>, directory: PathBuf, registry: Arc<Registry>) -> Self {
        Self { program, arguments, directory, registry, own: Mutex::default(), leaving: AtomicBool::new(false) }
    }

    /// From now on runs are left to themselves when this process has no further use for them.
    pub fn leave(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed)
    }

    pub(super) fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// A connection with this server's own supervisor, which is started where there is none (any more).
    pub(super) async fn connect(&self) -> io::Result<UnixStream> {
        let mut own = self.own.lock().await;
        if let Some(own) = &*own
            && let Ok(stream) = gate::connect(&own.directory).await
        {
            return Ok(stream);
        }
        let started = self.start().await?;
        let stream = gate::connect(&started.directory).await?;
        *own = Some(started);
        Ok(stream)
    }

    /// Starts it now, so that no run waits for it.
    ///
    /// # Errors
    /// What the system says.
    pub async fn prepare(&self) -> io::Result<()> {
        self.connect().await.map(drop)
    }

    async fn start(&self) -> io::Result<Own> {
        let directory = self.new_directory()?;
        let listener = gate::open(&directory)?;
        let mut child = self.command(&directory, listener.into()).spawn()?;
        if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) {
            self.registry.spare(pid);
        }
        // It outlives this process, or is waited for here.
        tokio::spawn(async move { child.wait().await });
        let (presence, _) = greet(&directory).await?;
        Ok(Own { directory, _presence: presence })
    }

    fn new_directory(&self) -> io::Result<PathBuf> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        let number = (0_u32..).find(|number| !self.directory.join(number.to_string()).exists()).unwrap_or_default();
        let directory = self.directory.join(number.to_string());
        DirBuilder::new().mode(0o700).create(&directory)?;
        Ok(directory)
    }

    #[expect(clippy::disallowed_methods, reason = "a supervisor is no run: it ends by itself")]
    fn command(&self, directory: &Path, socket: OwnedFd) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).arg(directory).env_clear().current_dir("/");
        command.stdin(Stdio::from(socket)).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Every run that a supervisor of this node has, with the directory of that supervisor. What dead ones left is removed.
    ///
    /// # Errors
    /// Where the directory can't be read.
    pub(crate) async fn runs(&self) -> io::Result<Vec<(Cookie, PathBuf)>> {
        let mut all = Vec::new();
        for directory in supervisors(&self.directory)? {
            match greet(&directory).await {
                Ok((_, runs)) => all.extend(runs.into_iter().map(|run| (run, directory.clone()))),
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    // Nothing in there is of use to anybody.
                    let _ = fs::remove_dir_all(&directory);
                }
                Err(error) => tracing::warn!(%error, "a supervisor of an earlier server does not answer"),
            }
        }
        Ok(all)
    }
}

fn supervisors(directory: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(directory) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Asks a supervisor for its runs. It knows of this server as long as the connection is open.
async fn greet(directory: &Path) -> io::Result<(UnixStream, Vec<Cookie>)> {
    let stream = gate::connect(directory).await?;
    let mut bytes = Vec::new();
    put_message(&mut bytes, &Request::List);
    let asked = async {
        gate::send(&stream, &bytes, &[]).await?;
        let mut frames = Frames::default();
        match first_answer(&stream, &mut frames).await? {
            Answer::Runs(runs) => Ok(runs),
            _ => Err(broken("the supervisor did not say which runs it has")),
        }
    };
    let runs = timeout(PATIENCE, asked).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    Ok((stream, runs))
}

/// The first thing that a supervisor says.
pub(super) async fn first_answer(stream: &UnixStream, frames: &mut Frames) -> io::Result<Answer> {
    let read = async {
        loop {
            match frames.next()? {
                Some(Frame::Message(answer)) => return Ok(answer),
                Some(_) => return Err(broken("the supervisor did not say what it did")),
                None if !gate::receive(stream, frames.buffer(), &mut Vec::new()).await? => {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                None => {}
            }
        }
    };
    timeout(PATIENCE, read).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}
