//! What goes to an agent, and what comes back.

use std::time::Duration;

/// One call of the agent's CLI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// What the agent is to do.
    pub prompt: String,
    /// Flags of the CLI, of those that the service allows.
    pub args: Vec<String>,
    /// A directory on the service's machine to work in; a fresh one without it.
    pub cwd: Option<String>,
    /// How long the run may take; the executor's own limit without it.
    pub timeout: Option<Duration>,
    /// Whether only a real answer will do, so that a stub must not stand in for it.
    pub critical: bool,
}

impl Call {
    /// A critical call without arguments, in a fresh directory.
    pub fn new(prompt: impl Into<String>) -> Self {
        Self { prompt: prompt.into(), args: Vec::new(), cwd: None, timeout: None, critical: true }
    }

    /// With these flags of the CLI.
    #[must_use]
    pub fn args<A: Into<String>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args = args.into_iter().map(Into::into).collect();
        self
    }

    /// In this directory of the service's machine.
    #[must_use]
    pub fn cwd(mut self, cwd: impl Into<String>) -> Self {
        self.cwd = Some(cwd.into());
        self
    }

    /// With a limit of its own.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// One that a stub may answer.
    #[must_use]
    pub const fn non_critical(mut self) -> Self {
        self.critical = false;
        self
    }
}

/// What a run that succeeded gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// What the CLI printed.
    pub text: String,
    /// How long the run took; Redis does not tell.
    pub duration: Option<Duration>,
    /// The run's name in the service's record.
    pub execution_id: Option<String>,
}
