//! The credentials of the agents, as the settings name them.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use legwork_agents::Credential;
use legwork_gateway::model_proxy::{self, Account, Keep, Login, ModelProxy, Pool};
use legwork_model::Clock;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::app::{StartError, hex};
use crate::config::{AgentSettings, Config, CredentialSettings, Secret};
use crate::executor::credential;

/// The credentials of each agent that has any.
pub(super) struct Pools(HashMap<String, Arc<Pool>>);

impl Pools {
    /// Those that the settings name. Renewed logins are kept below `logins`.
    pub(super) fn of(
        config: &Config,
        logins: &Path,
        proxy: &ModelProxy,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        let mut pools = HashMap::new();
        for (agent, settings) in &config.agents {
            let mut accounts = Vec::new();
            for (name, weight, credential) in named(settings) {
                let kept = logins.join(format!("{agent}.{}.json", hex(&Sha256::digest(name.as_bytes())[..8])));
                // Other agents' logins go another way.
                let Some(credential) = account(credential, agent, settings, kept, proxy, clock)? else { continue };
                accounts.push(Account { name, weight, credential });
            }
            if !accounts.is_empty() {
                pools.insert(agent.clone(), Arc::new(Pool::new(accounts)));
            }
        }
        Ok(Self(pools))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Pool)> {
        self.0.iter().map(|(agent, pool)| (agent.as_str(), pool.as_ref()))
    }

    pub(super) fn get(&self, agent: &str) -> Option<Arc<Pool>> {
        self.0.get(agent).cloned()
    }
}

/// A pool of one.
pub(super) fn pool_of(name: &str, credential: model_proxy::Credential) -> Arc<Pool> {
    Arc::new(Pool::new(vec![Account { name: name.to_owned(), weight: 1, credential }]))
}

/// The credential that the settings name by themselves, and those of the list.
fn named(settings: &AgentSettings) -> impl Iterator<Item = (String, u32, Credential)> {
    let alone = credential(settings).filter(|_| settings.credentials.is_empty());
    let alone = alone.map(|credential| ("default".to_owned(), 1, credential));
    let listed = settings.credentials.iter().filter_map(|one| Some((one.name.clone(), one.weight, of_list(one)?)));
    alone.into_iter().chain(listed)
}

/// One of the list.
pub(in crate::executor) fn of_list(settings: &CredentialSettings) -> Option<Credential> {
    let exposed = |secret: &Option<Secret>| secret.as_ref().map(|secret| secret.expose().to_owned());
    exposed(&settings.api_key)
        .map(Credential::ApiKey)
        .or_else(|| exposed(&settings.auth_token).map(Credential::BearerToken))
        .or_else(|| exposed(&settings.oauth_token).map(Credential::OauthToken))
        .or_else(|| exposed(&settings.login_file).map(Credential::LoginFile))
}

/// The same for a request, where it is not a login that goes another way.
pub(super) fn plain(credential: &Credential) -> Option<model_proxy::Credential> {
    match credential {
        Credential::ApiKey(key) => Some(model_proxy::Credential::ApiKey(key.clone())),
        Credential::BearerToken(token) => Some(model_proxy::Credential::BearerToken(token.clone())),
        Credential::OauthToken(token) => Some(model_proxy::Credential::OauthToken(token.clone())),
        Credential::LoginFile(_) => None,
    }
}

fn account(
    credential: Credential,
    agent: &str,
    settings: &AgentSettings,
    kept: PathBuf,
    proxy: &ModelProxy,
    clock: &Arc<dyn Clock>,
) -> Result<Option<model_proxy::Credential>, StartError> {
    let Credential::LoginFile(file) = credential else { return Ok(plain(&credential)) };
    if agent != "claude-code" {
        return Ok(None);
    }
    let origin = hex(&Sha256::digest(file.as_bytes()));
    let file = renewed(&kept, &origin).unwrap_or(file);
    let keep: Keep = Arc::new(move |file: &str| keep(&kept, &origin, file));
    let login = Login::read(&file, settings.login_url.clone(), proxy.clients(), Arc::clone(clock), keep);
    let login = login.map_err(|error| StartError::Gateway(format!("agents.{agent}.login_file: {error}")))?;
    Ok(Some(model_proxy::Credential::Login(login)))
}

/// A login that was renewed, and what it was before anybody renewed it.
#[derive(Serialize, Deserialize)]
struct Renewed {
    origin: String,
    login: String,
}

/// The login as it was renewed last, unless the operator has given another one since.
fn renewed(kept: &Path, origin: &str) -> Option<String> {
    let renewed: Renewed = serde_json::from_slice(&fs::read(kept).ok()?).ok()?;
    (renewed.origin == origin).then_some(renewed.login)
}

fn keep(kept: &Path, origin: &str, login: &str) {
    let renewed = Renewed { origin: origin.to_owned(), login: login.to_owned() };
    // The old one is good for nothing any more, so the new one is whole in its place or not there at all.
    let new = kept.with_extension("new");
    let write = || {
        let mut options = fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(&serde_json::to_vec(&renewed)?)?;
        file.sync_all()?;
        fs::rename(&new, kept)
    };
    if let Err(error) = write() {
        tracing::error!(%error, path = %kept.display(), "a renewed login can't be kept; after a restart somebody has to log in again");
    }
}
