//! Images: what a container is made from, pulled where it is missing, and built once where there is a setup script.

mod build;
mod kept;
mod progress;
mod pull;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use legwork_model::Container;
use sha2::{Digest, Sha256};

pub use kept::BuiltImage;
pub use progress::Progress;

use super::engine::{Engine, Known};
use super::error::{status, words};
use super::{DockerError, DockerSettings, image_name};

/// The images of one engine.
#[derive(Debug)]
pub struct Images {
    engine: Arc<Engine>,
    default: Option<String>,
    network: Option<String>,
    pulling: Option<Duration>,
    building: Duration,
    /// One lock for each image that was asked for: whoever has it builds, the others wait and find it built.
    locks: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

impl Images {
    pub(super) fn new(engine: Arc<Engine>, settings: &DockerSettings) -> Self {
        Self {
            engine,
            default: settings.image.clone(),
            network: settings.build_network.clone(),
            pulling: settings.pull,
            building: settings.build,
            locks: Mutex::default(),
        }
    }

    /// The image of a container: its own or the operator's, and on top of that what its setup script makes of it. Built
    /// if that has not been done before; then `progress` hears what the script prints.
    ///
    /// # Errors
    /// Where there is no such image, or the script fails or takes too long.
    pub async fn ready(&self, container: &Container, progress: &Progress) -> Result<String, DockerError> {
        let base = container.image.as_ref().or(self.default.as_ref()).ok_or(DockerError::NoImage)?;
        let base = image_name::parse(base)?;
        match container.setup.as_deref().filter(|setup| !setup.trim().is_empty()) {
            None => Ok(base.to_owned()),
            Some(setup) => self.build(base, setup, progress).await,
        }
    }

    /// Whether the engine has the operator's image.
    pub async fn has_default(&self) -> bool {
        let Some(Ok(image)) = self.default.as_deref().map(image_name::parse) else { return false };
        match self.engine.known().await {
            Ok(known) => self.found(known, image).await.is_ok_and(|found| found.is_some()),
            Err(_) => false,
        }
    }

    /// The image that a setup script makes of a base, built if that has not been done before.
    ///
    /// # Errors
    /// Where there is no such base, or the script fails or takes too long.
    pub async fn build(&self, base: &str, setup: &str, progress: &Progress) -> Result<String, DockerError> {
        let known = self.engine.known().await?;
        let base = image_name::parse(base)?;
        let hash = hash(&self.id_of(known, base, progress).await?, setup);
        let lock = Arc::clone(self.locks().entry(hash.clone()).or_default());
        let turn = match lock.try_lock() {
            Ok(turn) => turn,
            Err(_) => {
                progress.tell("Waiting for the same image, which is being built already.");
                lock.lock().await
            }
        };
        let tag = format!("legwork/built:{hash}");
        if self.found(known, &tag).await?.is_none() {
            build::build(known, self, build::Wanted { tag: &tag, hash: &hash, base, setup }, progress).await?;
        }
        drop(turn);
        Ok(tag)
    }

    /// The id of a base, so that another image of the same name makes for another build.
    async fn id_of(&self, known: &Known, base: &str, progress: &Progress) -> Result<String, DockerError> {
        if let Some(id) = self.found(known, base).await? {
            return Ok(id);
        }
        progress.tell(&format!("Pulling {base}."));
        self.pull(known, base).await?;
        Ok(self.found(known, base).await?.unwrap_or_default())
    }

    async fn found(&self, known: &Known, image: &str) -> Result<Option<String>, DockerError> {
        match known.docker.inspect_image(image).await {
            Ok(found) => Ok(found.id),
            Err(error) if status(&error) == Some(404) => Ok(None),
            Err(error) => Err(DockerError::Engine(words(&error))),
        }
    }

    fn locks(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<tokio::sync::Mutex<()>>>> {
        self.locks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Half a SHA-256, in hexadecimal.
fn hash(base: &str, setup: &str) -> String {
    let digest = Sha256::new().chain_update(base).chain_update([0]).chain_update(setup).finalize();
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::hash;

    #[test]
    fn a_base_and_a_script_have_one_hash() {
        assert_eq!(hash("a", "b"), hash("a", "b"));
        assert_eq!(hash("a", "b").len(), 32);
        assert_ne!(hash("a", "b"), hash("a", "b "));
        assert_ne!(hash("ab", "c"), hash("a", "bc"));
    }
}
