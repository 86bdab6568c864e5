//! What OpenCode may do, what it asks, and who answers.

use legwork_model::{PermissionAction, PermissionPolicy, Task, ToolUse};
use serde_json::{Value, json};

use super::risk::risk;
use super::wire::PermissionAsked;
use crate::agent::Setup;

/// What a run may do.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Stance {
    /// The rules in the program's settings (`permission`).
    pub permission: Value,
    /// Who answers what it asks; where absent, everything is refused.
    pub policy: Option<PermissionPolicy>,
}

impl Stance {
    pub(super) fn of(task: &Task, setup: &Setup) -> Self {
        let policy = task.permissions.clone();
        let mode = setup.permission_mode.as_deref().unwrap_or("default");
        let permission = match (&policy, mode) {
            (Some(_), _) => json!({"*": "ask"}),
            (None, "plan") => looking("deny", None),
            (None, "acceptEdits") => looking("ask", Some("edit")),
            (None, "bypassPermissions") => json!({"*": "allow"}),
            (None, _) => looking("ask", None),
        };
        Self { permission, policy }
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

/// What the rules say to a call: the strictest of what they say to each of the things it is about. Without rules it is
/// refused.
pub(super) fn decide(asked: &PermissionAsked, policy: Option<&PermissionPolicy>) -> PermissionAction {
    let Some(policy) = policy else { return PermissionAction::Deny };
    let risk = risk(&asked.permission, &asked.metadata);
    let decide = |detail| policy.decide(ToolUse { tool: &asked.permission, detail, risk });
    let details = details(asked);
    let decisions: Vec<_> = match details.as_slice() {
        [] => vec![decide(None)],
        details => details.iter().map(|detail| decide(Some(*detail))).collect(),
    };
    let strictest = [PermissionAction::Deny, PermissionAction::Ask].into_iter().find(|one| decisions.contains(one));
    strictest.unwrap_or(PermissionAction::Allow)
}

/// The whole command where there is one; the program's own patterns are the parts of it.
fn details(asked: &PermissionAsked) -> Vec<&str> {
    match asked.metadata["command"].as_str() {
        Some(command) => vec![command],
        None => asked.patterns.iter().map(String::as_str).collect(),
    }
}

#[cfg(test)]
mod tests {
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
            assert_eq!(decide(&asked, Some(&policy)), action, "{asked:?}");
            assert_eq!(decide(&asked, None), PermissionAction::Deny);
        }
    }
}
