//! Every rule for a submission, in one order.

use std::path::Path;

use legwork_agents::Agent;
use legwork_model::{Cost, ExecutionId, OnLimit, Task, ToolPolicy};
use legwork_runner::workspace::{existing, existing_or_new};

use super::check;
use super::keyring::{Caller, Permission};
use super::refusal::Refusal;
use super::submission::{OnLost, Submission};
use super::{sandbox, secrets};
use crate::app::App;
use crate::executor::Model;
use crate::mcp;
use crate::project;
use crate::store::ExecutionRecord;
use crate::store::enqueue::NewExecution;

/// The job that is asked for, as it is put on record with the id `id`; the first rule that is broken refuses.
pub(super) async fn judge(
    app: &App,
    caller: &Caller,
    submission: Submission,
    has_own_credential: bool,
    id: ExecutionId,
) -> Result<NewExecution, Refusal> {
    let agent = agent(app, &submission, has_own_credential)?;
    texts(&submission)?;
    let lane = check::lane(submission.lane.as_deref(), &app.config)?;
    let priority = check::priority(submission.priority)?;
    let workspace = workspace(app, &submission)?;
    let (project, user) = (submission.project.clone(), submission.user.clone());
    let (metadata, retry_when_lost) = (submission.metadata.clone(), submission.on_lost == OnLost::Retry);
    let task = task(app, agent, submission)?;
    let origin = origin(app, caller, agent.name(), task.resume_session.as_deref(), id).await?;
    let (project, user) = (project.or(origin.project), user.or(origin.user));
    let workspace_of_project = workspace.clone().or_else(|| origin.began.clone());
    let workspace = if origin.home == id { workspace } else { stays(origin.began.as_ref(), workspace)? };
    let task = Task { workspace, ..task };
    check::model(task.model.as_deref(), &app.config.allowed_models(agent.name(), project.as_deref()))?;
    let task = settled(app, task, workspace_of_project)?;
    secrets::check(app, &task).await?;
    Ok(NewExecution {
        id,
        reserve: reserve(app, &task),
        task,
        lane,
        priority,
        metadata,
        created_by: caller.key.clone(),
        retry_of: None,
        retry_when_lost,
        pinned: false,
        home: origin.home,
        session_root: origin.session_root,
        project,
        user,
        at: app.clock.now(),
    })
}

/// The agent, which can do what is asked of it and has what to authenticate with.
fn agent<'a>(app: &'a App, submission: &Submission, has_own_credential: bool) -> Result<&'a dyn Agent, Refusal> {
    let config = &app.config;
    check::prompt(&submission.prompt, config.limits.max_prompt_chars)?;
    let agent = check::agent(submission.agent.as_deref(), &config.known_agents)?;
    let metered = !has_own_credential && app.executor.meters(agent);
    check::conversation(submission, agent, &config.known_agents, &config.limits, metered)?;
    let settings = config.agent(agent.name());
    if !has_own_credential && app.executor.model == Model::Configured {
        check::credential(agent, &settings)?;
    }
    check::permission_mode(submission.permission_mode.as_deref(), settings.permission_mode.as_deref())?;
    check::env(&submission.env, agent)?;
    Ok(agent)
}

/// What is written down or passed on as it comes.
fn texts(submission: &Submission) -> Result<(), Refusal> {
    check::word("model", submission.model.as_deref())?;
    check::word("resumeSession", submission.resume_session.as_deref())?;
    for (field, tools) in [("tools.allow", &submission.tools.allow), ("tools.deny", &submission.tools.deny)] {
        tools.iter().try_for_each(|tool| check::word(field, Some(tool)))?;
    }
    check::metadata(&submission.metadata)?;
    check::label("project", submission.project.as_deref())?;
    check::label("user", submission.user.as_deref())
}

/// The task as it is asked for, with the operator's defaults and ceilings, but for where it works.
fn task(app: &App, agent: &dyn Agent, submission: Submission) -> Result<Task, Refusal> {
    let config = &app.config;
    let settings = config.agent(agent.name());
    Ok(Task {
        agent: agent.name().to_owned(),
        cache_ttl_seconds: check::cache_ttl(&submission)?,
        limits: check::limits(&submission.limits, &config.limits)?,
        mcp_servers: mcp::servers(&submission.mcp_servers, config)?,
        sandbox: sandbox::asked(submission.sandbox, &config.sandbox)?,
        prompt: submission.prompt,
        model: submission.model.or(settings.model),
        fork_session: submission.fork_session,
        on_session_lost: submission.on_session_lost,
        session_idle_seconds: submission.session_idle_timeout,
        system_prompt: submission.system_prompt,
        permissions: submission.permissions,
        resume_session: submission.resume_session,
        workspace: None,
        repository: submission.repository,
        tools: with_operators(submission.tools, &settings.allow_tools),
        permission_mode: submission.permission_mode,
        // Who waits at a door for an answer is not kept waiting for a limit that ends tomorrow.
        on_limit: if submission.door.is_some() { OnLimit::Fail } else { submission.on_limit },
        door: submission.door.map(str::to_owned),
        env: submission.env,
    })
}

/// What is set aside for a job: the most that it may spend, else what the operator takes for usual.
pub(super) fn reserve(app: &App, task: &Task) -> Cost {
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

/// What a job goes on from: the run that began its session; itself, where it begins one.
struct Origin {
    home: ExecutionId,
    session_root: ExecutionId,
    /// The operator's directory in which the session began, if it began in one.
    began: Option<String>,
    project: Option<String>,
    user: Option<String>,
}

/// A session belongs to the key that began it: for anybody else it does not exist.
async fn origin(
    app: &App,
    caller: &Caller,
    agent: &str,
    session: Option<&str>,
    id: ExecutionId,
) -> Result<Origin, Refusal> {
    let Some(session) = session else {
        return Ok(Origin { home: id, session_root: id, began: None, project: None, user: None });
    };
    let known = app.store.session(agent, session).await?;
    let may_use =
        |record: &ExecutionRecord| record.created_by == caller.key || caller.permissions.allow(Permission::Admin);
    let Some(record) = known.filter(may_use) else {
        return Err(Refusal::invalid("resumeSession", "session_not_found", "there is no such session of this agent"));
    };
    let ExecutionRecord { home, session_root, project, user, .. } = record;
    let began = app.store.execution(home).await?.and_then(|first| first.task.workspace);
    Ok(Origin { home, session_root, began, project, user })
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
