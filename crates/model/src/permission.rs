//! What an agent may do, decided while it works.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Rules for the tools of one run. The first rule that fits a call decides it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PermissionPolicy {
    /// Tried from the first to the last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<PermissionRule>,
    /// What happens to a call that no rule fits.
    #[serde(default)]
    pub default: PermissionAction,
    /// Seconds that a person has to decide; then the call is refused. The operator's setting where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub timeout_seconds: Option<u64>,
}

/// One rule. It fits a call that fits everything it names.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PermissionRule {
    /// What happens to the call.
    pub action: PermissionAction,
    /// The tool, in the agent's own word; `*` stands for any text: `Bash`, `mcp__github__*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// The command, path or address that it is called with; `*` stands for any text: `git status*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// The risk class of the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<Risk>,
}

/// What happens to a call of a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PermissionAction {
    /// It is made.
    Allow,
    /// Somebody is asked; without an answer in time it is refused.
    #[default]
    Ask,
    /// It is refused.
    Deny,
}

/// What a call of a tool may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    /// It only looks.
    Read,
    /// It changes files of the workspace.
    Write,
    /// It runs a command.
    Execute,
    /// It talks to other machines.
    Network,
    /// It may do lasting harm, or nobody knows what it does.
    Dangerous,
}

impl Risk {
    /// As it is written in JSON and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Execute => "execute",
            Self::Network => "network",
            Self::Dangerous => "dangerous",
        }
    }

    /// The class of that name.
    pub fn parse(name: &str) -> Option<Self> {
        let all = [Self::Read, Self::Write, Self::Execute, Self::Network, Self::Dangerous];
        all.into_iter().find(|risk| risk.as_str() == name)
    }
}

/// A call of a tool, as far as rules look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ToolUse<'a> {
    /// The tool.
    pub tool: &'a str,
    /// The command, path or address that it is called with, where it has one.
    pub detail: Option<&'a str>,
    /// What it may do.
    pub risk: Risk,
}

impl PermissionPolicy {
    /// What happens to a call.
    pub fn decide(&self, call: ToolUse<'_>) -> PermissionAction {
        self.rules.iter().find(|rule| rule.fits(call)).map_or(self.default, |rule| rule.action)
    }
}

impl PermissionRule {
    fn fits(&self, call: ToolUse<'_>) -> bool {
        self.risk.is_none_or(|risk| risk == call.risk)
            && self.tool.as_deref().is_none_or(|tool| matches(tool, call.tool))
            && self.pattern.as_deref().is_none_or(|pattern| call.detail.is_some_and(|detail| matches(pattern, detail)))
    }
}

/// Whether `text` is what `pattern` describes, where `*` stands for any text, also none.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text, fits) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("git *", "git status", true),
            ("git *", "git", false),
            ("*.rs", "src/main.rs", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "acb", false),
            ("ab*ba", "aba", false),
            ("Bash", "bash", false),
        ] {
            assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        let policy: PermissionPolicy = serde_json::from_str(
            r#"{"rules": [
                {"action": "deny", "risk": "dangerous"},
                {"action": "allow", "tool": "Bash", "pattern": "git status*"},
                {"action": "ask", "tool": "Bash"},
                {"action": "allow", "risk": "read"}
            ], "default": "deny"}"#,
        )
        .expect("a policy");
        let decide = |tool, detail, risk| policy.decide(ToolUse { tool, detail, risk });
        assert_eq!(decide("Bash", Some("sudo rm"), Risk::Dangerous), PermissionAction::Deny);
        assert_eq!(decide("Bash", Some("git status -s"), Risk::Execute), PermissionAction::Allow);
        assert_eq!(decide("Bash", Some("make"), Risk::Execute), PermissionAction::Ask);
        assert_eq!(decide("Read", None, Risk::Read), PermissionAction::Allow);
        assert_eq!(decide("Write", Some("a"), Risk::Write), PermissionAction::Deny);
    }
}
