//! `/v1/agents`: what can be run here.

use axum::Json;
use axum::extract::State;
use futures::future::join_all;
use legwork_agents::{Agent, Capabilities, Credential};
use serde::Serialize;
use utoipa::ToSchema;

use crate::admission::{Caller, Permission};
use crate::app::App;
use crate::doors::{Doors, Problem};
use crate::executor::{Model, credential};

/// All agents, in the order they are offered.
#[derive(Debug, Serialize, ToSchema)]
pub struct AgentList {
    /// The agents.
    agents: Vec<AgentView>,
}

/// One agent.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentView {
    /// Its name, to be given as `agent`.
    name: &'static str,
    /// What its program says of its version; absent where there is none that works.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    /// Why its program does not work, and how to get it.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    /// Whether Legwork was tried with the real program; else it was built from the program's documentation, or the operator
    /// has described it.
    verified: bool,
    /// What it authenticates with.
    credential: CredentialState,
    /// What it can do.
    #[schema(value_type = std::collections::BTreeMap<String, bool>)]
    capabilities: Capabilities,
}

/// What an agent authenticates with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CredentialState {
    /// An API key.
    ApiKey,
    /// A bearer token of a router in front of the API.
    BearerToken,
    /// The token of a subscription login.
    OauthToken,
    /// The file of a subscription login.
    LoginFile,
    /// None is needed: the server rehearses, or the agent has its own way.
    NotNeeded,
    /// There is none.
    Missing,
}

/// Lists the agents: which version is there, what each can do, and whether it has a credential.
#[utoipa::path(
    get, path = "/v1/agents", tag = "agents", operation_id = "list_agents",
    responses((status = 200, description = "All agents", body = AgentList)),
)]
pub async fn list(State(doors): State<Doors>, caller: Caller) -> Result<Json<AgentList>, Problem> {
    caller.require(Permission::Read)?;
    let app = &doors.app;
    let agents = join_all(app.config.known_agents.all().map(|agent| view(app, agent))).await;
    Ok(Json(AgentList { agents }))
}

async fn view(app: &App, agent: &'static dyn Agent) -> AgentView {
    let health = app.executor.agent_health(agent.name(), false).await;
    let (version, problem) = match health {
        Ok(version) => (Some(version), None),
        Err(problem) => (None, Some(problem)),
    };
    AgentView {
        name: agent.name(),
        version,
        problem,
        verified: agent.verified(),
        credential: credential_state(app, agent),
        capabilities: agent.capabilities(),
    }
}

fn credential_state(app: &App, agent: &dyn Agent) -> CredentialState {
    if app.executor.model != Model::Configured || agent.credential_variables().is_empty() {
        return CredentialState::NotNeeded;
    }
    match credential(&app.config.agent(agent.name())) {
        Some(Credential::ApiKey(_)) => CredentialState::ApiKey,
        Some(Credential::BearerToken(_)) => CredentialState::BearerToken,
        Some(Credential::OauthToken(_)) => CredentialState::OauthToken,
        Some(Credential::LoginFile(_)) => CredentialState::LoginFile,
        None => CredentialState::Missing,
    }
}
