//! What an agent asked and nobody has decided yet.

use std::collections::BTreeMap;

use legwork_agents::Order;
use legwork_model::{EventBody, ExecutionId, Risk};
use serde_json::Value;
use tokio::time::{Duration, Instant};

use super::execute::Executor;
use crate::events::digest;
use crate::store::approvals::{Approval, ApprovalState, Ask, Expire};

/// What the database takes of the name of a tool.
const TOOL_CHARS: usize = 200;

/// What an agent asked and nobody has decided yet, by the agent's id of its request.
#[derive(Debug)]
pub(super) struct Approvals {
    patience: Duration,
    open: BTreeMap<String, Open>,
}

#[derive(Debug)]
struct Open {
    approval: String,
    tool: String,
    until: Instant,
    /// Whether it is on record that nobody decided in time, and only the agent does not know.
    expired: bool,
}

/// What an agent asks.
#[derive(Debug)]
pub(super) struct Question {
    /// The agent's id of it.
    pub(super) request: String,
    pub(super) tool: String,
    pub(super) input: Value,
    pub(super) risk: Option<Risk>,
    pub(super) tool_call_id: Option<String>,
}

/// A question that nobody decided.
#[derive(Debug)]
pub(super) struct Expired {
    pub(super) request: String,
    pub(super) approval: String,
    pub(super) tool: String,
}

impl Approvals {
    /// People have so long to decide.
    pub(super) fn new(patience: Duration) -> Self {
        Self { patience, open: BTreeMap::new() }
    }

    /// Puts a question on record; gives the event that tells of it. Where that fails, the order that refuses the call.
    pub(super) async fn ask(
        &mut self,
        executor: &Executor,
        execution: ExecutionId,
        question: Question,
    ) -> Result<EventBody, Order> {
        let Question { request, tool, input, risk, tool_call_id } = question;
        let now = executor.clock.now();
        let id = format!("apr_{}", &digest(&[&execution.to_string(), &request, &now.to_string()])[..26]);
        let approval = Approval {
            id: id.clone(),
            execution_id: execution,
            request: request.clone(),
            tool: tool.chars().take(TOOL_CHARS).collect(),
            digest: digest(&[&tool, &input.to_string()]),
            input: executor.masked_value(execution, &input),
            risk: risk.unwrap_or(Risk::Dangerous),
            state: ApprovalState::Pending,
            created_at: now,
            expires_at: now.plus_millis(i64::try_from(self.patience.as_millis()).unwrap_or(i64::MAX)),
            decided_at: None,
            decided_by: None,
        };
        if let Err(error) = executor.store.write(Ask(approval)).await {
            tracing::error!(%execution, %error, "a question of an agent can't be put on record; it is refused");
            let reason = "The question could not be put on record.".to_owned();
            return Err(Order::Decide { id: request, allowed: false, reason });
        }
        let until = Instant::now() + self.patience;
        let open = Open { approval: id.clone(), tool: tool.clone(), until, expired: false };
        self.open.insert(request, open);
        Ok(EventBody::PermissionRequest { id, tool, input, risk, tool_call_id })
    }

    /// A question that an earlier server process put on record, and whose answer the agent did not get. It may have been decided
    /// since: then the order is on its way.
    pub(super) async fn ask_again(&mut self, executor: &Executor, execution: ExecutionId, request: &str, tool: &str) {
        let asked = executor.store.approval_of(execution, request).await;
        let asked =
            asked.inspect_err(|error| tracing::warn!(%execution, %error, "a question of an agent can't be found"));
        if let Ok(Some(approval)) = asked {
            let left = approval.expires_at.as_millis() - executor.clock.now().as_millis();
            let left = Duration::from_millis(u64::try_from(left).unwrap_or(0));
            let expired = approval.state == ApprovalState::Expired;
            let open = Open { approval: approval.id, tool: tool.to_owned(), until: Instant::now() + left, expired };
            self.open.insert(request.to_owned(), open);
        }
    }

    /// A question was decided; gives the id of its approval, unless it is not open any more.
    pub(super) fn decided(&mut self, request: &str) -> Option<String> {
        self.open.remove(request).map(|open| open.approval)
    }

    /// The agent does not wait for any answer any more.
    pub(super) fn forget(&mut self) {
        // Their records expire by the clock.
        self.open.clear();
    }

    /// When the next question expires.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.open.values().map(|open| open.until).min()
    }

    /// Closes what nobody decided in time.
    pub(super) async fn expire(&mut self, executor: &Executor) -> Vec<Expired> {
        let now = Instant::now();
        let due: Vec<String> =
            self.open.iter().filter(|(_, open)| open.until <= now).map(|(request, _)| request.clone()).collect();
        let mut expired = Vec::new();
        for request in due {
            let Some(open) = self.open.remove(&request) else { continue };
            if open.expired {
                expired.push(Expired { request, approval: open.approval, tool: open.tool });
                continue;
            }
            let closed = executor.store.write(Expire { id: open.approval.clone(), now: executor.clock.now() }).await;
            match closed {
                // Somebody decided in the last moment; the order is on its way.
                Ok(false) => drop(self.open.insert(request, Open { until: now + self.patience, ..open })),
                Ok(true) | Err(_) => expired.push(Expired { request, approval: open.approval, tool: open.tool }),
            }
        }
        expired
    }
}
