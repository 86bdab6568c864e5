//! How one agent's use of the protocol differs from another's.

use legwork_model::{Failure, Risk};
use serde_json::Value;

use super::accounts::Counting;
use super::wire::{RpcError, ToolFields};
use crate::agent::Opening;
use crate::speech::Answer;

/// How one agent uses the protocol.
pub(crate) struct Dialect {
    /// The method of `authenticate` that has to come before a session.
    pub(crate) authenticate: Option<&'static str>,
    /// The parameters of `authenticate` that give a program its credential that was started without one.
    pub(crate) late_credential: Option<fn(&Opening) -> Option<Value>>,
    /// The update that follows the old ones which the agent repeats after it has answered `session/load`; absent where it
    /// repeats them before.
    pub(crate) replay_ends_with: Option<&'static str>,
    /// How it counts tokens.
    pub(crate) counting: Counting,
    /// The last part of the id of its mode for one of our permission modes, where that is not chosen by an argument.
    pub(crate) mode: fn(&str) -> Option<&'static str>,
    /// The name of a tool.
    pub(crate) tool: fn(&ToolFields) -> String,
    /// Whether the title of a call that runs a command is that command.
    pub(crate) command_is_title: bool,
    /// What a call may do.
    pub(crate) risk: fn(&str, &Value) -> Risk,
    /// Whether a piece of what it says is a notice of the program itself.
    pub(crate) notice: fn(&str) -> bool,
    /// The failure that an answer tells of which calls itself a success.
    pub(crate) hidden_failure: fn(&str, &Answer) -> Option<Failure>,
    /// The failure that an error means, in an agent's own way; the general one where it gives `None`.
    pub(crate) failure: fn(&str, &RpcError) -> Option<Failure>,
    /// Whether an error of `session/load` says that there is no such session.
    pub(crate) unknown_session: fn(&RpcError) -> bool,
}
