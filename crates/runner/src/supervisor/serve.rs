//! The supervisor's own process.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::setsid;
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::frame::{Frame, Frames, put_message};
use super::gate;
use super::message::{Answer, Request};
use super::ward::{self, Ward};
use crate::cookie::Cookie;
use crate::process_tree::Registry;

/// As long it stays when there is neither a run nor a server.
const IDLE: Duration = Duration::from_secs(5);
/// Whoever connects says what it wants at once.
const GREETING: Duration = Duration::from_secs(10);
const REAP: Duration = Duration::from_secs(2);

/// A connection whose first request was read.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) stream: UnixStream,
    pub(super) frames: Frames,
    pub(super) files: Vec<OwnedFd>,
}

enum Heard {
    Greeting(Connection, Request),
    /// A server that had asked for the runs has gone.
    ServerGone,
    /// The next server can go on with it.
    Kept(Cookie, u64),
    RunEnded(Cookie, u64),
}

/// Supervises runs until there are none left, and no server. The socket that is listened on is the standard input;
/// `directory` is where it is, and where what is large is kept. It is removed at the end.
///
/// # Errors
/// Where the kernel does not let it.
pub async fn supervise(directory: PathBuf) -> io::Result<()> {
    // Whoever hangs up or interrupts the server does not mean its runs. A leader of a session has one of its own already.
    let _ = setsid();
    let listener = UnixListener::from(io::stdin().as_fd().try_clone_to_owned()?);
    listener.set_nonblocking(true)?;
    let listener = tokio::net::UnixListener::from_std(listener)?;
    let registry = Arc::new(Registry::new()?);
    let reaper = Arc::clone(&registry);
    tokio::spawn(async move { reaper.reap_forever(REAP).await });
    let (sender, mut heard) = mpsc::unbounded_channel();
    let mut house = House { registry, directory, runs: HashMap::new(), servers: 0, number: 0, heard: sender };
    loop {
        let is_needed = house.servers > 0 || !house.runs.is_empty();
        tokio::select! {
            accepted = listener.accept() => {
                // What can't be accepted now can be later.
                if let Ok((stream, _)) = accepted {
                    tokio::spawn(greet(stream, house.heard.clone()));
                }
            }
            Some(heard) = heard.recv() => house.hear(heard),
            () = sleep(IDLE), if !is_needed => break,
        }
    }
    // What is left in there is read by nobody.
    let _ = std::fs::remove_dir_all(house.directory);
    Ok(())
}

/// Knows all runs.
struct House {
    registry: Arc<Registry>,
    directory: PathBuf,
    /// Each with its processes, the oldest first: one that has ended is there for the next server until that can go on with a
    /// further one.
    runs: HashMap<Cookie, Vec<(u64, mpsc::UnboundedSender<Connection>)>>,
    servers: usize,
    number: u64,
    heard: mpsc::UnboundedSender<Heard>,
}

impl House {
    fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Greeting(connection, Request::Start(program)) => {
                let registry = Arc::clone(&self.registry);
                let cookie = program.cookie.clone();
                self.watch(cookie, |log| async move { ward::start(&registry, *program, connection, &log).await });
            }
            Heard::Greeting(connection, Request::Hold(held)) => {
                let cookie = held.cookie.clone();
                self.watch(cookie, |log| async move { ward::hold(*held, connection, &log).await });
            }
            Heard::Greeting(connection, Request::Attach(cookie)) => {
                match self.runs.get(&cookie).and_then(|run| run.first()) {
                    Some((_, run)) => drop(run.send(connection)),
                    None => drop(tokio::spawn(answer(connection.stream, Answer::Unknown))),
                }
            }
            Heard::Greeting(connection, Request::List) => {
                self.servers += 1;
                let (runs, heard) = (self.runs.keys().cloned().collect(), self.heard.clone());
                tokio::spawn(async move {
                    stay(answer(connection.stream, Answer::Runs(runs)).await).await;
                    let _ = heard.send(Heard::ServerGone);
                });
            }
            // Nothing else can come first.
            Heard::Greeting(..) => {}
            Heard::ServerGone => self.servers -= 1,
            Heard::Kept(cookie, number) => self.retain(&cookie, |known| known >= number),
            Heard::RunEnded(cookie, number) => self.retain(&cookie, |known| known != number),
        }
    }

    /// Forgets the processes of a run whose number is not `wanted`.
    fn retain(&mut self, cookie: &Cookie, wanted: impl Fn(u64) -> bool) {
        if let Some(run) = self.runs.get_mut(cookie) {
            run.retain(|(known, _)| wanted(*known));
            if run.is_empty() {
                self.runs.remove(cookie);
            }
        }
    }

    /// Has a run, until it is over. `begin` is told where it may keep what is large.
    fn watch<B>(&mut self, cookie: Cookie, begin: impl FnOnce(PathBuf) -> B)
    where
        B: Future<Output = Option<Ward>> + Send + 'static,
    {
        self.number += 1;
        let number = self.number;
        let (newcomers, inbox) = mpsc::unbounded_channel();
        self.runs.entry(cookie.clone()).or_default().push((number, newcomers));
        let (begun, heard) = (begin(self.directory.join(number.to_string())), self.heard.clone());
        tokio::spawn(async move {
            if let Some(ward) = begun.await {
                let kept = || drop(heard.send(Heard::Kept(cookie.clone(), number)));
                ward.watch(inbox, kept).await;
            }
            let _ = heard.send(Heard::RunEnded(cookie, number));
        });
    }
}

/// Reads the first request.
async fn greet(stream: UnixStream, heard: mpsc::UnboundedSender<Heard>) {
    let mut connection = Connection { stream, frames: Frames::default(), files: Vec::new() };
    if let Ok(Ok(Some(request))) = timeout(GREETING, first(&mut connection)).await {
        // The house stands as long as this task.
        let _ = heard.send(Heard::Greeting(connection, request));
    }
}

async fn first(connection: &mut Connection) -> io::Result<Option<Request>> {
    let Connection { stream, frames, files } = connection;
    loop {
        match frames.next()? {
            Some(Frame::Message(request)) => return Ok(Some(request)),
            Some(_) => return Ok(None),
            None if !gate::receive(stream, frames.buffer(), files).await? => return Ok(None),
            None => {}
        }
    }
}

async fn answer(stream: UnixStream, answer: Answer) -> UnixStream {
    let mut bytes = Vec::new();
    put_message(&mut bytes, &answer);
    // Who does not read its answer has gone.
    let _ = gate::send(&stream, &bytes, &[]).await;
    stream
}

/// Waits until the other end has gone.
async fn stay(stream: UnixStream) {
    let (mut ignored, mut files) = (Vec::new(), Vec::new());
    while gate::receive(&stream, &mut ignored, &mut files).await.is_ok_and(|there| there) {
        ignored.clear();
    }
}
