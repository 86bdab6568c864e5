//! What has to be the same for two jobs to be done by the same program.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use legwork_agents::{Agent, Credential, Setup};
use legwork_model::{Limits, OnLimit, OnSessionLost, Task};
use legwork_runner::RunDirs;
use sha2::{Digest, Sha256};

use crate::app::hex;
use crate::executor::confinement::kept_by;

/// Everything that a program, and the other end of its dialogue, must know when it starts: its version, arguments, configuration,
/// permissions, and the operator's credential. Prompt, variables and a credential of the job's own come later.
#[derive(Debug, Clone)]
pub(in crate::executor) struct Profile {
    agent: String,
    task: Task,
    /// Whose jobs they are, which matters to containers that are kept.
    owner: String,
    setup: Setup,
    /// Whether its program shows a token of its own, in the place of a credential.
    shows_own_token: bool,
    key: String,
}

/// Whose the credential is that an agent is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::executor) enum Pays {
    /// The operator's, which is the same for all jobs.
    Operator,
    /// The job's alone.
    Job,
    /// None: it is a token of the model proxy, which pays.
    Proxy,
}

impl Profile {
    /// The profile of a job of `owner`; `None` where a program that waits can't do it. `pays` tells whose the credential of `setup`
    /// is.
    pub(in crate::executor) fn of(
        agent: &dyn Agent,
        task: &Task,
        owner: &str,
        setup: &Setup,
        pays: Pays,
    ) -> Option<Self> {
        let placed = task.workspace.is_some() || task.repository.is_some() || task.resume_session.is_some();
        let has_late = !task.env.is_empty() && !agent.takes_variables_late();
        if placed || has_late || !agent.capabilities().warm {
            return None;
        }
        let shows_own_token = pays == Pays::Proxy;
        let credential = setup.credential.clone();
        let credential = match pays {
            Pays::Operator => credential,
            Pays::Proxy => credential.map(|credential| credential.with_secret(String::new())),
            Pays::Job if agent.takes_credential_early() => return None,
            // A login is a file, and has to be there from the start.
            Pays::Job => credential.filter(|credential| matches!(credential, Credential::LoginFile(_))),
        };
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
            door: None,
            ..task.clone()
        };
        let nowhere = PathBuf::from("/");
        let setup =
            Setup { workspace: nowhere.clone(), home: nowhere.clone(), tmp: nowhere, credential, ..setup.clone() };
        let (launch, _) = agent.waiting(&task, &setup)?;
        // In a container it is a program of the image, which is part of the task.
        let file = std::fs::metadata(&launch.program).ok();
        let file = file.map(|file| (file.ino(), file.size(), file.mtime()));
        let mut hash = Sha256::new();
        let program = format!("{:?} {file:?}", launch.program);
        hash.update(format!("{} {program} {:?} {:?}", agent.name(), launch.args, launch.env));
        hash.update(format!("{:?} {:?} {}", setup.base_url, setup.permission_mode, setup.max_retries));
        // Not all of it is in the launch: who decides about its tools is at the other end, and some is told with the job. How
        // long a program stays for further messages is not.
        let told = Task { session_idle_seconds: None, ..task.clone() };
        hash.update(serde_json::to_vec(&(told, &setup.mcp_servers)).ok()?);
        // The name by which a container is kept means another one for each caller.
        let is_kept = task.sandbox.container.as_ref().is_some_and(|container| container.keep.is_some());
        let owner = if is_kept { owner.to_owned() } else { String::new() };
        hash.update(format!("{owner:?}"));
        for placed in &launch.files {
            hash.update(format!("{:?} {}", placed.path, placed.contents));
        }
        hash.update(&launch.stdin.bytes);
        Some(Self { agent: agent.name().to_owned(), task, owner, setup, shows_own_token, key: hex(&hash.finalize()) })
    }

    /// The agent.
    pub(super) fn agent(&self) -> &str {
        &self.agent
    }

    /// What its program is started for.
    pub(super) fn task(&self) -> &Task {
        &self.task
    }

    /// Whose jobs they are; nobody's, where that makes no difference.
    pub(super) fn owner(&self) -> &str {
        &self.owner
    }

    /// The name by which the container is kept that its program waits in, if there is one.
    pub(super) fn kept_by(&self) -> Option<String> {
        kept_by(self.task.sandbox.container.as_ref()?, &self.owner)
    }

    /// The same as a setup with real directories. `token` makes what the program shows, where it needs a token of its own.
    pub(super) fn setup(&self, dirs: &RunDirs, token: impl FnOnce() -> Option<String>) -> Setup {
        let credential = self.setup.credential.clone();
        let credential = match self.shows_own_token {
            true => credential.zip(token()).map(|(credential, token)| credential.with_secret(token)),
            false => credential,
        };
        Setup { home: dirs.home(), tmp: dirs.tmp(), workspace: dirs.work(), credential, ..self.setup.clone() }
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
    use legwork_model::{Clock as _, ExecutionId, Ids, SystemClock};
    use legwork_model::{Container, PermissionAction, PermissionPolicy, Sandbox};

    use super::*;

    /// Those that wait, and whether they have to have a credential from their start.
    const WAITING: [(&str, bool); 5] =
        [("claude-code", false), ("codex", false), ("gemini", false), ("copilot", true), ("opencode", true)];

    fn agent(name: &str) -> &'static dyn Agent {
        find_agent(name).expect("the agent")
    }

    fn setup(key: &str) -> Setup {
        let credential = Some(Credential::ApiKey(key.into()));
        Setup {
            program: "/bin/sh".into(),
            credential,
            base_url: Some("http://127.0.0.1:1/v1".into()),
            permission_mode: Some("bypassPermissions".into()),
            ..Setup::default()
        }
    }

    fn profile(name: &str, task: &Task, key: &str, pays: Pays) -> Option<Profile> {
        Profile::of(agent(name), task, "", &setup(key), pays)
    }

    #[test]
    fn jobs_that_may_not_do_the_same_are_not_done_by_the_same_program() {
        let allowing = |action| {
            let permissions = PermissionPolicy { default: action, ..PermissionPolicy::default() };
            Task { permissions: Some(permissions), ..Task::default() }
        };
        let brief = Task { system_prompt: Some("Be brief.".into()), ..Task::default() };
        let long = Task { system_prompt: Some("Be long.".into()), ..Task::default() };
        for (name, _) in WAITING {
            let [allow, deny] = [PermissionAction::Allow, PermissionAction::Deny]
                .map(|action| profile(name, &allowing(action), "k", Pays::Proxy).expect("it can wait"));
            assert_ne!(allow.key, deny.key, "{name}");
            let [brief, long] = [&brief, &long].map(|task| profile(name, task, "k", Pays::Proxy).expect("it can wait"));
            assert_ne!(brief.key, long.key, "{name}");
        }
    }

    #[test]
    fn what_is_told_with_the_job_makes_no_other_profile() {
        let one = Task { prompt: "one".into(), ..Task::default() };
        let other = Task { prompt: "other".into(), session_idle_seconds: Some(5), ..Task::default() };
        for (name, _) in WAITING {
            let one = profile(name, &one, "token of one", Pays::Proxy);
            let other = profile(name, &other, "token of the other", Pays::Proxy);
            assert_eq!(one.expect("it can wait").key, other.expect("it can wait").key, "{name}");
        }
    }

    #[test]
    fn those_that_ask_more_in_a_conversation_wait_for_one_or_where_they_need_not_ask() {
        for name in ["copilot", "gemini"] {
            let waits = |mode: &str, idle| {
                let task = Task { session_idle_seconds: idle, ..Task::default() };
                let setup = Setup { permission_mode: Some(mode.into()), ..setup("k") };
                Profile::of(agent(name), &task, "", &setup, Pays::Proxy).is_some()
            };
            let modes = ["acceptEdits", "bypassPermissions"];
            assert_eq!(
                modes.map(|mode| [waits(mode, None), waits(mode, Some(5))]),
                [[false, true], [true, true]],
                "{name}"
            );
        }
    }

    #[test]
    fn what_waits_is_given_what_it_may_know() {
        let task = Task::default();
        let dirs = RunDirs::of("/runs".as_ref(), id());
        for (name, early) in WAITING {
            let started = |pays| {
                let setup = profile(name, &task, "k", pays)?.setup(&dirs, || Some("own token".into()));
                Some(setup.credential.map(|credential| credential.secrets().concat()))
            };
            assert_eq!(started(Pays::Proxy), Some(Some("own token".to_owned())), "{name}");
            assert_eq!(started(Pays::Job), if early { None } else { Some(None) }, "{name}");
            assert_eq!(started(Pays::Operator), Some(Some("k".to_owned())), "{name}");
            let keys = ["k", "l"].map(|key| profile(name, &task, key, Pays::Operator).expect("it can wait").key);
            assert!(!early || keys[0] != keys[1], "{name}");
        }
    }

    #[test]
    fn only_in_kept_containers_it_matters_whose_job_it_is() {
        let container = Container { keep: Some("project".into()), ..Container::default() };
        let kept = Task { sandbox: Sandbox { container: Some(container), ..Sandbox::default() }, ..Task::default() };
        let key = |task: &Task, owner| {
            let profile = Profile::of(agent("claude-code"), task, owner, &setup("k"), Pays::Proxy);
            profile.expect("it can wait").key
        };
        assert_eq!(key(&Task::default(), "one"), key(&Task::default(), "other"));
        assert_ne!(key(&kept, "one"), key(&kept, "other"));
    }

    #[test]
    fn a_credential_of_another_kind_is_given_another_way() {
        let bearer = Setup { credential: Some(Credential::BearerToken("b".into())), ..setup("k") };
        let bearer = Profile::of(agent("copilot"), &Task::default(), "", &bearer, Pays::Proxy).expect("it can wait");
        let key = profile("copilot", &Task::default(), "k", Pays::Proxy).expect("it can wait");
        assert_ne!(key.key, bearer.key);
    }

    fn id() -> ExecutionId {
        Ids::from_system().execution(SystemClock.now())
    }
}
