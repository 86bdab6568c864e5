//! One job in a kept container.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bollard::exec::{CreateExecOptions, StartExecResults};
use futures::FutureExt;
use futures::future::BoxFuture;
use legwork_model::{Exit, Failure};
use tokio::io::AsyncWrite;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::{Holder, Turn};
use crate::pause::Pauses;
use crate::sandbox::docker::DockerError;
use crate::sandbox::docker::belongings::Belongings;
use crate::sandbox::docker::container::{Inside, Sought, exit_of};
use crate::sandbox::docker::error::words;
use crate::sandbox::docker::prepared::Prepared;
use crate::sandbox::docker::streams::{Output, divided};
use crate::sandbox::docker::uplink;
use crate::sandbox::{Process, Running, Uplink};
use crate::stdin::Stdin;

/// How long the engine may take to notice that a program has ended whose output has.
const NOTICE: Duration = Duration::from_secs(5);

/// A job. Given up, it takes its container along: nobody knows what still runs there.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) shared: Arc<Shared>,
    output: Option<JoinHandle<()>>,
    _uplink: Option<Arc<dyn Uplink>>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) inside: Arc<Inside>,
    pub(super) turn: Mutex<Option<Turn>>,
    pub(super) belongings: Mutex<Belongings>,
    pub(super) exec: String,
    pub(super) sought: Sought,
    pub(super) sleep_after: Duration,
    pub(super) failure: OnceLock<Failure>,
}

/// A job that was begun in a container.
struct Begun {
    inside: Arc<Inside>,
    exec: String,
    input: Pin<Box<dyn AsyncWrite + Send>>,
    output: Output,
}

/// Opens the way out, and starts the agent.
pub(super) async fn start(
    mut turn: Turn,
    prepared: Prepared,
    mut belongings: Belongings,
    sleep_after: Duration,
) -> Result<Running, DockerError> {
    match begin(&turn, &prepared).await {
        Ok(begun) => Ok(running(turn, prepared, belongings, sleep_after, begun)),
        Err(error) => {
            if let Some(holder) = turn.take() {
                holder.room.0.remove().await;
            }
            belongings.put_back();
            Err(error)
        }
    }
}

async fn begin(turn: &Turn, prepared: &Prepared) -> Result<Begun, DockerError> {
    let gone = || DockerError::Engine("the kept container is gone".to_owned());
    let refused = |error| DockerError::Engine(words(&error));
    if prepared.http.is_some() {
        return Err(DockerError::Refused("a program that serves HTTP and be kept".to_owned()));
    }
    let Holder { room, .. } = turn.as_ref().ok_or_else(gone)?;
    let inside = Arc::clone(&room.0);
    if let Some(uplink) = &prepared.uplink {
        let pid = inside.pid().await.map_err(refused)?.ok_or_else(gone)?;
        uplink::open(pid, uplink).await.map_err(DockerError::Namespace)?;
    }
    let options = CreateExecOptions {
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        env: Some(prepared.plan.env.clone()),
        cmd: Some(prepared.plan.argv.clone()),
        user: Some(prepared.plan.user.to_string()),
        working_dir: Some(prepared.plan.directory.clone()),
        ..CreateExecOptions::default()
    };
    let exec = inside.known.docker.create_exec(&inside.id, options).await.map_err(refused)?.id;
    match inside.known.patient().start_exec(&exec, None).await.map_err(refused)? {
        StartExecResults::Attached { output, input } => Ok(Begun { inside, exec, input, output }),
        StartExecResults::Detached => Err(gone()),
    }
}

fn running(turn: Turn, prepared: Prepared, belongings: Belongings, sleep_after: Duration, begun: Begun) -> Running {
    let Begun { inside, exec, input, output } = begun;
    let mut stdin = Stdin::passed_to(input);
    stdin.push(&prepared.stdin);
    if !prepared.stdin_stays_open {
        stdin.close();
    }
    let (stdout, stderr, output) = divided(output);
    let shared = Shared {
        inside,
        turn: Mutex::new(Some(turn)),
        belongings: Mutex::new(belongings),
        exec,
        sought: Sought { program: prepared.plan.argv.first().cloned(), hint: prepared.install_hint },
        sleep_after,
        failure: OnceLock::new(),
    };
    let process = Box::new(Job { shared: Arc::new(shared), output: Some(output), _uplink: prepared.uplink });
    Running { process, stdin, stdout: Some(stdout), stderr: Some(stderr), bridge: None }
}

impl Shared {
    /// The exit code; `None` while the program runs.
    pub(super) async fn code(&self) -> io::Result<Option<i64>> {
        let found = self.inside.known.docker.inspect_exec(&self.exec).await.map_err(io::Error::other)?;
        Ok(found.exit_code.filter(|_| found.running != Some(true)))
    }

    /// The right to work in the container, which is given up with it.
    pub(super) fn take_turn(&self) -> Option<Turn> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Process for Job {
    /// The engine tells of the end of an output, not of that of a program; the one follows the other closely.
    fn wait(&mut self) -> BoxFuture<'_, io::Result<Exit>> {
        let wait = async {
            if let Some(output) = &mut self.output {
                let _ = output.await;
                self.output = None;
            }
            let deadline = Instant::now() + NOTICE;
            let mut pauses = Pauses::new();
            while Instant::now() < deadline {
                if let Some(code) = self.shared.code().await? {
                    return Ok(exit_of(code));
                }
                pauses.next(deadline).await;
            }
            Err(io::Error::other("the engine does not know how the program ended"))
        };
        wait.boxed()
    }

    fn may_have_left_others(&self) -> bool {
        true
    }

    fn terminate(&self, grace: Duration) -> BoxFuture<'static, ()> {
        Arc::clone(&self.shared).end(grace).boxed()
    }

    fn pid(&self) -> Option<u32> {
        None
    }

    fn limit_reached(&self) -> Option<Failure> {
        self.shared.failure.get().cloned()
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if let Some(mut turn) = self.shared.take_turn() {
            *turn = None;
        }
    }
}
