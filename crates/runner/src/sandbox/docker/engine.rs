//! The way to the engine.

use std::path::PathBuf;
use std::time::Duration;

use bollard::{API_DEFAULT_VERSION, Docker};
use tokio::sync::OnceCell;

use super::DockerError;

/// How long an answer may take.
const ANSWER: u64 = 60;

/// What waits for the end of something may wait as long as that takes.
const FOR_EVER: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// An engine that may not be there, or not yet.
#[derive(Debug)]
pub(super) struct Engine {
    socket: PathBuf,
    known: OnceCell<Known>,
}

/// An engine that answered.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) docker: Docker,
    pub(super) socket: PathBuf,
    pub(super) is_podman: bool,
    pub(super) version: String,
}

impl Engine {
    pub(super) fn new(socket: PathBuf) -> Self {
        Self { socket, known: OnceCell::new() }
    }

    /// The engine, in the version of the API that both know. Nothing is connected by this: each request is a connection.
    pub(super) async fn known(&self) -> Result<&Known, DockerError> {
        let ask = || async {
            let docker = Docker::connect_with_unix(&self.socket.to_string_lossy(), ANSWER, API_DEFAULT_VERSION)?;
            let docker = docker.negotiate_version().await?;
            let version = docker.version().await?;
            let components = version.components.unwrap_or_default();
            let is_podman = components.iter().any(|component| component.name.to_lowercase().contains("podman"));
            let socket = self.socket.clone();
            Ok(Known { docker, socket, is_podman, version: version.version.unwrap_or_default() })
        };
        self.known.get_or_try_init(ask).await.map_err(|source| self.unreachable(source))
    }

    pub(super) fn unreachable(&self, source: bollard::errors::Error) -> DockerError {
        DockerError::Unreachable { socket: self.socket.clone(), source }
    }
}

impl Known {
    /// For requests that are answered when something ends.
    pub(super) fn patient(&self) -> Docker {
        self.docker.clone().with_timeout(FOR_EVER)
    }
}
