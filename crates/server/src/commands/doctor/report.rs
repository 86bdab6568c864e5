//! Findings, for people and for programs.

use std::fmt;

use serde::Serialize;
use serde::ser::SerializeStruct;

use crate::mask::Mask;

/// How a finding counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    /// As it should be.
    Ok,
    /// Neither good nor bad.
    Info,
    /// Runs work, but less well.
    Warning,
    /// No run works.
    Missing,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    /// What was looked at.
    pub(super) name: String,
    /// How it counts.
    pub(super) status: Status,
    /// What was found.
    pub(super) found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fix: Option<String>,
}

impl Check {
    pub(super) fn ok(name: &str, found: impl Into<String>) -> Self {
        Self { name: name.into(), status: Status::Ok, found: found.into(), fix: None }
    }

    /// The same without secrets, which the errors of libraries may hold.
    pub(super) fn without_secrets(self, mask: &Mask) -> Self {
        Self { found: mask.apply(self.found), ..self }
    }

    pub(super) fn info(name: &str, found: impl Into<String>) -> Self {
        Self { status: Status::Info, ..Self::ok(name, found) }
    }

    pub(super) fn warning(name: &str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { status: Status::Warning, fix: Some(fix.into()), ..Self::ok(name, found) }
    }

    pub(super) fn missing(name: &str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { status: Status::Missing, ..Self::warning(name, found, fix) }
    }
}

/// All findings.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) checks: Vec<Check>,
}

impl Report {
    /// Whether runs can work.
    pub(super) fn ready(&self) -> bool {
        self.checks.iter().all(|check| check.status != Status::Missing)
    }
}

impl Serialize for Report {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut report = serializer.serialize_struct("Report", 2)?;
        report.serialize_field("ready", &self.ready())?;
        report.serialize_field("checks", &self.checks)?;
        report.end()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.checks.iter().map(|check| check.name.chars().count()).max().unwrap_or(0);
        for check in &self.checks {
            let status = match check.status {
                Status::Ok => "ok",
                Status::Info => "-",
                Status::Warning => "warning",
                Status::Missing => "MISSING",
            };
            writeln!(f, "{status:<7}  {:<width$}  {}", check.name, check.found)?;
            if let Some(fix) = &check.fix {
                writeln!(f, "{:<9}{:<width$}  -> {fix}", "", "")?;
            }
        }
        let verdict = if self.ready() { "Runs can work." } else { "No run can work until what is missing is there." };
        writeln!(f, "\n{verdict}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(last: Check) -> Report {
        let checks = vec![
            Check::ok("settings", "no file, all defaults"),
            Check::info("bubblewrap", "not there; not needed"),
            Check::warning("git", "not found in PATH", "Install git."),
            last,
        ];
        Report { checks }
    }

    #[test]
    fn people_read_what_to_do() {
        let missing = report(Check::missing("claude-code", "not found in PATH", "Install it."));
        insta::assert_snapshot!(missing.to_string(), @r"
        ok       settings     no file, all defaults
        -        bubblewrap   not there; not needed
        warning  git          not found in PATH
                              -> Install git.
        MISSING  claude-code  not found in PATH
                              -> Install it.

        No run can work until what is missing is there.
        ");
    }

    #[test]
    fn warnings_do_not_stop_runs() {
        let fine = report(Check::ok("claude-code", "1.0"));
        assert!(fine.to_string().ends_with("\nRuns can work.\n"));
        let json = serde_json::to_value(&fine).expect("serialises");
        assert_eq!(json["ready"], true);
        assert_eq!(json["checks"][2]["status"], "warning");
        assert_eq!(json["checks"][2]["fix"], "Install git.");
        assert_eq!(json["checks"][0].get("fix"), None);
    }
}
