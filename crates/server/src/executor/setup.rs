//! How an agent is started: its program, what it authenticates with, and its way to its models.

use legwork_agents::{Agent, Credential, Setup};
use legwork_model::{ExecutionId, FailureReason, SandboxKind, Task, Verdict};

use super::confinement::Confined;
use super::execute::{Executor, Model};
use super::models::{Route, of_list};
use super::secrets::with_secrets;
use super::vault::RunSecrets;
use crate::config::AgentSettings;
use crate::store::ExecutionRecord;
use crate::store::append::Lease;

impl Executor {
    /// The task with a model that can be rehearsed, where that is what is done and the task names none.
    pub(super) fn with_model(&self, agent: &dyn Agent, task: &Task) -> Task {
        let rehearses = self.model != Model::Configured;
        let own = || agent.rehearsal_model().filter(|_| rehearses).map(str::to_owned);
        Task { model: task.model.clone().or_else(own), ..task.clone() }
    }

    /// Whether a run pays with what no other run has.
    pub(super) fn has_own_credential(&self, secrets: &RunSecrets) -> bool {
        self.model != Model::Configured || secrets.credential.is_some()
    }

    /// How the agent is started, but for its directories, and how it reaches its models.
    pub(super) async fn setup(
        &self,
        agent: &dyn Agent,
        task: &Task,
        secrets: &RunSecrets,
        record: &ExecutionRecord,
    ) -> Result<(Setup, Option<Route>), Verdict> {
        let setup = self.own_setup(agent, task, secrets, record.id).await?;
        let Some(models) = &self.models else { return Ok((setup, None)) };
        let lease = Lease { id: record.id, fence: record.fence };
        let allowed = self.config.allowed_models(agent.name(), record.project.as_deref());
        let own = self.has_own_credential(secrets);
        let routed = models.route(agent, &setup, lease, own, &self.model, allowed)?;
        Ok(routed.map_or((setup, None), |(setup, route)| (setup, Some(route))))
    }

    /// The same for an agent that has its credential.
    async fn own_setup(
        &self,
        agent: &dyn Agent,
        task: &Task,
        secrets: &RunSecrets,
        id: ExecutionId,
    ) -> Result<Setup, Verdict> {
        let mcp_servers = with_secrets(task, &secrets.named)?;
        let settings = self.config.agent(agent.name());
        let (credential, base_url) = match &self.model {
            Model::Configured => {
                (secrets.credential.clone().or_else(|| credential(&settings)), settings.base_url.clone())
            }
            // Its own key for each run, so that the rehearsal model can tell them apart.
            Model::Rehearsal { base_url } => {
                let base_url = format!("{base_url}{}", agent.api_path());
                (Some(Credential::ApiKey(format!("rehearsal-{id}"))), Some(base_url))
            }
        };
        let needed = agent.credential_variables();
        if credential.is_none() && !needed.is_empty() && !agent.misses_credential() {
            let message = format!(
                "There is no credential for {name}. Set {}, or `api_key` under [agents.{name}].",
                needed.join(" or "),
                name = agent.name(),
            );
            return Err(Verdict::failed(FailureReason::CredentialsMissing, message));
        }
        let named = settings.program.clone().unwrap_or_else(|| agent.default_program().into());
        Ok(Setup {
            program: self.programs.find(agent, &settings).unwrap_or(named),
            credential,
            base_url,
            permission_mode: task.permission_mode.clone().or(settings.permission_mode),
            max_retries: settings.max_retries,
            path: self.path.clone(),
            mcp_servers,
            confined: self.place(&task.sandbox).await?.0 != SandboxKind::Process,
            model_api: settings.model_api,
            bare: settings.bare,
            trust_repository: settings.trust_repository,
            one_shot: settings.one_shot,
            ..Setup::default()
        })
    }
}

/// The setup of a run that may know its model by another address than the server does.
pub(super) fn with_way_to_model(setup: Setup, confined: &Confined) -> Setup {
    let inside = confined.uplink.as_ref().and_then(|uplink| uplink.base_url());
    Setup { base_url: inside.or(setup.base_url), ..setup }
}

/// What the agent authenticates with: exactly one, the first where there are several.
pub fn credential(settings: &AgentSettings) -> Option<Credential> {
    let exposed = |secret: &Option<crate::config::Secret>| secret.as_ref().map(|secret| secret.expose().to_owned());
    exposed(&settings.api_key)
        .map(Credential::ApiKey)
        .or_else(|| exposed(&settings.auth_token).map(Credential::BearerToken))
        .or_else(|| exposed(&settings.oauth_token).map(Credential::OauthToken))
        .or_else(|| exposed(&settings.login_file).map(Credential::LoginFile))
        .or_else(|| of_list(settings.credentials.first()?))
}
