//! One attempt of an agent: what it is given, and what connects it with the outside.

use std::path::PathBuf;
use std::time::Duration;

use legwork_agents::{Dialogue, Launch, Order};
use legwork_model::{EventBody, Limits};
use tokio::sync::{mpsc, watch};

use crate::cookie::Cookie;
use crate::output::Output;
use crate::sandbox::Confinement;
use crate::stop::StopReason;
use crate::supervisor::Keep;

/// One attempt of an agent: what to start, where, and within which limits.
#[derive(Debug)]
pub struct Attempt {
    /// What to start.
    pub launch: Launch,
    /// A sentence that says how to get the program, for the error where it is missing.
    pub install_hint: String,
    /// Its working directory.
    pub workspace: PathBuf,
    /// When it is stopped.
    pub limits: Limits,
    /// How long it stays for a further message after a turn; it leaves after its turn where absent.
    pub idle: Option<Duration>,
    /// What it may use and reach.
    pub confinement: Confinement,
    /// Whether it outlives this process.
    pub survival: Survival,
    /// The mark of its processes.
    pub cookie: Cookie,
    /// Where its standard output goes as it comes, up to `limits.max_output_bytes`, unless the run is short and says
    /// little.
    pub stdout_path: PathBuf,
    /// What an earlier process of the same run printed; it goes on behind that.
    pub so_far: Option<Output>,
}

/// Whether a run outlives this process.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Survival {
    /// It ends with it.
    #[default]
    None,
    /// It ends with it, unless it is kept with its [`Job`](crate::Job).
    Later,
    /// It does.
    Kept(Keep),
}

/// What an attempt talks to while it goes on.
pub struct Wires {
    /// The other end of the dialogue with the agent.
    pub dialogue: Box<dyn Dialogue>,
    /// The lines to the outside.
    pub lines: Lines,
}

/// What reaches an attempt from outside while it goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instruction {
    /// For the agent.
    Order(Order),
    /// No further message will come: the agent leaves as soon as it has nothing to do.
    Leave,
}

/// What connects an attempt with the outside.
#[derive(Debug)]
pub struct Lines {
    /// Stops it.
    pub stop: watch::Receiver<Option<StopReason>>,
    /// What somebody wants of the agent while it runs.
    pub orders: Option<mpsc::Receiver<Instruction>>,
    /// Takes its events, in the order they happen.
    pub events: mpsc::Sender<EventBody>,
}

impl Wires {
    /// For a program that takes no orders.
    pub fn one_way(
        dialogue: Box<dyn Dialogue>,
        stop: watch::Receiver<Option<StopReason>>,
        events: mpsc::Sender<EventBody>,
    ) -> Self {
        Self { dialogue, lines: Lines { stop, orders: None, events } }
    }
}
