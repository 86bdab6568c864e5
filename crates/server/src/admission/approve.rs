//! Deciding what an agent may do that asks.

use super::keyring::{Caller, Permission};
use super::refusal::Refusal;
use crate::app::App;
use crate::scheduler::{Command, SchedulerHandle};
use crate::store::approvals::{Approval, ApprovalState, Decide};

/// A decision about one call of a tool.
#[derive(Debug)]
pub struct Decision {
    /// Whether the call may be made.
    pub allowed: bool,
    /// The digest of the call that the decision is about.
    pub digest: String,
    /// For the agent where the call may not be made: why.
    pub reason: Option<String>,
}

/// Decides an approval, once.
///
/// # Errors
/// Why the decision does not count; then nothing was recorded.
pub async fn approve(
    app: &App,
    scheduler: &SchedulerHandle,
    caller: &Caller,
    id: &str,
    decision: Decision,
) -> Result<Approval, Refusal> {
    caller.require(Permission::Approve)?;
    let unknown = || Refusal::NoApproval(id.chars().filter(|one| !one.is_control()).take(40).collect());
    let approval = app.store.approval(id).await?.ok_or_else(unknown)?;
    if approval.digest != decision.digest {
        let message = "is not that of this call; look at it again and decide about what it is now";
        return Err(Refusal::invalid("digest", "wrong_digest", message));
    }
    if app.config.approvals.by_others {
        let execution = app.store.execution(approval.execution_id).await?;
        if execution.is_some_and(|execution| execution.created_by == caller.key) {
            return Err(Refusal::OwnApproval);
        }
    }
    let reason = decision.reason.unwrap_or_else(|| "A person refused this.".to_owned());
    let execution = approval.execution_id;
    let decide = Decide { approval, allowed: decision.allowed, reason, by: caller.key.clone(), now: app.clock.now() };
    let counts = app.store.write(decide).await?;
    let approval = app.store.approval(id).await?.ok_or_else(unknown)?;
    if !counts {
        let state = if approval.state == ApprovalState::Pending { ApprovalState::Expired } else { approval.state };
        return Err(Refusal::Decided(state));
    }
    scheduler.tell(Command::Ordered(execution));
    Ok(approval)
}
