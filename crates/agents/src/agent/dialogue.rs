//! What is said between an agent's program and whoever runs it.

use std::collections::BTreeMap;

use legwork_model::{Cost, EventBody, Exit, Failure, Usage, Verdict};
use serde::{Deserialize, Serialize};

use super::Credential;

/// The other end of one program's dialogue: turns its bytes, which may be cut anywhere, also inside a character, into
/// events, and orders into bytes for it.
pub trait Dialogue: Send {
    /// Takes bytes of standard output, appends what they mean.
    fn stdout(&mut self, bytes: &[u8], decoded: &mut Vec<Decoded>);

    /// Takes bytes of standard error, appends what they mean.
    fn stderr(&mut self, bytes: &[u8], decoded: &mut Vec<Decoded>);

    /// Takes an order, appends what is to be written for it. Only orders that the agent is
    /// [capable](super::Agent::capabilities) of come; what came too late is left out.
    fn order(&mut self, order: Order, decoded: &mut Vec<Decoded>) {
        let _ = (order, decoded);
    }

    /// The process has ended or was ended: appends what the last, unfinished lines mean and judges the run as the
    /// agent told it. Whoever stopped the run overrides the verdict.
    fn finish(&mut self, exit: Exit, decoded: &mut Vec<Decoded>) -> AgentReport;
}

/// What some bytes meant.
#[derive(Debug, Clone, PartialEq)]
pub enum Decoded {
    /// Something to put on record.
    Event(EventBody),
    /// Bytes for the program's standard input.
    Input(Vec<u8>),
    /// It waits for [`Order::Begin`].
    Ready,
    /// It goes wrong in a way that the agent will not tell, or not in time: the run is ended for this reason.
    GiveUp(Failure),
    /// The agent took up another message after it had given an answer.
    TurnStarted,
    /// The agent has given its answer: unless there is more to come its standard input can be closed, and it should leave
    /// soon.
    TurnEnded,
}

/// What somebody wants of an agent that is running.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// The job of a program that was started ahead of it.
    Begin(Box<Opening>),
    /// A further message of the user.
    Message(String),
    /// The end of the turn that goes on, but not of the process.
    Interrupt,
    /// The answer to an [`EventBody::PermissionRequest`].
    Decide {
        /// The request's id.
        id: String,
        /// Whether the tool may be used.
        allowed: bool,
        /// For the agent where it may not: why.
        reason: String,
    },
}

impl std::fmt::Debug for Order {
    /// Without messages and credentials.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Begin(_) => f.write_str("Begin"),
            Self::Message(_) => f.write_str("Message"),
            Self::Interrupt => f.write_str("Interrupt"),
            Self::Decide { id, allowed, .. } => {
                f.debug_struct("Decide").field("id", id).field("allowed", allowed).finish()
            }
        }
    }
}

impl std::fmt::Debug for Opening {
    /// Without any of it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Opening")
    }
}

/// What a program that was started ahead of its job learns when that comes.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Opening {
    /// What to do.
    pub prompt: String,
    /// What it authenticates with.
    pub credential: Option<Credential>,
    /// The model's API, where it is not the vendor's own.
    pub base_url: Option<String>,
    /// Further variables of the task, none of them reserved.
    pub env: BTreeMap<String, String>,
}

/// What an agent told of its own run.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentReport {
    /// How the agent says it went.
    pub verdict: Verdict,
    /// Its last answer.
    pub result: Option<String>,
    /// Its session.
    pub session_id: Option<String>,
    /// Tokens of the whole run.
    pub usage: Option<Usage>,
    /// Cost of the whole run.
    pub cost_usd: Option<Cost>,
    /// Turns of the whole run.
    pub turns: Option<u32>,
}

impl AgentReport {
    /// A verdict and nothing else.
    pub fn bare(verdict: Verdict) -> Self {
        Self { verdict, result: None, session_id: None, usage: None, cost_usd: None, turns: None }
    }
}
