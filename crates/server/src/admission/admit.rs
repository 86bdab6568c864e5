//! The one order in which a submission is judged.

use std::time::Duration;

use legwork_model::{ExecutionId, Task};
use sha2::{Digest, Sha256};

use super::check;
use super::judge::{judge, reserve};
use super::keyring::{Caller, Permission};
use super::refusal::Refusal;
use super::secrets;
use super::submission::Submission;
use super::uninterrupted::Uninterrupted;
use crate::app::{App, hex};
use crate::lifecycle::Stage;
use crate::scheduler::{Command, SchedulerHandle, Slot};
use crate::store::enqueue::{ClaimAtOnce, Enqueue, Enqueued, Idempotency, NewExecution};
use crate::store::quota::Quota;
use crate::store::{Durability, ExecutionRecord};

/// A job that is on record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// Its id.
    pub id: ExecutionId,
    /// Whether it was on record before, from an earlier request with the same idempotency key.
    pub replayed: bool,
}

/// What goes with a request to make a job.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Who asks.
    pub caller: &'a Caller,
    /// The id that the job gets if it is new.
    pub id: ExecutionId,
    /// What a second request like this one is.
    pub repeat: Repeat<'a>,
    /// What the job counts against.
    pub quota: Option<&'a Quota>,
    /// When the job is there even if the power fails: `Soon` where the caller is told nothing for now.
    pub durability: Durability,
}

/// What a second request like the first one is.
#[derive(Debug, Clone, Copy)]
pub enum Repeat<'a> {
    /// Another job.
    Another,
    /// The same job: the caller promises that requests with this key are one and the same.
    Same(&'a str),
    /// Refused: what vouches for the request (its signature) is good for one.
    Refused(&'a str),
}

/// Judges a submission and puts it on record. `body` are the bytes that the idempotency key vouches for.
///
/// # Errors
/// Why it is refused; then nothing was recorded.
pub async fn admit(
    app: &App,
    scheduler: &SchedulerHandle,
    request: Request<'_>,
    mut submission: Submission,
    body: &[u8],
) -> Result<Accepted, Refusal> {
    request.caller.require(Permission::Execute)?;
    refuse_while_ending(app)?;
    let secrets = std::mem::take(&mut submission.secrets);
    let has_own = secrets.credential.is_some();
    let mut execution = judge(app, request.caller, submission, has_own, request.id).await?;
    execution.pinned = !secrets.is_empty();
    app.executor.vault.keep(request.id, secrets);
    enqueue(app, scheduler, execution, request, body).await
}

/// Puts a job on record that repeats a finished one.
///
/// # Errors
/// Why it is refused; then nothing was recorded.
pub async fn retry(
    app: &App,
    scheduler: &SchedulerHandle,
    request: Request<'_>,
    earlier: &ExecutionRecord,
) -> Result<Accepted, Refusal> {
    request.caller.require(Permission::Execute)?;
    refuse_while_ending(app)?;
    if !earlier.state.is_finished() {
        return Err(Refusal::NotFinished(earlier.state));
    }
    if earlier.pinned {
        return Err(Refusal::CredentialsGone);
    }
    secrets::check(app, &earlier.task).await?;
    let id = request.id;
    let execution = NewExecution {
        id,
        task: earlier.task.clone(),
        lane: check::lane(Some(&earlier.lane), &app.config)?,
        priority: earlier.priority,
        metadata: earlier.metadata.clone(),
        created_by: request.caller.key.clone(),
        retry_of: Some(earlier.id),
        retry_when_lost: earlier.retry_when_lost,
        pinned: false,
        home: if earlier.task.resume_session.is_some() { earlier.home } else { id },
        session_root: if earlier.task.resume_session.is_some() { earlier.session_root } else { id },
        project: earlier.project.clone(),
        user: earlier.user.clone(),
        reserve: reserve(app, &earlier.task),
        at: app.clock.now(),
    };
    let body = format!("retry {}", earlier.id);
    enqueue(app, scheduler, execution, request, body.as_bytes()).await
}

/// Puts a job on record that continues the session of a finished one with a further message.
///
/// # Errors
/// Why it is refused; then nothing was recorded.
pub(super) async fn follow_up(
    app: &App,
    scheduler: &SchedulerHandle,
    request: Request<'_>,
    earlier: &ExecutionRecord,
    message: String,
) -> Result<Accepted, Refusal> {
    refuse_while_ending(app)?;
    // It may have ended a moment ago.
    let earlier = app.store.execution(earlier.id).await?.ok_or_else(|| Refusal::NotFound(earlier.id.to_string()))?;
    if earlier.pinned {
        return Err(Refusal::CredentialsGone);
    }
    let Some(session) = earlier.session_id.clone() else { return Err(Refusal::NoSession) };
    let body = format!("{} {message}", earlier.id);
    let task = Task {
        prompt: message,
        resume_session: Some(session),
        fork_session: false,
        // The workspace is where the session is.
        workspace: None,
        repository: None,
        cache_ttl_seconds: None,
        ..earlier.task.clone()
    };
    secrets::check(app, &task).await?;
    let execution = NewExecution {
        id: request.id,
        reserve: reserve(app, &task),
        task,
        lane: check::lane(Some(&earlier.lane), &app.config)?,
        priority: earlier.priority,
        metadata: earlier.metadata.clone(),
        created_by: request.caller.key.clone(),
        retry_of: None,
        retry_when_lost: earlier.retry_when_lost,
        pinned: false,
        home: earlier.home,
        session_root: earlier.session_root,
        project: earlier.project.clone(),
        user: earlier.user.clone(),
        at: app.clock.now(),
    };
    enqueue(app, scheduler, execution, request, body.as_bytes()).await
}

fn refuse_while_ending(app: &App) -> Result<(), Refusal> {
    if app.phase.stage() == Stage::Serving { Ok(()) } else { Err(Refusal::ShuttingDown) }
}

fn idempotency(request: Request<'_>, body: &[u8]) -> Option<Idempotency> {
    let caller = request.caller.key.as_deref().unwrap_or("local");
    let (scope, key, fresh) = match request.repeat {
        Repeat::Another => return None,
        Repeat::Same(key) => (caller.to_owned(), key, false),
        Repeat::Refused(token) => (format!("{caller}:once"), token, true),
    };
    Some(Idempotency { scope, key: key.to_owned(), fingerprint: hex(&Sha256::digest(body)), fresh })
}

/// Puts the job on record to the end: a caller that goes away meanwhile must not leave behind a job that is on record but known
/// to nobody.
async fn enqueue(
    app: &App,
    scheduler: &SchedulerHandle,
    execution: NewExecution,
    request: Request<'_>,
    body: &[u8],
) -> Result<Accepted, Refusal> {
    let enqueue = Enqueue {
        execution,
        idempotency: idempotency(request, body),
        max_queued: app.config.queue.max_queued,
        claim: None,
        pin: None,
        quota: request.quota.cloned(),
        durability: request.durability,
    };
    let recorded = Uninterrupted::new(record(app.clone(), scheduler.clone(), enqueue)).await;
    match (recorded, request.repeat) {
        (Ok(Recorded::New), _) => Ok(Accepted { id: request.id, replayed: false }),
        (Ok(Recorded::Replayed(_)) | Err(Refusal::KeyReused), Repeat::Refused(_)) => Err(Refusal::UsedBefore),
        (Ok(Recorded::Replayed(earlier)), _) => Ok(Accepted { id: earlier, replayed: true }),
        (Err(refusal), _) => Err(refusal),
    }
}

enum Recorded {
    New,
    Replayed(ExecutionId),
}

/// The slot of a worker that does one job. While nothing runs, the scheduler has it for a look at the most.
async fn only_slot(scheduler: &SchedulerHandle, lane: &str) -> Option<Slot> {
    for _ in 0..20 {
        match scheduler.lanes().take(lane) {
            None if scheduler.running() == 0 => tokio::time::sleep(Duration::from_millis(10)).await,
            slot => return slot,
        }
    }
    None
}

/// Where the job's lane has a free slot here and nobody waits in it, the job is claimed in the same transaction.
async fn record(app: App, scheduler: SchedulerHandle, mut enqueue: Enqueue) -> Result<Recorded, Refusal> {
    let (lane, now) = (enqueue.execution.lane.clone(), enqueue.execution.at);
    let ephemeral = app.config.server.ephemeral;
    let is_held = app.executor.agent_waits(&enqueue.execution.task.agent, now).is_some();
    let slot = match ephemeral {
        true => only_slot(&scheduler, &lane).await,
        false if is_held => None,
        false => scheduler.lanes().take(&lane),
    };
    let is_busy = ephemeral && slot.is_none();
    if is_busy {
        // Nothing may wait; what was asked before is known all the same.
        enqueue.max_queued = 0;
    }
    let lease_until = now.plus_millis(app.lease_millis());
    let this_node = ClaimAtOnce { node: app.node.clone(), lease_until };
    enqueue.pin = enqueue.execution.pinned.then(|| this_node.clone());
    enqueue.claim = slot.as_ref().map(|_| this_node);
    let id = enqueue.execution.id;
    let enqueued = app.store.enqueue(enqueue).await;
    if !matches!(enqueued, Ok(Enqueued::Waiting | Enqueued::Claimed(_))) {
        app.executor.vault.forget(id);
    }
    let (enqueued, slot) = match (enqueued, slot) {
        (Ok(Enqueued::Claimed(claimed)), Some(slot)) => {
            scheduler.tell(Command::Run(claimed, slot));
            return Ok(Recorded::New);
        }
        others => others,
    };
    // The scheduler may have looked for the slot while it was held here, in vain.
    drop(slot);
    scheduler.tell(Command::Waiting(lane));
    match enqueued? {
        Enqueued::Waiting | Enqueued::Claimed(_) => Ok(Recorded::New),
        Enqueued::Replayed(earlier) => Ok(Recorded::Replayed(earlier)),
        Enqueued::KeyReused => Err(Refusal::KeyReused),
        Enqueued::QueueFull if is_busy => Err(Refusal::Busy),
        Enqueued::QueueFull => Err(Refusal::QueueFull),
        Enqueued::SessionBusy => Err(Refusal::SessionBusy),
        Enqueued::QuotaReached(at) => {
            let millis = u64::try_from(at.as_millis() - now.as_millis()).unwrap_or(0);
            Err(Refusal::QuotaReached(Duration::from_millis(millis)))
        }
        Enqueued::BudgetExceeded(exceeded) => Err(Refusal::BudgetExceeded { exceeded, now }),
    }
}
