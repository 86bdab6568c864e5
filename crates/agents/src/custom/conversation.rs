//! What can be relied on of an agent that speaks the Agent Client Protocol, and of which nothing else is known.

use legwork_model::Risk;
use serde_json::Value;

use crate::acp::{Counting, Dialect};
use crate::risk::of_command;

pub(super) static DIALECT: Dialect = Dialect {
    authenticate: None,
    late_credential: None,
    replay_ends_with: None,
    // The protocol does not say yet what its counts are of.
    counting: Counting::No,
    mode: |_| None,
    tool: |told| told.kind.clone().unwrap_or_else(|| "other".to_owned()),
    command_is_title: false,
    risk,
    notice: |_| false,
    hidden_failure: |_, _| None,
    failure: |_, _| None,
    unknown_session: |error| error.code == -32002 || error.text().to_lowercase().contains("not found"),
};

/// The risk class of a call, by the protocol's own word for the kind of thing that it does. What is not known counts as the
/// worst.
pub(super) fn risk(tool: &str, input: &Value) -> Risk {
    match tool {
        "read" | "search" | "think" => Risk::Read,
        "delete" | "edit" | "move" => Risk::Write,
        "execute" => of_command(input["command"].as_str().unwrap_or_default()),
        "fetch" => Risk::Network,
        _ => Risk::Dangerous,
    }
}
