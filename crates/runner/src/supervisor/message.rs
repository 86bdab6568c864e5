//! What a server and its supervisor tell each other.

use std::path::PathBuf;
use std::time::Duration;

use legwork_agents::Order;
use legwork_model::Exit;
use serde::{Deserialize, Serialize};

use crate::bridge::Served;
use crate::cookie::Cookie;

/// Raised when a supervisor of another version would misunderstand what it is told.
pub(super) const VERSION: u32 = 3;

/// What a server says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Request {
    /// Start a program; the files it gets come along. First on a connection.
    Start(Box<Program>),
    /// Hold a run whose process is a child of somebody else. Its input comes along, a handle of it, and where all of the run ends
    /// with another process, a handle of that. First on a connection.
    Hold(Box<Held>),
    /// Take up the run with this cookie. First on a connection.
    Attach(Cookie),
    /// Say which runs there are. First on a connection, and alone on it.
    List,
    /// What the program was told so far belongs to its start. What it is told from now on is counted.
    Begun,
    /// The program, which serves HTTP, has the machine's network, or that of which a handle comes along.
    Network {
        /// Whether it does.
        own: bool,
    },
    /// The run is to go on without a server.
    Keep(Keep),
    /// The program was given an order.
    Note(Note),
    /// Let the program see the end of its input, once it has what was sent before.
    CloseInput,
    /// The server has no further use for the run; what still lives of it is killed.
    Forget,
    /// End all processes.
    Terminate {
        /// From `SIGTERM` to `SIGKILL`.
        grace: Duration,
    },
}

/// What the supervisor says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    /// The program runs.
    Started {
        /// Its process.
        pid: u32,
    },
    /// It could not be started.
    Refused {
        /// The system's number of the error.
        errno: Option<i32>,
        /// In words.
        message: String,
    },
    /// The run is this connection's. What the program printed comes next.
    Attached(Box<History>),
    /// There is no such run.
    Unknown,
    /// These are the runs.
    Runs(Vec<Cookie>),
    /// The program closed its standard output.
    StdoutEnded,
    /// The program closed its standard error.
    StderrEnded,
    /// The main process has ended.
    Exited {
        /// How.
        exit: Exit,
        /// Whether it may have left others behind.
        left_others: bool,
    },
    /// No process is left.
    Ended,
}

/// A program to start.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Program {
    pub(super) version: u32,
    pub(super) program: PathBuf,
    pub(super) args: Vec<String>,
    pub(super) env: Vec<(String, String)>,
    pub(super) directory: PathBuf,
    pub(super) cookie: Cookie,
    pub(super) input: InputKind,
    /// What is to be between it and the server, where it serves HTTP. That gets the input then.
    pub(super) http: Option<Served>,
    /// The numbers that its files get in the program, in the order in which they come along.
    pub(super) files: Vec<i32>,
    pub(super) main_only_waits: bool,
    /// Bytes of either stream that are kept; after that it is left unread.
    pub(super) most_output: u64,
}

/// A process that somebody else started.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Held {
    pub(super) version: u32,
    pub(super) cookie: Cookie,
    pub(super) pid: u32,
    /// Bytes of either stream that are kept, where what it prints comes over the connection of its input; after that it is
    /// left unread. Absent where somebody else keeps it.
    pub(super) most_output: Option<u64>,
    /// What is to be between it and the server, where it serves HTTP. That gets the input from then on.
    pub(super) http: Option<Served>,
    /// Where whoever started it finds it again.
    pub(super) place: Option<String>,
}

/// What its standard input is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum InputKind {
    /// Nothing.
    Null,
    /// The first of the files that come along.
    File,
    /// What the server sends.
    Fed,
}

/// How a run goes on without a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keep {
    /// Whatever the server needs to know to take the run up again.
    pub memo: Vec<u8>,
    /// After this long it is ended, server or not.
    pub hard_limit: Duration,
    /// As long it goes on without a server.
    pub unattended: Duration,
}

/// An order that a program was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Bytes of its standard output that were read before.
    pub after: u64,
    /// The order.
    pub order: Order,
}

/// What a server has to know to go on with a run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct History {
    pub(crate) pid: u32,
    pub(crate) memo: Vec<u8>,
    /// Since it was kept.
    pub(crate) elapsed: Duration,
    pub(crate) notes: Vec<Note>,
    /// Bytes that the program was told since it had begun.
    pub(crate) said: u64,
    /// Bytes of standard output that come from before.
    pub(crate) printed: u64,
    /// The same of standard error.
    #[serde(default)]
    pub(crate) complained: u64,
    /// Whether its process has ended.
    #[serde(default)]
    pub(crate) exited: bool,
    /// Whether what it prints comes from here; else whoever started it keeps that.
    pub(crate) tells: bool,
    /// Where somebody else finds it who started it.
    #[serde(default)]
    pub(crate) place: Option<String>,
}
