//! What has to be the same for two jobs to be done by the same program.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use legwork_agents::{Agent, Credential, Setup};
use legwork_model::{Limits, OnLimit, OnSessionLost, Task};
use sha2::{Digest, Sha256};

use crate::app::hex;

/// Everything that a program, and the other end of its dialogue, must know when it starts: its version, arguments, configuration,
/// permissions, and the operator's credential. Prompt, variables and a credential of the job's own come later.
#[derive(Debug, Clone)]
pub(in crate::executor) struct Profile {
    agent: String,
    task: Task,
    setup: Setup,
    key: String,
}

impl Profile {
    /// The profile of a job; `None` where a program that waits can't do it. `own_credential` tells whether that of `setup` is the
    /// job's alone.
    pub(in crate::executor) fn of(agent: &dyn Agent, task: &Task, setup: &Setup, own_credential: bool) -> Option<Self> {
        let placed = task.workspace.is_some() || task.repository.is_some() || task.resume_session.is_some();
        let has_late = !task.env.is_empty() && !agent.takes_variables_late();
        // The name by which a container is kept means another one for each caller.
        let is_kept = task.sandbox.container.as_ref().is_some_and(|container| container.keep.is_some());
        if is_kept || placed || has_late || !agent.capabilities().warm {
            return None;
        }
        let task = Task {
            prompt: String::new(),
            env: BTreeMap::new(),
            // What becomes of its session or at a limit is not decided by the program.
            fork_session: false,
            on_session_lost: OnSessionLost::default(),
            on_limit: OnLimit::default(),
            // It is part of the setup.
            permission_mode: None,
            // They are watched by the runner, but for those that the agent itself is told.
            limits: Limits {
                max_turns: task.limits.max_turns,
                max_cost_usd: task.limits.max_cost_usd,
                ..Limits::default()
            },
            session_idle_seconds: None,
            door: None,
            ..task.clone()
        };
        // A login is a file, and has to be there from the start.
        let is_file = |credential: &Credential| matches!(credential, Credential::LoginFile(_));
        let credential = setup.credential.clone().filter(|credential| !own_credential || is_file(credential));
        let nowhere = PathBuf::from("/");
        let setup =
            Setup { workspace: nowhere.clone(), home: nowhere.clone(), tmp: nowhere, credential, ..setup.clone() };
        let (launch, _) = agent.waiting(&task, &setup)?;
        let file = std::fs::metadata(&launch.program).ok()?;
        let mut hash = Sha256::new();
        let program = format!("{:?} {} {} {}", launch.program, file.ino(), file.size(), file.mtime());
        hash.update(format!("{} {program} {:?} {:?}", agent.name(), launch.args, launch.env));
        hash.update(format!("{:?} {:?} {}", setup.base_url, setup.permission_mode, setup.max_retries));
        // Not all of it is in the launch: who decides about its tools is at the other end, and some is told with the job.
        hash.update(serde_json::to_vec(&(&task, &setup.mcp_servers)).ok()?);
        for placed in &launch.files {
            hash.update(format!("{:?} {}", placed.path, placed.contents));
        }
        hash.update(&launch.stdin.bytes);
        Some(Self { agent: agent.name().to_owned(), task, setup, key: hex(&hash.finalize()) })
    }

    /// The agent.
    pub(super) fn agent(&self) -> &str {
        &self.agent
    }

    /// What its program is started for.
    pub(super) fn task(&self) -> &Task {
        &self.task
    }

    /// The same as a setup with real directories.
    pub(super) fn setup(&self, home: PathBuf, tmp: PathBuf, workspace: PathBuf) -> Setup {
        Setup { home, tmp, workspace, ..self.setup.clone() }
    }
}

impl PartialEq for Profile {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Profile {}

impl std::hash::Hash for Profile {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use legwork_agents::find_agent;
    use legwork_model::{PermissionAction, PermissionPolicy};

    use super::*;

    fn profile(name: &str, task: &Task) -> Profile {
        let setup = Setup { program: "/bin/sh".into(), ..Setup::default() };
        Profile::of(find_agent(name).expect("the agent"), task, &setup, false).expect("it can wait")
    }

    #[test]
    fn jobs_that_may_not_do_the_same_are_not_done_by_the_same_program() {
        let allowing = |default| {
            let permissions = PermissionPolicy { default, ..PermissionPolicy::default() };
            Task { permissions: Some(permissions), ..Task::default() }
        };
        for name in ["claude-code", "codex", "gemini"] {
            let [allow, deny] =
                [PermissionAction::Allow, PermissionAction::Deny].map(|action| profile(name, &allowing(action)));
            assert_ne!(allow.key, deny.key, "{name}");
        }
    }
}
