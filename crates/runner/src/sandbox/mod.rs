//! Where an agent's processes live.
//!
//! A [`Sandbox`] starts a program so that all its processes can be ended together, and gives back a [`Running`]: the ends
//! of its standard streams, and its [`Process`]. What it has set up for a run beside processes (control groups, sockets,
//! containers) goes with the `Process`. When starting fails, nothing is left of it.

mod confinement;

mod bubblewrap;
pub(crate) mod docker;
mod process;

mod control_group;
mod limited;

mod program;
mod repository;
pub(crate) mod spawn;
mod spawn_error;

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use legwork_agents::Launch;
use legwork_model::{Exit, Failure, SandboxKind};

pub(crate) use bubblewrap::Bubblewrap;
pub use confinement::{Confinement, Network, Resources, Uplink};
pub(crate) use control_group::ControlGroups;
pub(crate) use process::Plain;
pub(crate) use spawn::Inherited;
pub(crate) use spawn_error::SpawnError;

use crate::bridge::Bridge;
use crate::cookie::Cookie;
use crate::pipes::Source;
use crate::starter::{Started, Starter};
use crate::stdin::Stdin;
use crate::supervisor::{Hold, Keep, Note};

/// One kind of sandbox on this machine.
pub(crate) trait Sandbox: Debug + Send + Sync {
    /// Its kind.
    fn kind(&self) -> SandboxKind;

    /// Whether it works here, found out by using it; or why it does not work, in words that say what would help.
    fn probe(&self) -> BoxFuture<'_, Result<Works, String>>;

    /// Takes over a run that an earlier server process started so, and serves what it is connected with.
    fn adopt<'a>(&'a self, adopted: Adopted<'a>) -> BoxFuture<'a, Result<Again, SpawnError>>;

    /// Starts a program. It is confined before its first instruction, or not started.
    fn start<'a>(&'a self, start: Start<'a>) -> BoxFuture<'a, Result<Running, SpawnError>>;
}

/// A kind of sandbox that works here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Works {
    /// What it is made of, such as `bubblewrap 0.8.0`.
    pub made_of: String,
    /// Why a run can't have a network of its own in it; nothing where it can.
    pub no_network: Option<String>,
}

/// What to start, and where.
#[derive(Debug)]
pub(crate) struct Start<'a> {
    pub(crate) launch: Launch,
    pub(crate) directory: &'a Path,
    pub(crate) cookie: &'a Cookie,
    pub(crate) install_hint: &'a str,
    pub(crate) inherited: Inherited,
    pub(crate) confinement: &'a Confinement,
    pub(crate) starter: &'a Starter,
    /// How long it may take as a whole.
    pub(crate) time_limit: Duration,
}

/// A run that went on without a server, as its supervisor has it.
pub(crate) struct Adopted<'a> {
    pub(crate) again: Again,
    /// Where the sandbox finds it again, where it wanted that to be known.
    pub(crate) place: Option<String>,
    pub(crate) cookie: &'a Cookie,
    pub(crate) confinement: &'a Confinement,
}

/// A run that went on without a server. What it printed is told from the beginning on.
pub(crate) struct Again {
    pub(crate) started: Started,
    /// Bytes of its standard output that come from before.
    pub(crate) printed: u64,
    /// The same of its standard error.
    pub(crate) complained: u64,
    /// Whether the supervisor has what it printed.
    pub(crate) tells: bool,
}

/// A program that was started, with the ends of its standard streams.
pub(crate) struct Running {
    pub(crate) process: Box<dyn Process>,
    pub(crate) stdin: Stdin,
    pub(crate) stdout: Option<Source>,
    pub(crate) stderr: Option<Source>,
    /// What is between a program that serves HTTP and the rest of its run.
    pub(crate) bridge: Option<Bridge>,
}

/// The processes of one run. Dropping it gives them up: the main process is killed at once, the others are left to
/// whoever ends orphans.
pub(crate) trait Process: Debug + Send {
    /// Waits for the end of the main process. Not called again after it said that.
    fn wait(&mut self) -> BoxFuture<'_, io::Result<Exit>>;

    /// Whether the main process, which has ended, may have left others behind.
    fn may_have_left_others(&self) -> bool;

    /// Ends every process: `SIGTERM`, and `SIGKILL` to what is left after `grace`.
    fn terminate(&self, grace: Duration) -> BoxFuture<'static, ()>;

    /// The id of the main process on this machine, where it has one.
    fn pid(&self) -> Option<u32>;

    /// The limit that kept it from going on, if one did; asked when nothing is left of it.
    fn limit_reached(&self) -> Option<Failure>;

    /// Waits until it is in somebody's way, for which it has to go as long as it has nothing to do.
    fn is_in_the_way(&self) -> BoxFuture<'static, ()> {
        std::future::pending().boxed()
    }

    /// The run is to go on without this server process, where there is a supervisor that can see to that.
    fn keep(&self, _keep: Keep) {}

    /// Whether it goes on without this server process.
    fn is_kept(&self) -> bool {
        false
    }

    /// The program is given an order.
    fn note(&self, _note: Note) {}

    /// Takes the place of a process of the run that has ended, which is let go once this one is [kept](Self::keep).
    fn replace(&self, _ended: Hold) {}

    /// Nothing is left of it; what this gives is dropped once it is on record how it ended.
    fn into_hold(self: Box<Self>) -> Option<Hold> {
        None
    }
}
