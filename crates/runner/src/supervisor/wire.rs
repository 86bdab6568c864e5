//! Both ways of a server's connection with one run: what is said is written as it comes, and what the supervisor tells is handed to
//! whoever reads it.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use legwork_model::Exit;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};

use super::frame::{Frame, Frames, broken, put_bytes, put_message};
use super::gate;
use super::link::Hold;
use super::message::{Answer, Request};
use crate::network::RunNetwork;
use crate::pipes::{Source, Stream};

/// Chunks of output that wait for their reader.
const CHUNKS: usize = 8;

/// What can be said to a run, from anywhere and without waiting.
#[derive(Debug, Clone)]
pub(crate) struct Speaker(mpsc::UnboundedSender<Say>);

#[derive(Debug)]
enum Say {
    Request(Request),
    Input(Vec<u8>),
    /// It is sent along.
    Network(Option<OwnedFd>),
    InPlaceOf(Hold),
}

/// What the supervisor told.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Told {
    pub(super) exit: Option<(Exit, bool)>,
    pub(super) ended: u32,
}

/// The ends of a connection that goes on by itself.
pub(super) struct Ends {
    pub(super) to: Speaker,
    pub(super) told: watch::Receiver<Told>,
    pub(super) stdout: Source,
    pub(super) stderr: Source,
}

impl Speaker {
    /// Gives the program input.
    pub(crate) fn input(&self, bytes: &[u8]) {
        // Whether the run is still there shows elsewhere.
        let _ = self.0.send(Say::Input(bytes.to_vec()));
    }

    /// The program, which serves HTTP, has this network.
    pub(crate) fn leads_to(&self, network: RunNetwork) {
        let handle = match network {
            RunNetwork::Machine => Ok(None),
            RunNetwork::Own(namespace) => namespace.try_clone().map(Some),
        };
        // Without a descriptor there is no way to the program, which its limits end.
        if let Ok(handle) = handle {
            let _ = self.0.send(Say::Network(handle));
        }
    }

    /// Lets another process of the run go, once all is written that was said so far.
    pub(super) fn replace(&self, ended: Hold) {
        // Where nobody writes any more, it is let go at once.
        let _ = self.0.send(Say::InPlaceOf(ended));
    }

    /// What was said so far belongs to the start of the program.
    pub(crate) fn begun(&self) {
        self.say(Request::Begun);
    }

    /// Lets the program see the end of its input.
    pub(crate) fn close_input(&self) {
        self.say(Request::CloseInput);
    }

    pub(super) fn say(&self, request: Request) {
        // As above.
        let _ = self.0.send(Say::Request(request));
    }
}

/// Goes on with a connection until its other end, or everybody who has something to say, has gone.
pub(super) fn go_on(stream: UnixStream, frames: Frames) -> Ends {
    let (to, says) = mpsc::unbounded_channel();
    let (out, stdout) = mpsc::channel(CHUNKS);
    let (err, stderr) = mpsc::channel(CHUNKS);
    let (telling, told) = watch::channel(Told::default());
    let readers = Readers { out: Some(out), err: Some(err) };
    let wire = Wire { stream, frames, says, readers, waiting: VecDeque::new(), telling };
    tokio::spawn(wire.go_on());
    let (stdout, stderr) = (Box::new(Printed::new(stdout)), Box::new(Printed::new(stderr)));
    Ends { to: Speaker(to), told, stdout, stderr }
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
        let (mut laid_out, mut no_files) = (LaidOut::default(), Vec::new());
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
                    laid_out.add(said);
                    while let Ok(said) = self.says.try_recv() {
                        laid_out.add(said);
                    }
                    hurries |= laid_out.ends_run;
                    let files: Vec<_> = laid_out.files.iter().map(AsFd::as_fd).collect();
                    gate::send(&self.stream, &laid_out.bytes, &files).await?;
                    laid_out.clear();
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

/// What is to be sent next.
#[derive(Default)]
struct LaidOut {
    bytes: Vec<u8>,
    files: Vec<OwnedFd>,
    /// Let go when it is sent.
    ended: Vec<Hold>,
    ends_run: bool,
}

impl LaidOut {
    fn clear(&mut self) {
        self.bytes.clear();
        self.files.clear();
        self.ended.clear();
    }

    fn add(&mut self, said: Say) {
        match said {
            Say::Input(bytes) => put_bytes(&mut self.bytes, &bytes),
            Say::Request(request) => {
                put_message(&mut self.bytes, &request);
                self.ends_run |= matches!(request, Request::Terminate { .. } | Request::Forget);
            }
            Say::Network(handle) => {
                put_message(&mut self.bytes, &Request::Network { own: handle.is_some() });
                self.files.extend(handle);
            }
            Say::InPlaceOf(ended) => self.ended.push(ended),
        }
    }
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
