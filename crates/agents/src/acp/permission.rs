//! What an agent may do, decided when it asks.
//!
//! With a policy that decides. Without one the permission mode does: `plan` and `default` let it only look, `acceptEdits`
//! lets it change files as well, `bypassPermissions` everything; in each `tools.deny` and `tools.allow` come first where they
//! name the tool itself. Rules with a pattern are the agent's own: it is started with them, and does not ask for what they
//! allow.

use std::collections::{BTreeMap, BTreeSet};

use legwork_model::{EventBody, PermissionAction, PermissionPolicy, Risk, ToolPolicy, ToolUse};
use serde_json::{Value, json};

use super::calls;
use super::wire::PermissionOption;
use crate::agent::Decoded;
use crate::risk::detail;

/// The rules, and what was asked by them.
#[derive(Debug, Default)]
pub(super) struct Permissions {
    policy: Option<PermissionPolicy>,
    mode: Option<String>,
    tools: ToolPolicy,
    /// What somebody has to decide, by the id that they know.
    asked: BTreeMap<String, Asked>,
    /// The tools that were refused.
    refused: BTreeSet<String>,
}

/// A call that the agent wants to make.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) call_id: String,
    pub(super) tool: String,
    pub(super) input: Value,
    pub(super) risk: Risk,
}

/// A request of the agent, and how it can be answered.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) id: Value,
    pub(super) options: Vec<PermissionOption>,
    pub(super) tool: String,
}

enum Ruling {
    Decided { allowed: bool, by: Option<&'static str> },
    Ask,
}

impl Permissions {
    pub(super) fn new(policy: Option<PermissionPolicy>, mode: Option<String>, tools: ToolPolicy) -> Self {
        Self { policy, mode, tools, ..Self::default() }
    }

    /// Answers a request, or passes it on to somebody who can.
    pub(super) fn decide(&mut self, asked: Asked, wanted: Wanted, decoded: &mut Vec<Decoded>) {
        match self.rule(&wanted) {
            Ruling::Decided { allowed, by } => {
                self.answer(&asked, allowed, decoded);
                let Wanted { call_id: id, tool, .. } = wanted;
                // Like any other agent's, its own rules only tell what they refuse.
                if by.is_some() || !allowed {
                    let by = by.map(str::to_owned);
                    decoded.push(Decoded::Event(EventBody::PermissionDecision { id, tool, allowed, by }));
                }
            }
            Ruling::Ask => {
                let id = name_of(&asked.id);
                self.asked.insert(id.clone(), asked);
                let Wanted { tool, input, risk, .. } = wanted;
                decoded.push(Decoded::Event(EventBody::PermissionRequest { id, tool, input, risk: Some(risk) }));
            }
        }
    }

    /// Passes on what somebody has decided. What is not asked (any more) is left out.
    pub(super) fn decided(&mut self, id: &str, allowed: bool, decoded: &mut Vec<Decoded>) {
        if let Some(asked) = self.asked.remove(id) {
            self.answer(&asked, allowed, decoded);
        }
    }

    /// The turn is being interrupted: what was asked in it is answered by that.
    pub(super) fn withdraw(&mut self, decoded: &mut Vec<Decoded>) {
        for asked in std::mem::take(&mut self.asked).into_values() {
            decoded.push(calls::answer(&asked.id, &cancelled()));
        }
    }

    /// The turn is over, and nobody waits for answers any more.
    pub(super) fn forget(&mut self) {
        self.asked.clear();
    }

    /// The tools that were refused.
    pub(super) fn refused(&self) -> &BTreeSet<String> {
        &self.refused
    }

    fn rule(&self, wanted: &Wanted) -> Ruling {
        let Some(policy) = &self.policy else {
            return Ruling::Decided { allowed: self.allowed_by_mode(wanted), by: None };
        };
        let call = ToolUse { tool: &wanted.tool, detail: detail(&wanted.input), risk: wanted.risk };
        match policy.decide(call) {
            PermissionAction::Allow => Ruling::Decided { allowed: true, by: Some("policy") },
            PermissionAction::Deny => Ruling::Decided { allowed: false, by: Some("policy") },
            PermissionAction::Ask => Ruling::Ask,
        }
    }

    fn allowed_by_mode(&self, wanted: &Wanted) -> bool {
        let names = |rules: &[String]| rules.contains(&wanted.tool);
        if names(&self.tools.deny) {
            return false;
        }
        match (names(&self.tools.allow), self.mode.as_deref(), wanted.risk) {
            (true, _, _) | (_, Some("bypassPermissions"), _) | (_, _, Risk::Read) => true,
            (_, Some("acceptEdits"), risk) => risk == Risk::Write,
            _ => false,
        }
    }

    fn answer(&mut self, asked: &Asked, allowed: bool, decoded: &mut Vec<Decoded>) {
        // What rules or people refuse is as they want it.
        if !allowed && self.policy.is_none() {
            self.refused.insert(asked.tool.clone());
        }
        decoded.push(calls::answer(&asked.id, &outcome(&asked.options, allowed)));
    }
}

/// The id that people and logs know a request by.
fn name_of(id: &Value) -> String {
    id.as_str().map_or_else(|| id.to_string(), str::to_owned)
}

/// For this once rather than for ever, so that the next call is asked for again.
fn outcome(options: &[PermissionOption], allowed: bool) -> Value {
    let kinds = if allowed { ["allow_once", "allow_always"] } else { ["reject_once", "reject_always"] };
    let option = kinds.iter().find_map(|kind| options.iter().find(|option| option.kind == *kind));
    match option {
        Some(option) => json!({"outcome": {"outcome": "selected", "optionId": option.option_id}}),
        None => cancelled(),
    }
}

fn cancelled() -> Value {
    json!({"outcome": {"outcome": "cancelled"}})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permissions(mode: &str) -> Permissions {
        let tools = ToolPolicy { allow: vec!["make".into()], deny: vec!["view".into()] };
        Permissions::new(None, Some(mode.to_owned()), tools)
    }

    #[test]
    fn without_a_policy_the_mode_decides() {
        let calls = [
            ("look", Risk::Read),
            ("view", Risk::Read),
            ("edit", Risk::Write),
            ("run", Risk::Execute),
            ("make", Risk::Execute),
            ("fetch", Risk::Network),
            ("?", Risk::Dangerous),
        ];
        for (mode, expected) in [
            ("plan", "look make"),
            ("default", "look make"),
            ("news", "look make"),
            ("acceptEdits", "look edit make"),
            ("bypassPermissions", "look edit run make fetch ?"),
        ] {
            let permissions = permissions(mode);
            let allowed = calls.into_iter().filter(|(tool, risk)| {
                let (tool, input) = ((*tool).to_owned(), Value::Null);
                permissions.allowed_by_mode(&Wanted { call_id: String::new(), tool, input, risk: *risk })
            });
            assert_eq!(allowed.map(|(tool, _)| tool).collect::<Vec<_>>().join(" "), expected, "{mode}");
        }
    }

    #[test]
    fn an_answer_is_one_of_the_options_that_were_offered() {
        let options = |kinds: &[&str]| -> Vec<PermissionOption> {
            let option = |kind: &&str| PermissionOption { option_id: format!("id-{kind}"), kind: (*kind).to_owned() };
            kinds.iter().map(option).collect()
        };
        for (kinds, allowed, expected) in [
            (&["allow_always", "allow_once", "reject_once"][..], true, "id-allow_once"),
            (&["allow_always"], true, "id-allow_always"),
            (&["allow_once", "reject_once"], false, "id-reject_once"),
            (&["allow_once"], false, "cancelled"),
            (&[], true, "cancelled"),
        ] {
            let shown = outcome(&options(kinds), allowed);
            let shown = shown["outcome"]["optionId"].as_str().or(shown["outcome"]["outcome"].as_str());
            assert_eq!(shown, Some(expected));
        }
    }
}
