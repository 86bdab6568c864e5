//! How much Codex may do: its sandbox, when it asks, and who answers.

use legwork_model::{PermissionPolicy, Task};

use crate::agent::Setup;

/// What a run of Codex may do, in its own words (`SandboxMode`, `AskForApproval`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stance {
    /// What its commands can reach.
    pub sandbox: &'static str,
    /// When it asks before it uses a tool.
    pub approval: &'static str,
    /// Who answers; where absent, everything that it asks for is refused.
    pub policy: Option<PermissionPolicy>,
    /// Whether it may use the task's MCP servers without asking. Else it asks even in a sandbox that it may not leave,
    /// and takes the missing answer for a refusal.
    pub trusts_mcp: bool,
}

impl Stance {
    pub(super) fn of(task: &Task, setup: &Setup) -> Self {
        let mode = setup.permission_mode.as_deref().unwrap_or("default");
        let stance = match &task.permissions {
            // Nobody can answer it.
            Some(_) if setup.one_shot => Self::without_policy("plan"),
            None if setup.one_shot => Self { approval: "never", ..Self::without_policy(mode) },
            Some(policy) => Self::with_policy(mode, policy.clone()),
            None => Self::without_policy(mode),
        };
        // What it may write to and reach is held from outside; its own sandbox needs namespaces that are not to be had inside.
        let held = setup.confined && stance.sandbox == "workspace-write";
        if held { Self { sandbox: "danger-full-access", ..stance } } else { stance }
    }

    /// It asks for everything but commands that it knows to only look around.
    fn with_policy(mode: &str, policy: PermissionPolicy) -> Self {
        let sandbox = match mode {
            "plan" | "read-only" => "read-only",
            "bypassPermissions" | "danger-full-access" => "danger-full-access",
            _ => "workspace-write",
        };
        Self { sandbox, approval: "untrusted", policy: Some(policy), trusts_mcp: false }
    }

    fn without_policy(mode: &str) -> Self {
        let (sandbox, approval) = match mode {
            "plan" | "read-only" => ("read-only", "never"),
            "acceptEdits" | "workspace-write" => ("workspace-write", "never"),
            "bypassPermissions" | "danger-full-access" => ("danger-full-access", "never"),
            // Asked for leave, so that what is refused is on record. Without that, a write that its sandbox prevents shows
            // nowhere.
            _ => ("read-only", "on-request"),
        };
        Self { sandbox, approval, policy: None, trusts_mcp: sandbox != "read-only" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stance(mode: Option<&str>, policy: bool) -> String {
        let task = Task { permissions: policy.then(PermissionPolicy::default), ..Task::default() };
        let setup = Setup { permission_mode: mode.map(str::to_owned), ..Setup::default() };
        let Stance { sandbox, approval, trusts_mcp, .. } = Stance::of(&task, &setup);
        format!("{sandbox} {approval}{}", if trusts_mcp { " mcp" } else { "" })
    }

    #[test]
    fn in_a_sandbox_it_needs_none_of_its_own_to_write() {
        let of = |mode: &str| {
            let permission_mode = Some(mode.to_owned());
            Stance::of(&Task::default(), &Setup { permission_mode, confined: true, ..Setup::default() }).sandbox
        };
        assert_eq!((of("acceptEdits"), of("plan")), ("danger-full-access", "read-only"));
    }

    #[test]
    fn a_mode_is_a_sandbox_and_a_way_to_ask() {
        for (mode, alone, with_policy) in [
            (None, "read-only on-request", "workspace-write untrusted"),
            (Some("plan"), "read-only never", "read-only untrusted"),
            (Some("default"), "read-only on-request", "workspace-write untrusted"),
            (Some("acceptEdits"), "workspace-write never mcp", "workspace-write untrusted"),
            (Some("bypassPermissions"), "danger-full-access never mcp", "danger-full-access untrusted"),
            (Some("danger-full-access"), "danger-full-access never mcp", "danger-full-access untrusted"),
            (Some("nonsense"), "read-only on-request", "workspace-write untrusted"),
        ] {
            assert_eq!(stance(mode, false), alone, "{mode:?}");
            assert_eq!(stance(mode, true), with_policy, "{mode:?}");
        }
    }
}
