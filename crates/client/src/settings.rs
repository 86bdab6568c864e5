//! Where the service is and how it is called, from the variables that callers have always set.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use legwork_model::{Ids, SystemClock};
use url::Url;

use crate::{Delivery, Executor, HttpExecutor, InvalidSettings, RedisExecutor};

const URL: &str = "CLAUDE_SERVICE_URL";
const TIMEOUT: &str = "CLAUDE_SERVICE_TIMEOUT";
const SECRET: &str = "CLAUDE_SERVICE_SECRET";

/// What a run may take where nobody says.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

/// How much longer than the run itself the answer is waited for: the service gives a run five seconds to leave.
const GRACE: Duration = Duration::from_secs(10);

/// A text that is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps it.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Where the service is and how it is called.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `http://…` and `https://…` are asked over HTTP, `redis://…` and `rediss://…` over Redis. It may hold a password.
    pub url: Secret,
    /// The key of the signatures. HTTP needs it.
    pub secret: Option<Secret>,
    /// How long a run may take. The answer is waited for ten seconds longer.
    pub timeout: Duration,
    /// How requests go over Redis.
    pub delivery: Delivery,
}

impl Settings {
    /// The service at this address.
    pub fn at(url: impl Into<String>) -> Self {
        Self { url: Secret::new(url), secret: None, timeout: DEFAULT_TIMEOUT, delivery: Delivery::default() }
    }

    /// Signing with this key.
    #[must_use]
    pub fn secret(mut self, secret: impl Into<String>) -> Self {
        self.secret = Some(Secret::new(secret));
        self
    }

    /// With this limit for a run.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// With requests that go this way over Redis.
    #[must_use]
    pub const fn delivery(mut self, delivery: Delivery) -> Self {
        self.delivery = delivery;
        self
    }

    /// From `CLAUDE_SERVICE_URL`, `CLAUDE_SERVICE_SECRET` and `CLAUDE_SERVICE_TIMEOUT` (milliseconds), as `variable` has them.
    ///
    /// # Errors
    /// Where there is no address, or the timeout is no number.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, InvalidSettings> {
        let variable = |name| variable(name).filter(|value| !value.is_empty());
        let url =
            variable(URL).ok_or(InvalidSettings { name: URL, message: "is not set; give the service's address" })?;
        let mut settings = Self::at(url);
        settings.secret = variable(SECRET).map(Secret);
        if let Some(millis) = variable(TIMEOUT) {
            let millis = millis.parse().ok().filter(|millis| *millis > 0);
            let millis =
                millis.ok_or(InvalidSettings { name: TIMEOUT, message: "must be a number of milliseconds" })?;
            settings.timeout = Duration::from_millis(millis);
        }
        Ok(settings)
    }

    /// The executor for this address. One for Redis must be made inside a tokio runtime.
    ///
    /// # Errors
    /// Where the address is none of HTTP or Redis, or the secret is missing.
    pub fn executor(&self) -> Result<Arc<dyn Executor>, InvalidSettings> {
        if self.url()?.scheme().starts_with("redis") {
            return Ok(Arc::new(RedisExecutor::new(self, Arc::new(SystemClock), Ids::from_system())?));
        }
        Ok(Arc::new(HttpExecutor::new(self, Arc::new(SystemClock))?))
    }

    pub(crate) fn url(&self) -> Result<Url, InvalidSettings> {
        let message = "must be an address such as http://127.0.0.1:3000 or redis://127.0.0.1:6379";
        let url = Url::parse(self.url.reveal()).ok();
        let known = |url: &Url| ["http", "https", "redis", "rediss"].contains(&url.scheme()) && url.has_host();
        url.filter(known).ok_or(InvalidSettings { name: URL, message })
    }

    pub(crate) fn key(&self) -> Result<Secret, InvalidSettings> {
        let secret = self.secret.clone().filter(|secret| !secret.reveal().is_empty());
        secret.ok_or(InvalidSettings { name: SECRET, message: "is not set; calls over HTTP are signed with it" })
    }
}

/// How long the answer to a run with this limit is waited for.
pub(crate) fn patience(timeout: Duration) -> Duration {
    timeout.saturating_add(GRACE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Settings, InvalidSettings> {
        let find = |name: &str| variables.iter().find(|(known, _)| *known == name);
        Settings::from_variables(|name| find(name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn the_variables_of_old_callers_are_understood() {
        let settings = read(&[(URL, "http://localhost:3000"), (SECRET, "k"), (TIMEOUT, "1500")]).unwrap();
        assert_eq!(settings.timeout, Duration::from_millis(1500));
        assert_eq!(settings.key(), Ok(Secret::new("k")));
        assert_eq!(read(&[(URL, "redis://localhost")]).unwrap().timeout, DEFAULT_TIMEOUT);
    }

    #[tokio::test]
    async fn the_address_decides_which_executor_it_is() {
        for (url, secret, complaint) in [
            ("http://localhost:3000", "k", None),
            ("https://localhost/legwork/", "k", None),
            ("redis://localhost:6379/2", "", None),
            ("http://localhost:3000", "", Some(SECRET)),
            ("ftp://localhost", "k", Some(URL)),
            ("http://user:pass-word@localhost", "k", Some(URL)),
            ("localhost:3000", "k", Some(URL)),
            ("", "k", Some(URL)),
        ] {
            let made = read(&[(URL, url), (SECRET, secret)]).and_then(|settings| settings.executor().map(drop));
            assert_eq!(made.err().map(|error| error.name), complaint, "{url}");
        }
        assert_eq!(read(&[(URL, "http://localhost"), (TIMEOUT, "soon")]).unwrap_err().name, TIMEOUT);
    }

    #[test]
    fn settings_do_not_show_what_is_secret() {
        let settings = Settings::at("redis://user:pass-word@localhost").secret("sign-key");
        let shown = format!("{settings:?}");
        assert!(!shown.contains("pass-word") && !shown.contains("sign-key"), "{shown}");
    }
}
