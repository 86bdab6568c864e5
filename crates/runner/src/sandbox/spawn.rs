//! A program that is ready to be started: nothing is looked up or decided any more.

use std::fs::File;
use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::path::PathBuf;

use command_fds::FdMapping;
use legwork_agents::Launch;

use super::program::find;
use super::{SpawnError, Start};
use crate::bridge::Served;
use crate::cookie::Cookie;
use crate::starter::{Started, Starter};

/// What to start, word by word.
#[derive(Debug)]
pub(crate) struct Spawn {
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<String>,
    /// Its whole environment, but for the cookie.
    pub(crate) env: Vec<(String, String)>,
    pub(crate) directory: PathBuf,
    pub(crate) cookie: Cookie,
    /// Its standard input; where it serves HTTP, what is said to the bridge.
    pub(crate) input: Input,
    /// What is between the program and its run, where it serves HTTP.
    pub(crate) http: Option<Served>,
    /// Open files that it gets beside its standard streams.
    pub(crate) files: Vec<FdMapping>,
    /// Whether the main process only waits for the others, and would take them along at `SIGTERM`.
    pub(crate) main_only_waits: bool,
}

/// What is its standard input.
#[derive(Debug)]
pub(crate) enum Input {
    /// Nothing.
    Null,
    /// A file.
    File(OwnedFd),
    /// These bytes, and what is pushed later where it stays open.
    Fed { bytes: Vec<u8>, stays_open: bool },
}

/// Open files that a process gets.
#[derive(Debug, Default)]
pub(crate) struct Inherited {
    /// Read as standard input instead of the launch's bytes.
    pub(crate) stdin: Option<File>,
    /// What the process may read as its descriptor [`SECRET_FD`].
    pub(crate) secret: Option<OwnedFd>,
}

/// The descriptor of a secret that is neither among the arguments nor in the environment of a process.
pub(crate) const SECRET_FD: RawFd = 3;

/// A program that is about to be started.
pub(crate) struct Planned {
    pub(crate) spawn: Spawn,
    pub(crate) install_hint: String,
}

impl Planned {
    /// Finds the program of a launch, and lays out how it is started.
    pub(crate) fn new(start: Start<'_>) -> Result<Self, SpawnError> {
        let Start { launch, directory, cookie, install_hint, inherited, .. } = start;
        let program = find(&launch, install_hint)?;
        let Launch { args, mut env, stdin, http, .. } = launch;
        let mut input = Input::Fed { bytes: stdin.bytes, stays_open: stdin.open_until_turn_ends };
        if let Some(file) = inherited.stdin {
            input = Input::File(file.into());
        }
        let http = http.map(Served::new);
        if let Some((variable, password)) = http.as_ref().map(Served::password) {
            env.push((variable.to_owned(), password.to_owned()));
        }
        let secret = |parent_fd| FdMapping { parent_fd, child_fd: SECRET_FD };
        let spawn = Spawn {
            program,
            args,
            env,
            directory: directory.to_owned(),
            cookie: cookie.clone(),
            input,
            http,
            files: inherited.secret.map(secret).into_iter().collect(),
            main_only_waits: false,
        };
        Ok(Self { spawn, install_hint: install_hint.to_owned() })
    }

    /// Starts it.
    pub(crate) async fn start(self, starter: &Starter) -> Result<Started, SpawnError> {
        let Self { spawn, install_hint } = self;
        let (program, directory) = (spawn.program.clone(), spawn.directory.clone());
        let started = starter.start(spawn).await;
        started.map_err(|source| SpawnError::diagnose(source, &program, &directory, &install_hint))
    }
}

/// A program that is being written can't be started; whoever writes it is done soon.
pub(crate) fn is_busy(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ExecutableFileBusy
}
