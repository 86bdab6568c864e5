//! The way to the engine.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bollard::errors::Error;
use bollard::models::ContainerInspectResponse;
use bollard::{API_DEFAULT_VERSION, Docker};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::DockerError;
use crate::pause::Pauses;

/// How long an answer may take.
const ANSWER: u64 = 60;

/// How long a container may be between two states.
const MOMENT: Duration = Duration::from_secs(5);

/// What waits for the end of something may wait as long as that takes.
const FOR_EVER: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// An engine that may not be there, or not yet.
#[derive(Debug)]
pub(super) struct Engine {
    socket: PathBuf,
    known: OnceCell<Known>,
    held: Held,
}

/// The ids of the containers that this server has, in whatever state. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Held(Arc<Mutex<BTreeSet<String>>>);

/// An engine that answered.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) docker: Docker,
    pub(super) socket: PathBuf,
    pub(super) is_podman: bool,
    pub(super) version: String,
    pub(super) held: Held,
}

impl Engine {
    pub(super) fn new(socket: PathBuf) -> Self {
        Self { socket, known: OnceCell::new(), held: Held::default() }
    }

    /// The engine, in the version of the API that both know. Nothing is connected by this: each request is a connection.
    pub(super) async fn known(&self) -> Result<&Known, DockerError> {
        let ask = || async {
            let docker = Docker::connect_with_unix(&self.socket.to_string_lossy(), ANSWER, API_DEFAULT_VERSION)?;
            let docker = docker.negotiate_version().await?;
            let version = docker.version().await?;
            let components = version.components.unwrap_or_default();
            let is_podman = components.iter().any(|component| component.name.to_lowercase().contains("podman"));
            let (socket, held) = (self.socket.clone(), self.held.clone());
            Ok(Known { docker, socket, is_podman, version: version.version.unwrap_or_default(), held })
        };
        self.known.get_or_try_init(ask).await.map_err(|source| self.unreachable(source))
    }

    /// Whether this server has a container with that id.
    pub(super) fn has(&self, id: &str) -> bool {
        self.held.has(id)
    }

    pub(super) fn unreachable(&self, source: Error) -> DockerError {
        DockerError::Unreachable { socket: self.socket.clone(), source }
    }
}

impl Held {
    pub(super) fn add(&self, id: &str) {
        self.lock().insert(id.to_owned());
    }

    pub(super) fn remove(&self, id: &str) {
        self.lock().remove(id);
    }

    pub(super) fn has(&self, id: &str) -> bool {
        self.lock().contains(id)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// What is known of a container. Podman has a state, for a moment, that the interface which it offers here does not have.
    pub(super) async fn inspect(&self, id: &str) -> Result<ContainerInspectResponse, Error> {
        let deadline = Instant::now() + MOMENT;
        let mut pauses = Pauses::new();
        loop {
            match self.docker.inspect_container(id, None).await {
                Err(Error::JsonDataError { .. }) if Instant::now() < deadline => pauses.next(deadline).await,
                found => return found,
            }
        }
    }

    /// For requests that are answered when something ends.
    pub(super) fn patient(&self) -> Docker {
        self.docker.clone().with_timeout(FOR_EVER)
    }
}
