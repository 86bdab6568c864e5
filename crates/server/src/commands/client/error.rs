//! Why a server did not do what it was asked for.

use std::error::Error;
use std::time::Duration;

use serde::Deserialize;
use url::Url;

use crate::commands::{Failure, UNAVAILABLE, USAGE};

/// Why a server did not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// Nobody answers.
    #[error("no answer from {server}: {why}")]
    Unreachable {
        /// Its address.
        server: String,
        /// What the system says.
        why: String,
    },
    /// The server said no.
    #[error("{code}: {detail}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The stable name of the problem.
        code: String,
        /// What is wrong and what would be right.
        detail: String,
    },
    /// Something answers that does not speak this API.
    #[error("{server} does not answer as a Legwork server does ({why}); is the address right?")]
    Strange {
        /// Its address.
        server: String,
        /// What it said instead.
        why: String,
    },
}

/// What of problem+json is shown.
#[derive(Deserialize)]
struct Problem {
    code: String,
    detail: String,
}

impl ClientError {
    pub(super) fn unreachable(server: &Url, error: &dyn Error) -> Self {
        // The outer errors only say that something failed.
        let mut deepest = error;
        while let Some(source) = deepest.source() {
            deepest = source;
        }
        Self::Unreachable { server: shown(server), why: deepest.to_string() }
    }

    pub(super) fn silent(server: &Url, patience: Duration) -> Self {
        Self::Unreachable { server: shown(server), why: format!("nothing came within {} s", patience.as_secs()) }
    }

    pub(super) fn strange(server: &Url, error: &dyn Error) -> Self {
        Self::Strange { server: shown(server), why: error.to_string() }
    }

    pub(super) fn refused(server: &Url, status: u16, body: &str) -> Self {
        match serde_json::from_str(body) {
            Ok(Problem { code, detail }) => Self::Refused { status, code, detail },
            Err(_) => Self::Strange { server: shown(server), why: format!("HTTP status {status}") },
        }
    }

    /// Whether the same may work a little later: the connection broke, or the server is busy, starting or ending.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { status, .. } => *status >= 500,
            // A proxy in front of a server that is just being restarted.
            Self::Strange { why, .. } => why.contains("status 50"),
        }
    }

    /// Whether the server finds fault with what it was asked for.
    pub const fn is_bad_input(&self) -> bool {
        matches!(self, Self::Refused { status: 400 | 413 | 415 | 422, .. })
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let code = match &error {
            _ if error.is_bad_input() => USAGE,
            ClientError::Refused { status: 402 | 404 | 409, .. } => 1,
            _ => UNAVAILABLE,
        };
        let advice = match &error {
            ClientError::Unreachable { .. } => {
                ". Start a server there with `legwork serve`, or name another with --server URL"
            }
            _ => "",
        };
        Self { message: format!("{error}{advice}"), code }
    }
}

/// Without what may be a secret.
fn shown(server: &Url) -> String {
    let mut server = server.clone();
    // Neither fails for a URL that has a host.
    let _ = server.set_password(None);
    let _ = server.set_username("");
    server.as_str().trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_whether_to_try_again_and_what_to_exit_with() {
        let server: Url = "http://user:secret@127.0.0.1:7070".parse().expect("a URL");
        let problem = |code: &str| format!(r#"{{"code":"{code}","detail":"Because."}}"#);
        let refused = |status, code: &str| ClientError::refused(&server, status, &problem(code));
        let unreachable = ClientError::unreachable(&server, &std::io::Error::other("connection refused"));
        let cases = [
            (unreachable.clone(), true, 3),
            (ClientError::silent(&server, Duration::from_secs(30)), true, 3),
            (refused(503, "queue_full"), true, 3),
            (refused(422, "prompt_empty"), false, 2),
            (refused(401, "unauthorized"), false, 3),
            (refused(402, "budget_exceeded"), false, 1),
            (refused(404, "not_found"), false, 1),
            (refused(409, "already_finished"), false, 1),
            (ClientError::refused(&server, 502, "<html>"), true, 3),
            (ClientError::refused(&server, 404, "<html>"), false, 3),
        ];
        for (error, may_pass, code) in cases {
            assert_eq!(error.may_pass(), may_pass, "{error}");
            assert_eq!(Failure::from(error.clone()).code, code, "{error}");
        }
        assert_eq!(refused(503, "queue_full").to_string(), "queue_full: Because.");
        assert_eq!(unreachable.to_string(), "no answer from http://127.0.0.1:7070: connection refused");
        assert!(Failure::from(unreachable).message.contains("`legwork serve`"));
    }
}
