//! What a run's events tell of its uses of tools.
//!
//! An agent tells of a call, and it, its rules or people decide about it, in whichever order: here it is found out which
//! events are about the same use.

use std::collections::BTreeMap;

use legwork_agents::Agent;
use legwork_model::{EventBody, Risk};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::app::hex;
use crate::store::tool_uses::{CallFacts, Ruling, ToolUseNews};

/// What the database takes of the name of a tool.
const TOOL_CHARS: usize = 200;
/// The kinds of events that tell of them.
pub(super) const OF_TOOLS: [&str; 4] = ["tool_call", "tool_result", "permission_request", "permission_decision"];
/// Who decided where the agent itself did.
const AGENT: &str = "agent";

/// The uses of tools in one run.
pub(super) struct ToolUses {
    agent: Option<&'static dyn Agent>,
    /// Whether somebody else than the agent may decide.
    ruled: bool,
    /// By the ids that events know them by: that of the call, and that of the approval.
    known: BTreeMap<String, Use>,
}

/// A use that was told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Use {
    /// The number of the event that did.
    seq: u64,
    /// Whether the call itself was told of.
    called: bool,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing was decided yet.
    Open,
    /// Somebody was asked.
    Asked,
    /// It was decided.
    Decided,
}

impl ToolUses {
    /// Of a run of `agent`; `ruled` where it has permissions.
    pub(super) fn new(agent: Option<&'static dyn Agent>, ruled: bool) -> Self {
        Self { agent, ruled, known: BTreeMap::new() }
    }

    /// What event number `seq` tells.
    pub(super) fn told_by(&mut self, seq: u64, body: &EventBody) -> Option<ToolUseNews> {
        match body {
            EventBody::ToolCall { id, name, input, .. } => Some(self.called(seq, id, name, input)),
            EventBody::PermissionRequest { id, tool, input, risk, tool_call_id } => {
                let call = CallFacts {
                    digest: Some(digest(&[tool, &input.to_string()])),
                    risk: *risk,
                    approval: Some(id.clone()),
                };
                Some(self.asked(seq, id, tool_call_id.as_ref(), tool, call))
            }
            EventBody::PermissionDecision { id, tool, allowed, by } => {
                let by = by.clone().unwrap_or_else(|| AGENT.to_owned());
                Some(self.decided(seq, id, tool, Ruling { allowed: *allowed, by }))
            }
            EventBody::ToolResult { id, .. } => self.answered(id),
            _ => None,
        }
    }

    fn called(&mut self, seq: u64, id: &str, tool: &str, input: &Value) -> ToolUseNews {
        let risk = self.agent.map_or(Risk::Dangerous, |agent| agent.risk(tool, input));
        let call = CallFacts { digest: Some(digest(&[tool, &input.to_string()])), risk: Some(risk), approval: None };
        // Models may give an id twice; a decision that came first is about this call.
        if let Some(known) = self.known.get_mut(id).filter(|known| !known.called) {
            known.called = true;
            return ToolUseNews::Described { of: known.seq, call };
        }
        let ruling = (!self.ruled).then(by_agent);
        let stage = if self.ruled { Stage::Open } else { Stage::Decided };
        self.known.insert(id.to_owned(), Use { seq, called: true, stage });
        ToolUseNews::Begun { tool: name(tool), call, ruling }
    }

    fn asked(&mut self, seq: u64, id: &str, call_id: Option<&String>, tool: &str, call: CallFacts) -> ToolUseNews {
        let known = call_id.and_then(|call| self.known.get_mut(call));
        let (asked, news) = match known {
            Some(known) => {
                known.stage = Stage::Asked;
                (*known, ToolUseNews::Described { of: known.seq, call })
            }
            None => {
                let asked = Use { seq, called: false, stage: Stage::Asked };
                self.known.extend(call_id.map(|call| (call.clone(), asked)));
                (asked, ToolUseNews::Begun { tool: name(tool), call, ruling: None })
            }
        };
        self.known.insert(id.to_owned(), asked);
        news
    }

    fn decided(&mut self, seq: u64, id: &str, tool: &str, ruling: Ruling) -> ToolUseNews {
        if let Some(known) = self.known.get_mut(id) {
            known.stage = Stage::Decided;
            return ToolUseNews::Ruled { of: known.seq, ruling };
        }
        self.known.insert(id.to_owned(), Use { seq, called: false, stage: Stage::Decided });
        ToolUseNews::Begun { tool: name(tool), call: CallFacts::default(), ruling: Some(ruling) }
    }

    /// A call that has a result, and about which neither rules nor people were asked, is one that the agent let through.
    fn answered(&mut self, id: &str) -> Option<ToolUseNews> {
        let known = self.known.get_mut(id).filter(|known| known.stage == Stage::Open)?;
        known.stage = Stage::Decided;
        Some(ToolUseNews::Ruled { of: known.seq, ruling: by_agent() })
    }
}

fn by_agent() -> Ruling {
    Ruling { allowed: true, by: AGENT.to_owned() }
}

/// The name of a tool as its column takes it.
fn name(tool: &str) -> String {
    tool.chars().filter(|one| *one != '\0').take(TOOL_CHARS).collect()
}

/// SHA-256 over texts, each ended by a zero byte, in hex.
pub(crate) fn digest(texts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update(text.as_bytes());
        hash.update([0]);
    }
    hex(&hash.finalize())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn call(id: &str) -> EventBody {
        EventBody::ToolCall {
            id: id.into(),
            name: "Bash".into(),
            input: json!({"command": "ls"}),
            parent_tool_call_id: None,
        }
    }

    fn request(id: &str, call: Option<&str>) -> EventBody {
        EventBody::PermissionRequest {
            id: id.into(),
            tool: "Bash".into(),
            input: json!({"command": "ls"}),
            risk: Some(Risk::Execute),
            tool_call_id: call.map(str::to_owned),
        }
    }

    fn decision(id: &str, by: Option<&str>) -> EventBody {
        EventBody::PermissionDecision { id: id.into(), tool: "Bash".into(), allowed: false, by: by.map(str::to_owned) }
    }

    fn result(id: &str) -> EventBody {
        EventBody::ToolResult { id: id.into(), output: String::new(), is_error: false, parent_tool_call_id: None }
    }

    /// What is told by events, in short.
    fn told(ruled: bool, events: &[EventBody]) -> Vec<String> {
        let mut uses = ToolUses::new(None, ruled);
        let news = (1..).zip(events).map(|(seq, event)| uses.told_by(seq, event));
        let short = |ruling: Ruling| format!("{} by {}", if ruling.allowed { "allowed" } else { "denied" }, ruling.by);
        news.map(|news| match news {
            None => "-".to_owned(),
            Some(ToolUseNews::Begun { ruling: None, .. }) => "begun".to_owned(),
            Some(ToolUseNews::Begun { ruling: Some(ruling), .. }) => format!("begun, {}", short(ruling)),
            Some(ToolUseNews::Described { of, call }) => format!("{of} is {:?}", call.approval.unwrap_or_default()),
            Some(ToolUseNews::Ruled { of, ruling }) => format!("{of} {}", short(ruling)),
        })
        .collect()
    }

    #[test]
    fn without_permissions_the_agent_decides() {
        let events = [call("a"), result("a"), call("b"), decision("b", None), result("b")];
        assert_eq!(
            told(false, &events),
            ["begun, allowed by agent", "-", "begun, allowed by agent", "3 denied by agent", "-"]
        );
    }

    #[test]
    fn with_permissions_it_is_open_who_decides() {
        let events =
            [call("a"), decision("a", Some("policy")), result("a"), call("b"), result("b"), decision("b", None)];
        let expected = ["begun", "1 denied by policy", "-", "begun", "4 allowed by agent", "4 denied by agent"];
        assert_eq!(told(true, &events), expected);
    }

    #[test]
    fn an_answer_is_about_the_call_that_was_asked_for() {
        let events = [call("a"), request("apr", Some("a")), result("a"), decision("apr", Some("key_1")), result("a")];
        assert_eq!(told(true, &events), ["begun", "1 is \"apr\"", "-", "1 denied by key_1", "-"]);
        let events = [request("apr", Some("a")), call("a"), decision("apr", Some("timeout"))];
        assert_eq!(told(true, &events), ["begun", "1 is \"\"", "1 denied by timeout"]);
        let events = [request("apr", None), decision("apr", Some("timeout"))];
        assert_eq!(told(true, &events), ["begun", "1 denied by timeout"]);
    }

    #[test]
    fn what_is_denied_before_it_is_told_of_is_one_use() {
        let events = [decision("a", Some("policy")), call("a"), call("a")];
        assert_eq!(told(true, &events), ["begun, denied by policy", "1 is \"\"", "begun"]);
    }
}
