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
    announced: Announced,
}

impl Approvals {
    pub(super) fn new(policy: Option<PermissionPolicy>) -> Self {
        Self { permissions: Permissions::new(policy), ..Self::default() }
    }

    /// An item began, which may be what a request is about.
    pub(super) fn announced(&mut self, item: &Fields) {
        if let (Some(Value::String(id)), true) = (item.get("id"), item.contains_key("changes") || is_mcp_call(item)) {
            self.announced.insert(id.clone(), item.clone());
        }
    }

    /// An item came to its end.
    pub(super) fn done(&mut self, item: &Fields) {
        if let Some(Value::String(id)) = item.get("id") {
            self.announced.remove(id);
        }
    }

    /// The program asks something. It waits for the answer, so there has to be one.
    pub(super) fn requested(&mut self, method: String, id: Value, params: Fields, decoded: &mut Vec<Decoded>) {
        let Some(Ask { wanted, kind }) = Ask::read(&method, &params, &self.announced) else {
            return not_offered(method, &id, params, decoded);
        };
        // Without a policy there is nobody to decide what is beyond its sandbox.
        match self.permissions.decide(&wanted, false) {
            Some(decision) => {
                decoded.extend(decision.event(name_of(&id), wanted).map(Decoded::Event));
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

/// The items that were announced, by their ids, of which requests do not say all: the changes that one is for are in its item
/// alone, and which call of an MCP server it is for can only be told from the item.
type Announced = BTreeMap<String, Fields>;

impl Ask {
    /// `None` for a request that asks for no permission, or not in a form that is known.
    fn read(method: &str, params: &Fields, announced: &Announced) -> Option<Self> {
        let text = |name: &str| params.get(name).and_then(Value::as_str);
        let item = text("itemId").map(str::to_owned);
        let asks_for = |tool: &str, input: Value, kind: Kind| {
            let wanted = Wanted::new(tool.to_owned(), input, risk).of_call(item.clone());
            Self { wanted, kind }
        };
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
                let changes = announced.get(text("itemId")?).and_then(|item| item.get("changes"));
                let changes = changes.cloned().unwrap_or_default();
                let input = json!({"changes": changes, "grantRoot": params.get("grantRoot")});
                let Self { wanted, kind } = asks_for("file_change", input, Kind::Decision);
                Some(Self { wanted: wanted.about(changed_paths(&changes)), kind })
            }
            "item/permissions/requestApproval" => {
                let wanted = params.get("permissions")?.clone();
                Some(asks_for("request_permissions", wanted.clone(), Kind::Grant(wanted)))
            }
            "mcpServer/elicitation/request" => {
                let meta = params.get("_meta")?;
                // Else the server itself wants to know something, which nobody is there for.
                (meta["codex_approval_kind"] == "mcp_tool_call").then_some(())?;
                let (server, tool, input) = (text("serverName")?, meta["tool_name"].as_str()?, &meta["tool_params"]);
                let Self { wanted, kind } = asks_for(&mcp_tool(server, tool), input.clone(), Kind::Elicitation);
                Some(Self { wanted: wanted.of_call(mcp_call(announced, server, tool, input)), kind })
            }
            _ => None,
        }
    }
}

fn is_mcp_call(item: &Fields) -> bool {
    item.get("type").is_some_and(|kind| kind == "mcpToolCall")
}

/// The call that was announced with just that.
fn mcp_call(announced: &Announced, server: &str, tool: &str, input: &Value) -> Option<String> {
    let is_it = |item: &Fields| {
        let has = |name: &str, wanted: &Value| item.get(name).unwrap_or(&Value::Null) == wanted;
        is_mcp_call(item) && has("server", &server.into()) && has("tool", &tool.into()) && has("arguments", input)
    };
    announced.iter().find(|(_, item)| is_it(item)).map(|(id, _)| id.clone())
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
        let change = json!({"changes": [{"path": "src/a.rs"}, {"path": "/etc/b"}]});
        let call = json!({"type": "mcpToolCall", "server": "a", "tool": "add", "arguments": {"a": 1}});
        let items = [("c1", change), ("m1", call)].map(|(id, item)| {
            let Value::Object(item) = item else { panic!("not an object") };
            (id.to_owned(), item)
        });
        Ask::read(method, &params, &Announced::from(items))
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
    fn a_call_of_an_mcp_server_is_known_by_what_it_is() {
        for (tool, input, call) in [("add", 1, Some("m1")), ("add", 2, None), ("sub", 1, None)] {
            let meta = json!({"codex_approval_kind": "mcp_tool_call", "tool_name": tool, "tool_params": {"a": input}});
            let ask = read("mcpServer/elicitation/request", json!({"serverName": "a", "_meta": meta})).expect("an ask");
            assert_eq!(ask.wanted.call(), call, "{tool} {input}");
        }
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
