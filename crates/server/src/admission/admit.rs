//! The one order in which a submission is judged.

use std::path::Path;
use std::time::Duration;

use legwork_model::{Cost, ExecutionId, OnLimit, Task, ToolPolicy};
use legwork_runner::workspace::{existing, existing_or_new};
use sha2::{Digest, Sha256};

use super::check;
use super::keyring::{Caller, Permission};
use super::refusal::Refusal;
use super::submission::{OnLost, Submission};
use super::{sandbox, secrets};
use crate::app::{App, hex};
use crate::executor::Model;
use crate::lifecycle::Stage;
use crate::mcp;
use crate::project;
use crate::scheduler::{Command, SchedulerHandle, Slot};
use crate::store::enqueue::{ClaimAtOnce, Enqueue, Enqueued, Idempotency, NewExecution};
use crate::store::quota::Quota;
use crate::store::{ExecutionRecord, StoreError};

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

/// Every rule for every field; the first that is broken refuses.
async fn judge(
    app: &App,
    caller: &Caller,
    submission: Submission,
    has_own_credential: bool,
    id: ExecutionId,
) -> Result<NewExecution, Refusal> {
    let config = &app.config;
    check::prompt(&submission.prompt, config.limits.max_prompt_chars)?;
    let agent = check::agent(submission.agent.as_deref(), &config.known_agents)?;
    check::word("model", submission.model.as_deref())?;
    check::word("resumeSession", submission.resume_session.as_deref())?;
    for (field, tools) in [("tools.allow", &submission.tools.allow), ("tools.deny", &submission.tools.deny)] {
        tools.iter().try_for_each(|tool| check::word(field, Some(tool)))?;
    }
    let metered = !has_own_credential && app.executor.meters(agent);
    check::conversation(&submission, agent, &config.known_agents, &config.limits, metered)?;
    let cache_ttl_seconds = check::cache_ttl(&submission)?;
    let limits = check::limits(&submission.limits, &config.limits)?;
    let settings = config.agent(agent.name());
    check::model(submission.model.as_deref(), &settings.models)?;
    if !has_own_credential && app.executor.model == Model::Configured {
        check::credential(agent, &settings)?;
    }
    check::permission_mode(submission.permission_mode.as_deref(), settings.permission_mode.as_deref())?;
    check::env(&submission.env, agent)?;
    check::metadata(&submission.metadata)?;
    check::label("project", submission.project.as_deref())?;
    check::label("user", submission.user.as_deref())?;
    let mcp_servers = mcp::servers(&submission.mcp_servers, config)?;
    let sandbox = sandbox::asked(submission.sandbox.clone(), &config.sandbox)?;
    let priority = check::priority(submission.priority)?;
    let lane = check::lane(submission.lane.as_deref(), config)?;
    let workspace = workspace(app, &submission)?;
    let session = session(app, caller, agent.name(), submission.resume_session.as_deref()).await?;
    let (home, session_root) = session.as_ref().map_or((id, id), |session| (session.home, session.session_root));
    let (of_session, for_whom) = session.map(|session| (session.project, session.user)).unwrap_or_default();
    let began = if home == id { None } else { began(app, home).await? };
    let project = workspace.clone().or_else(|| began.clone());
    let workspace = if home == id { workspace } else { stays(began.as_ref(), workspace)? };
    let task = Task {
        agent: agent.name().to_owned(),
        prompt: submission.prompt,
        model: submission.model.or_else(|| settings.model.clone()),
        fork_session: submission.fork_session,
        on_session_lost: submission.on_session_lost,
        session_idle_seconds: submission.session_idle_timeout,
        cache_ttl_seconds,
        system_prompt: submission.system_prompt,
        permissions: submission.permissions,
        mcp_servers,
        resume_session: submission.resume_session,
        workspace,
        repository: submission.repository,
        limits,
        tools: with_operators(submission.tools, &settings.allow_tools),
        sandbox,
        permission_mode: submission.permission_mode,
        // Who waits at a door for an answer is not kept waiting for a limit that ends tomorrow.
        on_limit: if submission.door.is_some() { OnLimit::Fail } else { submission.on_limit },
        door: submission.door.map(str::to_owned),
        env: submission.env,
    };
    let task = settled(app, task, project)?;
    secrets::check(app, &task).await?;
    Ok(NewExecution {
        id,
        reserve: reserve(app, &task),
        task,
        lane,
        priority,
        metadata: submission.metadata,
        created_by: caller.key.clone(),
        retry_of: None,
        retry_when_lost: submission.on_lost == OnLost::Retry,
        pinned: false,
        home,
        session_root,
        project: submission.project.or(of_session),
        user: submission.user.or(for_whom),
        at: app.clock.now(),
    })
}

/// What is set aside for a job: the most that it may spend, else what the operator takes for usual.
fn reserve(app: &App, task: &Task) -> Cost {
    task.limits.max_cost_usd.unwrap_or(app.config.budgets.reserve)
}

fn workspace(app: &App, submission: &Submission) -> Result<Option<String>, Refusal> {
    let places = [submission.workspace.is_some(), submission.repository.is_some(), submission.resume_session.is_some()];
    if submission.workspace_root.is_none() && places.iter().filter(|named| **named).count() > 1 {
        let message = "at most one of `workspace`, `repository` and `resumeSession` can say where to work (a session stays where it was)";
        return Err(Refusal::invalid("workspace", "workspace_conflict", message));
    }
    if let Some(repository) = &submission.repository {
        check::repository(repository, &app.config.repositories)?;
    }
    let Some(path) = &submission.workspace else { return Ok(None) };
    let refused = |message: String| Refusal::invalid("workspace", "workspace_not_allowed", message);
    let roots = &app.config.workspaces.roots;
    let resolved = match &submission.workspace_root {
        Some(root) => {
            if path.is_empty() {
                return Err(refused("is empty; leave it out to get a fresh one".to_owned()));
            }
            std::fs::create_dir_all(root)
                .map_err(|error| refused(format!("can't be made: {}: {error}", root.display())))?;
            let roots = [std::slice::from_ref(root), roots.as_slice()].concat();
            existing_or_new(&root.join(path).to_string_lossy(), &roots)
        }
        None => existing(path, roots),
    };
    let resolved = resolved.map_err(|error| refused(error.to_string()))?;
    let text = resolved.into_os_string().into_string();
    text.map(Some).map_err(|_| refused("is not UTF-8 once resolved".into()))
}

/// The task within what its project asks for and what the operator allows. A project that is cloned first, and one that an earlier run
/// cloned, has its say when the run begins; until then the task has what its caller asked for.
fn settled(app: &App, task: Task, project: Option<String>) -> Result<Task, Refusal> {
    let comes_later = task.repository.is_some() || task.resume_session.is_some();
    let settled = match project {
        _ if task.repository.is_some() => return Ok(task),
        Some(project) => project::settle_in(task, Path::new(&project), &app.config),
        None if comes_later => return Ok(task),
        None => project::settle(task, None, &app.config).map_err(project::ContainerFileError::from),
    };
    settled.map_err(|error| Refusal::invalid("workspace", "invalid_container_file", error.to_string()))
}

/// The run that began the session to continue. A session belongs to the key that began it: for anybody else it does
/// not exist.
async fn session(
    app: &App,
    caller: &Caller,
    agent: &str,
    session: Option<&str>,
) -> Result<Option<ExecutionRecord>, Refusal> {
    let Some(session) = session else { return Ok(None) };
    let known = app.store.session(agent, session).await?;
    let may_use =
        |record: &ExecutionRecord| record.created_by == caller.key || caller.permissions.allow(Permission::Admin);
    match known.filter(may_use) {
        Some(record) => Ok(Some(record)),
        None => Err(Refusal::invalid("resumeSession", "session_not_found", "there is no such session of this agent")),
    }
}

/// The operator's directory in which a session began, if it began in one.
async fn began(app: &App, home: ExecutionId) -> Result<Option<String>, Refusal> {
    Ok(app.store.execution(home).await?.and_then(|first| first.task.workspace))
}

/// A session goes on where it began; a workspace that is named all the same has to be that one.
fn stays(began: Option<&String>, named: Option<String>) -> Result<Option<String>, Refusal> {
    let Some(named) = named else { return Ok(None) };
    if began == Some(&named) {
        return Ok(None);
    }
    let message = "is not where the session to continue began; leave it out, a session stays where it was";
    Err(Refusal::invalid("workspace", "workspace_conflict", message))
}

fn with_operators(mut tools: ToolPolicy, allowed: &[String]) -> ToolPolicy {
    tools.allow.extend(allowed.iter().cloned());
    tools
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

/// Puts the job on record in a task of its own: a caller that goes away meanwhile must not leave behind a job that is on
/// record but known to nobody.
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
    };
    let recorded = tokio::spawn(record(app.clone(), scheduler.clone(), enqueue)).await;
    match (recorded.map_err(|_| StoreError::Closed)?, request.repeat) {
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
