//! The operator's own filter of system calls.

use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// What a filter may do with a system call that none of its rules is about.
const ACTIONS: [&str; 8] = [
    "SCMP_ACT_ALLOW",
    "SCMP_ACT_ERRNO",
    "SCMP_ACT_KILL",
    "SCMP_ACT_KILL_PROCESS",
    "SCMP_ACT_KILL_THREAD",
    "SCMP_ACT_LOG",
    "SCMP_ACT_TRACE",
    "SCMP_ACT_TRAP",
];

/// A filter of system calls as Docker's own is written, which takes the place of the engine's
/// (<https://docs.docker.com/engine/security/seccomp/>).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeccompProfile {
    file: PathBuf,
    json: String,
}

/// Why a file is no such filter.
#[derive(Debug, thiserror::Error)]
pub enum SeccompError {
    /// It can't be read.
    #[error("failed to read {file}: {source}")]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not JSON.
    #[error("{file} is not JSON: {source}")]
    NotJson {
        /// The file.
        file: PathBuf,
        /// What is wrong, and where.
        source: serde_json::Error,
    },
    /// It is something else.
    #[error("{file} is no filter of system calls as Docker has them: {problem}")]
    NoProfile {
        /// The file.
        file: PathBuf,
        /// What is wrong and what would be right.
        problem: String,
    },
}

impl SeccompProfile {
    /// Reads one.
    ///
    /// # Errors
    /// Where it can't be read, or is none.
    pub fn read(file: &Path) -> Result<Self, SeccompError> {
        let named = || file.to_owned();
        let unreadable = |source| SeccompError::Unreadable { file: named(), source };
        let text = std::fs::read_to_string(file).map_err(unreadable)?;
        let not_json = |source| SeccompError::NotJson { file: named(), source };
        let profile: Value = serde_json::from_str(&text).map_err(not_json)?;
        match problem(&profile) {
            Some(problem) => Err(SeccompError::NoProfile { file: named(), problem }),
            None => Ok(Self { file: named(), json: profile.to_string() }),
        }
    }

    /// The option of a container. Docker takes the filter itself, Podman the name of a file.
    pub(super) fn option(&self, is_podman: bool) -> String {
        if is_podman { format!("seccomp={}", self.file.display()) } else { format!("seccomp={}", self.json) }
    }
}

fn problem(profile: &Value) -> Option<String> {
    let is_action = |action: &Value| action.as_str().is_some_and(|action| ACTIONS.contains(&action));
    if !is_action(&profile["defaultAction"]) {
        return Some(format!("`defaultAction` must be one of {}", ACTIONS.join(", ")));
    }
    let Some(rules) = profile["syscalls"].as_array() else {
        return Some("`syscalls` must be a list of rules".to_owned());
    };
    let wrong = rules.iter().position(|rule| !has_names(rule) || !is_action(&rule["action"]))?;
    Some(format!("`syscalls[{wrong}]` must have `names`, a list of system calls, and an `action`"))
}

fn has_names(rule: &Value) -> bool {
    rule["names"].as_array().is_some_and(|names| !names.is_empty() && names.iter().all(Value::is_string))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<SeccompProfile, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("profile.json");
        std::fs::write(&file, text).expect("written");
        SeccompProfile::read(&file)
            .map_err(|error| error.to_string().replace(&folder.path().display().to_string(), "DIR"))
    }

    #[test]
    fn what_is_no_filter_is_refused_in_words_that_help() {
        for (text, expected) in [
            ("unconfined", "DIR/profile.json is not JSON: expected value at line 1 column 1"),
            ("{}", "DIR/profile.json is no filter of system calls as Docker has them: `defaultAction` must be one of"),
            (r#"{"defaultAction":"SCMP_ACT_ALLOW"}"#, "DIR/profile.json is no filter"),
            (
                r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["a"],"action":"SCMP_ACT_ERRNO"},{"names":[]}]}"#,
                "DIR/profile.json is no filter of system calls as Docker has them: `syscalls[1]` must have `names`",
            ),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.starts_with(expected), "{error}");
        }
        let missing = SeccompProfile::read(Path::new("/nowhere/profile.json")).expect_err("missing").to_string();
        assert!(missing.starts_with("failed to read /nowhere/profile.json: No such file"), "{missing}");
    }

    #[test]
    fn each_engine_gets_it_in_its_own_way() {
        let profile = read(r#"{ "defaultAction": "SCMP_ACT_ERRNO", "syscalls": [] }"#).expect("a filter");
        assert_eq!(profile.option(false), r#"seccomp={"defaultAction":"SCMP_ACT_ERRNO","syscalls":[]}"#);
        assert!(profile.option(true).ends_with("/profile.json"));
    }
}
