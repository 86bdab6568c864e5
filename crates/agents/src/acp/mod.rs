//! The Agent Client Protocol, version 1: JSON-RPC 2.0 over standard input and output, a message a line
//! (<https://agentclientprotocol.com>). The agent is the server; here is the client.
//!
//! A conversation goes `initialize`, where needed `authenticate`, `session/new` or `session/load`, then `session/prompt` for
//! each message. What the agent does meanwhile comes as `session/update`; what it may do it asks by
//! `session/request_permission`. It is offered neither files nor terminals of ours: it has the workspace itself.
//!
//! What differs from agent to agent is in its [`Dialect`]. The wire facts were taken from the recordings under `fixtures/`.

mod accounts;
mod calls;
mod dialect;
mod dialogue;
mod job;
mod permission;
mod tools;
mod turn;
mod wire;

pub(crate) use accounts::Counting;
pub(crate) use dialect::Dialect;
pub(crate) use job::Job;
pub(crate) use wire::{RpcError, ToolFields};

use crate::agent::{Dialogue, Stdin};
use crate::lines::LineDialogue;

/// The first line of every conversation. The input stays open for the others.
pub(crate) fn stdin() -> Stdin {
    Stdin { bytes: calls::initialize(), open_until_turn_ends: true }
}

/// The other end of a conversation that begins with [`stdin`].
pub(crate) fn dialogue(dialect: &'static Dialect, job: Job) -> Box<dyn Dialogue> {
    Box::new(LineDialogue::new(dialogue::Conversation::new(dialect, job)))
}
