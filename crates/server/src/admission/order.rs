//! What somebody wants of an agent that runs, or ran.

use legwork_agents::Capabilities;
use legwork_model::ExecutionState;

use super::admit::{Accepted, Repeat, Request, follow_up};
use super::check;
use super::keyring::Permission;
use super::refusal::Refusal;
use crate::app::App;
use crate::scheduler::{Command, SchedulerHandle};
use crate::store::ExecutionRecord;
use crate::store::orders::{OrderBody, Ordered, PutOrder};

/// Gives the agent of `record` a further message. Where its execution has ended, another one continues its session.
///
/// # Errors
/// Why it is refused; then nothing was recorded.
pub async fn message(
    app: &App,
    scheduler: &SchedulerHandle,
    request: Request<'_>,
    record: &ExecutionRecord,
    text: String,
) -> Result<Accepted, Refusal> {
    request.caller.require(Permission::Execute)?;
    check::prompt_named("message", &text, app.config.limits.max_prompt_chars)?;
    offers(app, record, "resume", |agent| agent.resume || agent.follow_up)?;
    if !record.state.is_finished() {
        let body = OrderBody::Message { text: text.clone() };
        if let Ordered::Recorded = put(app, scheduler, request, record, body).await? {
            return Ok(Accepted { id: record.id, replayed: false });
        }
    }
    follow_up(app, scheduler, request, record, text).await
}

/// Ends the turn that the agent of `record` is in.
///
/// # Errors
/// Why it is refused; then nothing was recorded.
pub async fn interrupt(
    app: &App,
    scheduler: &SchedulerHandle,
    request: Request<'_>,
    record: &ExecutionRecord,
) -> Result<(), Refusal> {
    request.caller.require(Permission::Execute)?;
    offers(app, record, "interrupt", |agent| agent.interrupt)?;
    match put(app, scheduler, request, record, OrderBody::Interrupt).await? {
        Ordered::Recorded => Ok(()),
        Ordered::Finished(state) => Err(Refusal::AlreadyFinished(state)),
        Ordered::Unknown => Err(Refusal::NotFound(record.id.to_string())),
    }
}

async fn put(
    app: &App,
    scheduler: &SchedulerHandle,
    request: Request<'_>,
    record: &ExecutionRecord,
    body: OrderBody,
) -> Result<Ordered, Refusal> {
    if record.state == ExecutionState::Queued && body == OrderBody::Interrupt {
        return Err(Refusal::NotRunning);
    }
    let (id, now) = (record.id, app.clock.now());
    let key = match request.repeat {
        Repeat::Same(key) => Some(key.to_owned()),
        Repeat::Another | Repeat::Refused(_) => None,
    };
    let ordered = app.store.write(PutOrder { id, body, created_by: request.caller.key.clone(), key, now }).await?;
    scheduler.tell(Command::Ordered(id));
    Ok(ordered)
}

/// Refuses what the agent of `record` is not capable of.
fn offers(
    app: &App,
    record: &ExecutionRecord,
    capability: &'static str,
    has: fn(Capabilities) -> bool,
) -> Result<(), Refusal> {
    let agents = &app.config.known_agents;
    match agents.find(&record.task.agent) {
        Some(agent) if !has(agent.capabilities()) => Err(check::not_offered(agent, capability, agents, has)),
        // An agent that is not known any more has ended, and is found out elsewhere.
        _ => Ok(()),
    }
}
