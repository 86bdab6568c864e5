//! Removes what dead runs left on the engine.

use std::collections::HashMap;

use bollard::models::ContainerSummary;
use bollard::query_parameters::{ListContainersOptionsBuilder, RemoveContainerOptionsBuilder};

use super::error::{status, words};
use super::labels::{self, equal, filter};
use super::prepared::name_of;
use super::{Docker, DockerError};
use crate::cookie::Cookie;

impl Docker {
    /// Removes the containers of this node that this server does not have and whose run is not among `live`, and those whose run
    /// should long be over; and copies of workspaces that nobody has. Says which runs and kept containers they were of. What
    /// another node made stays.
    ///
    /// # Errors
    /// Where the engine does not answer. What could be removed by then is.
    pub async fn sweep(&self, live: &[Cookie]) -> Result<Vec<String>, DockerError> {
        let known = self.0.engine.known().await?;
        let ours = filter(&[equal(labels::SERVICE, "true"), equal(labels::NODE, &self.0.settings.node)]);
        let options = ListContainersOptionsBuilder::default().all(true).filters(&ours).build();
        let found = known.docker.list_containers(Some(options)).await;
        let found = found.map_err(|error| DockerError::Engine(words(&error)))?;
        let mut removed = Vec::new();
        for container in found.iter().filter(|container| self.is_left(container, live)) {
            let id = container.id.as_deref().unwrap_or_default();
            let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
            match known.docker.remove_container(id, Some(options)).await {
                // Somebody else is at it, or was.
                Err(error) if !matches!(status(&error), Some(404 | 409)) => {
                    return Err(DockerError::Engine(words(&error)));
                }
                _ => removed.push(name(container)),
            }
        }
        self.remove_copies(live);
        Ok(removed)
    }

    fn is_left(&self, container: &ContainerSummary, live: &[Cookie]) -> bool {
        let label = |name: &str| label(container, name);
        let is_ours = container.id.as_deref().is_some_and(|id| self.0.engine.has(id));
        let lives = match label(labels::KEEP) {
            Some(_) => is_named_after(container, live),
            None => label(labels::RUN).is_some_and(|run| live.iter().any(|cookie| cookie.as_str() == run)),
        };
        let until = label(labels::UNTIL).and_then(|until| until.parse().ok()).unwrap_or(i64::MAX);
        !(is_ours || lives) || until < self.0.settings.clock.now().as_millis()
    }

    fn remove_copies(&self, live: &[Cookie]) {
        let live: Vec<_> = live.iter().map(name_of).collect();
        for copy in std::fs::read_dir(&self.0.settings.copies).into_iter().flatten().flatten() {
            if !live.iter().any(|name| copy.file_name() == name.as_str()) {
                let _ = std::fs::remove_dir_all(copy.path());
            }
        }
    }
}

/// Whether a run that lives goes on in it.
fn is_named_after(container: &ContainerSummary, live: &[Cookie]) -> bool {
    let names = container.names.iter().flatten().map(|name| name.trim_start_matches('/'));
    names.into_iter().any(|name| live.iter().any(|cookie| name == name_of(cookie)))
}

fn label<'a>(container: &'a ContainerSummary, name: &str) -> Option<&'a str> {
    container.labels.as_ref().and_then(|labels: &HashMap<_, _>| labels.get(name)).map(String::as_str)
}

fn name(container: &ContainerSummary) -> String {
    let name = label(container, labels::KEEP).or_else(|| label(container, labels::RUN));
    name.unwrap_or_default().to_owned()
}
