//! A subscription login, renewed in one place for all runs: a token that two programs renew is lost to one of them.

use std::sync::Arc;
use std::time::Duration;

use legwork_model::{Clock, Timestamp};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::clients::Clients;

/// How long before its end a token is renewed.
const EARLY: i64 = 5 * 60 * 1_000;
/// How long renewing may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where Claude's logins are renewed, and as whom.
const CLAUDE: Issuer = Issuer {
    token_url: "https://platform.claude.com/v1/oauth/token",
    client_id: "9d1c250a-e61b-44d9-88ed-5944d1962f5e",
};

/// Who renews logins.
#[derive(Debug, Clone, Copy)]
struct Issuer {
    token_url: &'static str,
    client_id: &'static str,
}

/// Keeps the file of a login that was renewed: the one before is good for nothing any more.
pub type Keep = Arc<dyn Fn(&str) + Send + Sync>;

/// A login of Claude Code, as its program keeps it in `.credentials.json`. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Login(Arc<Inner>);

struct Inner {
    token_url: String,
    clients: Clients,
    clock: Arc<dyn Clock>,
    keep: Keep,
    /// Held while it is renewed, so that whoever comes meanwhile waits for the new token.
    file: Mutex<File>,
}

/// The file, and whether it can still be renewed.
struct File {
    content: Value,
    is_dead: bool,
}

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// The file is none of a login.
    #[error("failed to read the login: it needs `claudeAiOauth.accessToken` and `claudeAiOauth.refreshToken`")]
    Malformed,
    /// Somebody has to log in again.
    #[error("failed to renew the login: {0}; log in again")]
    Rejected(String),
    /// It may work later.
    #[error("failed to renew the login: {0}")]
    Unavailable(String),
}

impl Login {
    /// Reads the file of a login. `token_url` renews it instead of the vendor; `keep` gets the file whenever it was renewed.
    ///
    /// # Errors
    /// Where it is none.
    pub fn read(
        file: &str,
        token_url: Option<String>,
        clients: Clients,
        clock: Arc<dyn Clock>,
        keep: Keep,
    ) -> Result<Self, LoginError> {
        let content: Value = serde_json::from_str(file).map_err(|_| LoginError::Malformed)?;
        let has = |key: &str| content["claudeAiOauth"][key].is_string();
        if !has("accessToken") || !has("refreshToken") {
            return Err(LoginError::Malformed);
        }
        let token_url = token_url.unwrap_or_else(|| CLAUDE.token_url.to_owned());
        Ok(Self(Arc::new(Inner {
            token_url,
            clients,
            clock,
            keep,
            file: Mutex::new(File { content, is_dead: false }),
        })))
    }

    /// A token that is good now. `rejected` is one that the API does not take, whatever its time.
    ///
    /// # Errors
    /// Where there is none.
    pub(super) async fn token(&self, rejected: Option<&str>) -> Result<String, LoginError> {
        let mut file = self.0.file.lock().await;
        if file.is_dead {
            return Err(LoginError::Rejected("it was refused before".to_owned()));
        }
        if !file.is_good(self.0.clock.now()) || rejected.is_some_and(|rejected| rejected == file.token()) {
            let renewed = self.renew(file.refresh_token()).await;
            file.is_dead = matches!(renewed, Err(LoginError::Rejected(_)));
            file.take(&renewed?, self.0.clock.now());
            (self.0.keep)(&file.content.to_string());
        }
        Ok(file.token().to_owned())
    }

    async fn renew(&self, refresh_token: &str) -> Result<Value, LoginError> {
        let body = json!({
            "grant_type": "refresh_token", "refresh_token": refresh_token, "client_id": CLAUDE.client_id,
        });
        let unavailable = |error: reqwest::Error| LoginError::Unavailable(error.without_url().to_string());
        let client = self.0.clients.beyond().map_err(|error| LoginError::Unavailable(error.to_string()))?;
        let sent = client.post(&self.0.token_url).timeout(PATIENCE).json(&body).send().await;
        let answer = sent.map_err(unavailable)?;
        let status = answer.status();
        let told: Value = answer.json().await.map_err(unavailable)?;
        match told["access_token"].is_string() {
            true if status.is_success() => Ok(told),
            // Its words may repeat what it was sent.
            _ if status.is_client_error() && status.as_u16() != 429 => {
                Err(LoginError::Rejected(format!("the vendor answered {status}")))
            }
            _ => Err(LoginError::Unavailable(format!("the vendor answered {status}"))),
        }
    }
}

impl File {
    fn token(&self) -> &str {
        self.content["claudeAiOauth"]["accessToken"].as_str().unwrap_or_default()
    }

    fn refresh_token(&self) -> &str {
        self.content["claudeAiOauth"]["refreshToken"].as_str().unwrap_or_default()
    }

    /// Whether the token holds for a while. One that does not say when it ends is taken at its word.
    fn is_good(&self, now: Timestamp) -> bool {
        let ends = self.content["claudeAiOauth"]["expiresAt"].as_i64();
        ends.is_none_or(|ends| ends - EARLY > now.as_millis())
    }

    fn take(&mut self, renewed: &Value, now: Timestamp) {
        let login = &mut self.content["claudeAiOauth"];
        login["accessToken"] = renewed["access_token"].clone();
        if renewed["refresh_token"].is_string() {
            login["refreshToken"] = renewed["refresh_token"].clone();
        }
        let seconds = renewed["expires_in"].as_i64().unwrap_or(3_600);
        login["expiresAt"] = now.plus_millis(seconds.saturating_mul(1_000)).as_millis().into();
    }
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Login(***)")
    }
}
