//! A program that is ready to be started: nothing is looked up or decided any more.

use std::fs::File;
use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::path::PathBuf;

use command_fds::FdMapping;
use legwork_agents::Launch;

use super::program::find;
use super::{Running, SpawnError, Start};
use crate::bridge::{Bridge, Plan};
use crate::cookie::Cookie;
use crate::network::RunNetwork;
use crate::starter::{Started, Starter};
use crate::stdin::{Stdin, StdinFeed};

/// What to start, word by word.
#[derive(Debug)]
pub(crate) struct Spawn {
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<String>,
    /// Its whole environment, but for the cookie.
    pub(crate) env: Vec<(String, String)>,
    pub(crate) directory: PathBuf,
    pub(crate) cookie: Cookie,
    pub(crate) input: Input,
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

/// A program that is about to be started, with what comes between it and its run.
pub(crate) struct Planned {
    pub(crate) spawn: Spawn,
    pub(crate) install_hint: String,
    between: Option<(Plan, StdinFeed)>,
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
        let mut between = None;
        if let (Some(server), Input::Fed { bytes, stays_open }) = (http, &mut input) {
            let other = |source| SpawnError::Other { program: program.clone(), source };
            let (feed, requests) = StdinFeed::new(std::mem::take(bytes), *stays_open).map_err(other)?;
            let plan = Plan::new(server, requests).map_err(other)?;
            let (variable, password) = plan.password();
            env.push((variable.to_owned(), password.to_owned()));
            (between, input) = (Some((plan, feed)), Input::Null);
        }
        let secret = |parent_fd| FdMapping { parent_fd, child_fd: SECRET_FD };
        let spawn = Spawn {
            program,
            args,
            env,
            directory: directory.to_owned(),
            cookie: cookie.clone(),
            input,
            files: inherited.secret.map(secret).into_iter().collect(),
            main_only_waits: false,
        };
        Ok(Self { spawn, install_hint: install_hint.to_owned(), between })
    }

    /// Starts it.
    pub(crate) async fn start(self, starter: &Starter) -> Result<Unconnected, SpawnError> {
        let Self { spawn, install_hint, between } = self;
        let (program, directory) = (spawn.program.clone(), spawn.directory.clone());
        let started = starter.start(spawn).await;
        let started = started.map_err(|source| SpawnError::diagnose(source, &program, &directory, &install_hint))?;
        Ok(Unconnected { started, between })
    }
}

/// A program that was started, before anything is between it and its run.
pub(crate) struct Unconnected {
    pub(crate) started: Started,
    between: Option<(Plan, StdinFeed)>,
}

impl Unconnected {
    /// Puts between what belongs there. `network` is where the program would listen.
    pub(crate) fn connect(self, network: RunNetwork) -> Running {
        let Started { process, stdin, stdout, stderr } = self.started;
        match (self.between, stdout) {
            (Some((plan, feed)), Some(printed)) => {
                let (lines, bridge): (_, Bridge) = plan.start(printed, network);
                Running { process, stdin: Stdin::Pipe(feed), stdout: Some(lines), stderr, bridge: Some(bridge) }
            }
            (_, stdout) => Running { process, stdin, stdout, stderr, bridge: None },
        }
    }
}

/// A program that is being written can't be started; whoever writes it is done soon.
pub(crate) fn is_busy(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ExecutableFileBusy
}
