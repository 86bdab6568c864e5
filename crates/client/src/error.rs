//! What can go wrong, and whose fault it is.

use std::time::Duration;

/// Why there is no output.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request is wrong, and will be so next time.
    #[error("the service refused the request: {message}")]
    Invalid {
        /// The field that is wrong, where the service names one.
        field: Option<String>,
        /// The service's stable name of the mistake, such as `ARGUMENT_NOT_ALLOWED`.
        code: Option<String>,
        /// What is wrong.
        message: String,
    },
    /// The secret is not the service's, or the clocks are too far apart.
    #[error("the service did not accept the signature; compare secrets and clocks")]
    Unauthorized,
    /// Too many calls from here.
    #[error("the service takes no more calls from here for now")]
    RateLimited {
        /// When to come again.
        retry_after: Option<Duration>,
    },
    /// The service is full, shutting down or not there.
    #[error("the service can't take calls now: {message}")]
    Unavailable {
        /// What it says.
        message: String,
        /// When to come again.
        retry_after: Option<Duration>,
    },
    /// The run failed.
    #[error("the run failed ({}): {message}", code.as_str())]
    Failed {
        /// How.
        code: FailureCode,
        /// What the service says about it.
        message: String,
        /// The run's name in the service's record.
        execution_id: Option<String>,
    },
    /// No answer came in time. The run may still go on.
    #[error("no answer came within {} ms", .0.as_millis())]
    TimedOut(Duration),
    /// The circuit breaker is open: the service was not asked.
    #[error("the service failed too often and is left alone for now")]
    CircuitOpen {
        /// When it is tried again; `None` while a trial is under way.
        retry_after: Option<Duration>,
    },
    /// The connection could not be made, or broke.
    #[error("the service could not be reached: {0}")]
    Transport(String),
    /// An answer that is not of the contract.
    #[error("the answer is not one of this contract: {0}")]
    Unexpected(String),
}

impl Error {
    /// Whether the service did not do what it is there for. What the caller did wrong is not the service's failure, and
    /// neither is a job that was cancelled or printed too much.
    pub const fn is_failure_of_service(&self) -> bool {
        match self {
            Self::Failed { code, .. } => !matches!(code, FailureCode::Cancelled | FailureCode::OutputTooLarge),
            Self::Unavailable { .. } | Self::TimedOut(_) | Self::Transport(_) | Self::Unexpected(_) => true,
            Self::Invalid { .. } | Self::Unauthorized | Self::RateLimited { .. } | Self::CircuitOpen { .. } => false,
        }
    }

    /// Whether somebody else may do what this service did not.
    pub const fn may_succeed_elsewhere(&self) -> bool {
        self.is_failure_of_service() || matches!(self, Self::RateLimited { .. } | Self::CircuitOpen { .. })
    }
}

/// How a run failed, in the contract's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailureCode {
    /// It took too long.
    Timeout,
    /// The agent could not be started.
    SpawnFailed,
    /// The agent ended without success.
    ExitNonzero,
    /// It printed more than allowed.
    OutputTooLarge,
    /// Somebody cancelled it.
    Cancelled,
    /// The service does not say; older ones on Redis never do.
    Unknown,
}

impl FailureCode {
    /// The code of that name.
    pub fn parse(name: &str) -> Option<Self> {
        let known = [Self::Timeout, Self::SpawnFailed, Self::ExitNonzero, Self::OutputTooLarge, Self::Cancelled];
        known.into_iter().find(|code| code.as_str() == name)
    }

    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "TIMEOUT",
            Self::SpawnFailed => "SPAWN_FAILED",
            Self::ExitNonzero => "EXIT_NONZERO",
            Self::OutputTooLarge => "OUTPUT_TOO_LARGE",
            Self::Cancelled => "CANCELLED",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// A setting with which there is no executor. It never holds the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} {message}")]
pub struct InvalidSettings {
    /// The variable that is wrong.
    pub name: &'static str,
    /// What would be right.
    pub message: &'static str,
}

/// What an error says, with what is behind it.
pub(crate) fn in_words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
