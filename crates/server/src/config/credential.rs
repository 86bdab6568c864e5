//! Several credentials of one agent.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::secret::Secret;

/// `[[agents.NAME.credentials]]`: one of several, each with exactly one of the four secrets.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CredentialSettings {
    /// Its name in the ledger and the log.
    pub name: String,
    /// How often it is chosen, against the others.
    #[serde(default = "one")]
    pub weight: u32,
    /// An API key.
    #[serde(default)]
    pub api_key: Option<Secret>,
    /// A bearer token of a router in front of the API.
    #[serde(default)]
    pub auth_token: Option<Secret>,
    /// The token of a subscription login.
    #[serde(default)]
    pub oauth_token: Option<Secret>,
    /// The file of a subscription login.
    #[serde(default)]
    pub login_file: Option<Secret>,
}

impl CredentialSettings {
    /// The secrets, of which there is to be exactly one.
    pub fn secrets(&self) -> [&Option<Secret>; 4] {
        [&self.api_key, &self.auth_token, &self.oauth_token, &self.login_file]
    }
}

const fn one() -> u32 {
    1
}
