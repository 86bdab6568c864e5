//! Containers of a Docker engine, or of Podman by the same API.
//!
//! An ordinary run *is* its container: the agent is the first process, so the engine keeps what it prints and how it ended,
//! also where this server dies meanwhile. The supervisor holds its input, and what the next server has to know. A run in a kept container is a process in a
//! container that a shell holds open.
//!
//! A run without a route gets a container without a network; what listens on its loopback interface is opened from outside
//! before its agent is let go.

mod settings;

mod image_name;
mod images;

mod belongings;
mod body;
mod labels;
mod plan;
mod prepared;
mod seccomp;

mod kept;
mod solo;

mod container;
mod streams;
mod uplink;

mod again;
mod sweep;

mod engine;
mod error;
mod probe;

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use legwork_model::SandboxKind;

pub use error::DockerError;
pub use images::{BuiltImage, Images, Progress};
pub use seccomp::{SeccompError, SeccompProfile};
pub use settings::DockerSettings;

use super::{Adopted, Again, Running, Sandbox, SpawnError, Start, Works};
use engine::Engine;
use kept::Kept;
use prepared::Prepared;

/// The containers of one server on one engine. The engine is looked for when it is needed, so it may come and go.
#[derive(Debug, Clone)]
pub struct Docker(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    settings: DockerSettings,
    engine: Arc<Engine>,
    images: Images,
    kept: Kept,
}

impl Docker {
    /// Containers as the operator wants them.
    pub fn new(settings: DockerSettings) -> Self {
        let engine = Arc::new(Engine::new(settings.socket.clone()));
        let images = Images::new(Arc::clone(&engine), &settings);
        let kept = Kept::new(&settings);
        Self(Arc::new(Shared { settings, engine, images, kept }))
    }

    /// Its images.
    pub fn images(&self) -> &Images {
        &self.0.images
    }

    /// Whether a job could begin at once in the container that is kept by this name, or there is none yet.
    pub fn is_free(&self, name: &str) -> bool {
        self.0.kept.is_free(name)
    }

    /// Removes the containers that are kept, each when its job is done; for a server that ends.
    pub async fn put_away(&self) {
        self.0.kept.put_away().await;
    }

    async fn run(&self, start: Start<'_>) -> Result<Running, DockerError> {
        let known = self.0.engine.known().await?;
        let image = self.0.images.ready(&start.confinement.container, &Progress::unheard()).await?;
        let (keep, starter) = (start.confinement.container.keep.clone(), start.starter);
        let prepared = Prepared::new(start, image, &self.0.settings)?;
        match keep {
            None => solo::start(known, &self.0.images, prepared, starter).await,
            Some(name) => self.0.kept.start(known, &self.0.images, &name, prepared, starter).await,
        }
    }
}

impl Sandbox for Docker {
    fn kind(&self) -> SandboxKind {
        SandboxKind::Docker
    }

    fn probe(&self) -> BoxFuture<'_, Result<Works, String>> {
        probe::probe(&self.0.engine).boxed()
    }

    fn adopt<'a>(&'a self, adopted: Adopted<'a>) -> BoxFuture<'a, Result<Again, SpawnError>> {
        self.attach_again(adopted).map(|again| again.map_err(SpawnError::from)).boxed()
    }

    fn start<'a>(&'a self, start: Start<'a>) -> BoxFuture<'a, Result<Running, SpawnError>> {
        self.run(start).map(|started| started.map_err(SpawnError::from)).boxed()
    }
}
