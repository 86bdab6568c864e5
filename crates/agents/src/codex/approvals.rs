//! What Codex asks before it uses a tool, and what it is answered.

use std::collections::{BTreeMap, BTreeSet};

use legwork_model::PermissionPolicy;
use serde_json::{Value, json};

use super::items::{changed_paths, command_input, mcp_tool, message};
use super::methods::is_documented;
use super::requests;
use super::risk::risk;
use crate::agent::Decoded;
use crate::fields::Fields;
use crate::lines::{input, push};
use crate::permissions::{Permissions, Wanted, name_of};

/// What is asked in a run, and what was decided.
#[derive(Debug, Default)]
pub(super) struct Approvals {
    /// With the id to answer to.
    permissions: Permissions<(Value, Kind)>,
    changes: Changes,
}

impl Approvals {
    pub(super) fn new(policy: Option<PermissionPolicy>) -> Self {
        Self { permissions: Permissions::new(policy), ..Self::default() }
    }

    /// An item began, which may be what a request is about.
    pub(super) fn announced(&mut self, item: &Fields) {
        if let (Some(Value::String(id)), Some(changes)) = (item.get("id"), item.get("changes")) {
            self.changes.insert(id.clone(), changes.clone());
        }
    }

    /// An item came to its end.
    pub(super) fn done(&mut self, item: &Fields) {
        if let Some(Value::String(id)) = item.get("id") {
            self.changes.remove(id);
        }
    }

    /// The program asks something. It waits for the answer, so there has to be one.
    pub(super) fn requested(&mut self, method: String, id: Value, params: Fields, decoded: &mut Vec<Decoded>) {
        let Some(Ask { wanted, kind }) = Ask::read(&method, &params, &self.changes) else {
            return not_offered(method, &id, params, decoded);
        };
        // Without a policy there is nobody to decide what is beyond its sandbox.
        match self.permissions.decide(&wanted, false) {
            Some(decision) => {
                decoded.extend(decision.event(name_of(&id), wanted.tool).map(Decoded::Event));
                input(decoded, requests::answer(&id, &kind.answer(decision.allowed)));
            }
            None => push(decoded, self.permissions.ask(name_of(&id), wanted, (id, kind))),
        }
    }

    /// Passes on what somebody has decided.
    pub(super) fn decided(&mut self, id: &str, allowed: bool, decoded: &mut Vec<Decoded>) {
        if let Some((id, kind)) = self.permissions.close(id) {
            input(decoded, requests::answer(&id, &kind.answer(allowed)));
        }
    }

    /// The program does not wait for that answer any more.
    pub(super) fn resolved(&mut self, params: &Fields) {
        if let Some(id) = params.get("requestId") {
            self.permissions.close(&name_of(id));
        }
    }

    /// The turn is over: the tools that were refused in it.
    pub(super) fn end_turn(&mut self) -> BTreeSet<String> {
        self.permissions.end_turn()
    }
}

/// Answers what asks for no permission, also where it is not understood.
fn not_offered(method: String, id: &Value, params: Fields, decoded: &mut Vec<Decoded>) {
    let elicitation = method == "mcpServer/elicitation/request";
    let known = is_documented(&method);
    let event = known.then(|| message(method, params));
    push(decoded, event.unwrap_or_else(|| message("unknown_request".to_owned(), Fields::new())));
    // An MCP server that wants to know something of the user can be told that nobody answers.
    let declined = json!({"action": "decline"});
    input(decoded, if elicitation { requests::answer(id, &declined) } else { requests::refuse(id) });
}

/// A tool that waits for its permission.
#[derive(Debug, Clone, PartialEq)]
struct Ask {
    wanted: Wanted,
    kind: Kind,
}

/// In what form the answer is expected.
#[derive(Debug, Clone, PartialEq)]
enum Kind {
    /// `CommandExecutionApprovalDecision` and `FileChangeApprovalDecision`.
    Decision,
    /// `McpServerElicitationAction`.
    Elicitation,
    /// `GrantedPermissionProfile`: as much as is asked for, or nothing.
    Grant(Value),
}

/// The changes that were announced, by the id of their item: the request for their permission only names that.
type Changes = BTreeMap<String, Value>;

impl Ask {
    /// `None` for a request that asks for no permission, or not in a form that is known.
    fn read(method: &str, params: &Fields, changes: &Changes) -> Option<Self> {
        let text = |name: &str| params.get(name).and_then(Value::as_str);
        let asks_for =
            |tool: &str, input: Value, kind: Kind| Self { wanted: Wanted::new(tool.to_owned(), input, risk), kind };
        match method {
            "item/commandExecution/requestApproval" => Some(match text("command") {
                Some(command) => asks_for("command_execution", command_input(command, text("cwd")), Kind::Decision),
                None => {
                    let target = params.get("networkApprovalContext")?;
                    let input = json!({"url": target["host"], "protocol": target["protocol"]});
                    asks_for("network_access", input, Kind::Decision)
                }
            }),
            "item/fileChange/requestApproval" => {
                let changes = changes.get(text("itemId")?).cloned().unwrap_or_default();
                let input = json!({"changes": changes, "grantRoot": params.get("grantRoot")});
                let wanted = Wanted::new("file_change".to_owned(), input, risk).about(changed_paths(&changes));
                Some(Self { wanted, kind: Kind::Decision })
            }
            "item/permissions/requestApproval" => {
                let wanted = params.get("permissions")?.clone();
                Some(asks_for("request_permissions", wanted.clone(), Kind::Grant(wanted)))
            }
            "mcpServer/elicitation/request" => {
                let meta = params.get("_meta")?;
                // Else the server itself wants to know something, which nobody is there for.
                (meta["codex_approval_kind"] == "mcp_tool_call").then_some(())?;
                let tool = mcp_tool(text("serverName")?, meta["tool_name"].as_str()?);
                Some(asks_for(&tool, meta["tool_params"].clone(), Kind::Elicitation))
            }
            _ => None,
        }
    }
}

impl Kind {
    /// The answer. A refusal has no place for a reason; the turn goes on with it.
    fn answer(&self, allowed: bool) -> Value {
        match (self, allowed) {
            (Self::Decision, true) => json!({"decision": "accept"}),
            (Self::Decision, false) => json!({"decision": "decline"}),
            (Self::Elicitation, true) => json!({"action": "accept", "content": {}}),
            (Self::Elicitation, false) => json!({"action": "decline"}),
            (Self::Grant(wanted), true) => json!({"permissions": wanted, "scope": "turn"}),
            (Self::Grant(_), false) => json!({"permissions": {}, "scope": "turn"}),
        }
    }
}

#[cfg(test)]
mod tests {
    use legwork_model::PermissionAction;

    use super::*;

    fn policy(json: &str) -> PermissionPolicy {
        serde_json::from_str(json).expect("a policy")
    }

    fn read(method: &str, params: Value) -> Option<Ask> {
        let Value::Object(params) = params else { panic!("not an object") };
        let changes = Changes::from([("c1".to_owned(), json!([{"path": "src/a.rs"}, {"path": "/etc/b"}]))]);
        Ask::read(method, &params, &changes)
    }

    #[test]
    fn a_rule_has_to_fit_all_files_of_a_change() {
        let ask = read("item/fileChange/requestApproval", json!({"itemId": "c1"})).expect("an ask");
        for (rules, action) in [
            (r#"{"rules":[{"action":"allow","pattern":"src/*"}],"default":"deny"}"#, PermissionAction::Deny),
            (r#"{"rules":[{"action":"allow","pattern":"src/*"}]}"#, PermissionAction::Ask),
            (r#"{"rules":[{"action":"allow","risk":"write"}],"default":"deny"}"#, PermissionAction::Allow),
        ] {
            assert_eq!(ask.wanted.decided_by(&policy(rules)), action, "{rules}");
        }
    }

    #[test]
    fn a_command_is_judged_without_the_shell_around_it() {
        let params = json!({"command": "/bin/bash -lc 'git status && rm -rf x'", "cwd": "/w"});
        let ask = read("item/commandExecution/requestApproval", params).expect("an ask");
        let rules = r#"{"rules":[{"action":"deny","risk":"dangerous"},{"action":"allow","pattern":"git status*"}]}"#;
        assert_eq!(ask.wanted.decided_by(&policy(rules)), PermissionAction::Deny);
        assert_eq!(ask.wanted.input["command"], "git status && rm -rf x");
    }

    #[test]
    fn what_asks_for_no_permission_is_none() {
        for (method, params) in [
            ("item/tool/requestUserInput", json!({})),
            ("item/commandExecution/requestApproval", json!({"command": 7})),
            ("item/permissions/requestApproval", json!({})),
            ("mcpServer/elicitation/request", json!({"serverName": "a", "_meta": {}})),
            ("mcpServer/elicitation/request", json!({"_meta": {"codex_approval_kind": "mcp_tool_call"}})),
        ] {
            assert_eq!(read(method, params), None, "{method}");
        }
        let unknown = read("item/fileChange/requestApproval", json!({"itemId": "c2"})).expect("an ask");
        assert_eq!(unknown.wanted.tool, "file_change");
    }
}
