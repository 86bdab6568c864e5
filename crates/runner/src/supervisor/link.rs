//! A server's connection with one run in its supervisor.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use legwork_model::{Exit, Failure};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::frame::{Frame, Frames, broken, put_bytes, put_message};
use super::gate;
use super::lead::{Supervisor, first_answer};
use super::message::{Answer, History, InputKind, Keep, Note, Program, Request, VERSION};
use crate::cookie::Cookie;
use crate::pipes::Stream;
use crate::process_tree::Live;
use crate::sandbox::Process;
use crate::sandbox::spawn::{Input, Spawn};
use crate::starter::Started;
use crate::stdin::Stdin;

/// Chunks of output that wait for their reader.
const CHUNKS: usize = 8;
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

/// A run that is taken up again.
pub(crate) struct Found {
    pub(crate) started: Started,
    pub(crate) history: History,
}

/// What can be said to a run, from anywhere and without waiting.
#[derive(Debug, Clone)]
pub(crate) struct Speaker(mpsc::UnboundedSender<Say>);

#[derive(Debug)]
enum Say {
    Request(Request),
    Input(Vec<u8>),
}

/// What the supervisor told.
#[derive(Debug, Default, Clone, Copy)]
struct Told {
    exit: Option<(Exit, bool)>,
    ended: u32,
}

impl Speaker {
    /// Gives the program input.
    pub(crate) fn input(&self, bytes: &[u8]) {
        // Whether the run is still there shows elsewhere.
        let _ = self.0.send(Say::Input(bytes.to_vec()));
    }

    /// Lets the program see the end of its input.
    pub(crate) fn close_input(&self) {
        self.say(Request::CloseInput);
    }

    fn say(&self, request: Request) {
        // As above.
        let _ = self.0.send(Say::Request(request));
    }
}

impl Link {
    /// Starts a program in the supervisor.
    pub(crate) async fn start(supervisor: &Arc<Supervisor>, spawn: Spawn, most_output: u64) -> io::Result<Started> {
        let stream = supervisor.connect().await?;
        let (program, input, files) = program_of(spawn, most_output);
        let cookie = program.cookie.clone();
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
                Ok(Self::connected(supervisor, cookie, pid, stream, frames, is_open, false))
            }
            Answer::Refused { errno: Some(errno), .. } => Err(io::Error::from_raw_os_error(errno)),
            Answer::Refused { message, .. } => Err(io::Error::other(message)),
            _ => Err(broken("the supervisor did not say whether it started the program")),
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
                let started = Self::connected(supervisor, cookie.clone(), history.pid, stream, frames, true, true);
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
        is_open: bool,
        is_kept: bool,
    ) -> Started {
        let (to, says) = mpsc::unbounded_channel();
        let (out, stdout) = mpsc::channel(CHUNKS);
        let (err, stderr) = mpsc::channel(CHUNKS);
        let (telling, told) = watch::channel(Told::default());
        let readers = Readers { out: Some(out), err: Some(err) };
        let wire = Wire { stream, frames, says, readers, waiting: VecDeque::new(), telling };
        tokio::spawn(wire.go_on());
        let live = Live::new(supervisor.registry(), pid, &cookie);
        let to = Speaker(to);
        let stdin = if is_open { Stdin::Link(to.clone()) } else { Stdin::Closed };
        let hold = Hold { supervisor: Arc::clone(supervisor), to };
        let process = Self { hold, cookie, pid, told, is_kept: is_kept.into(), _live: live };
        Started {
            process: Box::new(process),
            stdin,
            stdout: Some(Box::new(Printed::new(stdout))),
            stderr: Some(Box::new(Printed::new(stderr))),
        }
    }
}

type FirstInput = Option<(Vec<u8>, bool)>;

fn program_of(spawn: Spawn, most_output: u64) -> (Program, FirstInput, Vec<OwnedFd>) {
    let Spawn { program, args, env, directory, cookie, input, files, main_only_waits } = spawn;
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

/// Both ways of a connection.
struct Wire {
    stream: UnixStream,
    frames: Frames,
    says: mpsc::UnboundedReceiver<Say>,
    readers: Readers,
    /// What its readers did not take yet; nothing for the end of a stream.
    waiting: VecDeque<(Stream, Option<Vec<u8>>)>,
    telling: watch::Sender<Told>,
}

/// Who reads the two streams.
struct Readers {
    out: Option<mpsc::Sender<Vec<u8>>>,
    err: Option<mpsc::Sender<Vec<u8>>>,
}

impl Readers {
    fn of(&mut self, stream: Stream) -> &mut Option<mpsc::Sender<Vec<u8>>> {
        match stream {
            Stream::Stdout => &mut self.out,
            Stream::Stderr => &mut self.err,
        }
    }

    /// Waits until the reader of that stream takes more; for ever where nothing waits for it.
    async fn has_room(&mut self, stream: Option<Stream>) {
        match stream.and_then(|stream| self.of(stream).clone()) {
            // An error means that it takes everything, as it has gone.
            Some(reader) => drop(reader.reserve().await),
            None => std::future::pending().await,
        }
    }
}

impl Wire {
    async fn go_on(mut self) {
        // Whoever waits for something sees that nothing more comes.
        let _ = self.pass_on().await;
    }

    async fn pass_on(&mut self) -> io::Result<()> {
        let (mut written, mut no_files) = (Vec::new(), Vec::new());
        // Once it is being ended, the end must not wait for a reader that is slow.
        let mut hurries = false;
        loop {
            // Some may have come with the first answer.
            while let Some(frame) = self.frames.next()? {
                self.take(frame)?;
            }
            while self.hand_over() {}
            let next = self.waiting.front().map(|(stream, _)| *stream);
            let listens = self.waiting.len() < CHUNKS || hurries;
            tokio::select! {
                said = self.says.recv() => {
                    let Some(said) = said else { return Ok(()) };
                    written.clear();
                    hurries |= lay_out(&mut written, said);
                    while let Ok(said) = self.says.try_recv() {
                        hurries |= lay_out(&mut written, said);
                    }
                    gate::send(&self.stream, &written, &[]).await?;
                }
                there = gate::receive(&self.stream, self.frames.buffer(), &mut no_files), if listens => {
                    if !there? {
                        self.rest().await;
                        return Ok(());
                    }
                }
                () = self.readers.has_room(next) => {}
            }
        }
    }

    fn take(&mut self, frame: Frame<Answer>) -> io::Result<()> {
        match frame {
            Frame::Bytes(bytes) => self.waiting.push_back((Stream::Stdout, Some(bytes))),
            Frame::ErrorBytes(bytes) => self.waiting.push_back((Stream::Stderr, Some(bytes))),
            Frame::Message(Answer::StdoutEnded) => self.waiting.push_back((Stream::Stdout, None)),
            Frame::Message(Answer::StderrEnded) => self.waiting.push_back((Stream::Stderr, None)),
            Frame::Message(Answer::Exited { exit, left_others }) => {
                self.telling.send_modify(|told| told.exit = Some((exit, left_others)));
            }
            Frame::Message(Answer::Ended) => self.telling.send_modify(|told| told.ended += 1),
            Frame::Message(_) => return Err(broken("the supervisor said something out of place")),
        }
        Ok(())
    }

    /// Hands the first of what waits to its reader, if that takes it now.
    fn hand_over(&mut self) -> bool {
        let Some((stream, bytes)) = self.waiting.pop_front() else { return false };
        let reader = self.readers.of(stream);
        let Some(bytes) = bytes else {
            *reader = None;
            return true;
        };
        match reader.as_ref().map(|reader| reader.try_send(bytes)) {
            Some(Err(mpsc::error::TrySendError::Full(bytes))) => {
                self.waiting.push_front((stream, Some(bytes)));
                false
            }
            // Where nobody reads it any more, nobody misses it.
            Some(Err(mpsc::error::TrySendError::Closed(_)) | Ok(())) | None => true,
        }
    }

    /// The supervisor has gone; what it said last still reaches its readers.
    async fn rest(&mut self) {
        loop {
            while self.hand_over() {}
            let Some((stream, _)) = self.waiting.front() else { return };
            let stream = *stream;
            self.readers.has_room(Some(stream)).await;
        }
    }
}

/// Adds what is to be said; says whether that ends the run.
fn lay_out(to: &mut Vec<u8>, said: Say) -> bool {
    match said {
        Say::Input(bytes) => put_bytes(to, &bytes),
        Say::Request(request) => {
            put_message(to, &request);
            return matches!(request, Request::Terminate { .. } | Request::Forget);
        }
    }
    false
}

/// What a program printed, as a reader.
struct Printed {
    chunks: mpsc::Receiver<Vec<u8>>,
    chunk: Vec<u8>,
    read: usize,
}

impl Printed {
    fn new(chunks: mpsc::Receiver<Vec<u8>>) -> Self {
        Self { chunks, chunk: Vec::new(), read: 0 }
    }
}

impl AsyncRead for Printed {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.read == self.chunk.len() {
            let Some(chunk) = ready!(self.chunks.poll_recv(cx)) else { return Poll::Ready(Ok(())) };
            (self.chunk, self.read) = (chunk, 0);
        }
        let rest = &self.chunk[self.read..];
        let count = rest.len().min(into.remaining());
        into.put_slice(&rest[..count]);
        self.read += count;
        Poll::Ready(Ok(()))
    }
}
