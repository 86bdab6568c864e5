//! Jobs that bring their own credentials, for any agent, answered by events.

mod deliver;
mod events;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::http::{Extensions, HeaderMap, StatusCode};
use axum::response::Response;
use legwork_agents::{Agents, Credential};
use legwork_model::{Repository, ToolPolicy};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::admission::{LimitRequest, Permission, Refusal, Repeat, Request, Submission, admit};
use crate::config::UnifiedSettings;
use crate::doors::body::json_body;
use crate::doors::caller::identify;
use crate::doors::{Doors, Problem};
use crate::executor::RunSecrets;
use crate::parse::{object, optional_object, parse_json};
use crate::store::{Durability, StoreError};

/// Our names of fields and theirs.
const NAMES: [(&str, &str); 9] = [
    ("prompt", "userRequest"),
    ("agent", "codingAssistantProvider"),
    ("resumeSession", "resumeSessionId"),
    ("repository", "github"),
    ("model", "providerOptions.model"),
    ("limits.maxTurns", "providerOptions.maxTurns"),
    ("permissionMode", "providerOptions.permissionMode"),
    ("tools.allow", "providerOptions.allowedTools"),
    ("tools.deny", "providerOptions.disallowedTools"),
];

const PROVIDER_TOKEN: &str = "codingAssistantAccessToken";
const LONGEST_TOKEN: usize = 16 * 1024;

/// A job that brings its own credentials. Unknown fields are ignored.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Unified {
    /// What the agent is to do.
    user_request: Option<String>,
    /// The agent.
    #[schema(example = "claude-code")]
    coding_assistant_provider: Option<String>,
    /// What the agent authenticates with, for this run alone: an API key, a token, or the JSON of a login. The operator's
    /// own where absent.
    coding_assistant_access_token: Option<String>,
    /// The session to continue, in the workspace that it ran in.
    resume_session_id: Option<String>,
    /// A repository to work on.
    #[serde(default, deserialize_with = "optional_object")]
    github: Option<Github>,
    /// Who is to get the events, too.
    #[serde(default, deserialize_with = "optional_object")]
    database: Option<Database>,
    /// A directory to work in, made where it is not there yet, and kept. A fresh one where absent.
    workspace: Option<String>,
    /// More for the agent.
    #[serde(default, deserialize_with = "object")]
    provider_options: ProviderOptions,
    /// A field of the other contract on this path.
    #[schema(ignore)]
    prompt: Option<serde_json::Value>,
}

impl std::fmt::Debug for Unified {
    /// It is full of secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unified").finish_non_exhaustive()
    }
}

/// A repository, cloned where it is not in the workspace yet, else brought up to date.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Github {
    /// Where it is.
    #[schema(example = "https://github.com/octocat/Hello-World.git")]
    repo_url: String,
    /// The repository's own where absent.
    branch: Option<String>,
    /// What git authenticates with.
    access_token: Option<String>,
}

/// Who gets the events, at the address that the operator has set.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Database {
    /// The receiver's name for what they belong to.
    session_id: String,
    /// What to authenticate with there.
    access_token: String,
}

/// What else the agent is told.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProviderOptions {
    /// The model, passed on untouched.
    model: Option<String>,
    /// Turns of the agent.
    max_turns: Option<u32>,
    /// How much it may do without asking, in its own word.
    permission_mode: Option<String>,
    /// Tools that it may use without asking.
    #[serde(default)]
    allowed_tools: Vec<String>,
    /// Tools that it may not use.
    #[serde(default)]
    disallowed_tools: Vec<String>,
}

pub(super) async fn execute(
    doors: Doors,
    extensions: &Extensions,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    match answer(doors, extensions, headers, body).await {
        Ok(response) => response,
        // Callers look for it among the events.
        Err(problem) if problem.code == "session_not_found" => events::refused(&problem.in_words_of(&NAMES)),
        Err(problem) => axum::response::IntoResponse::into_response(problem.in_words_of(&NAMES)),
    }
}

async fn answer(
    doors: Doors,
    extensions: &Extensions,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let caller = identify(&doors, extensions, headers).await?;
    caller.require(Permission::Execute)?;
    let body = json_body(headers, body)?;
    let request: Unified = parse_json(&body)?;
    let app = &doors.app;
    let provider = provider(request.coding_assistant_provider.as_deref(), &app.config.known_agents)?;
    let settings = &app.config.doors.unified;
    let operators_mode = app.config.agent(provider).permission_mode;
    let (submission, database) = submission(request, provider, settings, operators_mode.as_deref())?;
    let id = app.ids.execution(app.clock.now());
    let delivery = settings.db_base_url.clone().zip(database).map(|(url, to)| deliver::Delivery {
        url: url.expose().to_owned(),
        session_id: to.session_id,
        access_token: to.access_token,
        execution: id,
    });
    let delivers = delivery.is_some();
    // In a task of its own: a caller that goes away meanwhile must not leave behind a job whose events nobody delivers.
    let admitted = tokio::spawn({
        let doors = doors.clone();
        async move {
            let request =
                Request { caller: &caller, id, repeat: Repeat::Another, quota: None, durability: Durability::Now };
            admit(&doors.app, &doors.scheduler, request, submission, &body).await?;
            if let Some(delivery) = delivery {
                doors.tasks.spawn(deliver::deliver(doors.app.clone(), delivery));
            }
            Ok::<_, Refusal>(())
        }
    });
    admitted.await.map_err(|_| StoreError::Closed)??;
    Ok(events::stream(app, id, delivers))
}

/// The name of the agent, of those that are known.
fn provider(name: Option<&str>, agents: &Agents) -> Result<&'static str, Problem> {
    let known = || agents.names().collect::<Vec<_>>().join(", ");
    let problem = |code, message: String| {
        let detail = format!("codingAssistantProvider: {message}. Known: {}", known());
        Err(Problem::new(StatusCode::BAD_REQUEST, code, detail).in_field("codingAssistantProvider".into()))
    };
    match name.map(|name| (name, agents.find(name))) {
        Some((_, Some(agent))) => Ok(agent.name()),
        Some((name, None)) => problem(
            "unknown_provider",
            format!("there is no `{}`", name.chars().take(40).collect::<String>().escape_debug()),
        ),
        None => problem("provider_missing", "is missing".to_owned()),
    }
}

fn submission(
    request: Unified,
    provider: &str,
    settings: &UnifiedSettings,
    operators_mode: Option<&str>,
) -> Result<(Submission, Option<Database>), Refusal> {
    let prompt = match (request.user_request, request.prompt) {
        (Some(prompt), None) => prompt,
        (Some(_), Some(_)) => {
            let message = "is of one contract on this path and `prompt` of another; send one of them";
            return Err(Refusal::invalid("userRequest", "ambiguous_request", message));
        }
        (None, _) => {
            let message = "is missing; say what the agent is to do (a signed call of the CLI has `prompt` instead)";
            return Err(Refusal::invalid("userRequest", "user_request_missing", message));
        }
    };
    let options = request.provider_options;
    check_permission_mode(options.permission_mode.as_deref(), operators_mode)?;
    let (repository, repository_token) = request.github.map_or((None, None), |github| {
        (Some(Repository { url: github.repo_url, branch: github.branch }), github.access_token)
    });
    for (field, token) in [
        (PROVIDER_TOKEN, request.coding_assistant_access_token.as_deref()),
        ("github.accessToken", repository_token.as_deref()),
        ("database.accessToken", request.database.as_ref().map(|database| database.access_token.as_str())),
    ] {
        check_token(field, token)?;
    }
    let secrets = RunSecrets {
        credential: request.coding_assistant_access_token.map(credential),
        repository_token,
        others: request.database.iter().map(|database| database.access_token.clone()).collect(),
        ..RunSecrets::default()
    };
    let submission = Submission {
        prompt,
        agent: Some(provider.to_owned()),
        model: options.model,
        workspace: request.workspace,
        workspace_root: Some(settings.workspace_dir.clone()),
        repository,
        resume_session: request.resume_session_id,
        limits: LimitRequest { max_turns: options.max_turns, ..LimitRequest::default() },
        tools: ToolPolicy { allow: options.allowed_tools, deny: options.disallowed_tools },
        permission_mode: options.permission_mode,
        lane: Some(settings.lane.clone()),
        door: Some("unified"),
        secrets,
        ..Submission::default()
    };
    Ok((submission, request.database))
}

/// Modes in which the agent asks nobody are the operator's to choose.
fn check_permission_mode(asked: Option<&str>, operators: Option<&str>) -> Result<(), Refusal> {
    const ASKING: [&str; 3] = ["plan", "default", "acceptEdits"];
    match asked {
        Some(mode) if !ASKING.contains(&mode) && operators != Some(mode) => {
            let message = format!("must be one of {}", ASKING.join(", "));
            Err(Refusal::invalid("permissionMode", "permission_mode_not_allowed", message))
        }
        _ => Ok(()),
    }
}

/// What can't be in a header or a line is no token.
fn check_token(field: &str, token: Option<&str>) -> Result<(), Refusal> {
    let wrong = |message: &str| Err(Refusal::invalid(field, "invalid_token", message));
    match token {
        Some("") => wrong("is empty; leave it out instead"),
        Some(token) if token.len() > LONGEST_TOKEN => wrong("is longer than any token"),
        Some(token) if token.contains(|one: char| !one.is_ascii_graphic()) && !is_login(field, token) => {
            wrong("must be printable ASCII without spaces")
        }
        _ => Ok(()),
    }
}

/// Whether it is the JSON of a login, which only the agent takes.
fn is_login(field: &str, token: &str) -> bool {
    field == PROVIDER_TOKEN && serde_json::from_str::<serde_json::Map<_, _>>(token).is_ok()
}

/// What kind of credential it is can be seen.
fn credential(token: String) -> Credential {
    match token {
        file if is_login(PROVIDER_TOKEN, &file) => Credential::LoginFile(file),
        token if token.starts_with("sk-ant-oat") => Credential::OauthToken(token),
        token => Credential::ApiKey(token),
    }
}
