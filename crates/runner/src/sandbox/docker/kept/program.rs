//! The program of a job, beside the shell that holds its container open.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use bollard::errors::Error;
use bollard::exec::CreateExecOptions;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::{Deserialize, Serialize};
use tokio::net::UnixStream;
use tokio::time::Instant;

use crate::pause::Pauses;
use crate::sandbox::docker::DockerError;
use crate::sandbox::docker::container::{Inside, started};
use crate::sandbox::docker::engine::Known;
use crate::sandbox::docker::error::words;
use crate::sandbox::docker::plan::{Plan, User};

/// How long the engine may take to say which process it is.
const PATIENCE: Duration = Duration::from_secs(5);

/// A program that was started, with its input and its outputs.
pub(super) struct Program {
    pub(super) exec: String,
    pub(super) connection: UnixStream,
}

/// Where the next server finds it again.
#[derive(Debug, Serialize, Deserialize)]
pub(in super::super) struct Whereabouts {
    pub(in super::super) container: String,
    pub(super) exec: String,
    uid: u32,
    gid: u32,
}

impl Program {
    /// Starts it.
    pub(super) async fn start(inside: &Inside, plan: &Plan) -> Result<Self, DockerError> {
        let options = CreateExecOptions {
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            env: Some(plan.env.clone()),
            cmd: Some(plan.argv.clone()),
            user: Some(plan.user.to_string()),
            working_dir: Some(plan.directory.clone()),
            ..CreateExecOptions::default()
        };
        let created = inside.known.docker.create_exec(&inside.id, options).await;
        let exec = created.map_err(|error| DockerError::Engine(words(&error)))?.id;
        let connection = started(&inside.known, &exec).await?;
        Ok(Self { exec, connection })
    }

    /// Its process on this machine with a handle of it, unless it has ended already.
    pub(super) async fn process(&self, known: &Known) -> Result<Option<(u32, OwnedFd)>, Error> {
        let deadline = Instant::now() + PATIENCE;
        let mut pauses = Pauses::new();
        while Instant::now() < deadline {
            match state(known, &self.exec).await? {
                State::Runs(pid) => {
                    let Ok(handle) = handle_of(pid) else { return Ok(None) };
                    // Where it still runs, nobody else has its number yet.
                    let same = state(known, &self.exec).await? == State::Runs(pid);
                    return Ok(same.then_some((pid, handle)));
                }
                State::Ended => return Ok(None),
                State::Unknown => pauses.next(deadline).await,
            }
        }
        Ok(None)
    }
}

impl Whereabouts {
    pub(super) fn of(program: &Program, inside: &Inside) -> Self {
        let User { uid, gid } = inside.user;
        Self { container: inside.id.clone(), exec: program.exec.clone(), uid, gid }
    }

    pub(in super::super) fn user(&self) -> User {
        User { uid: self.uid, gid: self.gid }
    }

    pub(super) fn written(&self) -> Option<String> {
        serde_json::to_string(self).ok()
    }

    /// Reads what an earlier server has written.
    pub(in super::super) fn read(written: &str) -> Result<Self, DockerError> {
        serde_json::from_str(written).map_err(|error| DockerError::Files(error.into()))
    }
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    /// It is being started.
    Unknown,
    Runs(u32),
    Ended,
}

/// Docker has an exit code once a program has ended, and Podman one from the beginning on.
async fn state(known: &Known, exec: &str) -> Result<State, Error> {
    let found = known.docker.inspect_exec(exec).await?;
    let pid = found.pid.and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid > 0);
    let has_ended = pid.is_some() || (!known.is_podman && found.exit_code.is_some());
    Ok(match (found.running, pid) {
        (Some(true), Some(pid)) => State::Runs(pid),
        (Some(true), None) => State::Unknown,
        _ if has_ended => State::Ended,
        _ => State::Unknown,
    })
}

fn handle_of(pid: u32) -> io::Result<OwnedFd> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::NotFound)?;
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}
