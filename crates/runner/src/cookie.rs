//! The mark in a run's environment by which its processes are found again, also after the server was killed.

use std::fmt;

use legwork_model::ExecutionId;
use serde::{Deserialize, Serialize};

/// The environment variable that carries the cookie.
pub const COOKIE_VARIABLE: &str = "LEGWORK_RUN";

/// Names one attempt on one node: `<node id>/<execution id>/<fence>`. Every process that a run starts inherits it
/// unless it clears its environment.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cookie(String);

impl Cookie {
    /// The cookie of the attempt that holds `fence` on `node`.
    pub fn new(node: &str, execution: ExecutionId, fence: u64) -> Self {
        Self(format!("{node}/{execution}/{fence}"))
    }

    /// The value of the environment variable.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The cookie of a program that is started to see whether it works.
    pub(crate) fn probe() -> Self {
        Self("probe/probe/0".to_owned())
    }

    /// Reads the value of the environment variable as it was found in a process.
    pub(crate) fn found(value: String) -> Self {
        Self(value)
    }

    /// The node that started the run.
    pub fn node(&self) -> &str {
        self.0.split('/').next().unwrap_or_default()
    }
}

impl fmt::Display for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
