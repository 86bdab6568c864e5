//! A server's connection with one run in its supervisor.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use legwork_model::{Exit, Failure};
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::time::timeout;

use super::frame::{Frames, broken, put_bytes, put_message};
use super::gate;
use super::lead::{Supervisor, first_answer};
use super::message::{Answer, Held, History, InputKind, Keep, Note, Program, Request, VERSION};
use super::wire::{self, Ends, Speaker, Told};
use crate::bridge::{Bridge, Served};
use crate::cookie::Cookie;
use crate::process_tree::Live;
use crate::sandbox::Process;
use crate::sandbox::spawn::{Input, Spawn};
use crate::starter::Started;
use crate::stdin::Stdin;

/// How much longer than the grace the end of all processes may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The processes of a run that a supervisor has. Dropping it gives the run up, unless the server is leaving.
#[derive(Debug)]
pub(crate) struct Link {
    hold: Hold,
    cookie: Cookie,
    pid: u32,
    told: watch::Receiver<Told>,
    is_kept: AtomicBool,
    /// The sweep spares it.
    _live: Live,
}

/// A supervisor keeps a run until this is dropped, and what is known of it.
#[derive(Debug)]
pub struct Hold {
    supervisor: Arc<Supervisor>,
    to: Speaker,
}

/// A process that somebody else started, to be left to a supervisor: its input, and the right to end it.
pub(crate) struct HandedOver {
    pub(crate) pid: u32,
    pub(crate) handle: OwnedFd,
    /// The process to kill for an end of all of the run, where that is another.
    pub(crate) first: Option<OwnedFd>,
    pub(crate) connection: OwnedFd,
    /// Bytes of either stream to keep, where they come over the connection as well.
    pub(crate) most_output: Option<u64>,
    /// What is to be between it and the run, where it serves HTTP.
    pub(crate) http: Option<Served>,
    /// Where it is found again.
    pub(crate) place: Option<String>,
}

/// What there is to know of a run that a supervisor has.
#[derive(Clone, Copy)]
struct Kind {
    /// Whether it takes further input.
    is_open: bool,
    is_kept: bool,
    /// Whether it waits to hear what network it has.
    serves: bool,
}

/// A run that is taken up again.
pub(crate) struct Found {
    pub(crate) started: Started,
    pub(crate) history: History,
}

impl Link {
    /// Starts a program in the supervisor.
    pub(crate) async fn start(supervisor: &Arc<Supervisor>, spawn: Spawn, most_output: u64) -> io::Result<Started> {
        let stream = supervisor.connect().await?;
        let (program, input, files) = program_of(spawn, most_output);
        let (cookie, serves) = (program.cookie.clone(), program.http.is_some());
        let mut bytes = Vec::new();
        put_message(&mut bytes, &Request::Start(Box::new(program)));
        if let Some((first, stays_open)) = &input {
            put_bytes(&mut bytes, first);
            if !stays_open {
                put_message(&mut bytes, &Request::CloseInput);
            }
        }
        let borrowed: Vec<BorrowedFd<'_>> = files.iter().map(AsFd::as_fd).collect();
        gate::send(&stream, &bytes, &borrowed).await?;
        let mut frames = Frames::default();
        match first_answer(&stream, &mut frames).await? {
            Answer::Started { pid } => {
                let is_open = input.is_some_and(|(_, stays_open)| stays_open);
                let kind = Kind { is_open, is_kept: false, serves };
                Ok(Self::connected(supervisor, cookie, pid, stream, frames, kind))
            }
            Answer::Refused { errno: Some(errno), .. } => Err(io::Error::from_raw_os_error(errno)),
            Answer::Refused { message, .. } => Err(io::Error::other(message)),
            _ => Err(broken("the supervisor did not say whether it started the program")),
        }
    }

    /// Leaves a process that somebody else started to the supervisor.
    pub(crate) async fn hold(supervisor: &Arc<Supervisor>, cookie: &Cookie, handed: HandedOver) -> io::Result<Started> {
        let HandedOver { pid, handle, first, connection, most_output, http, place } = handed;
        let stream = supervisor.connect().await?;
        let mut bytes = Vec::new();
        let serves = http.is_some();
        let held = Held { version: VERSION, cookie: cookie.clone(), pid, most_output, http, place };
        put_message(&mut bytes, &Request::Hold(Box::new(held)));
        let files: Vec<_> = [&connection, &handle].into_iter().chain(&first).map(AsFd::as_fd).collect();
        gate::send(&stream, &bytes, &files).await?;
        let mut frames = Frames::default();
        match first_answer(&stream, &mut frames).await? {
            Answer::Started { pid } => {
                let kind = Kind { is_open: true, is_kept: false, serves };
                Ok(Self::connected(supervisor, cookie.clone(), pid, stream, frames, kind))
            }
            Answer::Refused { message, .. } => Err(io::Error::other(message)),
            _ => Err(broken("the supervisor did not say whether it holds the run")),
        }
    }

    /// Takes up a run that the supervisor in `directory` has.
    pub(crate) async fn attach(
        supervisor: &Arc<Supervisor>,
        directory: &Path,
        cookie: &Cookie,
    ) -> io::Result<Option<Found>> {
        let stream = gate::connect(directory).await?;
        let mut bytes = Vec::new();
        put_message(&mut bytes, &Request::Attach(cookie.clone()));
        gate::send(&stream, &bytes, &[]).await?;
        let mut frames = Frames::default();
        match first_answer(&stream, &mut frames).await? {
            Answer::Attached(history) => {
                // Its bridge, where it has one, knows its network.
                let kind = Kind { is_open: true, is_kept: true, serves: false };
                let started = Self::connected(supervisor, cookie.clone(), history.pid, stream, frames, kind);
                Ok(Some(Found { started, history: *history }))
            }
            _ => Ok(None),
        }
    }

    fn connected(
        supervisor: &Arc<Supervisor>,
        cookie: Cookie,
        pid: u32,
        stream: UnixStream,
        frames: Frames,
        kind: Kind,
    ) -> Started {
        let Kind { is_open, is_kept, serves } = kind;
        let Ends { to, told, stdout, stderr } = wire::go_on(stream, frames);
        let live = Live::new(supervisor.registry(), pid, &cookie);
        let stdin = if is_open { Stdin::Link(to.clone()) } else { Stdin::Closed };
        let bridge = serves.then(|| Bridge::Supervised(to.clone()));
        let hold = Hold { supervisor: Arc::clone(supervisor), to };
        let process = Box::new(Self { hold, cookie, pid, told, is_kept: is_kept.into(), _live: live });
        Started { process, stdin, stdout: Some(stdout), stderr: Some(stderr), bridge }
    }
}

type FirstInput = Option<(Vec<u8>, bool)>;

fn program_of(spawn: Spawn, most_output: u64) -> (Program, FirstInput, Vec<OwnedFd>) {
    let Spawn { program, args, env, directory, cookie, input, http, files, main_only_waits } = spawn;
    let (numbers, others): (Vec<i32>, Vec<OwnedFd>) =
        files.into_iter().map(|file| (file.child_fd, file.parent_fd)).unzip();
    let (input, first, fed) = match input {
        Input::Null => (InputKind::Null, None, None),
        Input::File(file) => (InputKind::File, Some(file), None),
        Input::Fed { bytes, stays_open } => (InputKind::Fed, None, Some((bytes, stays_open))),
    };
    let program = Program {
        version: VERSION,
        program,
        args,
        env,
        directory,
        cookie,
        input,
        http,
        files: numbers,
        main_only_waits,
        most_output,
    };
    (program, fed, first.into_iter().chain(others).collect())
}

impl Process for Link {
    fn wait(&mut self) -> BoxFuture<'_, io::Result<Exit>> {
        let wait = async {
            let told = self.told.wait_for(|told| told.exit.is_some()).await;
            let exit = told.ok().and_then(|told| told.exit);
            exit.map(|(exit, _)| exit).ok_or_else(|| io::Error::other("its supervisor has ended"))
        };
        wait.boxed()
    }

    fn may_have_left_others(&self) -> bool {
        self.told.borrow().exit.is_none_or(|(_, left_others)| left_others)
    }

    fn terminate(&self, grace: Duration) -> BoxFuture<'static, ()> {
        let (mut told, to) = (self.told.clone(), self.hold.to.clone());
        let (registry, cookie) = (Arc::clone(self.hold.supervisor.registry()), self.cookie.clone());
        async move {
            let before = told.borrow().ended;
            to.say(Request::Terminate { grace });
            let ended = timeout(grace + PATIENCE, told.wait_for(|told| told.ended > before)).await;
            let ended = ended.is_ok_and(|told| told.is_ok());
            if !ended {
                tracing::warn!(run = %cookie, "the supervisor of a run does not end it; ending it from here");
                registry.end_marked(&cookie).await;
            }
        }
        .boxed()
    }

    fn pid(&self) -> Option<u32> {
        Some(self.pid)
    }

    fn limit_reached(&self) -> Option<Failure> {
        None
    }

    fn keep(&self, keep: Keep) {
        self.is_kept.store(true, Ordering::Relaxed);
        self.hold.to.say(Request::Keep(keep));
    }

    fn is_kept(&self) -> bool {
        self.is_kept.load(Ordering::Relaxed)
    }

    fn note(&self, note: Note) {
        self.hold.to.say(Request::Note(note));
    }

    fn replace(&self, ended: Hold) {
        self.hold.to.replace(ended);
    }

    fn into_hold(self: Box<Self>) -> Option<Hold> {
        Some(self.hold)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if !self.supervisor.is_leaving() {
            self.to.say(Request::Forget);
        }
    }
}
