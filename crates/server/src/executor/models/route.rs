//! The way of one run to its models.

use std::sync::Arc;

use legwork_agents::{Agent, Setup};
use legwork_gateway::model_proxy::{AllowedModels, Pool};
use legwork_model::{ExecutionId, FailureReason, ModelApi, Verdict};
use url::Url;

use super::Models;
use super::pools::{plain, pool_of};
use crate::executor::prepared::Prepared;
use crate::executor::{Executor, Model, credential};
use crate::store::append::Lease;

/// What a stand-in for a model is priced as where its name has no price.
const STAND_IN: &str = "claude-haiku-4-5";

/// The way of one run to its models.
pub(in crate::executor) struct Route {
    pub(super) token: String,
    pub(super) api: ModelApi,
    pub(super) api_path: &'static str,
    pub(super) upstream: Url,
    pub(super) pool: Arc<Pool>,
    pub(super) models: AllowedModels,
    pub(super) priced_as: Option<&'static str>,
}

impl Models {
    /// The token that the run with this lease shows.
    pub(in crate::executor) fn token(&self, lease: Lease) -> String {
        self.key.token(lease)
    }

    /// The token that a program shows which was started ahead of its job, in directories of this id. Until a job has the program
    /// it is good for nothing.
    pub(in crate::executor) fn token_ahead(&self, home: ExecutionId) -> String {
        // No run has this lease: they count from one.
        self.key.token(Lease { id: home, fence: 0 })
    }

    /// Points an agent at the proxy: what it would be given, with the token of the run instead of the credential. `None` where it
    /// goes its own way. `own` is whether the credential of `setup` is the run's alone.
    ///
    /// # Errors
    /// Where its model's API has no address that can be used.
    pub(in crate::executor) fn route(
        &self,
        agent: &dyn Agent,
        setup: &Setup,
        lease: Lease,
        own: bool,
        model: &Model,
        models: AllowedModels,
    ) -> Result<Option<(Setup, Route)>, Verdict> {
        let (Some(credential), Some(endpoint)) = (&setup.credential, agent.model_endpoint(setup)) else {
            return Ok(None);
        };
        let pool = match own {
            true => plain(credential).map(|credential| pool_of("own", credential)),
            false => self.pools.get(agent.name()),
        };
        let Some(pool) = pool else { return Ok(None) };
        let upstream = Url::parse(&endpoint.base_url).map_err(|error| {
            let message = format!("The model's API at {} has no address that can be used: {error}.", endpoint.base_url);
            Verdict::failed(FailureReason::RefusedByPolicy, message)
        })?;
        let token = self.token(lease);
        let shown = credential.with_secret(token.clone());
        let base_url = format!("http://{}{}", self.address, agent.api_path());
        let setup = Setup { credential: Some(shown), base_url: Some(base_url), ..setup.clone() };
        let priced_as = (*model != Model::Configured).then_some(STAND_IN);
        let route = Route { token, api: endpoint.api, api_path: agent.api_path(), upstream, pool, models, priced_as };
        Ok(Some((setup, route)))
    }
}

impl Executor {
    /// Lets a run whose program was started ahead of it show the token that this was given then.
    pub(in crate::executor) fn keep_token_ahead(&self, run: ExecutionId, prepared: &mut Prepared) {
        let (Some(models), Some(route)) = (&self.models, &mut prepared.route) else { return };
        let Some(token) = prepared.home.id().map(|home| models.token_ahead(home)) else { return };
        self.vault.mask(run, &token);
        let shown = prepared.setup.credential.as_ref().map(|credential| credential.with_secret(token.clone()));
        prepared.setup.credential = shown;
        route.token = token;
    }

    /// Whether the requests of an agent, as it is set up here, pass by the model proxy.
    pub fn meters(&self, agent: &dyn Agent) -> bool {
        let settings = self.config.agent(agent.name());
        let (credential, base_url) = match &self.model {
            Model::Configured => (credential(&settings), settings.base_url),
            Model::Rehearsal { base_url } => (None, Some(base_url.clone())),
        };
        let setup = Setup { credential, base_url, model_api: settings.model_api, ..Setup::default() };
        self.models.is_some() && agent.model_endpoint(&setup).is_some()
    }
}
