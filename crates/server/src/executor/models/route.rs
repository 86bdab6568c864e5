//! The way of one run to its models.

use std::sync::Arc;

use legwork_agents::{Agent, Credential, Setup};
use legwork_gateway::model_proxy::{AllowedModels, Pool};
use legwork_model::{FailureReason, ModelApi, Verdict};
use url::Url;

use super::Models;
use super::pools::{plain, pool_of};
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
        let shown = match credential {
            Credential::ApiKey(_) => Credential::ApiKey(token.clone()),
            Credential::BearerToken(_) => Credential::BearerToken(token.clone()),
            Credential::OauthToken(_) | Credential::LoginFile(_) => Credential::OauthToken(token.clone()),
        };
        let base_url = format!("http://{}{}", self.address, agent.api_path());
        let setup = Setup { credential: Some(shown), base_url: Some(base_url), ..setup.clone() };
        let priced_as = (*model != Model::Configured).then_some(STAND_IN);
        let route = Route { token, api: endpoint.api, api_path: agent.api_path(), upstream, pool, models, priced_as };
        Ok(Some((setup, route)))
    }
}

impl Executor {
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
