//! How Cursor's agent uses the Agent Client Protocol (<https://cursor.com/docs/cli/acp>).

use super::risk::risk;
use crate::acp::{Counting, Dialect};

pub(super) static DIALECT: Dialect = Dialect {
    // What the documentation has between `initialize` and a session, also where a key is given.
    authenticate: Some("cursor_login"),
    late_credential: None,
    replay_ends_with: None,
    counting: Counting::No,
    mode: |mode| (mode == "plan").then_some("plan"),
    tool: |told| told.kind.clone().unwrap_or_else(|| "tool".to_owned()),
    command_is_title: false,
    risk,
    notice: |_| false,
    hidden_failure: |_, _| None,
    failure: |_, _| None,
    unknown_session: |error| error.text().to_lowercase().contains("not found"),
};
