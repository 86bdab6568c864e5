//! What an agent asks before it uses a tool: what the policy says to that, who was asked, what was refused.

use std::collections::{BTreeMap, BTreeSet};

use legwork_model::{EventBody, PermissionAction, PermissionPolicy, Risk, ToolUse};
use serde_json::Value;

use crate::risk::detail;

/// A use of a tool that an agent asks for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) tool: String,
    pub(crate) input: Value,
    risk: Risk,
    /// What rules with a pattern look at.
    details: Vec<String>,
    /// The call that it would be.
    call: Option<String>,
}

impl Wanted {
    /// A use that is about one thing, or about nothing that a pattern could fit.
    pub(crate) fn new(tool: String, input: Value, risk: impl Fn(&str, &Value) -> Risk) -> Self {
        let details = detail(&input).map(str::to_owned).into_iter().collect();
        Self { risk: risk(&tool, &input), tool, input, details, call: None }
    }

    /// The same, as the call that events know by this id.
    pub(crate) fn of_call(self, call: Option<String>) -> Self {
        Self { call, ..self }
    }

    /// The same, but about these things.
    pub(crate) fn about(self, details: Vec<String>) -> Self {
        Self { details, ..self }
    }

    #[cfg(test)]
    pub(crate) fn call(&self) -> Option<&str> {
        self.call.as_deref()
    }

    pub(crate) fn risk(&self) -> Risk {
        self.risk
    }

    /// What `policy` says: the strictest of what it says to each of the things that this is about.
    pub(crate) fn decided_by(&self, policy: &PermissionPolicy) -> PermissionAction {
        let decide = |detail| policy.decide(ToolUse { tool: &self.tool, detail, risk: self.risk });
        let decisions: Vec<_> = match self.details.as_slice() {
            [] => vec![decide(None)],
            details => details.iter().map(|detail| decide(Some(detail))).collect(),
        };
        let strictest = [PermissionAction::Deny, PermissionAction::Ask].into_iter().find(|one| decisions.contains(one));
        strictest.unwrap_or(PermissionAction::Allow)
    }
}

/// What was decided without asking anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) allowed: bool,
    by_policy: bool,
}

impl Decision {
    /// What is told of it. As with an agent's own rules, of the mode's only what they refuse. It is told by the id of the
    /// call, or by that of the request where the agent does not say which call it is for.
    pub(crate) fn event(self, request: String, wanted: Wanted) -> Option<EventBody> {
        let Self { allowed, by_policy } = self;
        let by = by_policy.then(|| "policy".to_owned());
        let (id, tool) = (wanted.call.unwrap_or(request), wanted.tool);
        (by_policy || !allowed).then_some(EventBody::PermissionDecision { id, tool, allowed, by })
    }
}

/// What decides in a run, and what it has come to. `A` is what an answer needs beside the decision.
#[derive(Debug)]
pub(crate) struct Permissions<A> {
    policy: Option<PermissionPolicy>,
    asked: BTreeMap<String, A>,
    refused: BTreeSet<String>,
}

impl<A> Permissions<A> {
    pub(crate) fn new(policy: Option<PermissionPolicy>) -> Self {
        Self { policy, asked: BTreeMap::new(), refused: BTreeSet::new() }
    }

    /// Decides by the policy; where there is none, `mode_allows` does. `None` where somebody is to be
    /// [asked](Self::ask).
    pub(crate) fn decide(&mut self, wanted: &Wanted, mode_allows: bool) -> Option<Decision> {
        let action = self.policy.as_ref().map(|policy| wanted.decided_by(policy));
        match action {
            Some(PermissionAction::Ask) => None,
            Some(action) => Some(Decision { allowed: action == PermissionAction::Allow, by_policy: true }),
            None => {
                // What rules or people refuse is as they want it; this is not.
                if !mode_allows {
                    self.refused.insert(wanted.tool.clone());
                }
                Some(Decision { allowed: mode_allows, by_policy: false })
            }
        }
    }

    /// Asks somebody, who knows the request by `id`.
    pub(crate) fn ask(&mut self, id: String, wanted: Wanted, to_answer: A) -> EventBody {
        self.asked.insert(id.clone(), to_answer);
        let Wanted { tool, input, risk, call: tool_call_id, .. } = wanted;
        EventBody::PermissionRequest { id, tool, input, risk: Some(risk), tool_call_id }
    }

    /// A request is answered or withdrawn. `None` where it is not open any more.
    pub(crate) fn close(&mut self, id: &str) -> Option<A> {
        self.asked.remove(id)
    }

    /// The turn is over or about to be: so are its requests.
    pub(crate) fn close_all(&mut self) -> Vec<A> {
        std::mem::take(&mut self.asked).into_values().collect()
    }

    /// The tools that the mode refused.
    pub(crate) fn refused(&self) -> &BTreeSet<String> {
        &self.refused
    }

    /// The turn is over, and does not count against those that follow: the tools that the mode refused in it.
    pub(crate) fn end_turn(&mut self) -> BTreeSet<String> {
        self.close_all();
        std::mem::take(&mut self.refused)
    }
}

impl<A> Default for Permissions<A> {
    fn default() -> Self {
        Self::new(None)
    }
}

/// The id that people and logs know a request of JSON-RPC by.
pub(crate) fn name_of(id: &Value) -> String {
    id.as_str().map_or_else(|| id.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wanted() -> Wanted {
        Wanted::new("run".to_owned(), json!({"command": "ls"}), |_, _| Risk::Execute)
    }

    #[test]
    fn only_what_the_mode_refuses_counts_as_refused() {
        for (policy, mode_allows, decision, refused) in [
            (None, true, Some((true, false)), 0),
            (None, false, Some((false, false)), 1),
            (Some(PermissionAction::Allow), false, Some((true, true)), 0),
            (Some(PermissionAction::Deny), true, Some((false, true)), 0),
            (Some(PermissionAction::Ask), true, None, 0),
        ] {
            let policy = policy.map(|default| PermissionPolicy { default, ..PermissionPolicy::default() });
            let mut permissions = Permissions::<()>::new(policy);
            let decided = permissions.decide(&wanted(), mode_allows);
            assert_eq!(decided.map(|decision| (decision.allowed, decision.by_policy)), decision);
            assert_eq!(permissions.refused().len(), refused);
        }
    }

    #[test]
    fn a_rule_has_to_fit_all_that_a_use_is_about() {
        let rules = r#"{"rules":[{"action":"allow","pattern":"ls*"}],"default":"ask"}"#;
        let policy = serde_json::from_str(rules).expect("a policy");
        let about = |details: &[&str]| wanted().about(details.iter().map(|one| (*one).to_owned()).collect());
        assert_eq!(wanted().decided_by(&policy), PermissionAction::Allow);
        assert_eq!(about(&["ls", "ls -l"]).decided_by(&policy), PermissionAction::Allow);
        assert_eq!(about(&["ls", "rm"]).decided_by(&policy), PermissionAction::Ask);
        assert_eq!(about(&[]).decided_by(&policy), PermissionAction::Ask);
    }

    #[test]
    fn a_request_is_answered_once() {
        let mut permissions = Permissions::new(None);
        permissions.ask("1".to_owned(), wanted(), 'a');
        permissions.ask("2".to_owned(), wanted(), 'b');
        assert_eq!((permissions.close("1"), permissions.close("1")), (Some('a'), None));
        assert_eq!(permissions.close_all(), ['b']);
        assert_eq!(permissions.close("2"), None);
    }
}
