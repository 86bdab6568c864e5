//! What two jobs have in common of which one gets the outcome of the other.
//!
//! Everything goes in that an agent is told, or that decides what it may do and reach. Of secrets their names go in, never their
//! values.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use legwork_model::{Limits, OnLimit, SandboxKind, Task};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::app::hex;
use crate::config::{AgentSettings, SandboxSettings};

/// By what a job finds an equal one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fingerprint {
    /// SHA-256 in hex of all that the two have in common.
    pub(super) digest: String,
    /// Where the branches of its workspace were when it began.
    pub(super) references: String,
}

/// What a job is.
#[derive(Debug, Serialize)]
pub(super) struct Ingredients<'a> {
    /// What another version tells an agent may be something else.
    pub(super) legwork: &'static str,
    /// Nobody gets what another API key paid for, or could see.
    pub(super) owner: Option<&'a str>,
    pub(super) task: Task,
    pub(super) program: Program<'a>,
    /// `PATH` of the agent and its tools.
    pub(super) path: &'a str,
    /// Where secrets are, they are written as `***`.
    pub(super) settings: &'a AgentSettings,
    /// What runs may reach and use that name nothing.
    pub(super) confinement: &'a SandboxSettings,
    pub(super) sandbox: SandboxKind,
    pub(super) rehearses: bool,
    /// The commit, or what the workspace holds.
    pub(super) state: &'a str,
}

/// Which program it is.
#[derive(Debug, Serialize)]
pub(super) struct Program<'a> {
    path: &'a Path,
    size: u64,
    modified: (i64, i64),
}

impl<'a> Program<'a> {
    /// The program at `path`; nothing where there is none.
    pub(super) fn at(path: &'a Path) -> Option<Self> {
        let file = std::fs::metadata(path).ok()?;
        Some(Self { path, size: file.size(), modified: (file.mtime(), file.mtime_nsec()) })
    }
}

impl Ingredients<'_> {
    /// All of them in 64 hexadecimal digits.
    pub(super) fn digest(&self) -> String {
        // Plain data always serialises.
        hex(&Sha256::digest(serde_json::to_vec(self).unwrap_or_default()))
    }
}

/// The task without what has no part in what the agent does: a run that succeeded would have done so with more time, too.
pub(super) fn essence(task: &Task) -> Task {
    let Limits { max_turns, max_cost_usd, .. } = task.limits;
    Task {
        limits: Limits { max_turns, max_cost_usd, ..Limits::default() },
        cache_ttl_seconds: None,
        on_limit: OnLimit::default(),
        door: None,
        ..task.clone()
    }
}

#[cfg(test)]
mod tests {
    use legwork_model::{Cost, ToolPolicy};

    use super::*;
    use crate::config::Secret;

    fn task() -> Task {
        Task { agent: "claude-code".into(), prompt: "Say hello.".into(), ..Task::default() }
    }

    /// The digest of a job that differs from the usual one by what `change` does.
    fn digest(change: impl FnOnce(&mut Task, &mut AgentSettings, &mut Ingredients<'_>)) -> String {
        let (mut asked, mut settings) = (task(), AgentSettings::default());
        let (nothing, open) = (AgentSettings::default(), SandboxSettings::default());
        let mut ingredients = Ingredients {
            legwork: "1.0.0",
            owner: Some("key_a"),
            task: Task::default(),
            program: Program { path: Path::new("/bin/agent"), size: 1, modified: (1, 1) },
            path: "/bin",
            settings: &nothing,
            confinement: &open,
            sandbox: SandboxKind::Process,
            rehearses: false,
            state: "",
        };
        change(&mut asked, &mut settings, &mut ingredients);
        Ingredients { task: essence(&asked), settings: &settings, ..ingredients }.digest()
    }

    #[test]
    fn whatever_an_agent_notices_makes_another_job() {
        let usual = digest(|_, _, _| {});
        assert_eq!(usual.len(), 64);
        let tools = || ToolPolicy { allow: vec!["Bash".into()], deny: Vec::new() };
        let others = [
            digest(|task, _, _| task.prompt.push(' ')),
            digest(|task, _, _| task.agent = "codex".into()),
            digest(|task, _, _| task.model = Some("opus".into())),
            digest(|task, _, _| task.system_prompt = Some("Be brief.".into())),
            digest(|task, _, _| task.tools = tools()),
            digest(|task, _, _| task.permissions = Some(Default::default())),
            digest(|task, _, _| task.permission_mode = Some("plan".into())),
            digest(|task, _, _| drop(task.env.insert("A".into(), "1".into()))),
            digest(|task, _, _| task.workspace = Some("/srv".into())),
            digest(|task, _, _| task.limits.max_turns = Some(3)),
            digest(|task, _, _| task.limits.max_cost_usd = Some(Cost::from_micros(1))),
            digest(|task, _, _| task.sandbox.kind = SandboxKind::Process),
            digest(|_, settings, _| settings.base_url = Some("http://127.0.0.1:1".into())),
            digest(|_, settings, _| settings.model = Some("opus".into())),
            digest(|_, settings, _| settings.permission_mode = None),
            digest(|_, _, job| job.owner = Some("key_b")),
            digest(|_, _, job| job.owner = None),
            digest(|_, _, job| job.program.size = 2),
            digest(|_, _, job| job.path = "/usr/bin"),
            digest(|_, _, job| job.sandbox = SandboxKind::Docker),
            digest(|_, _, job| job.rehearses = true),
            digest(|_, _, job| job.state = "another commit"),
            digest(|_, _, job| job.legwork = "1.0.1"),
        ];
        let all: std::collections::BTreeSet<_> = others.iter().chain([&usual]).collect();
        assert_eq!(all.len(), others.len() + 1, "two of them are the same");
    }

    #[test]
    fn what_no_agent_notices_does_not() {
        let usual = digest(|_, _, _| {});
        for same in [
            digest(|task, _, _| task.cache_ttl_seconds = Some(60)),
            digest(|task, _, _| task.limits.timeout_seconds += 60),
            digest(|task, _, _| task.limits.max_output_bytes += 1),
            digest(|task, _, _| task.on_limit = OnLimit::Fail),
        ] {
            assert_eq!(same, usual);
        }
    }

    #[test]
    fn the_value_of_a_secret_has_no_part_in_it() {
        let with = |key: &str| {
            let key = Secret::new(key);
            digest(|_, settings, _| settings.api_key = Some(key))
        };
        assert_eq!(with("sk-1"), with("sk-2"));
    }
}
