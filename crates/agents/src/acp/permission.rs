//! What an agent may do, decided when it asks, and how it is answered.
//!
//! With a policy that decides. Without one the permission mode does: `plan` and `default` let it only look, `acceptEdits`
//! lets it change files as well, `bypassPermissions` everything; in each `tools.deny` and `tools.allow` come first where they
//! name the tool itself. Rules with a pattern are the agent's own: it is started with them, and does not ask for what they
//! allow.

use legwork_model::{Risk, ToolPolicy};
use serde_json::{Value, json};

use super::calls;
use super::wire::PermissionOption;
use crate::agent::Decoded;
use crate::permissions::Wanted;

/// A request of the agent, and how it can be answered.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) id: Value,
    pub(super) options: Vec<PermissionOption>,
}

impl Asked {
    pub(super) fn answer(&self, allowed: bool) -> Decoded {
        calls::answer(&self.id, &outcome(&self.options, allowed))
    }

    /// The answer where its turn is being interrupted.
    pub(super) fn withdraw(&self) -> Decoded {
        calls::answer(&self.id, &cancelled())
    }
}

/// Whether the agent may do without a policy what it wants.
pub(super) fn allowed_by_mode(mode: Option<&str>, tools: &ToolPolicy, wanted: &Wanted) -> bool {
    let names = |rules: &[String]| rules.contains(&wanted.tool);
    if names(&tools.deny) {
        return false;
    }
    match (names(&tools.allow), mode, wanted.risk()) {
        (true, _, _) | (_, Some("bypassPermissions"), _) | (_, _, Risk::Read) => true,
        (_, Some("acceptEdits"), risk) => risk == Risk::Write,
        _ => false,
    }
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

    #[test]
    fn without_a_policy_the_mode_decides() {
        let tools = ToolPolicy { allow: vec!["make".into()], deny: vec!["view".into()] };
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
            let allowed = calls.into_iter().filter(|(tool, risk)| {
                let wanted = Wanted::new((*tool).to_owned(), Value::Null, |_, _| *risk);
                allowed_by_mode(Some(mode), &tools, &wanted)
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
