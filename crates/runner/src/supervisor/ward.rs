//! One run in the supervisor: its processes, what they print, and the server that it is for, while there is one.

use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use command_fds::FdMapping;
use legwork_model::Exit;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::foreign;
use super::frame::{Frame, broken, put_message};
use super::gate;
use super::log::Log;
use super::message::{Answer, Held, History, InputKind, Keep, Note, Program, Request, VERSION};
use super::serve::Connection;
use super::teller::{Teller, Turn};
use crate::bridge::Bridge;
use crate::namespace::Namespace;
use crate::network::RunNetwork;
use crate::pipes::{Pipes, Stream};
use crate::process_tree::Registry;
use crate::runner::Graces;
use crate::sandbox::Process;
use crate::sandbox::spawn::{Input, Spawn};
use crate::starter::{Started, Starter};
use crate::stdin::Stdin;

/// Looked at again when nothing has a deadline.
const FAR: Duration = Duration::from_secs(24 * 60 * 60);

/// One run.
pub(super) struct Ward {
    process: Box<dyn Process>,
    pid: u32,
    /// Where it is found again by somebody else who started it.
    place: Option<String>,
    /// Whether what it prints is kept here.
    tells: bool,
    stdin: Stdin,
    pipes: Pipes,
    bridge: Option<Bridge>,
    said: Said,
    /// Bytes that servers said to the program since it had begun.
    told: Option<u64>,
    kept: Option<(Keep, Instant)>,
    notes: Vec<Note>,
    ending: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    server: Option<Teller>,
    /// When the run ends that no server came for.
    alone_until: Option<Instant>,
    /// Whether a further process of the run is kept, so that nobody comes for this one.
    superseded: bool,
    forgotten: bool,
}

/// What there is to tell of a run.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) out: Log,
    pub(super) err: Log,
    pub(super) out_ended: bool,
    pub(super) err_ended: bool,
    pub(super) exit: Option<(Exit, bool)>,
    /// How often all processes were ended.
    pub(super) ended: u32,
}

/// Starts the program that `connection` brought. What can't be started is told to the server, and is no run.
pub(super) async fn start(
    registry: &Arc<Registry>,
    program: Program,
    mut connection: Connection,
    log: &Path,
) -> Option<Ward> {
    let most = program.most_output;
    let started = match spawn_of(program, std::mem::take(&mut connection.files)) {
        Ok(spawn) => Starter::Here(Arc::clone(registry)).start(spawn).await,
        Err(error) => Err(error),
    };
    match started {
        Ok(started) => Some(Ward::new(started, logs(log, most), connection)),
        Err(error) => refuse(connection, &error).await,
    }
}

/// Holds what somebody else started: its input, what the server leaves about it, and the right to end it; and what it prints,
/// unless that is kept by whoever started it.
pub(super) async fn hold(held: Held, mut connection: Connection, log: &Path) -> Option<Ward> {
    match foreign::held(&held, std::mem::take(&mut connection.files)) {
        Ok(started) => {
            let ward = Ward::new(started, logs(log, held.most_output.unwrap_or(0)), connection);
            Some(Ward { place: held.place, tells: held.most_output.is_some(), ..ward })
        }
        Err(error) => refuse(connection, &error).await,
    }
}

fn logs(log: &Path, most: u64) -> [Log; 2] {
    ["out", "err"].map(|stream| Log::new(log.with_extension(stream), most))
}

async fn refuse(connection: Connection, error: &io::Error) -> Option<Ward> {
    let mut first = Vec::new();
    put_message(&mut first, &Answer::Refused { errno: error.raw_os_error(), message: error.to_string() });
    // Who does not read its answer has gone.
    let _ = gate::send(&connection.stream, &first, &[]).await;
    None
}

fn spawn_of(program: Program, files: Vec<OwnedFd>) -> io::Result<Spawn> {
    let Program {
        version, program, args, env, directory, cookie, input, http, files: numbers, main_only_waits, ..
    } = program;
    if version != VERSION {
        return Err(broken("the supervisor is of another version"));
    }
    let mut files = files.into_iter();
    let missing = || broken("a file did not come along");
    let input = match input {
        InputKind::Null => Input::Null,
        InputKind::Fed => Input::Fed { bytes: Vec::new(), stays_open: true },
        InputKind::File => Input::File(files.next().ok_or_else(missing)?),
    };
    let file = |child_fd| files.next().map(|parent_fd| FdMapping { parent_fd, child_fd }).ok_or_else(missing);
    let files = numbers.into_iter().map(file).collect::<io::Result<_>>()?;
    Ok(Spawn { program, args, env, directory, cookie, input, http, files, main_only_waits })
}

enum Step {
    Newcomer(Connection),
    Superseded,
    Request(Frame<Request>),
    Gone,
    Exited(io::Result<Exit>),
    Ended,
    Alarm,
    Printed(Stream),
    Went,
}

impl Ward {
    fn new(started: Started, [out, err]: [Log; 2], connection: Connection) -> Self {
        let Started { process, stdin, stdout, stderr, bridge } = started;
        let pid = process.pid().unwrap_or_default();
        let mut first = Vec::new();
        put_message(&mut first, &Answer::Started { pid });
        let (out_ended, err_ended) = (stdout.is_none(), stderr.is_none());
        Self {
            process,
            pid,
            place: None,
            tells: true,
            stdin,
            pipes: Pipes::new(stdout, stderr),
            bridge,
            said: Said { out, err, out_ended, err_ended, exit: None, ended: 0 },
            told: None,
            kept: None,
            notes: Vec::new(),
            ending: None,
            server: Some(Teller::new(connection, first)),
            alone_until: None,
            superseded: false,
            forgotten: false,
        }
    }

    /// Goes on until the run is over and its server does not need it any more, or nobody comes for it. Says once when it is
    /// `kept`.
    pub(super) async fn watch(mut self, mut newcomers: mpsc::UnboundedReceiver<Connection>, kept: impl FnOnce()) {
        let mut kept = Some(kept);
        while !self.is_over() {
            self.tell();
            let step = self.next(&mut newcomers).await;
            self.take(step);
            if self.kept.is_some()
                && let Some(kept) = kept.take()
            {
                kept();
            }
        }
    }

    fn is_over(&self) -> bool {
        self.forgotten && self.ending.is_none() && self.said.exit.is_some()
    }

    async fn next(&mut self, newcomers: &mut mpsc::UnboundedReceiver<Connection>) -> Step {
        let alarm = self.deadline().unwrap_or_else(|| Instant::now() + FAR);
        let room = self.said.out.has_room() && self.said.err.has_room();
        tokio::select! {
            biased;
            newcomer = newcomers.recv(), if !self.superseded => newcomer.map_or(Step::Superseded, Step::Newcomer),
            heard = heard(&mut self.server) => heard,
            exit = self.process.wait(), if self.said.exit.is_none() => Step::Exited(exit),
            () = ended(&mut self.ending) => Step::Ended,
            () = sleep_until(alarm) => Step::Alarm,
            stream = self.pipes.next(), if room => Step::Printed(stream),
            () = self.stdin.write_some(), if self.stdin.has_more() => Step::Went,
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Newcomer(connection) => self.attach(connection),
            Step::Superseded => {
                self.superseded = true;
                self.forget();
            }
            Step::Request(frame) => self.heed(frame),
            Step::Gone => self.left_alone(),
            Step::Exited(exit) => {
                let left_others = self.process.may_have_left_others();
                self.said.exit = Some((exit.unwrap_or_default(), left_others));
                if left_others && self.server.is_none() {
                    self.end(Graces::default().leftovers);
                }
            }
            Step::Ended => {
                self.ending = None;
                self.said.ended += 1;
            }
            Step::Alarm => {
                // Either nobody came for it in time, or it takes too long, which whoever comes is to learn.
                self.forgotten |= self.alone_until.take_if(|until| *until <= Instant::now()).is_some();
                self.end(Graces::default().terminate);
            }
            Step::Printed(stream) => self.printed(stream),
            Step::Went => {}
        }
    }

    fn printed(&mut self, stream: Stream) {
        let bytes = self.pipes.bytes(stream);
        let (log, has_ended) = match stream {
            Stream::Stdout => (&mut self.said.out, &mut self.said.out_ended),
            Stream::Stderr => (&mut self.said.err, &mut self.said.err_ended),
        };
        *has_ended |= bytes.is_empty();
        if log.push(bytes).is_err() {
            // What can't be kept can't be told again: the run is not whole any more.
            self.end(Duration::ZERO);
        }
    }

    fn heed(&mut self, frame: Frame<Request>) {
        match frame {
            Frame::Bytes(input) => {
                self.told = self.told.map(|told| told + input.len() as u64);
                self.stdin.push(&input);
            }
            Frame::Message(Request::Begun) => _ = self.told.get_or_insert(0),
            Frame::Message(Request::Network { own }) => self.leads_to(own),
            Frame::Message(Request::CloseInput) => self.stdin.close_when_written(),
            Frame::Message(Request::Keep(keep)) => {
                // The memo may change; the time runs on.
                let since = self.kept.as_ref().map_or_else(Instant::now, |(_, since)| *since);
                self.kept = Some((keep, since));
            }
            Frame::Message(Request::Note(note)) => self.notes.push(note),
            Frame::Message(Request::Terminate { grace }) => self.end(grace),
            Frame::Message(Request::Forget) => self.forget(),
            Frame::Message(Request::Start(_) | Request::Hold(_) | Request::Attach(_) | Request::List)
            | Frame::ErrorBytes(_) => {}
        }
    }

    fn forget(&mut self) {
        self.forgotten = true;
        if self.said.exit.is_none() {
            self.end(Duration::ZERO);
        }
    }

    fn leads_to(&mut self, own: bool) {
        let handle = self.server.as_mut().filter(|_| own).and_then(Teller::file);
        let network = handle.map_or(RunNetwork::Machine, |handle| RunNetwork::Own(Namespace::network(handle)));
        if let Some(bridge) = &mut self.bridge {
            bridge.leads_to(network);
        }
    }

    fn end(&mut self, grace: Duration) {
        self.stdin.close();
        self.ending = Some(self.process.terminate(grace));
    }

    /// The server has gone, and may come again.
    fn left_alone(&mut self) {
        self.server = None;
        match &self.kept {
            // Beyond what a clock can tell is for as long as it takes.
            Some((keep, _)) => self.alone_until = Instant::now().checked_add(keep.unattended),
            None => {
                self.forgotten = true;
                if self.said.exit.is_none() || self.process.may_have_left_others() {
                    self.end(Graces::default().terminate);
                }
            }
        }
        if matches!(self.said.exit, Some((_, true))) && self.ending.is_none() {
            self.end(Graces::default().leftovers);
        }
    }

    fn attach(&mut self, connection: Connection) {
        self.alone_until = None;
        let elapsed = self.kept.as_ref().map_or(Duration::ZERO, |(_, since)| since.elapsed());
        let memo = self.kept.as_ref().map(|(keep, _)| keep.memo.clone()).unwrap_or_default();
        let (notes, printed, complained) = (self.notes.clone(), self.said.out.len(), self.said.err.len());
        let mut first = Vec::new();
        let (place, said) = (self.place.clone(), self.told.unwrap_or_default());
        let (exited, tells) = (self.said.exit.is_some(), self.tells);
        let history = History { pid: self.pid, memo, elapsed, notes, said, printed, complained, exited, tells, place };
        put_message(&mut first, &Answer::Attached(Box::new(history)));
        self.server = Some(Teller::new(connection, first));
    }

    fn tell(&mut self) {
        if let Some(server) = &mut self.server
            && server.tell(&self.said).is_err()
        {
            self.left_alone();
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let hard = self.kept.as_ref().and_then(|(keep, since)| since.checked_add(keep.hard_limit));
        let hard = hard.filter(|_| self.said.exit.is_none() && self.ending.is_none());
        hard.into_iter().chain(self.alone_until).min()
    }
}

async fn heard(server: &mut Option<Teller>) -> Step {
    match server {
        Some(server) => match server.next().await {
            Ok(Turn::Heard(frame)) => Step::Request(frame),
            Ok(Turn::CanTell) => Step::Went,
            Ok(Turn::Gone) | Err(_) => Step::Gone,
        },
        None => std::future::pending().await,
    }
}

async fn ended(ending: &mut Option<Pin<Box<dyn Future<Output = ()> + Send>>>) {
    match ending {
        Some(ending) => ending.await,
        None => std::future::pending().await,
    }
}
