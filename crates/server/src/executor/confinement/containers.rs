//! Containers: how they are made as the operator wants them, and what comes before and after a run in one.

use std::path::Path;
use std::time::Duration;

use legwork_model::{Container, EventBody, Verdict};
use legwork_runner::{Cookie, Docker, DockerError, DockerSettings, Progress};
use tokio::sync::mpsc;

use crate::config::DockerSettings as Settings;
use crate::executor::Executor;
use crate::executor::survival::marks;
use crate::store::StoreError;

/// Lines that an image has to say at once.
const LINES: usize = 256;
/// How often containers that nobody has are looked for.
const EVERY: Duration = Duration::from_secs(300);

/// The containers of this node on the engine that the settings name; whether it is there shows when it is used.
pub fn docker(settings: &Settings, node: &str, data_dir: &Path) -> Docker {
    Docker::new(DockerSettings {
        socket: settings.socket.clone(),
        image: Some(settings.image.clone()),
        user: settings.user,
        seccomp_profile: settings.seccomp_profile.clone(),
        sleep_after: settings.sleep_after,
        ..DockerSettings::new(node, data_dir.join("runs"), data_dir.join("copies"))
    })
}

impl Executor {
    /// Has the image of a container ready, and tells how far it is.
    pub(in crate::executor) async fn image(
        &self,
        container: &Container,
        events: &mpsc::Sender<EventBody>,
    ) -> Result<(), Verdict> {
        let (progress, mut said) = mpsc::channel::<String>(LINES);
        let telling = async {
            while let Some(line) = said.recv().await {
                let fields = [("line".to_owned(), line.into())].into();
                // The log may have ended the run already; then nobody misses the event.
                let _ = events.send(EventBody::Message { topic: "image".into(), fields }).await;
            }
        };
        let ready = async { self.docker.images().ready(container, &Progress::to(progress)).await };
        let (ready, ()) = tokio::join!(ready, telling);
        ready.map(drop).map_err(|error: DockerError| Verdict::failed(error.reason(), error.to_string()))
    }

    /// Removes the containers of runs that this node does not have any more, for ever. Where there is no engine, there is
    /// nothing to remove.
    pub async fn sweep_containers_forever(&self) {
        let mut rounds = tokio::time::interval(EVERY);
        loop {
            rounds.tick().await;
            if !self.config.sandbox.docker.socket.exists() {
                continue;
            }
            match self.cookies().await {
                Ok(live) => match self.docker.sweep(&live).await {
                    Ok(removed) if removed.is_empty() => {}
                    Ok(removed) => tracing::info!(?removed, "removed containers that nobody has"),
                    Err(error) => tracing::warn!(%error, "containers that nobody has can't be looked for"),
                },
                Err(error) => tracing::warn!(%error, "containers that nobody has can't be told from others"),
            }
        }
    }

    /// The marks of the runs that this node has.
    async fn cookies(&self) -> Result<Vec<Cookie>, StoreError> {
        let held = self.store.held_by(&self.node).await?;
        Ok(held.into_iter().flat_map(|held| marks(&self.node, held.lease, held.home)).collect())
    }
}
