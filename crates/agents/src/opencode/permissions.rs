//! What OpenCode may do without asking, and what it asks for.

use legwork_model::Task;
use serde_json::{Value, json};

use super::risk::risk;
use super::wire::PermissionAsked;
use crate::agent::Setup;
use crate::permissions::Wanted;

/// The rules in the program's settings (`permission`). With a policy it asks for everything; what it asks without one is
/// refused.
pub(super) fn rules(task: &Task, setup: &Setup) -> Value {
    let mode = setup.permission_mode.as_deref().unwrap_or("default");
    match (&task.permissions, mode) {
        (Some(_), _) => json!({"*": "ask"}),
        (None, "plan") => looking("deny", None),
        (None, "acceptEdits") => looking("ask", Some("edit")),
        (None, "bypassPermissions") => json!({"*": "allow"}),
        (None, _) => looking("ask", None),
    }
}

/// Allows what only looks, and `more`.
fn looking(others: &str, more: Option<&str>) -> Value {
    let mut permission = json!({"*": others});
    for tool in ["glob", "grep", "list", "read", "todoread", "todowrite"].into_iter().chain(more) {
        permission[tool] = "allow".into();
    }
    permission
}

/// What is asked for. It is about the whole command where there is one; the program's own patterns are the parts of it.
pub(super) fn wanted(asked: PermissionAsked) -> Wanted {
    let PermissionAsked { permission, patterns, metadata, tool, .. } = asked;
    let details = metadata["command"].as_str().map_or(patterns, |command| vec![command.to_owned()]);
    Wanted::new(permission, metadata, risk).about(details).of_call(tool.map(|tool| tool.call))
}

#[cfg(test)]
mod tests {
    use legwork_model::{PermissionAction, PermissionPolicy};

    use super::*;

    #[test]
    fn all_that_a_call_is_about_has_to_fit() {
        let policy: PermissionPolicy = serde_json::from_str(
            r#"{"rules":[{"action":"deny","risk":"dangerous"},{"action":"allow","pattern":"src/*"}],"default":"ask"}"#,
        )
        .expect("a policy");
        for (asked, action) in [
            (json!({"id": "1", "permission": "edit", "patterns": ["src/a"]}), PermissionAction::Allow),
            (json!({"id": "1", "permission": "edit", "patterns": ["src/a", "b"]}), PermissionAction::Ask),
            (json!({"id": "1", "permission": "edit", "patterns": []}), PermissionAction::Ask),
            (json!({"id": "1", "permission": "news", "patterns": ["src/a"]}), PermissionAction::Deny),
            (
                json!({"id": "1", "permission": "bash", "patterns": ["ls", "rm -rf x"], "metadata": {"command": "ls; rm -rf x"}}),
                PermissionAction::Deny,
            ),
        ] {
            let asked: PermissionAsked = serde_json::from_value(asked).expect("an ask");
            assert_eq!(wanted(asked.clone()).decided_by(&policy), action, "{asked:?}");
        }
    }
}
